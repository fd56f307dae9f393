import { stringify } from "node:querystring";

/**
 * A stand-in for the package `mlflow` 2.0.7 of npm (an unofficial client of 2019): what it sends and what becomes of
 * each answer, faults included. It is written by what was seen of the original, so where it looks careless, it means
 * to. As with the original, `import MLflow from` gives the class.
 */

/** A `Headers` object fits the type, too; copied field by field, it is empty. */
type HeadersGiven = NonNullable<RequestInit["headers"]>;
type ViewType = "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL";
type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";
type LifecycleStage = "active" | "deleted";

interface ConstructorProps {
  endpoint: string;
  headers?: HeadersGiven;
  version?: string;
}

interface Pair {
  key: string;
  value: string;
}

interface Metric {
  key: string;
  value: number;
  timestamp: number;
  step: number;
}

interface Experiment {
  experiment_id: string;
  name: string;
  artifact_location: string;
  lifecycle_stage: LifecycleStage;
  last_update_time: number;
  creation_time: number;
  tags: Pair[];
}

interface RunInfo {
  run_id: string;
  experiment_id: string;
  user_id: string;
  status: RunStatus;
  start_time: number;
  end_time: number;
  artifact_uri: string;
  lifecycle_stage: LifecycleStage;
}

interface Run {
  info: RunInfo;
  data: { metrics: Metric[]; params: Pair[]; tags: Pair[] };
}

/** The original takes the global `fetch` once, when it is loaded. */
const send = globalThis.fetch;

class MLflowBase {
  endpoint: string;
  headers: HeadersGiven;
  version: string;
  protected path: string;

  constructor({ endpoint, headers = {}, version = "2.0" }: ConstructorProps) {
    this.endpoint = endpoint;
    this.headers = headers;
    this.version = version;
    this.path = "/";
  }

  protected requestUrl(path: string): string {
    return `${this.endpoint}/api/${this.version}/mlflow${this.path}${path}`;
  }

  /**
   * Gives the body of an answer with status 200, null if that is no JSON. Everything else is an `Error` whose message
   * is the text of another one, and which has neither its class nor its cause.
   */
  protected async req<T>(method: "get" | "post", path: string, param: object, headers: HeadersGiven = {}): Promise<T> {
    const all = { ...this.headers, ...headers, Accept: "application/json" };
    try {
      const response = await (method === "post" ? this.#post(path, param, all) : this.#get(path, param, all));
      const { status, statusText } = response;
      const data = (await response.json().catch(() => null)) as T;
      if (status === 200) return data;
      throw new Error(JSON.stringify({ status, statusText, data }));
    } catch (error) {
      throw new Error(String(error));
    }
  }

  /** Everything that is posted is printed first. */
  async #post(path: string, param: object, headers: HeadersGiven): Promise<Response> {
    const body = JSON.stringify(param);
    console.log(body);
    return send(this.requestUrl(path), {
      method: "post",
      headers: { ...headers, "Content-Type": "application/json" },
      body,
    });
  }

  async #get(path: string, param: object, headers: HeadersGiven): Promise<Response> {
    const given = Object.fromEntries(Object.entries(param).filter(([, value]) => value !== undefined));
    return send(`${this.requestUrl(path)}?${stringify(given)}`, { method: "get", headers });
  }
}

class Experiments extends MLflowBase {
  constructor(args: ConstructorProps) {
    super(args);
    this.path = "/experiments";
  }

  create({ name, artifact_location }: { name: string; artifact_location: string }): Promise<{ experiment_id: string }> {
    return this.req("post", "/create", { name, artifact_location });
  }

  /** Servers since MLflow 2 have no such call. */
  list({ view_type }: { view_type?: ViewType } = {}): Promise<{ experiments: Experiment[] }> {
    return this.req("get", "/list", { view_type });
  }

  get({ experiment_id }: { experiment_id: string }): Promise<{ experiment: Experiment; runs: RunInfo[] }> {
    return this.req("get", "/get", { experiment_id });
  }

  delete({ experiment_id }: { experiment_id: string }): Promise<unknown> {
    return this.req("post", "/delete", { experiment_id });
  }

  update({ experiment_id, new_name }: { experiment_id: string; new_name: string }): Promise<unknown> {
    return this.req("post", "/update", { experiment_id, new_name });
  }

