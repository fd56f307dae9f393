import { systemClock } from "../../base/clock.js";
import { type DatasetInput, experimentLabel, type Tag } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { refusedTags } from "../../contracts/refused-tags.js";
import type { StoreReader } from "../../contracts/store-reader.js";
import {
  DONE,
  itemsOf,
  NO_CHANGE,
  type Outcome,
  type ReadyStore,
  type RefusedItems,
  type RunChange,
  type RunEnd,
  type RunStart,
  type StoredIds,
} from "../../contracts/tracking-store.js";
import { Failure, refusal, refusedAs } from "../../http/failure.js";
import { list, record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";
import { integer } from "./batches.js";
import { deletedExperiment, deniedExperiment, Experiments } from "./experiments.js";
import { logInputs } from "./inputs.js";
import { ItemWriter } from "./item-writer.js";
import { Reconciler, RUN_KEY_TAG } from "./reconciler.js";
import { isAboutItems } from "./refused-items.js";

/**
 * How many runs are in flight at once. Fewer leave the server idle between requests, more gain nothing; about twenty
 * requests from all programs together exhaust MLflow's default pool of 15 database connections.
 */
const WIDTH = 4;
/** Maximum number of items per change: what `log-batch` accepts at once, beside the run's start and end. */
const BATCH_ITEMS = 1_000;
/** How many runs are remembered with their server ids, for children and late changes. */
const MAX_KNOWN = 10_000;
/** Tags a run that was recreated because the server had lost it; the value is the former id. */
const RECREATED_TAG = "pulse.recreated";

/** What is known about a run on the server. */
interface Known {
  readonly ids: StoredIds;
  /** How it was created, if by this process. */
  readonly start?: RunStart | undefined;
  /** How it ended. */
  readonly end?: RunEnd | undefined;
  /** Whether the server refused parts of its start; everything that can be refused is then sent separately. */
  readonly bare?: boolean;
}

/**
 * A store on an MLflow server, with any client. A short run takes at most three requests, and a run is created only
 * once, whatever happens to the requests.
 */
export class RestStore implements ReadyStore {
  readonly uri: string;
  readonly batchItems: number = BATCH_ITEMS;
  readonly batchRuns: number = 1;
  readonly width: number = WIDTH;
  readonly durable: boolean = true;
  readonly api: TrackingApi;
  readonly #late: Reconciler;
  readonly #experiments: Experiments;
  readonly #items: ItemWriter;
  /** Ids of runs that were deleted by users. They are not recreated once they are purged. */
  readonly #deleted = new Set<string>();
  readonly #known = new Map<string, Known>();
  /** New ids of recreated runs, by their former ids. */
  readonly #moved = new Map<string, string>();

  /** @param requestTimeoutMs the maximum duration of a request */
  constructor(api: TrackingApi, uri: string, requestTimeoutMs: number) {
    this.api = api;
    this.uri = uri;
    this.#late = new Reconciler(api, requestTimeoutMs);
    this.#experiments = new Experiments(api);
    this.#items = new ItemWriter(api, uri, this.#late, (error, runId) => this.#runFailure(error, runId));
  }

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.all(changes.map((change) => this.#apply(change)));
  }

  async artifactsOf({ runId }: StoredIds): Promise<string> {
    const now = this.#moved.get(runId);
    if (now !== undefined) return this.artifactsOf({ runId: now, experimentId: "" });
    try {
      const root = text(record(record((await this.#run(runId))["run"])?.["info"])?.["artifact_uri"]);
      if (root === undefined) throw this.api.incomplete("runs/get");
      return root;
    } catch (error) {
      throw error instanceof Failure ? error.error : error;
    }
  }

  async tagOf({ runId }: StoredIds, key: string): Promise<string | undefined> {
    try {
      const tags = record(record((await this.#run(runId))["run"])?.["data"])?.["tags"];
      return Array.isArray(tags)
        ? text(record(tags.find((tag) => record(tag)?.["key"] === key))?.["value"])
        : undefined;
    } catch (error) {
      throw error instanceof Failure ? error.error : error;
    }
  }

  runUrl({ experimentId, runId }: StoredIds): string {
    return `${this.api.origin}/#/experiments/${experimentId}/runs/${runId}`;
  }

  /** Loaded on demand. */
  async reader(): Promise<StoreReader> {
    const { RestReader } = await import("./rest-reader.js");
    return new RestReader(this.api, this.uri);
  }

  get unsettled(): boolean {
    return this.#late.any;
  }

  settle(): Promise<void> {
    return this.#late.settle();
  }

  async close(): Promise<void> {
    await this.settle();
    this.api.close();
  }

  async #apply(change: RunChange): Promise<Outcome> {
    try {
      return await this.#write(change);
    } catch (error) {
      if (!(error instanceof Failure))
        return {
          kind: "rejected",
          error: new PulseError("REJECTED", `The change could not be sent: ${messageOf(error)}.`, error),
        };
      // When the server comes back, it may be a different one.
      if (error.kind === "away") this.#experiments.forget();
      if (error.kind !== "denied") return error.outcome;
      return { kind: "denied", error: deniedExperiment(change.experiment, this.uri, this.api.login, error.error) };
    }
  }

  async #write(change: RunChange): Promise<Outcome> {
    const { create, end, runKey } = change;
    const known = this.#known.get(runKey)?.ids ?? change.ids;
    if (known !== undefined) {
      try {
        return await this.#deliver(change, known);
      } catch (error) {
        // A resumed run (its key is its id) belongs to someone else and is not recreated.
        const lost = error instanceof Failure && error.error.code === "RUN_NOT_FOUND" && known.runId !== runKey;
        if (!lost || this.#deleted.has(known.runId)) throw error;
        this.#experiments.forget();
        const ended = this.#known.get(runKey)?.end;
        const ids = await this.#recreate(change, known);
        if (ids === undefined) return DONE;
        this.#moved.delete(ids.runId); // a restored server may have it again
        this.#moved.set(known.runId, ids.runId);
        if (this.#moved.size > MAX_KNOWN) this.#moved.delete(this.#moved.keys().next().value as string);
        // Data that arrives after the end must not reopen the run.
        return await this.#deliver({ ...change, end: change.end ?? (ended && { ...ended, ifRunning: true }) }, ids);
      }
    }
    let ids: StoredIds | undefined;
    if (create?.resume) ids = await this.#resume(runKey);
    else if (create) ids = await this.#create(change, create);
    else ids = await this.#find(change);
    if (ids === undefined && end?.ifRunning) return DONE; // it was never created
    if (ids === undefined)
      throw refusal("RUN_NOT_FOUND", `There is no run with tag ${RUN_KEY_TAG} = ${runKey} on ${this.uri}.`);
    if (!this.#known.has(runKey)) this.#remember(runKey, { ids });
    return this.#deliver(change, ids);
  }

  async #deliver(change: RunChange, ids: StoredIds): Promise<Outcome> {
    const { create, end, runKey } = change;
    const refused: RefusedItems[] = [];
    const { start, bare } = this.#known.get(runKey) ?? {};
    if (bare && start) {
      const tags = [...start.sourceTags, { key: "mlflow.runName", value: start.name }];
      await this.#items.log(ids.runId, { ...NO_CHANGE, tags }, refused);
      refused.splice(0, refused.length, ...refused.map((each) => ({ ...each, items: 0 })));
    }
    const conflicts = await this.#items.log(ids.runId, change, refused);
    if (conflicts) return { kind: "conflict", params: conflicts };
    await this.#logInputs(ids.runId, change.inputs, refused);
    if (bare) this.#remember(runKey, { ids, start });
    if (end) {
      if (ids.recreated) await this.#late.removeTwins(runKey, ids);
      await this.#end(ids, end);
      this.#remember(runKey, { ...this.#known.get(runKey), ids, end });
      this.#late.ended(runKey, ids);
    }
    // Also reported to callers that have no ids because the answer to the creation was lost.
    return {
      kind: "done",
      ...((create || change.ids === undefined) && { ids }),
      ...(refused.length > 0 && { refused }),
    };
  }

  async #logInputs(runId: string, inputs: readonly DatasetInput[], refused: RefusedItems[]): Promise<void> {
    const known = refused.length;
    try {
      if (inputs.length > 0) await logInputs(this.api, this.uri, runId, inputs, refused);
    } catch (error) {
      throw this.#runFailure(error, runId);
    }
    const tags = refusedTags(refused.slice(known));
    if (tags.length > 0) await this.#items.log(runId, { ...NO_CHANGE, tags }, []);
  }

  #remember(runKey: string, known: Known): void {
    this.#known.set(runKey, known);
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value as string);
  }

  /**
   * Recreates a run that the server no longer has (it was restored or replaced, or the run was purged), for the data
   * still to be sent; undefined if there is none.
   */
  async #recreate(change: RunChange, { runId }: StoredIds): Promise<StoredIds | undefined> {
    const { runKey, metrics, end } = change;
    const found = await this.#find({ ...change, end: undefined });
    if (found) this.#remember(runKey, { ids: found });
    if (found || (end?.ifRunning && itemsOf(change) === 1)) return found;
    const start = change.create ??
      this.#known.get(runKey)?.start ?? {
        name: `recreated-${runKey.slice(0, 8)}`,
        startTime: Math.min(...metrics.map(({ timestamp }) => timestamp), end?.endTime ?? systemClock.now()),
        userId: "",
        sourceTags: [],
        parentKey: undefined,
        resume: false,
      };
    return this.#create(
      { ...change, attempted: false },
      { ...start, sourceTags: [...start.sourceTags, { key: RECREATED_TAG, value: runId }] },
    );
  }

  /** Creates a run. If an earlier attempt may have succeeded, looks it up first. */
  async #create(change: RunChange, start: RunStart): Promise<StoredIds> {
    const { runKey, experiment, attempted } = change;
    const experimentId = await this.#experiments.id(experiment);
    const found = attempted ? await this.#late.findOnly(experimentId, runKey) : undefined;
    if (found) return { ...found, recreated: true }; // it may be the second attempt, with the first still in flight
    const tags = await this.#keyTags(change, start, experimentId);
    const least = { experiment_id: experimentId, start_time: integer(start.startTime, "start time") };
    const named = { ...least, user_id: start.userId, run_name: start.name };
    let refused: unknown;
    // If the server refuses a tag, the name or the user, the run is created without them.
    for (const creation of [
      { ...named, tags: [...start.sourceTags, ...tags] },
      { ...named, tags },
      { ...least, tags },
    ])
      try {
        const answer = await this.api.post("runs/create", creation);
        const runId = text(record(record(answer["run"])?.["info"])?.["run_id"]);
        if (runId === undefined) throw this.api.incomplete("runs/create");
        const ids = { runId, experimentId, recreated: attempted };
        this.#remember(runKey, { ids, start, bare: refused !== undefined });
        return ids;
      } catch (error) {
        const failure = this.#createFailure(error, change);
        if (failure !== error || !isAboutItems(refusedAs(error))) throw failure;
        refused ??= error;
      }
    throw refused;
  }

  /** Returns the tags that a run cannot do without: its key and its parent. */
  async #keyTags(
    { runKey, parentId: given }: RunChange,
    { parentKey }: RunStart,
    experimentId: string,
  ): Promise<Tag[]> {
    const tags = [{ key: RUN_KEY_TAG, value: runKey }];
    if (parentKey === undefined) return tags;
    const parentId =
      this.#known.get(parentKey)?.ids.runId ?? given ?? (await this.#late.find(experimentId, parentKey))?.runId;
    return [
      ...tags,
      parentId === undefined
        ? { key: "pulse.parent_key", value: parentKey }
        : { key: "mlflow.parentRunId", value: parentId },
    ];
  }

  /** Turns a refused creation into an error about the experiment, and drops the cached ids. */
  #createFailure(error: unknown, { experiment }: RunChange): unknown {
    const refused = refusedAs(error);
    if (refused === undefined) return error;
    if (refused.errorCode === "RESOURCE_DOES_NOT_EXIST") {
      this.#experiments.forget();
      return refusal(
        "EXPERIMENT_NOT_FOUND",
        `There is no experiment ${experimentLabel(experiment)} on ${this.uri}.`,
        refused,
      );
    }
    if (!DELETED.test(refused.message)) return error;
    this.#experiments.forget();
    return deletedExperiment(experiment, refused);
  }

  async #resume(runKey: string): Promise<StoredIds> {
    try {
      const answer = await this.api.post("runs/update", { run_id: runKey, status: "RUNNING" });
      const experimentId = text(record(answer["run_info"])?.["experiment_id"]);
      if (experimentId === undefined) throw this.api.incomplete("runs/update");
      this.#experiments.know(runKey, experimentId);
      return { runId: runKey, experimentId };
    } catch (error) {
      throw this.#runFailure(error, runKey);
    }
  }

  async #end({ runId }: StoredIds, { status, endTime, ifRunning }: RunEnd): Promise<void> {
    let end = endTime;
    if (ifRunning) {
      const run = record((await this.#run(runId))["run"]);
      if (record(run?.["info"])?.["status"] !== "RUNNING") return;
      for (const { timestamp } of list(record(run?.["data"])?.["metrics"]))
        if (Number.isSafeInteger(timestamp)) end = Math.max(end, Number(timestamp));
    }
    try {
      const answer = await this.api.post("runs/update", { run_id: runId, status, end_time: integer(end, "end time") });
      if (record(answer["run_info"]) === undefined) throw this.api.incomplete("runs/update");
    } catch (error) {
      throw this.#runFailure(error, runId);
    }
  }

  async #run(runId: string): Promise<Record<string, unknown>> {
    try {
      const answer = await this.api.get("runs/get", { run_id: runId });
      if (record(answer["run"]) === undefined) throw this.api.incomplete("runs/get");
      return answer;
    } catch (error) {
      throw this.#runFailure(error, runId);
    }
  }

  #runFailure(error: unknown, runId: string): unknown {
    const refused = refusedAs(error);
    if (refused?.errorCode === "RESOURCE_DOES_NOT_EXIST")
      return refusal("RUN_NOT_FOUND", `There is no run ${runId} on ${this.uri}.`, refused);
    if (refused && DELETED.test(refused.message)) {
      if (this.#deleted.size < MAX_KNOWN) this.#deleted.add(runId);
      return refusal("RUN_DELETED", `Run ${runId} was deleted; data logged into it since then is not stored.`, refused);
    }
    return error;
  }

  async #find({ experiment, runKey, end }: RunChange): Promise<StoredIds | undefined> {
    const experimentId = await this.#experiments.id(experiment);
    const found = await this.#late.findOnly(experimentId, runKey);
    if (found === undefined && end?.ifRunning) this.#late.missing(experimentId, runKey, end);
    return found;
  }
}

/** Part of the server's message about a deleted run or experiment. */
const DELETED = /Current state is deleted/;
