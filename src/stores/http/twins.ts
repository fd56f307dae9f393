import type { StoredIds } from "../tracking-store.js";
import { list, record, text } from "./json.js";
import type { MlflowApi } from "./mlflow-api.js";

/** The tag by which a run is found whose creation nobody heard back from. */
export const RUN_KEY_TAG = "pulse.run_key";

/** When one looks for a twin once more after the end of a run, in milliseconds; and a last time when no request can be under way any more. */
const LOOKS_MS = [1_000, 5_000];
/** How long the last look may take when the store is closed. */
const CLOSING_MS = 1_000;

/** Runs with the same key: what a creation leaves behind that was executed after it was given up and tried again. */
export class Twins {
  readonly #api: MlflowApi;
  readonly #requestTimeoutMs: number;
  /** Runs that have ended and may still get a twin. */
  readonly #watched = new Map<string, StoredIds>();

  constructor(api: MlflowApi, requestTimeoutMs: number) {
    this.#api = api;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  /** The run that carries a key. If several do, the smallest id is the run; the others are deleted. */
  async oldest(experimentId: string, runKey: string): Promise<StoredIds | undefined> {
    const [runId, ...twins] = await this.#carriers(experimentId, runKey);
    for (const twin of twins) await this.#api.post("runs/delete", { run_id: twin });
    return runId === undefined ? undefined : { runId, experimentId };
  }

  /** Deletes what carries the key of a run and is not that run. */
  async remove(runKey: string, { runId, experimentId }: StoredIds): Promise<void> {
    for (const id of await this.#carriers(experimentId, runKey)) if (id !== runId) await this.#api.post("runs/delete", { run_id: id });
  }

  /** Looks for a twin some times after the end of a run: the first creation may have been waiting somewhere all the time. */
  watch(runKey: string, ids: StoredIds): void {
    this.#watched.set(runKey, ids);
    for (const ms of [...LOOKS_MS, this.#requestTimeoutMs]) {
      const look = (): Promise<void> => this.remove(runKey, ids).catch(() => undefined);
      setTimeout(() => {
        if (!this.#watched.has(runKey)) return;
        if (ms === this.#requestTimeoutMs) this.#watched.delete(runKey);
        void look();
      }, ms).unref();
    }
  }

  /** A last look. */
  async close(): Promise<void> {
    const watched = [...this.#watched];
    this.#watched.clear();
    if (watched.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSING_MS);
    });
    await Promise.race([Promise.allSettled(watched.map(([runKey, ids]) => this.remove(runKey, ids))), late]);
    clearTimeout(timer);
  }

  async #carriers(experimentId: string, runKey: string): Promise<string[]> {
    const filter = `tags.\`${RUN_KEY_TAG}\` = '${runKey.replaceAll("'", "")}'`;
    const answer = await this.#api.post("runs/search", { experiment_ids: [experimentId], filter, max_results: 100 });
    return list(answer["runs"])
      .flatMap((run) => text(record(run["info"])?.["run_id"]) ?? [])
      .sort();
  }
}