  restore({ experiment_id }: { experiment_id: string }): Promise<unknown> {
    return this.req("post", "/restore", { experiment_id });
  }

  /** Goes to `/experimentsset-experiment-tag`, which no server has. */
  setExperimentTag({ experiment_id, key, value }: { experiment_id: string } & Pair): Promise<unknown> {
    return this.req("post", "set-experiment-tag", { experiment_id, key, value });
  }
}

class Runs extends MLflowBase {
  constructor(args: ConstructorProps) {
    super(args);
    this.path = "/runs";
  }

  /** A run's name is not among what is sent: it needs tag `mlflow.runName`. */
  create({ experiment_id, user_id, start_time, tags }: NewRun): Promise<{ run: Run }> {
    return this.req("post", "/create", { experiment_id, user_id, start_time, tags });
  }

  delete({ run_id }: { run_id: string }): Promise<unknown> {
    return this.req("post", "/delete", { run_id, run_uuid: run_id });
  }

  restore({ run_id }: { run_id: string }): Promise<unknown> {
    return this.req("post", "/restore", { run_id, run_uuid: run_id });
  }

  get({ run_id }: { run_id: string }): Promise<{ run: Run }> {
    return this.req("get", "/get", { run_id });
  }

  logMetric({
    run_id,
    key,
    value,
    timestamp,
    step,
  }: { run_id: string } & Omit<Metric, "step"> & { step?: number }): Promise<unknown> {
    return this.req("post", "/log-metric", { run_id, run_uuid: run_id, key, value, timestamp, step });
  }

  setTag({ run_id, key, value }: { run_id: string } & Pair): Promise<unknown> {
    return this.req("post", "/set-tag", { run_id, run_uuid: run_id, key, value });
  }

  deleteTag({ run_id, key }: { run_id: string; key: string }): Promise<unknown> {
    return this.req("post", "/delete-tag", { run_id, run_uuid: run_id, key });
  }

  logParameter({ run_id, key, value }: { run_id: string } & Pair): Promise<unknown> {
    return this.req("post", "/log-parameter", { run_id, run_uuid: run_id, key, value });
  }

  logBatch({
    run_id,
    metrics,
    params,
    tags,
  }: {
    run_id: string;
    metrics?: Metric[];
    params?: Pair[];
    tags?: Pair[];
  }): Promise<unknown> {
    return this.req("post", "/log-batch", { run_id, run_uuid: run_id, metrics, params, tags });
  }

  search({ experiment_ids, filter, run_view_type, max_results, order_by, page_token }: RunSearch): Promise<{
    runs: Run[];
    next_page_token: string;
  }> {
    return this.req("post", "/search", { experiment_ids, filter, run_view_type, max_results, order_by, page_token });
  }

  /** Can give a run no name either. */
  update({
    run_id,
    status,
    end_time,
  }: {
    run_id: string;
    status: RunStatus;
    end_time: number;
  }): Promise<{ run_info: RunInfo }> {
    return this.req("post", "/update", { run_id, run_uuid: run_id, status, end_time });
  }
}

interface NewRun {
  experiment_id: string;
  user_id: string;
  start_time: number;
  tags?: unknown;
}

interface RunSearch {
  experiment_ids: string[];
  filter?: string;
  run_view_type?: ViewType;
  max_results?: number;
  order_by?: string[];
  page_token?: string;
}

class Metrics extends MLflowBase {
  constructor(args: ConstructorProps) {
    super(args);
    this.path = "/metrics";
  }

  getHistory({ run_id, metric_key }: { run_id: string; metric_key: string }): Promise<{ metrics: Metric[] }> {
    return this.req("get", "/get-history", { run_id, run_uuid: run_id, metric_key });
  }
}

class Artifacts extends MLflowBase {
  constructor(args: ConstructorProps) {
    super(args);
    this.path = "/artifacts";
  }

  list({ run_id, path }: { run_id: string; path: string }): Promise<{ root_uri: string; files: object }> {
    return this.req("get", "/list", { run_id, run_uuid: run_id, path });
  }
}

/** What it gives is made anew each time it is asked for. */
export default class MLflow extends MLflowBase {
  get Experiments(): Experiments {
    return new Experiments(this);
  }

  get Runs(): Runs {
    return new Runs(this);
  }

  get Metrics(): Metrics {
    return new Metrics(this);
  }

  get Artifacts(): Artifacts {
    return new Artifacts(this);
  }
}
