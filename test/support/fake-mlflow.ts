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

const missing = (what: string): Refusal => new Refusal(404, "RESOURCE_DOES_NOT_EXIST", `No ${what}.`);

/**
 * An MLflow server in memory with the few calls the HTTP store makes: for faults and speed. What MLflow really does, the
 * tests with a real server know.
 */
export class FakeMlflow {
  readonly url: string;
  readonly runs: Map<string, FakeRun> = new Map();
  /** How many requests came. */
  requests = 0;
  /** Milliseconds by which every answer is late. */
  delayMs = 0;
  /** Whether requests vanish: the connection stays open, nothing happens. */
  silent = false;
  /** Whether requests are done, but the connection ends before the answer. */
  resets = false;
  readonly #server: Server;
  readonly #port: number;
  readonly #experiments = new Map<string, string>();

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
      answer = this.#call(`${incoming.method} ${url.pathname.replace("/api/2.0/mlflow/", "")}`, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      status = error.status;
      answer = { error_code: error.errorCode, message: error.message };
    }
    if (this.resets) return void incoming.socket.resetAndDestroy();
    if (this.delayMs > 0) await sleep(this.delayMs, undefined, { ref: false });
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  #call(call: string, body: Body): object {
    switch (call) {
      case "GET experiments/get-by-name": {
        const id = this.#experiments.get(body["experiment_name"] ?? "");
        if (id === undefined) throw missing("experiment");
        return { experiment: { experiment_id: id, name: body["experiment_name"], lifecycle_stage: "active" } };
      }
      case "POST experiments/create": {
        if (this.#experiments.has(body["name"] ?? "")) throw new Refusal(400, "RESOURCE_ALREADY_EXISTS", "There is one.");
        const id = String(this.#experiments.size + 1);
        this.#experiments.set(body["name"] ?? "", id);
        return { experiment_id: id };
      }
      case "POST runs/create":
        return this.#create(body);
      case "GET runs/get":
        return { run: shown(this.#run(body)) };
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

  #create({ experiment_id, run_name, start_time, tags = [] as never }: Body): object {
    const pairs = tags as Pair[];
    const run: FakeRun = {
      id: (this.runs.size + 1).toString(16).padStart(32, "0"),
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

  #run({ run_id }: Body): FakeRun {
    const run = this.runs.get(String(run_id));
    if (run === undefined) throw missing("run");
    return run;
  }

  #log(run: FakeRun, { params = [] as never, tags = [] as never, metrics = [] as never }: Body): object {
    for (const { key, value } of params as Pair[]) {
      if ((run.params.get(key) ?? value) !== value) throw new Refusal(400, "INVALID_PARAMETER_VALUE", `Changing param ${key}.`);
      run.params.set(key, value);
    }
    for (const { key, value } of tags as Pair[]) run.tags.set(key, value);
    for (const point of metrics as Point[]) run.metrics.set(`${point.key} ${point.step} ${point.timestamp} ${point.value}`, point);
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

function shown({ id, experimentId, name, status, metrics }: FakeRun) {
  const info = { run_id: id, experiment_id: experimentId, run_name: name, status };
  return { info, data: { metrics: [...metrics.values()] } };
}
