import { dirname, join, relative, sep } from "node:path";
import type { Clock } from "../../base/clock.js";
import type { Metric } from "../../base/entities.js";
import { messageOf, PulseError, type PulseErrorCode } from "../../base/errors.js";
import { refusedTags } from "../../contracts/refused-tags.js";
import type { StoreReader } from "../../contracts/store-reader.js";
import {
  type ArtifactPlace,
  DONE,
  type Finding,
  type Outcome,
  type ProbeOptions,
  type ReadyStore,
  type RefusedItems,
  type RunChange,
  type RunStart,
  type StoredIds,
} from "../../contracts/tracking-store.js";
import { type Experiment, Experiments, TRASH } from "./experiments.js";
import { CLOSED, codeOf, isFolder, statOf, Unreadable } from "./files.js";
import { META, mlrunsUri } from "./folder-path.js";
import { Gone, isOdd, Refused, RunFolder } from "./run-folder.js";

/** Limits of one call, and how many milliseconds it may block the event loop: a run has about twenty files. */
const BATCH_ITEMS = 2_000;
const [MIN_RUNS, MAX_RUNS] = [4, 64];
const [QUICK_MS, SLOW_MS] = [2, 4];
/** How many runs are remembered, with the state of their files. */
const MAX_KNOWN = 1_000;
/** The run ids that MLflow accepts; other folders are not runs. */
const RUN_ID = /^[a-z0-9][\w-]{0,255}$/i;

/**
 * A store on MLflow's own `mlruns` folder, with the files that its file store writes. Runs of other programs can be
 * continued, and they can continue ours. Does not sync to disk: written data survives a killed program, but not a power
 * failure.
 */
export class MlrunsStore implements ReadyStore {
  readonly uri: string;
  readonly batchItems: number = BATCH_ITEMS;
  batchRuns: number = MIN_RUNS;
  readonly durable: boolean = true;
  readonly #root: string;
  readonly #experiments: Experiments;
  readonly #runs = new Map<string, RunFolder>();

  /** @param root an absolute path; it does not have to exist */
  constructor(root: string, { clock }: { readonly clock: Clock }) {
    this.#root = root;
    this.uri = mlrunsUri(root);
    this.#experiments = new Experiments(root, () => clock.now());
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return this.applySync(changes);
  }

  applySync(changes: readonly RunChange[]): readonly Outcome[] {
    const began = performance.now();
    this.#experiments.begin();
    let away: Outcome | undefined;
    const outcomes = changes.map((change): Outcome => {
      const outcome = away ?? this.#apply(change);
      if (outcome.kind === "away") away = outcome; // the disk is full or not writable for all of them
      return outcome;
    });
    const ms = performance.now() - began;
    if (ms > SLOW_MS) this.batchRuns = Math.max(MIN_RUNS, Math.floor(this.batchRuns * 0.7));
    else if (ms < QUICK_MS && changes.length > this.batchRuns * 0.8)
      this.batchRuns = Math.min(MAX_RUNS, Math.ceil(this.batchRuns * 1.3));
    return outcomes;
  }

  artifactsOf({ runId }: StoredIds): ArtifactPlace {
    return this.#looked(runId, (run) => run.artifacts);
  }

  tagOf({ runId }: StoredIds, key: string): string | undefined {
    return this.#looked(runId, (run) => run.tag(key));
  }

  /** Loaded on demand. */
  async reader(): Promise<StoreReader> {
    const { MlrunsReader } = await import("./mlruns-reader.js");
    return new MlrunsReader(this, this.#experiments);
  }

  /** @internal Does an administrator's work; what was known of runs is read again. */
  async administer<R>(work: () => R): Promise<R> {
    this.#experiments.begin();
    this.#runs.clear();
    try {
      return work();
    } catch (error) {
      if (error instanceof PulseError) throw error;
      const outcome = this.#outcomeOf(error, "");
      throw "error" in outcome ? outcome.error : error;
    }
  }

  /** Loaded on demand: only `doctor` uses it. */
  async probe(_options: ProbeOptions): Promise<readonly Finding[]> {
    const { probeFolder } = await import("./probe.js");
    return probeFolder(this.#root);
  }

  close(): Promise<void> {
    this.#runs.clear();
    return Promise.resolve();
  }

  #looked<R>(runId: string, look: (run: RunFolder) => R): R {
    try {
      const run = this.#find(runId);
      if (run === undefined) throw this.#noRun(runId);
      return look(run);
    } catch (error) {
      if (error instanceof PulseError) throw error;
      const outcome = this.#outcomeOf(error, runId);
      throw "error" in outcome ? outcome.error : error;
    }
  }

  #apply(change: RunChange): Outcome {
    for (let again = false; ; again = true)
      try {
        return this.#write(change);
      } catch (error) {
        this.#runs.delete(change.runKey); // the state of its files is unknown now
        if (!(error instanceof Gone) || again) return this.#outcomeOf(error, change.runKey);
      }
  }

