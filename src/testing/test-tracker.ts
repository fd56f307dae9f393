import { checkConfig, type PulseConfig } from "../config/options.js";
import type { TerminalStatus } from "../entities.js";
import { OFF } from "../run/host.js";
import type { StoredRun } from "../stores/memory-store.js";
import { type Tracker, trackerOn } from "../tracker.js";
import { wrongInput } from "../wrong-input.js";
import type { MlflowCall } from "./mlflow-call.js";
import { RecordingStore } from "./recording-store.js";

/** One value of a metric's history. */
export interface TestPoint {
  readonly value: number;
  readonly step: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** A run as it is recorded at the moment it is looked at. */
export interface TestRun {
  readonly id: string;
  readonly name: string;
  readonly experiment: string;
  readonly status: "RUNNING" | TerminalStatus;
  readonly parentId: string | undefined;
  readonly startTime: number;
  readonly endTime: number | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** Without those that MLflow's client sets of itself (`mlflow.*`). */
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, readonly TestPoint[]>>;
}

/** A run for a snapshot: without ids and times, its children inside it. */
export interface RunSnapshot {
  readonly name: string;
  readonly experiment: string;
  readonly status: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** `[step, value]` pairs. */
  readonly metrics: Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;
  readonly children: readonly RunSnapshot[];
}

/** A tracker for tests: it keeps everything in memory, its time stands still until it is moved on, its ids count up. */
export interface TestTracker extends Tracker {
  /** What has been recorded so far, oldest run first. Needs no waiting. */
  readonly runs: readonly TestRun[];
  /** The only run. @throws Error naming the runs there are, when they are none or several. */
  readonly onlyRun: TestRun;
  /** Warnings, as a logger gets them. */
  readonly warnings: readonly string[];
  /** Milliseconds since the epoch; settable. Moved on by a second, it ends the folded runs of the second before. @default 1700000000000 */
  now: number;
  /** The runs without ids and times, children inside their parents: for snapshots and deep comparison. */
  snapshot(): readonly RunSnapshot[];
}

const BEGINNING = 1_700_000_000_000;
const ID_DIGITS = 32;
/** What is drawn where chance decides (`sample`): the middle. */
const MIDDLE = 0.5;

/** Settings of a test tracker; the environment and configuration files have no say in them. */
export type TestConfig = Omit<PulseConfig, "trackingUri" | "context">;

/**
 * Makes a tracker for a test. Code called inside `tracker.run(…)` records into it and into no other, so that tests may run side by side.
 * @param config like `configure`, without tracking URI and context.
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

/** The calls to MLflow that code under test makes, and a server that can be away. */
export interface MlflowCalls {
  readonly tracker: TestTracker;
  /** The calls so far; what one turn of the event loop recorded of a run comes as params, tags, metrics. */
  readonly calls: readonly MlflowCall[];
  /** Those about the runs of that name. */
  callsOf(runName: string): readonly MlflowCall[];
  /** From now on the server does not answer. */
  goAway(): void;
  /** It answers again; resolves when everything recorded meanwhile is delivered. */
  comeBack(): Promise<void>;
}

/**
 * Takes note of each call that would be made to MLflow, with its arguments: experiment, start, params, tags, metrics, end.
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
  checkConfig(config, user);
  const warnings: string[] = [];
  const time = { now: BEGINNING };
  let ids = 0;
  const clock = { now: () => time.now, id: () => String(++ids).padStart(ID_DIGITS, "0"), random: () => MIDDLE };
  const warn = (message: string): void => {
    warnings.push(message);
    config.logger?.warn(message);
  };
  const inner = trackerOn(store, { ...config, logger: { warn } }, clock);
  const write = (): void => {
    for (const held of inner.recorder.held) held.endOverdue?.();
    inner.recorder.writeSync();
  };
  const runs = (): TestRun[] => {
    write();
    const names = new Map([...store.kept.experiments].map(([name, id]) => [id, name]));
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
      const why = OFF ? " (tracking is off: PULSE_MLFLOW=off)" : "";
      if (all.length !== 1 || !all[0])
        throw new Error(`expected one run, found ${all.length}: ${all.map(({ name }) => name).join(", ")}${why}`);
      return all[0];
    },
    get now() {
      return time.now;
    },
    set now(value) {
      if (!Number.isFinite(value)) throw wrongInput("TestTracker", "now", "a number of milliseconds since the epoch", value);
      time.now = value;
    },
    snapshot: () => snapshots(runs()),
  };
  return Object.defineProperties(inner, Object.getOwnPropertyDescriptors(added)) as typeof inner & typeof added;
}

function testRun(run: StoredRun, experiment: string): TestRun {
  const tags = [...run.tags].filter(([key]) => !key.startsWith("mlflow."));
  return {
    id: run.runId,
    name: run.name,
    experiment,
    status: run.status,
    parentId: run.tags.get("mlflow.parentRunId"),
    startTime: run.startTime,
    endTime: run.endTime,
    params: Object.fromEntries(run.params),
    tags: Object.fromEntries(tags),
    metrics: Object.fromEntries(
      [...run.metrics].map(([key, points]) => [key, points.map(({ value, step, timestamp }) => ({ value, step, timestamp }))]),
    ),
  };
}

function snapshots(runs: readonly TestRun[]): RunSnapshot[] {
  const known = new Set(runs.map(({ id }) => id));
  const below = new Map<string | undefined, TestRun[]>();
  for (const run of runs) {
    const parent = run.parentId !== undefined && known.has(run.parentId) ? run.parentId : undefined;
    const siblings = below.get(parent);
    if (siblings) siblings.push(run);
    else below.set(parent, [run]);
  }
  const snapshot = ({ id, name, experiment, status, params, tags, metrics }: TestRun): RunSnapshot => ({
    name,
    experiment,
    status,
    params,
    tags,
    metrics: Object.fromEntries(Object.entries(metrics).map(([key, points]) => [key, points.map(({ step, value }) => [step, value])])),
    children: (below.get(id) ?? []).map(snapshot),
  });
  return (below.get(undefined) ?? []).map(snapshot);
}
