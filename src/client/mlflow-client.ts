import { keepAlive } from "../base/detached.js";
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun } from "../base/entities.js";
import { forReaders, PulseError } from "../base/errors.js";
import { sanitizeKey, withoutNul } from "../base/text/keys.js";
import { LIMITS } from "../base/text/limits.js";
import { type Check, checkOptions, wrongInput } from "../base/wrong-input.js";
import { checkConfig } from "../config/options.js";
import { type ResolvedConfig, resolveConfig } from "../config/resolve.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import type { ReadyStore } from "../contracts/tracking-store.js";
import type { Run } from "../run/run.js";
import type { RunHost } from "../run/verbs/run-host.js";
import { parseFilter } from "../search/filter.js";
import { EXPERIMENTS } from "../search/identifiers.js";
import { parseOrder } from "../search/order.js";
import { openConfigured } from "../stores/registry.js";
import { defaultTracker, type Tracker } from "../tracker.js";
import {
  type ClientOptions,
  type CreateExperimentOptions,
  DOWNLOAD,
  type DownloadArtifactsOptions,
  EXPERIMENT_QUERY,
  type ExperimentQuery,
  type HistoryOptions,
  RUNS_QUERY,
  type RunRef,
  type RunsQuery,
  type RunUpdate,
  STATUS,
  TAGS,
  TEXT,
  TRACKER,
} from "./client-options.js";
import type { OpenedClient, Source } from "./opened-client.js";
import { Results } from "./results.js";
import { ALL_RUNS, type RunKeys, type RunPages, RunSearch } from "./run-search.js";

/**
 * Reads and administers runs and experiments, on every store: a server, an SQLite file, an `mlruns` folder, or memory.
 * Nothing is opened before the first call.
 *
 * Methods reject with a `PulseError`: `RUN_NOT_FOUND` and `EXPERIMENT_NOT_FOUND` for what does not exist, `REJECTED`
 * for what the store refuses, `STORE_UNAVAILABLE`, `UNAUTHORIZED` and others if it cannot be reached, `CLOSED` after
 * `close()`, and `INVALID_OPTION` for a wrong argument.
 * @example
 * ```ts
 * const client = new MlflowClient();
 * for await (const run of client.searchRuns({ filter: "metrics.loss < 0.2", orderBy: ["metrics.loss"] }))
 *   console.log(run.runName, run.metrics["loss"], run.params);
 * await client.close();
 * ```
 */
export class MlflowClient implements AsyncDisposable {
  readonly #tracker: Tracker | undefined;
  #given: Source | undefined;
  #opened: Promise<OpenedClient> | undefined;
  /** The tracker whose store is opened. */
  #of: Tracker | undefined;
  #closed = false;

  /** @throws PulseError `INVALID_OPTION`, `INVALID_CONFIG`, `INVALID_TRACKING_URI` */
  constructor(options: ClientOptions = {}) {
    checkOptions("MlflowClient", options, { ...ANY_CONFIG, tracker: TRACKER });
    const { tracker, ...given } = options;
    const isGiven = Object.values(given).some((value) => value !== undefined);
    if (tracker !== undefined && isGiven)
      throw new PulseError("INVALID_OPTION", "MlflowClient: a tracker has its own store; give no other options.");
    this.#tracker = tracker;
    if (!isGiven) return;
    checkConfig(given, "MlflowClient");
    const config = resolveConfig(given);
    const store = openConfigured(config);
    this.#given = { store, config, flush: () => Promise.resolve(), release: () => store.close() };
  }

  /** @internal Creates a client on an open store, which it leaves open. */
  static on(store: ReadyStore, config: ResolvedConfig): MlflowClient {
    const client = new MlflowClient();
    client.#given = { store, config, flush: () => Promise.resolve(), release: () => Promise.resolve() };
    return client;
  }

  /**
   * Creates an experiment and returns its id.
   * @throws (rejects) PulseError `REJECTED` if the name is taken, also by a deleted experiment
   */
  async createExperiment(name: string, options: CreateExperimentOptions = {}): Promise<string> {
    needName("createExperiment", name);
    checkOptions("createExperiment", options, { artifactLocation: TEXT, tags: TAGS });
    const tags = Object.entries(options.tags ?? {}).map(([key, value]) => {
      needKey("createExperiment", key);
      return { key, value: tagText(value) };
    });
    const { artifactLocation } = options;
    return this.#use((client) => client.createExperiment({ name, artifactLocation, tags }));
  }

