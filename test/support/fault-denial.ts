import type { Answer } from "./fault-answers.js";

type Json = Record<string, unknown>;

/**
 * Reads what MLflow's basic-auth has to know of the calls of one client: which of them are about an experiment it may
 * not use.
 */
export class Denial {
  /** What is refused of the experiment: every call, only those that write, or nothing. */
  denied: "everything" | "writing" | undefined;
  readonly experiment: string;
  readonly #ids = new Set<string>();
  readonly #runs = new Set<string>();

  constructor(experiment: string) {
    this.experiment = experiment;
  }

  /** Takes note of ids in what a server answered. */
  learn(url: string, body: Buffer, answer: Answer): void {
    const [given, got] = [asked(url, body), objectIn(answer.body.toString())];
    const named = [given["experiment_name"], given["name"]].includes(this.experiment);
    const experiment = (got["experiment"] as Json | undefined)?.["experiment_id"] ?? got["experiment_id"];
    if (named && typeof experiment === "string") this.#ids.add(experiment);
    for (const run of [got["run"], ...((got["runs"] as unknown[]) ?? [])]) {
      const info = ((run as Json | undefined)?.["info"] ?? {}) as Json;
      if (this.#ids.has(String(info["experiment_id"]))) this.#runs.add(String(info["run_id"]));
    }
  }

  /** The server behind is another one, with other ids. */
  forget(): void {
    this.#ids.clear();
  }

  denies(url: string, body: Buffer): boolean {
    if (this.denied === undefined || (this.denied === "writing" && isReading(url))) return false;
    const { experiment_name, name, experiment_id, experiment_ids = [], run_id } = asked(url, body);
    const ids = [experiment_id, ...(experiment_ids as unknown[])].map(String);
    return (
      [experiment_name, name].includes(this.experiment) ||
      ids.some((id) => this.#ids.has(id)) ||
      this.#runs.has(String(run_id))
    );
  }
}

const isReading = (url: string): boolean => /\/(get|search|get-by-name|get-history|artifacts)(\?|$)/.test(url);

/** The query and the body of a call together; of files, which lie below their experiment's id, what that is. */
function asked(url: string, body: Buffer): Json {
  const { pathname, searchParams } = new URL(url, "http://server");
  const place = /\/mlflow-artifacts\/artifacts\/?(.*)$/.exec(pathname)?.[1];
  if (place !== undefined) return { experiment_id: (place || searchParams.get("path") || "").split("/")[0] };
  return { ...Object.fromEntries(searchParams), ...objectIn(body.toString()) };
}

function objectIn(text: string): Json {
  try {
    return Object(JSON.parse(text)) as Json;
  } catch {
    return {};
  }
}
