// testing/artifact-faults.d.ts
/** What a file is expected to contain. */
export interface ArtifactExpectation {
    /** The whole text, or a pattern that matches part of it. */
    readonly text?: string | RegExp | undefined;
    /** The value as JSON. Compared in its JSON form: a Date is text, and undefined fields are left out. */
    readonly json?: unknown;
    /** All of the bytes. */
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
/** What is searched: a test tracker, one of its runs, or a list of them. */
export type Recorded = {
    readonly runs: readonly TestRun[];
} | TestRun | readonly TestRun[];
/** What a metric's history is expected to be. */
export interface MetricExpectation {
    /** The last value, or all values. */
    readonly near?: number | readonly number[] | undefined;
    /** The tolerance of the values. @default 1e-9 of the value */
    readonly within?: number | undefined;
    /** The number of values, or their steps. */
    readonly steps?: number | readonly number[] | undefined;
}
/**
 * What a run is expected to be. Only the params, tags and metrics (last values) that are listed are compared. Params
 * and tags are compared in the form MLflow stores: as text.
 */
export interface RunExpectation {
    readonly name?: string | undefined;
    readonly experiment?: string | undefined;
    readonly status?: TestRun["status"] | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics?: Readonly<Record<string, number>> | undefined;
}
/** The result of a matcher, as Vitest and Jest expect it. */
export interface MatcherResult {
    readonly pass: boolean;
    message(): string;
}
/**
 * Matchers for Vitest and Jest: `expect.extend(pulseMatchers)`.
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
 * The matchers as methods of `expect(…)`. Add them to your declarations: `declare module "vitest" { interface
 * Matchers<T = any> extends PulseAssertions {} }`.
 */
export interface PulseAssertions {
    /** Passes if at least one run has logged such a metric. */
    toHaveLoggedMetric(key: string, expected?: MetricExpectation): void;
    /** Passes if at least one run has such a file. */
    toHaveLoggedArtifact(path: string, expected?: ArtifactExpectation): void;
    /** Passes if at least one run is like that. */
    toHaveRun(expected?: RunExpectation): void;
}
/**
 * Asserts that at least one run has logged such a metric. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
 */
export declare function assertLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): void;
/**
 * Asserts that at least one run has such a file. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
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
 * Asserts that at least one run is like that. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
 */
export declare function assertRun(recorded: Recorded, expected?: RunExpectation): void;

// testing/mlflow-call.d.ts
/** One call to MLflow that was recorded instead of sent, named after MLflow's fluent client. */
export type MlflowCall = readonly [call: "setExperiment", name: string] | readonly [call: "startRun", name: string, options?: {
    readonly parentRunId: string;
}] | readonly [call: "logParam", key: string, value: string] | readonly [call: "setTag", key: string, value: string] | readonly [call: "logMetric", key: string, value: number, step: number]
/** A file, however it was logged: its path among the run's artifacts and its size in bytes. */
 | readonly [call: "logArtifact", path: string, bytes: number] | readonly [call: "endRun", status: string];

// testing/store-contract.d.ts
/// <reference types="node" />
import type { StoreContractCase, StoreSubject } from "./store-subject.js";
/**
 * Returns the test cases that every tracking store must pass, for any test runner. `makeSubject` provides a new store
 * with an empty place for each case.
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
     * Reads what is stored. It must read the place itself, not the store's memory, or a store that never writes would
     * pass. It is used repeatedly, also after `reopen`, and must see the latest state whichever store wrote it.
     */
    readonly reader: TrackingReader;
    /**
     * Opens another store on the same place, as the next process would; the first one is closed by then. Only required
     * for stores that are not `volatile`.
     */
    readonly reopen?: (() => TrackingStore | Promise<TrackingStore>) | undefined;
    /** Whether a resumed run keeps its end time until it ends again, as on MLflow's servers. @default false */
    readonly keepsEndTime?: boolean | undefined;
    /** Releases the place after each case, even a failed one. The stores are closed by then, if possible. */
    dispose(): Promise<void> | void;
}
/**
 * One rule of the contract. `run` rejects if the store breaks it, with a message that says how.
 * @experimental
 */
export interface StoreContractCase {
    readonly name: string;
    run(): Promise<void>;
}

// testing/test-run.d.ts
import type { DatasetInput, TerminalStatus } from "../base/entities.js";
/** One value of a metric's history. */
export interface TestPoint {
    readonly value: number;
    readonly step: number;
    /** Milliseconds since the epoch. */
    readonly timestamp: number;
}
/** A run at the moment it was read. */
export interface TestRun {
    readonly id: string;
    readonly name: string;
    readonly experiment: string;
    readonly status: "RUNNING" | TerminalStatus;
    readonly parentId: string | undefined;
    readonly startTime: number;
    readonly endTime: number | undefined;
    readonly params: Readonly<Record<string, string>>;
    /** What MLflow shows as the run's description. */
    readonly description: string | undefined;
    /** Without the tags that MLflow's client sets itself (`mlflow.*`). */
    readonly tags: Readonly<Record<string, string>>;
    readonly metrics: Readonly<Record<string, readonly TestPoint[]>>;
    /** Datasets of `logInput`, each once, as it was used first. */
    readonly inputs: readonly DatasetInput[];
    /**
     * Files by path. Files that take several turns of the event loop, such as streams and encoded images, are complete
     * after `await tracker.flush()`.
     */
    readonly artifacts: Readonly<Record<string, Uint8Array>>;
}
/** A run for snapshots: without ids and times, and with its children inside it. */
export interface RunSnapshot {
    readonly name: string;
    readonly experiment: string;
    readonly status: string;
    readonly params: Readonly<Record<string, string>>;
    readonly tags: Readonly<Record<string, string>>;
    /** `[step, value]` pairs. */
    readonly metrics: Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;
    /** Texts of up to 10,000 characters; size and hash of other files. Only for runs that have files. */
    readonly artifacts?: Readonly<Record<string, string>> | undefined;
    readonly children: readonly RunSnapshot[];
}

// testing/test-tracker.d.ts
import type { PulseConfig, Tracker } from "../index.js";
import type { MlflowCall } from "./mlflow-call.js";
import { type RunSnapshot, type TestRun } from "./test-run.js";
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
/** Options of a test tracker. Environment variables and configuration files are ignored. */
export type TestConfig = Omit<PulseConfig, "trackingUri" | "store" | "context" | "durability" | "outbox" | "artifacts" | ServerOption>;
type ServerOption = "auth" | "headers" | "tls" | "workspace";
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
export declare function createTestTracker(config?: TestConfig): TestTracker;
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
export declare function recordMlflowCalls(config?: TestConfig): MlflowCalls;
export {};
