// testing/artifact-faults.d.ts
/** What a file is expected to hold. */
export interface ArtifactExpectation {
    /** All of its text, or a pattern that fits some of it. */
    readonly text?: string | RegExp | undefined;
    /** Its value as JSON, compared as JSON has it: a Date is its text, what is undefined is not there. */
    readonly json?: unknown;
    /** All of its bytes. */
    readonly bytes?: Uint8Array | ArrayBufferView | ArrayBuffer | undefined;
}

// testing/index.d.ts
export type { ArtifactExpectation } from "./artifact-faults.js";
export { assertLoggedArtifact, assertLoggedMetric, assertRun, type MatcherResult, type MetricExpectation, type PulseAssertions, pulseMatchers, type Recorded, type RunExpectation, } from "./matchers.js";
export type { MlflowCall } from "./mlflow-call.js";
export { trackingStoreContract } from "./store-contract.js";
export type { StoreContractCase, StoreSubject } from "./store-subject.js";
export type { RunSnapshot, TestPoint, TestRun } from "./test-run.js";
export { createTestTracker, type MlflowCalls, recordMlflowCalls, type TestConfig, type TestTracker, } from "./test-tracker.js";

// testing/matchers.d.ts
import { type ArtifactExpectation } from "./artifact-faults.js";
import type { TestRun } from "./test-run.js";
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
/**
 * What a run is expected to be; of params, tags and metrics (last values) those that are named. Values are compared as
 * MLflow stores them: as texts.
 */
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
 * ```ts
 * import { createTestTracker, pulseMatchers } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * tracker.withRun({}, (run) => run.logMetric("loss", 0.5));
 * // expect.extend(pulseMatchers); expect(tracker).toHaveLoggedMetric("loss", { near: 0.5, steps: [0] });
 * console.assert(pulseMatchers.toHaveLoggedMetric(tracker, "loss", { near: 0.5 }).pass);
 * ```
 */
export declare const pulseMatchers: {
    toHaveLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): MatcherResult;
    toHaveLoggedArtifact(recorded: Recorded, path: string, expected?: ArtifactExpectation): MatcherResult;
    toHaveRun(recorded: Recorded, expected?: RunExpectation): MatcherResult;
};
/**
 * The matchers as methods of `expect(…)`; add them in a declaration of yours: `declare module "vitest" { interface
 * Matchers<T = any> extends PulseAssertions {} }`.
 */
