import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

interface Pair {
  readonly key: string;
  readonly value: string;
}

interface Point {
  readonly key: string;
  readonly value: number | string;
  readonly timestamp: number;
  readonly step: number;
}

export interface FakeRun {
  readonly id: string;
  readonly experimentId: string;
  readonly name: string;
  readonly startTime: number;
  status: string;
  endTime: number | undefined;
  deleted: boolean;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  /** As MLflow's table has them: the same point twice is one. */
  readonly metrics: Map<string, Point>;
}

type Body = Record<string, never>;

class Refusal extends Error {
  readonly status: number;
  readonly errorCode: string;

  constructor(status: number, errorCode: string, message: string) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
  }
}

const missing = (what: string): Refusal => new Refusal(404, "RESOURCE_DOES_NOT_EXIST", `Could not find ${what}.`);

/**
 * An MLflow server in memory with the few calls the HTTP store makes: for faults and speed. What MLflow really does,
 * the tests with a real server know.
 */
export class FakeMlflow {
  readonly url: string;
  readonly runs: Map<string, FakeRun> = new Map();
  /** How many requests came. */
  requests = 0;
  /** Which ones. */
  readonly calls: string[] = [];
  /** Milliseconds by which every answer is late. */
  delayMs = 0;
  /** Whether requests vanish: the connection stays open, nothing happens. */
  silent = false;
  /** Whether requests are done, but the connection ends before the answer. */
  resets = false;
  /** What it refuses of a batch or a creation, in the words of the newest MLflow. */
  refuses: (key: string, value: unknown) => boolean = () => false;
  words = "Names may only contain alphanumerics";
  /** Names of experiments nobody may read or write. */
  readonly closed: Set<string> = new Set();
  /** What it answers instead of doing anything; with `refuse` a refusal in these words. */
  instead: ((call: string) => object | undefined) | undefined;
  /** Where it says that runs keep their files: below it, by their ids. */
  artifactRoot = "";
  /** What a gateway adds to each answer. */
  added: object = {};
  readonly #server: Server;
  readonly #port: number;
  readonly #experiments = new Map<string, string>();
  #made = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}`;
    server.on("request", (incoming, response) => {
      this.#serve(incoming, response).catch(() => incoming.socket.destroy());
    });
  }

  /** Starts a server on a free port of 127.0.0.1. */
  static async start(): Promise<FakeMlflow> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeMlflow(server);
  }

  /** Becomes another server: without its runs, and with these experiments, from id 1 on. */
  replace(...experiments: string[]): void {
    this.runs.clear();
    this.#experiments.clear();
    for (const name of experiments) this.#experiments.set(name, String(this.#experiments.size + 1));
  }

  /** The name of the experiment a run is in. */
  experimentOf({ experimentId }: FakeRun): string | undefined {
    return [...this.#experiments].find(([, id]) => id === experimentId)?.[0];
  }

  /** The runs of a name that are not deleted. */
  named(name: string): FakeRun[] {
    return [...this.runs.values()].filter((run) => run.name === name && !run.deleted);
  }

  /** Begins an outage: connections end and new ones are refused. */
  down(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Ends the outage. */
  async up(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  close(): void {
    this.down();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    if (this.silent) return;
    const url = new URL(incoming.url ?? "/", this.url);
    const text = Buffer.concat(chunks).toString();
    let status = 200;
    let answer: object;
    try {
      const body = (text === "" ? Object.fromEntries(url.searchParams) : JSON.parse(text)) as Body;
      const call = `${incoming.method} ${url.pathname.replace("/api/2.0/mlflow/", "")}`;
      this.calls.push(call);
      answer = this.instead?.(call) ?? this.#call(call, body);
      if ("refuse" in answer) throw new Refusal(400, "INVALID_PARAMETER_VALUE", String(answer.refuse));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      status = error.status;
      answer = { error_code: error.errorCode, message: error.message };
    }
    if (this.resets) return void incoming.socket.resetAndDestroy();
    if (this.delayMs > 0) await sleep(this.delayMs, undefined, { ref: false });
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify({ ...answer, ...this.added }));
  }

  #call(call: string, body: Body): object {
    switch (call) {
      case "GET experiments/get-by-name": {
        const id = this.#experiments.get(body["experiment_name"] ?? "");
        if (id === undefined) throw missing("experiment");
        this.#open(id);
        return { experiment: { experiment_id: id, name: body["experiment_name"], lifecycle_stage: "active" } };
      }
      case "POST experiments/create": {
        if (this.#experiments.has(body["name"] ?? ""))
          throw new Refusal(400, "RESOURCE_ALREADY_EXISTS", "There is one.");
        const id = String(this.#experiments.size + 1);
        this.#experiments.set(body["name"] ?? "", id);
        return { experiment_id: id };
      }
      case "POST experiments/set-experiment-tag":
        return {};
      case "GET experiments/get":
        return { experiment: { experiment_id: body["experiment_id"] } };
      case "GET metrics/get-history":
        return { metrics: [...this.#run(body).metrics.values()].filter(({ key }) => key === body["metric_key"]) };
      case "POST experiments/search":
        return {};
      case "POST runs/create":
        return this.#create(body);
      case "GET runs/get":
        return { run: this.#located(this.#run(body)) };
      case "POST runs/log-batch":
        return this.#log(this.#run(body), body);
      case "POST runs/update":
        return this.#update(this.#run(body), body);
      case "POST runs/delete":
        this.#run(body).deleted = true;
        return {};
      case "POST runs/search":
        return this.#search(body);
      default:
        throw new Refusal(404, "ENDPOINT_NOT_FOUND", call);
    }
  }

  #open(experimentId: string): void {
    const name = [...this.#experiments].find(([, id]) => id === experimentId)?.[0];
    if (name !== undefined && this.closed.has(name)) throw new Refusal(403, "PERMISSION_DENIED", "Permission denied");
  }

  #check(list: string, items: readonly (Pair | Point)[]): void {
    const at = items.findIndex(({ key, value }) => this.refuses(key, value));
    const words = `Invalid value "${items[at]?.key}" for parameter '${list}[${at}].name' supplied: ${this.words}.`;
    if (at >= 0) throw new Refusal(400, "INVALID_PARAMETER_VALUE", words);
  }

  #create({ experiment_id, run_name, start_time, tags = [] as never }: Body): object {
    this.#open(experiment_id ?? "");
    const pairs = tags as Pair[];
    this.#check("tags", pairs);
    if (![...this.#experiments.values()].includes(experiment_id ?? "")) throw missing("experiment");
    if (run_name !== undefined) this.#check("run_name", [{ key: "run_name", value: run_name }]);
    const run: FakeRun = {
      id: (++this.#made).toString(16).padStart(32, "0"),
      experimentId: String(experiment_id),
      name: String(run_name),
      startTime: Number(start_time),
      status: "RUNNING",
      endTime: undefined,
      deleted: false,
      params: new Map(),
      tags: new Map(pairs.map(({ key, value }) => [key, value])),
      metrics: new Map(),
    };
    this.runs.set(run.id, run);
    return { run: shown(run) };
  }

  #located(run: FakeRun): object {
    const { info, data } = shown(run);
    return {
      info: { ...info, ...(this.artifactRoot !== "" && { artifact_uri: `${this.artifactRoot}/${run.id}` }) },
      data,
    };
  }

  #run({ run_id }: Body): FakeRun {
    const run = this.runs.get(String(run_id));
    if (run === undefined) throw missing("run");
    return run;
  }

  #log(run: FakeRun, { params = [] as never, tags = [] as never, metrics = [] as never }: Body): object {
    this.#open(run.experimentId);
    this.#check("metrics", metrics);
    this.#check("params", params);
    this.#check("tags", tags);
    for (const { key, value } of params as Pair[]) {
      if ((run.params.get(key) ?? value) !== value)
        throw new Refusal(400, "INVALID_PARAMETER_VALUE", `Changing param ${key}.`);
      run.params.set(key, value);
    }
    for (const { key, value } of tags as Pair[]) run.tags.set(key, value);
    for (const point of metrics as Point[])
      run.metrics.set(`${point.key} ${point.step} ${point.timestamp} ${point.value}`, point);
    return {};
  }

  #update(run: FakeRun, { status, end_time }: Body): object {
    run.status = String(status);
    if (end_time !== undefined) run.endTime = Number(end_time);
    return { run_info: shown(run).info };
  }

  #search({ filter, experiment_ids }: Body): object {
    const key = /^tags\.`pulse\.run_key` = '(.*)'$/.exec(String(filter))?.[1];
    const ids: readonly string[] = experiment_ids ?? [];
    const found = [...this.runs.values()].filter(
      (run) => !run.deleted && ids.includes(run.experimentId) && run.tags.get("pulse.run_key") === key,
    );
    return { runs: found.map(shown) };
  }
}

function shown({ id, experimentId, name, status, metrics, params, tags, deleted }: FakeRun) {
  const info = {
    ...{
      run_id: id,
      experiment_id: experimentId,
      run_name: name,
      status,
      lifecycle_stage: deleted ? "deleted" : "active",
    },
    artifact_uri: `mlflow-artifacts:/${experimentId}/${id}/artifacts`,
  };
  const pairs = (map: ReadonlyMap<string, string>): Pair[] => [...map].map(([key, value]) => ({ key, value }));
  return { info, data: { metrics: [...metrics.values()], params: pairs(params), tags: pairs(tags) } };
}
