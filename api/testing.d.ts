// stores/memory-store.d.ts
import type { Metric, TerminalStatus } from "../entities.js";
import { type Outcome, type RunChange, type TrackingStore } from "./tracking-store.js";
/** A run as the memory store keeps it. */
export interface StoredRun {
    readonly runId: string;
    readonly experimentId: string;
    name: string;
    status: "RUNNING" | TerminalStatus;
    readonly startTime: number;
    endTime: number | undefined;
    readonly params: Map<string, string>;
    readonly tags: Map<string, string>;
    /** Every point of every metric, in the order of arrival; a replayed point is there once. */
    readonly metrics: Map<string, Metric[]>;
}
/** Keeps everything in this process, readable: for tests and for looking at what a program would log. */
export declare class MemoryStore implements TrackingStore {
    #private;
    readonly uri: string;
    readonly batchItems: number;
    readonly durable: boolean;
    readonly volatile: boolean;
    readonly experiments: Map<string, string>;
    readonly runs: Map<string, StoredRun>;
    apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
    applySync(changes: readonly RunChange[]): readonly Outcome[];
    close(): Promise<void>;
}

// stores/tracking-store.d.ts
import type { ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../entities.js";
import { PulseError } from "../errors.js";
/** How a run starts. */
export interface RunStart {
    readonly name: string;
    /** Milliseconds since the epoch. */
    readonly startTime: number;
    readonly userId: string;
    /** Tags every run of this process carries (`mlflow.user`, `mlflow.source.*`); shared between runs, never changed. */
    readonly sourceTags: readonly Tag[];
    /** The parent's `runKey`, when this is a child run. */
    readonly parentKey: string | undefined;
    /** The run exists in the store already and is opened again. */
    readonly resume: boolean;
}
/** How a run ends. */
export interface RunEnd {
    readonly status: TerminalStatus;
    /** Milliseconds since the epoch. */
    readonly endTime: number;
    /** Only if nobody has ended it yet; its end is then no earlier than its last metric. For runs whose process died. */
    readonly ifRunning?: boolean | undefined;
}
/** The ids under which the store knows a run. */
export interface StoredIds {
    readonly runId: string;
    readonly experimentId: string;
    /** The run had to be created a second time, because nobody knows what became of the first: there may be a twin. */
    readonly recreated?: boolean | undefined;
}
/** What was recorded of one run since its last change. */
export interface RunChange {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    /** What the store answered to the run's creation; undefined before it, and where that was forgotten. */
    readonly ids: StoredIds | undefined;
    /** The store's id of the parent; a child is created after it. */
    readonly parentId: string | undefined;
    /** This change was handed over before, and nobody knows what became of it. */
    readonly attempted: boolean;
    readonly create: RunStart | undefined;
    readonly metrics: readonly Metric[];
    readonly params: readonly Param[];
    readonly tags: readonly Tag[];
    readonly end: RunEnd | undefined;
}
/** What became of one change. */
export type Outcome = 
/** It is stored; `ids` after a creation. */
{
    readonly kind: "done";
    readonly ids?: StoredIds;
}
/** The store failed on this change and may take others: the same again later. */
 | {
    readonly kind: "retry";
    readonly error: PulseError;
}
/** The store itself cannot be used, nothing is wrong with the change; it says when to ask again, if it knows. */
 | {
    readonly kind: "away";
    readonly error: PulseError;
    readonly afterMs?: number | undefined;
}
/** These params have another value already; the change without them is to be applied again. */
 | {
    readonly kind: "conflict";
    readonly params: readonly string[];
}
/** The store will never take this change. */
 | {
    readonly kind: "rejected";
    readonly error: PulseError;
};
/**
 * Where run changes go. `apply` is idempotent: the changes of a run, replayed in order from any earlier
 * point, end in the same state; retry and replay after a crash rely on exactly this.
 */
export interface TrackingStore {
    /** The store's address without credentials, for messages. */
    readonly uri: string;
    /** Most items (see `itemsOf`) one `apply` should get: bounds how long a store that works on the event loop holds it. */
    readonly batchItems: number;
    /** Most runs one `apply` should get. @default any number */
    readonly batchRuns?: number | undefined;
    /** How many calls of `apply` may be under way at once. @default 1 */
    readonly width?: number | undefined;
    /** What it holds outlives this process: what it does not take now is worth keeping for it. */
    readonly durable: boolean;
    /** What it holds is gone with the process: nothing is to be brought there at the end, nor the store to be held until then. */
    readonly volatile?: boolean;
    /** Applies changes and says what became of each, in the same order. Never rejects for a change's sake. */
    apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
    /** The same before it returns, waiting for locks at most `waitMs` milliseconds; for process exit and full memory. */
    applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
    /** The page where people look at a run, when there is one. */
    runUrl?(ids: StoredIds): string;
    /** Whether it has something to look after that nobody waits for: `settle` does it now, in a few seconds at most. `close` does so, too. */
    readonly unsettled?: boolean;
    settle?(): Promise<void>;
    /** Lets go of files and connections; idempotent. */
    close(): Promise<void>;
}
/** How many items a change holds: its start, its end, each metric, param and tag. */
export declare function itemsOf(change: RunChange): number;
/** A change in which nothing happens: what a real one is made from. */
export declare const NO_CHANGE: Omit<RunChange, "runKey" | "experiment">;
/** Stands in for an outcome a store failed to give. */
export declare const NO_ANSWER: Outcome;
/** The outcome of a stored change that created nothing. */
export declare const DONE: Outcome;

// testing/index.d.ts
export { assertLoggedMetric, assertRun, type MatcherResult, type MetricExpectation, type PulseAssertions, pulseMatchers, type Recorded, type RunExpectation, } from "./matchers.js";
export type { MlflowCall } from "./recording-store.js";
export { createTestTracker, type MlflowCalls, type RunSnapshot, recordMlflowCalls, type TestConfig, type TestPoint, type TestRun, type TestTracker, } from "./test-tracker.js";

// testing/matchers.d.ts
import type { TestRun } from "./test-tracker.js";
/** What is looked into: a test tracker, one of its runs, or some of them. */
export type Recorded = {
    readonly runs: readonly TestRun[];
} | TestRun | readonly TestRun[];
/** What a metric's history is expected to be. */
export interface MetricExpectation {
    /** The last value, or all of them. */
    readonly near?: number | readonly number[] | undefined;
    /** How far off a value may be. @default 1e-9 of the value */
    readonly within?: number | undefined;
    /** How many values, or their steps. */
    readonly steps?: number | readonly number[] | undefined;
}
/** What a run is expected to be; of params, tags and metrics (last values) those that are named. Values are compared as MLflow stores them: as texts. */
export interface RunExpectation {
    readonly name?: string | undefined;
    readonly experiment?: string | undefined;
    readonly status?: TestRun["status"] | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics?: Readonly<Record<string, number>> | undefined;
}
/** What vitest and Jest want of a matcher. */
export interface MatcherResult {
    readonly pass: boolean;
    message(): string;
}
/**
 * Matchers for vitest and Jest: `expect.extend(pulseMatchers)`.
 * @example
 * import { createTestTracker, pulseMatchers } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * tracker.withRun({}, (run) => run.logMetric("loss", 0.5));
 * // expect.extend(pulseMatchers); expect(tracker).toHaveLoggedMetric("loss", { near: 0.5, steps: [0] });
 * console.assert(pulseMatchers.toHaveLoggedMetric(tracker, "loss", { near: 0.5 }).pass);
 */
export declare const pulseMatchers: {
    toHaveLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): MatcherResult;
    toHaveRun(recorded: Recorded, expected?: RunExpectation): MatcherResult;
};
/** The matchers as methods of `expect(…)`; add them in a declaration of yours: `declare module "vitest" { interface Matchers<T = any> extends PulseAssertions {} }`. */
export interface PulseAssertions {
    /** Some run has logged the metric like that. */
    toHaveLoggedMetric(key: string, expected?: MetricExpectation): void;
    /** Some run is like that. */
    toHaveRun(expected?: RunExpectation): void;
}
/**
 * The same for `node:test`, or any other runner.
 * @throws AssertionError telling what each run has instead.
 */
