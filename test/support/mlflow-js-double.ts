/**
 * A stand-in for `mlflow-js` 1.0.1, which is on no registry: what its clients for runs and experiments send and what
 * becomes of each answer, faults included. It is written by what was seen of the original, so where it looks careless,
 * it means to. Like the original it has `Mlflow` as its default export and nothing else, so an `ApiError` is only known
 * by its `name`. Clients of the registry and managers are there, and do nothing.
 */

type Answer = Record<string, unknown>;

interface Pair {
  key: string;
  value: string;
}

interface Point {
  key: string;
  value: number;
  timestamp: number;
  step?: number;
}

interface MetricHistory {
  metrics: Point[];
  next_page_token?: string;
}

interface DatasetInput {
  tags?: Pair[];
  dataset: { name: string; digest: string; source_type: string; source: string; schema?: string; profile?: string };
}

class ApiError extends Error {
  override readonly name: string = "ApiError";
  readonly statusCode: number;

  constructor(message: string, statusCode: number) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Sends one request; an answer that is no JSON throws before anybody has looked at its status. */
async function send(what: string, base: string, path: string, init: RequestInit, query = ""): Promise<Answer> {
  const url = `${base}/api/2.0/mlflow/${path}${query}`;
  const response = await fetch(url, { ...init, headers: { "Content-Type": "application/json" } });
  const answer = (await response.json()) as Answer;
  if (!response.ok) throw new ApiError(`${what}: ${answer["message"] || response.statusText}`, response.status);
  return answer;
}

/** As JSON: what is undefined is left out, and NaN and the infinities become null. */
function post(what: string, base: string, path: string, body: object): Promise<Answer> {
  return send(what, base, path, { method: "POST", body: JSON.stringify(body) });
}

/** What is undefined becomes the text `undefined`. */
function get(what: string, base: string, path: string, query: Record<string, string>): Promise<Answer> {
  return send(what, base, path, { method: "GET" }, `?${new URLSearchParams(query)}`);
}

class ExperimentClient {
  private readonly trackingUri: string;

  constructor(trackingUri: string) {
    this.trackingUri = trackingUri;
  }

  async createExperiment(name: string, artifact_location?: string, tags?: Pair[]): Promise<string> {
    const what = "Error creating experiment from tracking server";
    return (await post(what, this.trackingUri, "experiments/create", { name, artifact_location, tags }))[
      "experiment_id"
    ] as string;
  }

  async searchExperiment(
    filter: string,
    max_results: number,
    page_token?: string,
    order_by?: string[],
    view_type?: string,
  ): Promise<object> {
    const what = "Error searching for experiment from tracking server";
    return post(what, this.trackingUri, "experiments/search", { filter, max_results, page_token, order_by, view_type });
  }

  async getExperiment(experiment_id: string): Promise<object> {
    const what = "Error getting experiment from tracking server";
    return (await get(what, this.trackingUri, "experiments/get", { experiment_id }))["experiment"] as object;
  }

  async getExperimentByName(experiment_name: string): Promise<object> {
    const what = "Error getting experiment by name from tracking server";
    return (await get(what, this.trackingUri, "experiments/get-by-name", { experiment_name }))["experiment"] as object;
  }

  async deleteExperiment(experiment_id: string): Promise<void> {
    await post("Error deleting experiment from tracking server", this.trackingUri, "experiments/delete", {
      experiment_id,
    });
    console.log(`Experiment ID ${experiment_id} successfully deleted`);
  }

  async restoreExperiment(experiment_id: string): Promise<void> {
    await post("Error restoring experiment from tracking server", this.trackingUri, "experiments/restore", {
      experiment_id,
    });
    console.log(`Experiment ID ${experiment_id} successfully restored`);
  }

  async updateExperiment(experiment_id: string, new_name: string): Promise<void> {
    await post("Error updating experiment from tracking server", this.trackingUri, "experiments/update", {
      experiment_id,
      new_name,
    });
    console.log(`Experiment ID ${experiment_id} successfully updated - new name is ${new_name}`);
  }

  async setExperimentTag(experiment_id: string, key: string, value: string): Promise<void> {
    const what = "Error setting tag from tracking server";
    await post(what, this.trackingUri, "experiments/set-experiment-tag", { experiment_id, key, value });
    console.log(`Set tag to experiment ID ${experiment_id} successfully`);
  }
}

class RunClient {
  private readonly baseUrl: string;

  constructor(trackingUri: string) {
    this.baseUrl = trackingUri;
  }

  async createRun(
    experiment_id: string,
    run_name?: string,
    start_time: number = Date.now(),
    tags?: Pair[],
  ): Promise<object> {
    return (
      await post("Error creating run", this.baseUrl, "runs/create", { experiment_id, run_name, start_time, tags })
    )["run"] as object;
  }

  async deleteRun(run_id: string): Promise<void> {
    await post("Error deleting run", this.baseUrl, "runs/delete", { run_id });
  }

  async restoreRun(run_id: string): Promise<void> {
    await post("Error restoring run", this.baseUrl, "runs/restore", { run_id });
  }

