import type { ServerSettings } from "../../config/server.js";
import type { ExperimentRef } from "../../entities.js";
import { messageOf, PulseError } from "../../errors.js";
import { DONE, type Outcome, type RunChange, type RunEnd, type RunStart, type StoredIds, type TrackingStore } from "../tracking-store.js";
import { batches, integer } from "./batches.js";
import { Failure, refusal, refusedAs } from "./failure.js";
import { list, record, text } from "./json.js";
import { LateRequests, RUN_KEY_TAG } from "./late-requests.js";
import { MlflowApi } from "./mlflow-api.js";
import { remedyFor } from "./refused-batch.js";

/**
 * Runs under way at once. Fewer leave a server idle between requests, more gain nothing; and with some twenty requests at once,
 * of all programs together, MLflow's default pool of 15 database connections stands still.
 */
const WIDTH = 4;
/** Most items of one change: what `log-batch` takes at once, beside the run's start and end. */
const BATCH_ITEMS = 1_000;
/** Bounds of a request's body: proxies commonly refuse 1 MB; one that refuses less is given half as much. */
const MAX_BYTES = 900_000;
const LEAST_BYTES = 30_000;
/** Runs whose server ids are remembered, for children and for what comes late. */
const MOST_KNOWN = 10_000;

/** An MLflow server as a store: at most three requests for a short run, and a run is created once whatever happens to the requests. */
export class HttpStore implements TrackingStore {
  readonly uri: string;
  readonly batchItems: number = BATCH_ITEMS;
  readonly batchRuns: number = 1;
  readonly width: number = WIDTH;
  readonly durable: boolean = true;
  readonly api: MlflowApi;
  readonly #late: LateRequests;
  readonly #experiments = new Map<string, Promise<string>>();
  readonly #known = new Map<string, StoredIds>();
  #maxBytes = MAX_BYTES;

  constructor(url: URL, settings: ServerSettings) {
    this.api = new MlflowApi(url, settings, "pulse-mlflow");
    // Runs of one workspace are nothing to another one: neither are their outboxes.
    this.uri =
      settings.workspace === undefined ? this.api.origin : `${this.api.origin}?workspace=${encodeURIComponent(settings.workspace)}`;
    this.#late = new LateRequests(this.api, settings.requestTimeoutMs);
  }

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.all(changes.map((change) => this.#apply(change)));
  }

  runUrl({ experimentId, runId }: StoredIds): string {
    return `${this.api.origin}/#/experiments/${experimentId}/runs/${runId}`;
  }

  get unsettled(): boolean {
    return this.#late.any;
  }

  settle(): Promise<void> {
    return this.#late.settle();
  }

  async close(): Promise<void> {
    await this.settle();
    this.api.client.close();
  }

  async #apply(change: RunChange): Promise<Outcome> {
    try {
      return await this.#write(change);
    } catch (error) {
      if (error instanceof Failure) return error.outcome;
      return { kind: "rejected", error: new PulseError("REJECTED", `The change could not be sent: ${messageOf(error)}.`, error) };
    }
  }