export declare function assertLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): void;
/**
 * The same for `node:test`, or any other runner.
 * @throws AssertionError telling what each run has instead.
 */
export declare function assertRun(recorded: Recorded, expected?: RunExpectation): void;

// testing/recording-store.d.ts
import { MemoryStore } from "../stores/memory-store.js";
import type { Outcome, RunChange, TrackingStore } from "../stores/tracking-store.js";
/** One call that would have been made to MLflow, in the words of its fluent client. */
export type MlflowCall = readonly [call: "setExperiment", name: string] | readonly [call: "startRun", name: string, options?: {
    readonly parentRunId: string;
}] | readonly [call: "logParam", key: string, value: string] | readonly [call: "setTag", key: string, value: string] | readonly [call: "logMetric", key: string, value: number, step: number] | readonly [call: "endRun", status: string];
/** A call with the run it is about. */
export interface RecordedCall {
    readonly runId: string;
    readonly call: MlflowCall;
}
/** A store in memory that takes note of each call, and can be away. */
export declare class RecordingStore implements TrackingStore {
    readonly uri = "memory:";
    readonly batchItems = 10000;
    readonly durable = false;
    readonly volatile = true;
    readonly kept: MemoryStore;
    readonly calls: RecordedCall[];
    /** Whether the server answers. */
    available: boolean;
    apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
    applySync(changes: readonly RunChange[]): readonly Outcome[];
    close(): Promise<void>;
}

// testing/test-tracker.d.ts
import type { PulseConfig } from "../config/options.js";
import type { TerminalStatus } from "../entities.js";
import { type Tracker } from "../tracker.js";
import { type MlflowCall } from "./recording-store.js";
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
/** Settings of a test tracker; the environment and configuration files have no say in them. */
export type TestConfig = Omit<PulseConfig, "trackingUri" | "context">;
/**
 * Makes a tracker for a test. Code called inside `tracker.run(…)` records into it and into no other, so that tests may run side by side.
 * @param config like `configure`, without tracking URI and context.
 * @throws PulseError `INVALID_CONFIG`.
 * @example
 * import { createTestTracker } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { params: ["lr"], metrics: "loss" });
 * await tracker.run(() => train(0.25));
 * console.assert(tracker.onlyRun.params.lr === "0.25" && tracker.onlyRun.metrics.loss?.[0]?.value === 0.75);
 */
export declare function createTestTracker(config?: TestConfig): TestTracker;
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
 * import { recordMlflowCalls } from "pulse-mlflow/testing";
 * const mlflow = recordMlflowCalls();
 * mlflow.tracker.withRun({ experiment: "Sweep", runName: "trial", params: { lr: 0.1 } }, (run) => run.logMetric("loss", 0.9));
 * console.log(mlflow.calls);
 * // [["setExperiment", "Sweep"], ["startRun", "trial"], ["logParam", "lr", "0.1"], ["logMetric", "loss", 0.9, 0], ["endRun", "FINISHED"]]
 */
export declare function recordMlflowCalls(config?: TestConfig): MlflowCalls;
