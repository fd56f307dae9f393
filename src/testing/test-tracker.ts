import { wrongInput } from "../base/wrong-input.js";
import type { PulseConfig, Tracker } from "../index.js";
import { checkConfig, trackerOn } from "../inner/testing.js";
import type { MlflowCall } from "./mlflow-call.js";
import { nothingRecorded } from "./nothing-recorded.js";
import { RecordingStore } from "./recording-store.js";
import { type RunSnapshot, snapshots, type TestRun, testRun } from "./test-run.js";

/** A tracker for tests. It keeps everything in memory, its clock only moves when set, and its ids count up. */
export interface TestTracker extends Tracker {
  /** The runs recorded so far, oldest first. Available at once. */
  readonly runs: readonly TestRun[];
  /** The only run. @throws Error naming the runs, if there are none or several. */
  readonly onlyRun: TestRun;
  /** The warnings, as a logger receives them. */
  readonly warnings: readonly string[];
  /**
   * The tracker's time in milliseconds since the epoch. Settable: moving it on by a second ends the folded runs of
   * the previous second.
   * @default 1700000000000
   */
  now: number;
  /**
   * The random number that decides sampling (`sample`), from 0 up to 1; settable.
   * @default 0.5
   */
  chance: number;
  /** Returns the runs without ids and times, children inside their parents, for snapshots and deep comparison. */
  snapshot(): readonly RunSnapshot[];
}

const BEGINNING = 1_700_000_000_000;
const ID_DIGITS = 32;
const MIDDLE = 0.5;

/** Options of a test tracker. Environment variables and configuration files are ignored. */
export type TestConfig = Omit<
  PulseConfig,
  "trackingUri" | "store" | "context" | "durability" | "outbox" | "artifacts" | ServerOption
>;
type ServerOption = "auth" | "headers" | "tls" | "workspace";

const IN_MEMORY = "a test tracker keeps everything in memory";
const NO_SERVER = `${IN_MEMORY} and contacts no server`;
/** Options that are not supported here, and why. */
const NOT_HERE: Readonly<Record<Exclude<keyof PulseConfig, keyof TestConfig>, string>> = {
  trackingUri: IN_MEMORY,
  store: `${IN_MEMORY}; pass a store of your own to createTracker()`,
  context: "it applies to the whole process; pass it to configure() or createTracker()",
  durability: IN_MEMORY,
  outbox: IN_MEMORY,
  artifacts: IN_MEMORY,
  auth: NO_SERVER,
  headers: NO_SERVER,
  tls: NO_SERVER,
  workspace: NO_SERVER,
};

/**
 * Creates a tracker for a test. Code called inside `tracker.run(…)` records into this tracker only, so tests may run
 * in parallel.
 * @param config As for `configure`, without the options that say where things go: everything is kept in memory.
 * @throws PulseError `INVALID_CONFIG`.
 * @example
 * ```ts
 * import { createTestTracker } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { params: ["lr"], metrics: "loss" });
 * await tracker.run(() => train(0.25));
 * console.assert(tracker.onlyRun.params.lr === "0.25" && tracker.onlyRun.metrics.loss?.[0]?.value === 0.75);
 * ```
 */
export function createTestTracker(config: TestConfig = {}): TestTracker {
  return on(new RecordingStore(), config, "createTestTracker");
}

/** The calls to MLflow made by the code under test, and a server that can be made unavailable. */
export interface MlflowCalls {
  readonly tracker: TestTracker;
  /** The calls so far. What a run recorded within one turn of the event loop is ordered: params, tags, metrics. */
  readonly calls: readonly MlflowCall[];
  /** Returns the calls of the runs with that name. */
  callsOf(runName: string): readonly MlflowCall[];
  /** Makes the server unavailable. */
  goAway(): void;
  /** Makes the server available again; resolves when everything recorded meanwhile is delivered. */
  comeBack(): Promise<void>;
}

/**
 * Records each call that would be made to MLflow, with its arguments: experiment, start, params, tags, metrics and
 * end. Files appear as path and size when they are stored, after what was recorded of the run until then; their
 * content is in `run.artifacts`.
 * @throws PulseError `INVALID_CONFIG`.
 * @example
 * ```ts
 * import { recordMlflowCalls } from "pulse-mlflow/testing";
 * const mlflow = recordMlflowCalls();
 * mlflow.tracker.withRun({ experiment: "Sweep", runName: "trial", params: { lr: 0.1 } }, (run) => run.logMetric("loss", 0.9));
 * console.log(mlflow.calls);
 * // [["setExperiment", "Sweep"], ["startRun", "trial"], ["logParam", "lr", "0.1"], ["logMetric", "loss", 0.9, 0], ["endRun", "FINISHED"]]
 * ```
 */
export function recordMlflowCalls(config: TestConfig = {}): MlflowCalls {
  const store = new RecordingStore();
  const tracker = on(store, config, "recordMlflowCalls");
  const about = (name?: string): MlflowCall[] => {
    tracker.write();
    const of = store.calls.filter(({ runId }) => name === undefined || store.kept.runs.get(runId)?.name === name);
    return of.map(({ call }) => call);
  };
  return {
    tracker,
    get calls() {
      return about();
    },
    callsOf: about,
    goAway() {
      tracker.write();
      store.available = false;
    },
    comeBack() {
      store.available = true;
      return tracker.flush();
    },
  };
}

function on(store: RecordingStore, config: TestConfig, user: string): TestTracker & { write(): void } {
  checkConfig(config, user, NOT_HERE);
  const warnings: string[] = [];
  const time = { now: BEGINNING, chance: MIDDLE };
  let ids = 0;
  const clock = { now: () => time.now, id: () => String(++ids).padStart(ID_DIGITS, "0"), random: () => time.chance };
  const warn = (message: string): unknown => {
    warnings.push(message);
    return config.logger?.warn(message); // what it gives is looked at as of any logger: a promise may fail
  };
  const inner = trackerOn(store, { ...config, logger: { warn } }, clock);
  inner.recorder.readsFiles = true; // files are read when they are logged, since they may change before a test looks
  const write = (): void => {
    for (const held of inner.recorder.held) held.endOverdue?.();
    inner.recorder.storeNow();
  };
  const runs = (): TestRun[] => {
    write();
    const names = new Map([...store.kept.experiments].map(([name, { id }]) => [id, name]));
    return [...store.kept.runs.values()].map((run) => testRun(run, names.get(run.experimentId) ?? run.experimentId));
  };
  const added = {
    warnings,
    write,
    get runs() {
      return runs();
    },
    get onlyRun() {
      const all = runs();
      if (all.length === 1 && all[0]) return all[0];
      const there = all.length === 0 ? nothingRecorded() : all.map(({ name }) => name).join(", ");
      throw new Error(`expected one run, found ${all.length}: ${there}`);
    },
    get now() {
      return time.now;
    },
    set now(value) {
      if (!Number.isFinite(value))
        throw wrongInput("TestTracker", "now", "a number of milliseconds since the epoch", value);
      time.now = value;
    },
    get chance() {
      return time.chance;
    },
    set chance(value) {
      if (typeof value !== "number" || !(value >= 0 && value < 1))
        throw wrongInput("TestTracker", "chance", "a number from 0 up to 1", value);
      time.chance = value;
    },
    snapshot: () => snapshots(runs()),
  };
  return Object.defineProperties(inner, Object.getOwnPropertyDescriptors(added)) as typeof inner & typeof added;
}
