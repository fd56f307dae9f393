import type { Tag } from "../../base/entities.js";
import type { RunEnd, StoredIds } from "../../contracts/tracking-store.js";
import { deleteRun, logBatch } from "../../http/answers.js";
import { Failure } from "../../http/failure.js";
import { list, record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** The tag by which a run is found if its creation got no answer. */
export const RUN_KEY_TAG = "pulse.run_key";

/**
 * When to check a run again, in milliseconds after its end. The last check follows when no request can be in flight any
 * more.
 */
const LOOKS_MS = [1_000, 5_000];
/** Minimum time between a run's end and the last check when the store is closed, and how long that check may take. */
const CLOSING_AFTER_MS = 700;
const CLOSING_MS = 1_500;

/** Minimum time between two checks. */
const AGAIN_MS = 100;

const IGNORE = (): void => undefined;

/** A run that an abandoned request may still change. */
interface UncertainRun {
  readonly runKey: string;
  readonly ids: StoredIds | undefined;
  readonly experimentId: string;
  /** How the run ends if it turns up; only for a run that was not found. */
  readonly end: RunEnd | undefined;
  readonly since: number;
}

/**
 * Cleans up after requests that the server executes after we gave up on them and repeated them: a creation makes a
 * duplicate run with the same key, and a batch restores tags that were overwritten meanwhile. (Metrics, params and ends
 * may be repeated safely.)
 */
export class Reconciler {
  readonly #api: TrackingApi;
  readonly #requestTimeoutMs: number;
  readonly #doubtful = new Map<string, UncertainRun>();
  /** By run id: the latest values of tags that were also set by a batch without an answer. */
  readonly #tags = new Map<string, Map<string, string>>();

  constructor(api: TrackingApi, requestTimeoutMs: number) {
    this.#api = api;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  /**
   * Finds the run with a key. If there are several, prefers one that has ended, then the one with most data, then the
   * smallest id.
   */
  async find(experimentId: string, runKey: string): Promise<StoredIds | undefined> {
    const [runId] = await this.#runsWithKey(experimentId, runKey);
    return runId === undefined ? undefined : { runId, experimentId };
  }

  /** Does the same and deletes the others. */
  async findOnly(experimentId: string, runKey: string): Promise<StoredIds | undefined> {
    const [runId, ...duplicates] = await this.#runsWithKey(experimentId, runKey);
    for (const twin of duplicates) await deleteRun(this.#api, twin);
    return runId === undefined ? undefined : { runId, experimentId };
  }

  /** Deletes all runs with the key except the given one. */
  async removeTwins(runKey: string, { runId, experimentId }: StoredIds): Promise<void> {
    for (const id of await this.#runsWithKey(experimentId, runKey)) if (id !== runId) await deleteRun(this.#api, id);
  }

  /** Notes that a batch with these tags got no answer and may be executed later. */
  tagsInDoubt(runId: string, tags: readonly Tag[]): void {
    if (tags.length === 0) return;
    const doubtful = this.#tags.get(runId) ?? new Map<string, string>();
    for (const { key, value } of tags) doubtful.set(key, value);
    this.#tags.set(runId, doubtful);
  }

  /** Notes that these tags were stored. */
  tagsStored(runId: string, tags: readonly Tag[]): void {
    const doubtful = this.#tags.get(runId);
    if (doubtful) for (const { key, value } of tags) if (doubtful.has(key)) doubtful.set(key, value);
  }

  /** Notes that a run has ended. If requests were abandoned, it is checked a few more times. */
  ended(runKey: string, ids: StoredIds): void {
    if (ids.recreated || this.#tags.has(ids.runId))
      this.#watch({ runKey, ids, experimentId: ids.experimentId, end: undefined, since: performance.now() });
  }

  /** Notes that a run whose process died was not found: it was never created, or not yet. */
  missing(experimentId: string, runKey: string, end: RunEnd): void {
    this.#watch({ runKey, ids: undefined, experimentId, end, since: performance.now() });
  }

  /** Whether any run still has to be checked. */
  get any(): boolean {
    return this.#doubtful.size > 0;
  }

  /** Checks all runs a last time; a failed check is repeated while there is time. */
  async settle(): Promise<void> {
    if (this.#doubtful.size === 0) return;
    const youngest = Math.max(...[...this.#doubtful.values()].map(({ since }) => since));
    await pause(youngest + CLOSING_AFTER_MS - performance.now());
    for (const until = performance.now() + CLOSING_MS; ; ) {
      const looks = [...this.#doubtful.values()].map((each) => this.#look(each).then(() => this.#forget(each), IGNORE));
      await within(until - performance.now(), Promise.all(looks));
      if (this.#doubtful.size === 0 || performance.now() >= until) return;
      await pause(AGAIN_MS);
    }
  }

  /** Checks a run several times. A failed check does not count, unless the server refuses it. */
  #watch(doubtful: UncertainRun): void {
    this.#doubtful.set(doubtful.runKey, doubtful);
    const moments = [0, ...LOOKS_MS, this.#requestTimeoutMs].sort((a, b) => a - b);
    const next = (look: number): void => {
      const wait = Math.max(AGAIN_MS, (moments[look] ?? 0) - (moments[look - 1] ?? 0));
      setTimeout(() => {
        if (this.#doubtful.get(doubtful.runKey) !== doubtful) return;
        const looked = (): void => (look === moments.length - 1 ? this.#forget(doubtful) : next(look + 1));
        this.#look(doubtful).then(looked, (error) => (isFinal(error) ? looked() : next(look)));
      }, wait).unref();
    };
    next(1);
  }

  #forget({ runKey, ids }: UncertainRun): void {
    this.#doubtful.delete(runKey);
    if (ids) this.#tags.delete(ids.runId);
  }

  async #look({ runKey, ids, experimentId, end }: UncertainRun): Promise<void> {
    if (ids === undefined) {
      const found = await this.findOnly(experimentId, runKey);
      if (found === undefined) return;
      const answer = await this.#api.post("runs/update", {
        run_id: found.runId,
        status: end?.status,
        end_time: end?.endTime,
      });
      if (record(answer["run_info"]) === undefined) throw this.#api.incomplete("runs/update");
      return;
    }
    if (ids.recreated) await this.removeTwins(runKey, ids);
    const tags = [...(this.#tags.get(ids.runId) ?? [])].map(([key, value]) => ({ key, value })).slice(0, 100);
    if (tags.length > 0)
      await logBatch(this.#api, ids.runId, { run_id: ids.runId, tags }, { metrics: [], params: [], tags });
  }

  async #runsWithKey(experimentId: string, runKey: string): Promise<string[]> {
    const filter = `tags.\`${RUN_KEY_TAG}\` = '${runKey.replaceAll("'", "")}'`;
    // Whether an empty result with extra fields is genuine: a gateway may add such fields to MLflow's own answers.
    const there = async (foreign: string): Promise<boolean> => {
      const { experiment, ...others } = await this.#api.get("experiments/get", { experiment_id: experimentId });
      return (
        text(record(experiment)?.["experiment_id"]) === experimentId && Object.keys(others).sort().join() === foreign
      );
    };
    const answer = await this.#api.post(
      "runs/search",
      { experiment_ids: [experimentId], filter, max_results: 100 },
      there,
    );
    const runsWithKey = list(answer["runs"]).flatMap((run) => {
      const [info, data] = [record(run["info"]), record(run["data"])];
      const id = text(info?.["run_id"]);
      const holds = list(data?.["metrics"]).length + list(data?.["params"]).length + list(data?.["tags"]).length;
      return id === undefined ? [] : [{ id, ended: info?.["status"] === "RUNNING" ? 0 : 1, holds }];
    });
    return runsWithKey
      .sort((a, b) => b.ended - a.ended || b.holds - a.holds || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }
}

const isFinal = (error: unknown): boolean =>
  error instanceof Failure && (error.kind === "rejected" || error.kind === "denied");

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Waits for work, but no longer than the given time. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms));
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