export interface PulseAssertions {
    /** Some run has logged the metric like that. */
    toHaveLoggedMetric(key: string, expected?: MetricExpectation): void;
    /** Some run has that file, with what it is expected to hold. */
    toHaveLoggedArtifact(path: string, expected?: ArtifactExpectation): void;
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
 * @example
 * ```ts
 * import { assertLoggedArtifact, createTestTracker } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * tracker.withRun({}, (run) => run.logDict({ layers: [64, 32] }, "config.json"));
 * assertLoggedArtifact(tracker, "config.json", { json: { layers: [64, 32] } });
 * ```
 */
export declare function assertLoggedArtifact(recorded: Recorded, path: string, expected?: ArtifactExpectation): void;
/**
 * The same for `node:test`, or any other runner.
 * @throws AssertionError telling what each run has instead.
 */
export declare function assertRun(recorded: Recorded, expected?: RunExpectation): void;

// testing/mlflow-call.d.ts
/** One call that would have been made to MLflow, in the words of its fluent client. */
export type MlflowCall = readonly [call: "setExperiment", name: string] | readonly [call: "startRun", name: string, options?: {
    readonly parentRunId: string;
}] | readonly [call: "logParam", key: string, value: string] | readonly [call: "setTag", key: string, value: string] | readonly [call: "logMetric", key: string, value: number, step: number]
/** A file, however it was logged: its path among the run's artifacts, and how many bytes it has. */
 | readonly [call: "logArtifact", path: string, bytes: number] | readonly [call: "endRun", status: string];

// testing/store-contract.d.ts
/// <reference types="node" />
import type { StoreContractCase, StoreSubject } from "./store-subject.js";
/**
 * What every tracking store must do, as cases for any test runner; `makeSubject` gives a fresh store for each, on an
 * empty place.
 * @experimental
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { test } from "node:test";
 * import { type StoreSubject, trackingStoreContract } from "pulse-mlflow/testing";
 * const makeSubject = async (): Promise<StoreSubject> => assert.fail("your store, and how to read what is in it");
 * for (const { name, run } of trackingStoreContract(makeSubject)) test.skip(name, run); // test(name, run) in yours
 * ```
 */
export declare function trackingStoreContract(makeSubject: () => Promise<StoreSubject>): readonly StoreContractCase[];

// testing/store-subject.d.ts
import type { TrackingReader } from "../contracts/tracking-reader.js";
import type { TrackingStore } from "../contracts/tracking-store.js";
/**
 * A store under test.
 * @experimental
 */
export interface StoreSubject {
    readonly store: TrackingStore;
    /**
     * Reads what is stored: the place itself, not what the store has in memory, or a store that forgets to write passes.
     * It is asked again and again, behind `reopen` too, and must see what was stored last, by whichever store.
     */
    readonly reader: TrackingReader;
    /**
     * Makes another store on the same place, as the next process has one; the first is closed by then. Only a store that
     * is `volatile` needs none.
     */
    readonly reopen?: (() => TrackingStore | Promise<TrackingStore>) | undefined;
    /** The end time of a run that is resumed stays until it ends again, as on MLflow's servers. @default false */
    readonly keepsEndTime?: boolean | undefined;
    /** Lets go of the place, after each case, also one that fails; the stores are closed by then, if they can be. */
    dispose(): Promise<void> | void;
}
/**
 * One promise of the contract: `run` rejects when the store does not keep it, with a message that says what is wrong.
 * @experimental
 */
export interface StoreContractCase {
    readonly name: string;
    run(): Promise<void>;
}

// testing/test-run.d.ts
import type { TerminalStatus } from "../base/entities.js";
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
    /**
     * Files by their paths. What needs turns of the event loop (streams, images that are encoded) is there after `await
     * tracker.flush()`.
     */
    readonly artifacts: Readonly<Record<string, Uint8Array>>;
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
    /** Texts up to 10,000 characters as they are, of other files size and hash; only of runs that have some. */
    readonly artifacts?: Readonly<Record<string, string>> | undefined;
    readonly children: readonly RunSnapshot[];
}

// testing/test-tracker.d.ts
import type { PulseConfig, Tracker } from "../index.js";
import type { MlflowCall } from "./mlflow-call.js";
import { type RunSnapshot, type TestRun } from "./test-run.js";
/** A tracker for tests: it keeps everything in memory, its time stands still until it is moved on, its ids count up. */
export interface TestTracker extends Tracker {
    /** What has been recorded so far, oldest run first. Needs no waiting. */
    readonly runs: readonly TestRun[];
    /** The only run. @throws Error naming the runs there are, when they are none or several. */
    readonly onlyRun: TestRun;
    /** Warnings, as a logger gets them. */
    readonly warnings: readonly string[];
    /**
     * Milliseconds since the epoch; settable. Moved on by a second, it ends the folded runs of the second before.
     * @default 1700000000000
     */
    now: number;
    /** The runs without ids and times, children inside their parents: for snapshots and deep comparison. */
    snapshot(): readonly RunSnapshot[];
}
/** Settings of a test tracker; the environment and configuration files have no say in them. */
export type TestConfig = Omit<PulseConfig, "trackingUri" | "store" | "context" | "durability" | "outbox" | "artifacts" | ServerOption>;
type ServerOption = "auth" | "headers" | "tls" | "workspace";
/**
 * Makes a tracker for a test. Code called inside `tracker.run(…)` records into it and into no other, so that tests may
 * run side by side.
 * @param config like `configure`, without what says where things go: everything is kept in memory.
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
 * Takes note of each call that would be made to MLflow, with its arguments: experiment, start, params, tags, metrics,
 * end; and files, each as path and number of bytes, when it is stored: behind what was recorded of the run by then
 * (what is in it says `run.artifacts`).
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
export declare function recordMlflowCalls(config?: TestConfig): MlflowCalls;
export {};