  /** @throws (rejects) PulseError `EXPERIMENT_NOT_FOUND` */
  async getExperiment(experimentId: string): Promise<MlflowExperiment> {
    needText("getExperiment", "experimentId", experimentId);
    return this.#use((client) => client.needExperiment(experimentId));
  }

  /** Returns undefined if there is none, as in MLflow. Deleted experiments are found, too. */
  async getExperimentByName(name: string): Promise<MlflowExperiment | undefined> {
    needText("getExperimentByName", "name", name);
    return this.#use((client) => client.experiment({ name }));
  }

  /**
   * @throws PulseError `INVALID_FILTER` that points at the mistake.
   */
  searchExperiments(query: ExperimentQuery = {}): Results<MlflowExperiment> {
    checkOptions("searchExperiments", query, EXPERIMENT_QUERY);
    const { filter = "", orderBy = [], viewType = "active", maxResults } = query;
    parseFilter(filter, 0, EXPERIMENTS); // a mistake is told where it is made
    parseOrder(orderBy, EXPERIMENTS);
    return new Results(
      (most, token) => this.#use((client) => client.experiments({ filter, orderBy, viewType }, most, token)),
      maxResults,
    );
  }

  async renameExperiment(experimentId: string, name: string): Promise<void> {
    needText("renameExperiment", "experimentId", experimentId);
    needName("renameExperiment", name);
    await this.#use((client) => client.editExperiment(experimentId, { kind: "rename", name }));
  }

  /** Deletes an experiment and its runs; `restoreExperiment` brings them back. */
  async deleteExperiment(experimentId: string): Promise<void> {
    needText("deleteExperiment", "experimentId", experimentId);
    await this.#use((client) => client.editExperiment(experimentId, { kind: "delete" }));
  }

  async restoreExperiment(experimentId: string): Promise<void> {
    needText("restoreExperiment", "experimentId", experimentId);
    await this.#use((client) => client.editExperiment(experimentId, { kind: "restore" }));
  }

