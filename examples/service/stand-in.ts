import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface StoredRun {
  readonly id: string;
  readonly name: string;
  readonly startTime: number;
  status: string;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly metrics: Map<string, number>;
}

// biome-ignore lint/suspicious/noExplicitAny: the bodies of MLflow's API, which are not checked here
type Body = any;

/**
 * Stands in for an MLflow server, so that the example runs without one: the few calls that the package makes, one
 * experiment, everything in memory, nothing checked. It can go away and come back. For real runs use `mlflow server`.
 */
export class StandIn {
  readonly runs = new Map<string, StoredRun>();
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy()); // the stand-in went away during a request
  });
  #port = 0;
  #created = 0;

  /** Starts to listen; when called again, at the same address as before. */
  async up(): Promise<string> {
    if (!this.#server.listening) await once(this.#server.listen(this.#port, "127.0.0.1"), "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends all connections; new ones are refused. */
  down(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString();
    const call = request.url?.replace(/^\/api\/2\.0\/mlflow\/|\?.*$/g, "");
    const answer = this.#call(text === "" ? {} : JSON.parse(text), call);
    const status = answer === undefined ? 404 : 200;
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify(answer ?? { error_code: "ENDPOINT_NOT_FOUND" }));
  }

  #call(body: Body, call: string | undefined): object | undefined {
    const run = this.runs.get(body.run_id);
    switch (call) {
      case "experiments/get-by-name":
        return { experiment: { experiment_id: "1", lifecycle_stage: "active" } };
      case "runs/create":
        return this.#create(body);
      case "runs/log-batch":
        for (const { key, value } of body.params ?? []) run?.params.set(key, value);
        for (const { key, value } of body.tags ?? []) run?.tags.set(key, value);
        for (const { key, value } of body.metrics ?? []) run?.metrics.set(key, value);
        return {};
      case "runs/update":
        if (run) run.status = body.status;
        return { run_info: {} };
      case "runs/delete":
        this.runs.delete(body.run_id);
        return {};
      case "runs/search": // used to look up a run whose creation got no answer
        return {
          runs: [...this.runs.values()]
            .filter(({ tags }) => body.filter.includes(`'${tags.get("pulse.run_key")}'`))
            .map(shown),
        };
      default:
        return undefined;
    }
  }

  #create({ run_name, start_time, tags }: Body): object {
    const id = (++this.#created).toString(16).padStart(32, "0");
    const pairs: [string, string][] = tags.map(({ key, value }: Body) => [key, value]);
    const run = {
      id,
      name: run_name,
      startTime: start_time,
      status: "RUNNING",
      params: new Map(),
      tags: new Map(pairs),
      metrics: new Map(),
    };
    this.runs.set(id, run);
    return { run: shown(run) };
  }
}

function shown({ id, status }: StoredRun): object {
  return { info: { run_id: id, experiment_id: "1", status }, data: {} };
}