  async getRun(run_id: string): Promise<object> {
    return (await get("Error fetching run", this.baseUrl, "runs/get", { run_id }))["run"] as object;
  }

  /** Gives the whole answer, `{ run_info }`. Without an end time the server keeps none. */
  async updateRun(
    run_id: string,
    status?: "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED",
    end_time?: number,
    run_name?: string,
  ): Promise<object> {
    return post("Error updating run", this.baseUrl, "runs/update", { run_id, status, end_time, run_name });
  }

  async logMetric(
    run_id: string,
    key: string,
    value: number,
    timestamp: number = Date.now(),
    step?: number,
  ): Promise<void> {
    await post("Error logging metric", this.baseUrl, "runs/log-metric", { run_id, key, value, timestamp, step });
  }

  async logBatch(run_id: string, metrics?: Point[], params?: Pair[], tags?: Pair[]): Promise<void> {
    await post("Error logging batch", this.baseUrl, "runs/log-batch", { run_id, metrics, params, tags });
  }

  async logModel(run_id: string, model_json: string): Promise<void> {
    await post("Error logging model", this.baseUrl, "runs/log-model", { run_id, model_json });
  }

  async logInputs(run_id: string, datasets: DatasetInput[]): Promise<void> {
    await post("Error in logging inputs", this.baseUrl, "runs/log-inputs", { run_id, datasets });
  }

  async setTag(run_id: string, key: string, value: string): Promise<void> {
    await post("Error setting tag", this.baseUrl, "runs/set-tag", { run_id, key, value });
  }

  async deleteTag(run_id: string, key: string): Promise<void> {
    await post("Error deleting tag", this.baseUrl, "runs/delete-tag", { run_id, key });
  }

  async logParam(run_id: string, key: string, value: string): Promise<void> {
    await post("Error logging param", this.baseUrl, "runs/log-parameter", { run_id, key, value });
  }

  async getMetricHistory(
    run_id: string,
    metric_key: string,
    page_token?: string,
    max_results?: number,
  ): Promise<MetricHistory> {
    const query: Record<string, string> = { run_id, metric_key };
    if (page_token !== undefined) query["page_token"] = page_token;
    if (max_results !== undefined) query["max_results"] = max_results.toString();
    const history: unknown = await get("Error fetching metric history", this.baseUrl, "metrics/get-history", query);
    return history as MetricHistory;
  }

  async searchRuns(
    experiment_ids: string[],
    filter?: string,
    run_view_type?: "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL",
    max_results?: number,
    order_by?: string[],
    page_token?: string,
  ): Promise<object> {
    const body = { experiment_ids, filter, run_view_type, max_results, order_by, page_token };
    return post("Error fetching runs that satisfies expressions", this.baseUrl, "runs/search", body);
  }

  async listArtifacts(run_id: string, path?: string, page_token?: string): Promise<object> {
    const query: Record<string, string> = { run_id };
    if (path !== undefined) query["path"] = path;
    if (page_token !== undefined) query["page_token"] = page_token;
    return get("Error listing artifacts", this.baseUrl, "artifacts/list", query);
  }
}

class ModelRegistryClient {}
class ModelVersionClient {}
class ExperimentManager {}
class RunManager {}
class ModelManager {}

/** Holds seven components, and each of their methods once more: at run time only, in TypeScript these are errors. */
export default class Mlflow {
  private readonly components: {
    experimentClient: ExperimentClient;
    experimentManager: ExperimentManager;
    runClient: RunClient;
    runManager: RunManager;
    modelRegistryClient: ModelRegistryClient;
    modelVersionClient: ModelVersionClient;
    modelManager: ModelManager;
  };

  constructor(trackingUri: string) {
    this.components = {
      experimentClient: new ExperimentClient(trackingUri),
      experimentManager: new ExperimentManager(),
      runClient: new RunClient(trackingUri),
      runManager: new RunManager(),
      modelRegistryClient: new ModelRegistryClient(),
      modelVersionClient: new ModelVersionClient(),
      modelManager: new ModelManager(),
    };
    this.initializeMethods();
  }

  private initializeMethods(): void {
    for (const component of Object.values(this.components)) {
      const callable = component as Record<string, unknown>;
      for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(component))) {
        if (name === "constructor" || typeof callable[name] !== "function") continue;
        Reflect.set(this, name, (...args: unknown[]) => (callable[name] as (...args: unknown[]) => unknown)(...args));
      }
    }
  }

  getExperimentClient(): ExperimentClient {
    return this.components.experimentClient;
  }

  getRunClient(): RunClient {
    return this.components.runClient;
  }

  getModelRegistryClient(): ModelRegistryClient {
    return this.components.modelRegistryClient;
  }

  getModelVersionClient(): ModelVersionClient {
    return this.components.modelVersionClient;
  }

  getExperimentManager(): ExperimentManager {
    return this.components.experimentManager;
  }

  getRunManager(): RunManager {
    return this.components.runManager;
  }

  getModelManager(): ModelManager {
    return this.components.modelManager;
  }
}