  async setExperimentTag(experimentId: string, key: string, value: string): Promise<void> {
    needText("setExperimentTag", "experimentId", experimentId);
    needKey("setExperimentTag", key);
    await this.#use((client) =>
      client.editExperiment(experimentId, { kind: "setTag", tag: { key, value: tagText(value) } }),
    );
  }

  /** @throws (rejects) PulseError `RUN_NOT_FOUND` */
  async getRun(run: RunRef): Promise<MlflowRun> {
    return this.#use(async (client) => client.run(await idOf("getRun", run)));
  }

  /** Returns undefined for a run without a parent, and if the parent no longer exists. */
  async getParentRun(run: RunRef): Promise<MlflowRun | undefined> {
    return this.#use(async (client) => client.parentRun(await idOf("getParentRun", run)));
  }

  /**
   * @throws PulseError `INVALID_FILTER` that points at the mistake; (rejects) `EXPERIMENT_NOT_FOUND` for a name that
   * no experiment has.
   * @example
   * ```ts
   * const client = new MlflowClient();
   * const best = await client.searchRuns({ experimentNames: ["Default"], orderBy: ["metrics.loss"] }).first();
   * await client.close();
   * ```
   */
  searchRuns(query: RunsQuery = {}): RunSearch {
    checkOptions("searchRuns", query, RUNS_QUERY);
    const {
      filter = "",
      orderBy = [],
      viewType = "active",
      maxResults,
      experimentIds = [],
      experimentNames = [],
    } = query;
    const runs = new RunSearch(this.#pages, {
      ...ALL_RUNS,
      experimentIds,
      experimentNames,
      viewType,
      maxResults: maxResults ?? Number.POSITIVE_INFINITY,
    });
    return (filter === "" ? runs : runs.where(filter)).orderBy(...orderBy);
  }

  /**
   * Searches the runs of some experiments, by text or by functions.
   * @param experimentNames none are all active experiments
   * @example
   * ```ts
   * const client = new MlflowClient();
   * await client
   *   .runs("Default")
   *   .where((r) => r.metric("loss").lt(0.2).or(r.tag("stage").eq("prod")))
   *   .orderBy((r) => r.metric("loss").asc())
   *   .first();
   * await client.close();
   * ```
   */
  runs<K extends RunKeys = RunKeys>(...experimentNames: readonly string[]): RunSearch<K> {
    for (const name of experimentNames) needText("runs", "experimentNames", name);
    return new RunSearch<K>(this.#pages, { ...ALL_RUNS, experimentNames });
  }

  async setTag(run: RunRef, key: string, value: string): Promise<void> {
    needKey("setTag", key);
    const tag = { key, value: tagText(value) };
    await this.#use(async (client) => client.editRun(await idOf("setTag", run), { kind: "setTag", tag }));
  }

  async deleteTag(run: RunRef, key: string): Promise<void> {
    needText("deleteTag", "key", key);
    await this.#use(async (client) => client.editRun(await idOf("deleteTag", run), { kind: "deleteTag", key }));
  }

  /** Changes the status or the name of a run. An end status sets the end time to now. */
  async updateRun(run: RunRef, update: RunUpdate): Promise<void> {
    checkOptions("updateRun", update, { status: STATUS, runName: TEXT });
    await this.#use(async (client) => client.updateRun(await idOf("updateRun", run), update.status, update.runName));
  }

  /** Marks a run as deleted; `restoreRun` brings it back. */
  async deleteRun(run: RunRef): Promise<void> {
    await this.#use(async (client) => client.editRun(await idOf("deleteRun", run), { kind: "delete" }));
  }

  async restoreRun(run: RunRef): Promise<void> {
    await this.#use(async (client) => client.editRun(await idOf("restoreRun", run), { kind: "restore" }));
  }

  /** Returns the values of a metric by time; empty if the run has no such metric. */
  async getMetricHistory(run: RunRef, key: string, options: HistoryOptions = {}): Promise<Metric[]> {
    const maxPoints = pointsOf("getMetricHistory", key, options);
    return this.#use(async (client) => client.history(await idOf("getMetricHistory", run), key, maxPoints));
  }

  /** Returns the values of a metric of several runs, by run id. */
  async getMetricHistories(
    runs: Iterable<RunRef>,
    key: string,
    options: HistoryOptions = {},
  ): Promise<Map<string, Metric[]>> {
    const maxPoints = pointsOf("getMetricHistories", key, options);
    if (typeof runs === "string" || typeof runs?.[Symbol.iterator] !== "function")
      throw wrongInput("getMetricHistories", "runs", "a list of runs", runs);
    const ids = await Promise.all(Array.from(runs, (run) => idOf("getMetricHistories", run)));
    return this.#use((client) => client.histories(ids, key, maxPoints));
  }

  /** Sums up each metric of a run by key: the first, last, lowest and highest value with their steps, and the count. */
  async bestValues(run: RunRef): Promise<Record<string, MetricSummary>> {
    return this.#use(async (client) => client.bestValues(await idOf("bestValues", run)));
  }

  /**
   * Lists the files and folders in a folder of a run.
   * @param path @default the root
   */
  async listArtifacts(run: RunRef, path = ""): Promise<ArtifactInfo[]> {
    if (path !== "") needText("listArtifacts", "path", path);
    return this.#use(async (client) => client.listArtifacts(await idOf("listArtifacts", run), path));
  }

  /**
   * Downloads a file, or a folder with all that is in it, to `<to>/<path>`, and returns that path.
   * @throws (rejects) PulseError `ARTIFACT_NOT_FOUND`; `NOT_WRITABLE`, `DISK_FULL` of the target
   */
  async downloadArtifacts(run: RunRef, options: DownloadArtifactsOptions): Promise<string> {
    checkOptions("downloadArtifacts", options, DOWNLOAD);
    needText("downloadArtifacts", "to", options.to);
    return this.#use(async (client) => client.downloadArtifacts(await idOf("downloadArtifacts", run), options));
  }

  /** Returns a file as text. @throws (rejects) PulseError `ARTIFACT_NOT_FOUND`; `ARTIFACT_UNREADABLE` above 256 MiB */
  async loadText(run: RunRef, path: string): Promise<string> {
    needText("loadText", "path", path);
    return this.#use(async (client) => client.loadText(await idOf("loadText", run), path));
  }

  /** Returns what a JSON or YAML file holds. @throws (rejects) PulseError as `loadText`, also for other files */
  async loadDict(run: RunRef, path: string): Promise<unknown> {
    needText("loadDict", "path", path);
    return this.#use(async (client) => client.loadDict(await idOf("loadDict", run), path));
  }

  /**
   * Returns the rows of a table that `logTable` has logged. Parquet needs the package `hyparquet`.
   * @throws (rejects) PulseError as `loadText`, also for other files; `PACKAGE_MISSING`
   */
  async loadTable(run: RunRef, path: string): Promise<Record<string, unknown>[]> {
    needText("loadTable", "path", path);
    return this.#use(async (client) => client.loadTable(await idOf("loadTable", run), path));
  }

  /** @internal Returns the run with the best of the lowest or highest values that its metric ever had. */
  async bestOf(
    runs: AsyncIterable<MlflowRun>,
    key: string,
    by: "min" | "max",
    goal: "minimize" | "maximize",
  ): Promise<MlflowRun | undefined> {
    return this.#use((client) => client.bestOf(runs, key, by, goal));
  }

  /** Closes files and connections that belong to the client; a tracker stays open. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#leave();
  }

  async #leave(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    const client = await opened?.catch(() => undefined);
    await client?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #pages: RunPages = (query) => (maxResults, pageToken) =>
    this.#use((client) => client.runs(query, maxResults, pageToken));

  /** Uses the opened client. The process stays alive until that is done. */
  async #use<R>(work: (client: OpenedClient) => Promise<R>): Promise<R> {
    try {
      return await keepAlive(async () => work(await this.#client()));
    } catch (error) {
      throw this.#closed ? closed() : forReaders(error);
    }
  }

  #client(): Promise<OpenedClient> {
    if (this.#closed) return Promise.reject(closed());
    // A default tracker may have been replaced.
    const tracker = this.#given === undefined ? (this.#tracker ?? defaultTracker()) : undefined;
    if (tracker !== this.#of) void this.#leave();
    this.#of = tracker;
    if (this.#opened === undefined) {
      const opening = this.#open();
      this.#opened = opening;
      // A file may appear, and a driver be installed: the next call tries again.
      opening.catch(() => {
        if (this.#opened === opening) this.#opened = undefined;
      });
    }
    return this.#opened;
  }

  async #open(): Promise<OpenedClient> {
    const source = this.#source();
    try {
      const reader = await source.store.reader?.();
      if (reader === undefined)
        throw new PulseError("UNSUPPORTED", `${source.store.uri} cannot be read by a client; only by its own means.`);
      const { OpenedClient } = await import("./opened-client.js");
      return new OpenedClient(source, reader);
    } catch (error) {
      await source.release();
      throw error;
    }
  }

  #source(): Source {
    if (this.#given) return this.#given;
    const { recorder, config } = (this.#tracker ?? defaultTracker()) as unknown as RunHost;
    const flush = async (): Promise<void> => void (await recorder.flush());
    return { store: recorder.store, config, flush, release: () => Promise.resolve() };
  }
}

/** The configuration is checked by its own rules. */
const ANY: Check = ["", () => true];
const ANY_CONFIG = { trackingUri: ANY, auth: ANY, headers: ANY, tls: ANY, workspace: ANY };

const closed = (): unknown => forReaders(new PulseError("CLOSED", "This client is closed."));

/** No database keeps the character NUL, and some end a text there. */
function needText(user: string, name: string, value: unknown): void {
  if (typeof value !== "string" || value === "" || value.includes("\0"))
    throw wrongInput(user, name, "a non-empty text without NUL characters", value);
}

const tagText = (value: unknown): string => withoutNul(String(value));

/** MLflow's limit. */
const MAX_NAME = 500;

function needName(user: string, name: unknown): void {
  needText(user, "name", name);
  if (String(name).length > MAX_NAME) throw wrongInput(user, "name", `a text of at most ${MAX_NAME} characters`, name);
}

/** Refuses keys of tags that MLflow refuses. */
function needKey(user: string, key: unknown): void {
  needText(user, "key", key);
  if (sanitizeKey(String(key)) !== key)
    throw wrongInput(
      user,
      "key",
      `a key of letters, digits, and _ - . / : or space, at most ${LIMITS.key} characters, with no / at either end`,
      key,
    );
}

function pointsOf(user: string, key: unknown, options: HistoryOptions): number | undefined {
  needText(user, "key", key);
  checkOptions(user, options, {
    maxPoints: ["an integer, 4 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 4],
  });
  return options.maxPoints;
}

/** @throws (rejects) PulseError `INVALID_OPTION` for what is not a run, and what `run.serverId()` rejects with. */
async function idOf(user: string, run: RunRef): Promise<string> {
  if (typeof run === "string" && run !== "") return run;
  const { runId, serverId } = Object(run) as { runId?: unknown; serverId?: unknown };
  if (typeof serverId === "function") return (run as Run).serverId();
  if (typeof runId === "string" && runId !== "") return runId;
  throw wrongInput(user, "run", "a run, or a run's id", run);
}