  #write(change: RunChange): Outcome {
    const { runKey, create, end, ids } = change;
    let run: RunFolder | undefined;
    let experiment: Experiment | undefined;
    let isNew = false;
    // If the creation was attempted before, its experiment may have been renamed or removed since.
    const made = create && !create.resume && change.attempted ? this.#find(runKey) : undefined;
    if (create && !create.resume && made === undefined) {
      const found = this.#experimentOf(change);
      if (found instanceof PulseError) return { kind: "rejected", error: found };
      if (!RUN_ID.test(runKey)) return { kind: "rejected", error: this.#noRun(runKey) };
      experiment = found;
      run = this.#at(runKey, join(found.folder, runKey));
      isNew = run === undefined;
      run ??= RunFolder.make(found, runKey);
    } else {
      run = made ?? this.#find(runKey, ids?.experimentId);
      // It was never created
      if (run === undefined) return end?.ifRunning ? DONE : { kind: "rejected", error: this.#noRun(runKey) };
    }
    if (!isNew && run.deleted) {
      const detail = `Run ${runKey} was deleted; data logged into it since then is not stored.`;
      return { kind: "rejected", error: new PulseError("RUN_DELETED", detail) };
    }
    if (create?.resume) run.reopen();
    const refused: RefusedItems[] = [];
    // An existing run already has them, and others may have changed them since.
    if (isNew && create) writeTags(run, startTags(create), refused, 0);
    const conflicts = writeParams(run, change, refused);
    if (conflicts.length > 0) return { kind: "conflict", params: conflicts };
    writeTags(run, change.tags, refused);
    writeMetrics(run, change.metrics, refused);
    for (const input of change.inputs) attempt(refused, "input", input.name, 1, () => run.addInput(input));
    if (refused.length > 0) writeTags(run, refusedTags(refused), []);
    const name = change.tags.findLast(({ key }) => key === "mlflow.runName")?.value;
    if (isNew && create && experiment) {
      run.create(experiment, create, end, name ?? create.name);
      this.#remember(runKey, run);
    } else {
      if (name !== undefined) run.rename(name);
      if (end) run.end(end);
    }
    // Also returned to a caller that does not know whether the run of a dead program was created.
    const withIds = create || (end?.ifRunning && ids === undefined);
    return {
      kind: "done",
      ...(withIds && { ids: { runId: runKey, experimentId: run.experimentId } }),
      ...(refused.length > 0 && { refused }),
    };
  }

  #experimentOf({ experiment: ref }: RunChange): Experiment | PulseError {
    const beside = ref.of === undefined ? undefined : this.#find(ref.of);
    return this.#experiments.find(beside && !beside.deleted ? { id: beside.experimentId } : ref);
  }

  /** Finds an existing run, whoever created it, even if its experiment was deleted. */
  #find(runKey: string, experimentId?: string): RunFolder | undefined {
    if (!RUN_ID.test(runKey)) return undefined;
    const known = this.#runs.get(runKey);
    if (known?.exists) return known;
    const places = experimentId === undefined ? [] : this.#experiments.placesOf(experimentId);
    for (const folder of [...places, ...this.#experiments.folders()])
      if (isThere(join(folder, runKey, META))) return this.#at(runKey, join(folder, runKey));
    return undefined;
  }

  #at(runKey: string, folder: string): RunFolder | undefined {
    const known = this.#runs.get(runKey);
    if (known?.exists) return known;
    const run = RunFolder.at(folder);
    if (run) this.#remember(runKey, run);
    return run;
  }

  #remember(runKey: string, run: RunFolder): void {
    this.#runs.delete(runKey);
    this.#runs.set(runKey, run);
    if (this.#runs.size > MAX_KNOWN) this.#runs.delete(this.#runs.keys().next().value as string);
  }