  async #write(change: RunChange): Promise<Outcome> {
    const { create, end, runKey } = change;
    let ids = change.ids ?? this.#known.get(runKey);
    if (ids === undefined) {
      if (create?.resume) ids = await this.#resume(runKey);
      else if (create) ids = await this.#create(change, create);
      else ids = await this.#find(change);
      if (ids === undefined && end?.ifRunning) return DONE; // it never was created
      if (ids === undefined) throw refusal("RUN_NOT_FOUND", `There is no run with tag ${RUN_KEY_TAG} = ${runKey} on ${this.uri}.`);
      this.#remember(runKey, ids);
    }
    const conflicts = await this.#log(ids.runId, change);
    if (conflicts) return { kind: "conflict", params: conflicts };
    if (end) {
      if (ids.recreated) await this.#late.removeTwins(runKey, ids);
      await this.#end(ids, end);
      this.#late.ended(runKey, ids);
    }
    return create ? { kind: "done", ids } : DONE;
  }

  #remember(runKey: string, ids: StoredIds): void {
    this.#known.set(runKey, ids);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value as string);
  }

  /** Creates a run; one whose creation may have happened before is looked up first. */
  async #create(change: RunChange, start: RunStart): Promise<StoredIds> {
    const { runKey, experiment } = change;
    const experimentId = await this.#experiment(experiment);
    const found = change.attempted ? await this.#late.findOnly(experimentId, runKey) : undefined;
    if (found) return { ...found, recreated: true }; // it may be the second one, and the first still on its way
    try {
      const answer = await this.api.post("runs/create", await this.#creation(change, start, experimentId));
      const runId = text(record(record(answer["run"])?.["info"])?.["run_id"]);
      if (runId === undefined) throw this.api.incomplete("runs/create");
      return { runId, experimentId, recreated: change.attempted };
    } catch (error) {
      throw this.#createFailure(error, experiment);
    }
  }

  async #creation(change: RunChange, start: RunStart, experimentId: string): Promise<object> {
    const { name, startTime, userId, sourceTags, parentKey } = start;
    const tags = [...sourceTags, { key: RUN_KEY_TAG, value: change.runKey }];
    if (parentKey !== undefined) {
      const parentId = change.parentId ?? (this.#known.get(parentKey) ?? (await this.#late.find(experimentId, parentKey)))?.runId;
      tags.push(parentId === undefined ? { key: "pulse.parent_key", value: parentKey } : { key: "mlflow.parentRunId", value: parentId });
    }
    const wellFormed = tags.map(({ key, value }) => ({ key, value: (value as Text).toWellFormed() }));
    return {
      experiment_id: experimentId,
      user_id: (userId as Text).toWellFormed(),
      run_name: (name as Text).toWellFormed(),
      start_time: integer(startTime, "start time"),
      tags: wellFormed,
    };
  }

  /** A creation that was refused: says what is wrong with the experiment, and forgets what was known of it. */
  #createFailure(error: unknown, experiment: ExperimentRef): unknown {
    const refused = refusedAs(error);
    if (refused === undefined) return error;
    this.#experiments.delete(keyOf(experiment));
    if (refused.errorCode === "RESOURCE_DOES_NOT_EXIST")
      return refusal("EXPERIMENT_NOT_FOUND", `There is no experiment ${label(experiment)} on ${this.uri}.`, refused);
    return DELETED.test(refused.message) ? deletedExperiment(experiment, refused) : error;
  }

  async #resume(runKey: string): Promise<StoredIds> {
    try {
      const answer = await this.api.post("runs/update", { run_id: runKey, status: "RUNNING" });
      const experimentId = text(record(answer["run_info"])?.["experiment_id"]);
      if (experimentId === undefined) throw this.api.incomplete("runs/update");
      return { runId: runKey, experimentId };
    } catch (error) {
      throw this.#runFailure(error, runKey);
    }
  }

  /** Sends metrics, params and tags; gives the params that have another value already. */
  async #log(runId: string, change: RunChange): Promise<readonly string[] | undefined> {
    try {
      for (const body of batches(runId, change, this.#maxBytes)) await this.api.post("runs/log-batch", body);
      this.#late.tagsStored(runId, change.tags);
      return undefined;
    } catch (error) {
      this.#late.tagsInDoubt(runId, change.tags);
      const remedy = await remedyFor(error, this.api, runId, change);
      if (remedy?.kind === "conflict") return remedy.params;
      if (remedy?.kind === "rest") return this.#log(runId, remedy.change);
      if (remedy?.kind !== "smaller" || this.#maxBytes <= LEAST_BYTES) throw this.#runFailure(error, runId);
      this.#maxBytes = Math.max(LEAST_BYTES, Math.floor(this.#maxBytes / 2));
      return this.#log(runId, change);
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
    if (refused && DELETED.test(refused.message))
      return refusal("RUN_DELETED", `Run ${runId} was deleted; what was logged into it since is not stored.`, refused);
    return error;
  }

  async #find({ experiment, runKey, end }: RunChange): Promise<StoredIds | undefined> {
    const experimentId = await this.#experiment(experiment);
    const found = await this.#late.findOnly(experimentId, runKey);
    if (found === undefined && end?.ifRunning) this.#late.missing(experimentId, runKey, end);
    return found;
  }

  /** The id of an experiment, made when there is none of that name; asked once. */
  #experiment(ref: ExperimentRef): Promise<string> {
    if ("id" in ref) return Promise.resolve(ref.id);
    const key = keyOf(ref);
    let id = this.#experiments.get(key);
    if (id === undefined) {
      id = this.#getOrCreate(ref.name);
      this.#experiments.set(key, id);
      id.catch(() => this.#experiments.delete(key));
    }
    return id;
  }

  async #getOrCreate(given: string): Promise<string> {
    const name = (given as Text).toWellFormed();
    const found = await this.#byName(name);
    if (found !== undefined) return found;
    try {
      const id = text((await this.api.post("experiments/create", { name }))["experiment_id"]);
      if (id === undefined) throw this.api.incomplete("experiments/create");
      return id;
    } catch (error) {
      // Somebody else was quicker, or an earlier try of ours was.
      if (refusedAs(error)?.errorCode !== "RESOURCE_ALREADY_EXISTS") throw error;
      const theirs = await this.#byName(name);
      if (theirs === undefined) throw error;
      return theirs;
    }
  }

  async #byName(name: string): Promise<string | undefined> {
    try {
      const experiment = record((await this.api.get("experiments/get-by-name", { experiment_name: name }))["experiment"]);
      const id = text(experiment?.["experiment_id"]);
      if (id === undefined) throw this.api.incomplete("experiments/get-by-name");
      if (experiment?.["lifecycle_stage"] === "deleted") throw deletedExperiment({ name });
      return id;
    } catch (error) {
      if (refusedAs(error)?.errorCode === "RESOURCE_DOES_NOT_EXIST") return undefined;
      throw error;
    }
  }
}

/** What a server says of a run or an experiment that was deleted. */
const DELETED = /Current state is deleted/;

type Text = string & { toWellFormed(): string };

const keyOf = (ref: ExperimentRef): string => ("id" in ref ? `id ${ref.id}` : `name ${ref.name}`);
const label = (ref: ExperimentRef): string => ("id" in ref ? `with id ${ref.id}` : JSON.stringify(ref.name));

function deletedExperiment(experiment: ExperimentRef, cause?: unknown): Failure {
  return refusal("EXPERIMENT_DELETED", `Experiment ${label(experiment)} was deleted.`, cause);
}