  #noRun(runKey: string): PulseError {
    return new PulseError("RUN_NOT_FOUND", `There is no run ${runKey} in ${this.#root}.`);
  }

  #outcomeOf(error: unknown, runKey: string): Outcome {
    if (error instanceof PulseError) return { kind: "away", error };
    if (error instanceof Gone) return { kind: "rejected", error: this.#noRun(runKey) };
    // A file that is being written will soon be complete; any other unreadable file stays so.
    if (error instanceof Unreadable)
      return error.isNew
        ? { kind: "retry", error: new PulseError("STORE_BUSY", `${error.message}.`, error) }
        : {
            kind: "rejected",
            error: new PulseError("REJECTED", `${error.message}. Fix the file, or remove its folder.`, error),
          };
    const code = CODES[codeOf(error)];
    const detail = `${this.#root} cannot be written: ${messageOf(error)}.`;
    if (code === undefined) return { kind: "rejected", error: new PulseError("REJECTED", detail, error) };
    // A folder of another user only blocks its own runs; everything else continues.
    const { path = "" } = error as { path?: string };
    const isOfOne = code === "NOT_WRITABLE" && codeOf(error) !== "EROFS" && this.#isBelow(dirname(path));
    return { kind: isOfOne ? "denied" : "away", error: new PulseError(code, detail, error) };
  }

  /** Whether a folder is an experiment or inside one, but not the root or its trash. */
  #isBelow(folder: string): boolean {
    const [first, ...others] = relative(this.#root, folder).split(sep);
    return first !== "" && first !== ".." && (first !== TRASH || others.length > 0) && isFolder(this.#root);
  }
}

/** Whether a path exists. A path without access counts as absent. */
function isThere(path: string): boolean {
  try {
    return statOf(path) !== undefined;
  } catch (error) {
    if (CLOSED.includes(codeOf(error))) return false;
    throw error;
  }
}

/** The meaning of file system errors for the whole folder. */
const CODES: Readonly<Record<string, PulseErrorCode>> = {
  ENOSPC: "DISK_FULL",
  EDQUOT: "DISK_FULL",
  EACCES: "NOT_WRITABLE",
  EPERM: "NOT_WRITABLE",
  EROFS: "NOT_WRITABLE",
  ENOTDIR: "NOT_WRITABLE",
  EEXIST: "NOT_WRITABLE",
  ERR_ACCESS_DENIED: "NOT_WRITABLE",
  EMFILE: "STORE_UNAVAILABLE",
  ENFILE: "STORE_UNAVAILABLE",
  EIO: "STORE_UNAVAILABLE",
  ESTALE: "STORE_UNAVAILABLE",
  ETIMEDOUT: "STORE_UNAVAILABLE",
  ENOENT: "STORE_UNAVAILABLE",
};

/** Returns the tags of a run's start. */
function startTags({ sourceTags, name, parentKey }: RunStart): RunChange["tags"] {
  const tags = [...sourceTags, { key: "mlflow.runName", value: name }];
  if (parentKey !== undefined) tags.push({ key: "mlflow.parentRunId", value: parentKey });
  return tags;
}

/** Writes one item; if it cannot be stored, the others still are. */
function attempt<R>(
  refused: RefusedItems[],
  what: RefusedItems["what"],
  key: string,
  items: number,
  write: () => R,
): R | undefined {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof Refused) && !isOdd(error)) throw error;
    const detail = `${what} ${JSON.stringify(key.slice(0, 100))} is not stored: ${messageOf(error)}. Everything else is.`;
    refused.push({
      what,
      key,
      items,
      error: error instanceof Refused ? error.error : new PulseError("REJECTED", detail, error),
    });
    return undefined;
  }
}

function writeTags(run: RunFolder, tags: RunChange["tags"], refused: RefusedItems[], items = 1): void {
  for (const tag of tags) attempt(refused, "tag", tag.key, items, () => run.setTag(tag));
}

/** Returns the keys of params that have another value, even from the same change. */
function writeParams(run: RunFolder, { params }: RunChange, refused: RefusedItems[]): string[] {
  const values = new Map<string, string>();
  return params.flatMap((param) => {
    const before = values.get(param.key);
    values.set(param.key, before ?? param.value);
    const same =
      before === undefined
        ? attempt(refused, "param", param.key, 1, () => run.addParam(param))
        : before === param.value;
    return same === false ? [param.key] : [];
  });
}

function writeMetrics(run: RunFolder, metrics: readonly Metric[], refused: RefusedItems[]): void {
  const byKey = new Map<string, Metric[]>();
  for (const metric of metrics) {
    const { key, timestamp, step } = metric;
    if (!Number.isSafeInteger(timestamp) || !Number.isSafeInteger(step)) {
      const detail = `metric ${JSON.stringify(key.slice(0, 100))} is not stored: its timestamp and step must be integers.`;
      refused.push({ what: "metric", key, items: 1, error: new PulseError("INVALID_VALUE", detail) });
      continue;
    }
    const series = byKey.get(key);
    if (series) series.push(metric);
    else byKey.set(key, [metric]);
  }
  for (const [key, series] of byKey) attempt(refused, "metric", key, series.length, () => run.addPoints(key, series));
}
