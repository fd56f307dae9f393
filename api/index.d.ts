// artifacts/registry.d.ts
import type { ArtifactRepository } from "../contracts/artifact-repository.js";
/**
 * Creates the repository for the URI of a root, which is passed unchanged; a new one for each call. It must open
 * nothing before the first use.
 * @throws an error that says what is wrong with the root.
 * @experimental
 */
export type RepositoryMaker = (root: string, options: {
    readonly requestTimeoutMs: number;
}) => ArtifactRepository;
/**
 * Uses a repository of your own for artifact roots of a scheme (`gs`, `wasbs`, …), in the whole process. Registering a
 * scheme again replaces the maker. Such a root is used whoever chose it, even a server: your repository decides whom to
 * trust.
 * @throws PulseError `INVALID_OPTION` if the scheme is invalid or built in, or if `make` is not a function.
 * @experimental
 */
export declare function registerArtifactRepository(scheme: string, make: RepositoryMaker): void;

// base/diagnostics.d.ts
import { type PulseErrorCode } from "./errors.js";
/** Receives warnings; `console` is one. */
export interface Logger {
    warn(message: string): void;
}
/**
 * What a tracker has done so far. A change is a run's start or end, a metric value, a param, a tag, a dataset or a
 * file.
 */
export interface Stats {
    /** Runs opened. */
    runs: number;
    /** Metric values recorded. */
    metrics: number;
    /** Params recorded. */
    params: number;
    /** Tags recorded by the user or a decorator. Source tags are not counted: they belong to a run's start. */
    tags: number;
    /** Dataset inputs recorded. */
    inputs: number;
    /** Files recorded as artifacts. */
    artifacts: number;
    /** Total size in bytes of the files recorded as artifacts. */
    artifactBytes: number;
    /** Runs left out by sampling; only root runs are counted. */
    unsampled: number;
    /** Calls that were folded into another run instead of getting their own. */
    folded: number;
    /** Changes the store has acknowledged. */
    delivered: number;
    /** Changes recorded and not yet acknowledged, dropped or rejected. */
    pending: number;
    /** Changes lost because memory or disk was full, or at exit. */
    dropped: number;
    /** Changes the store refused because of their content. */
    rejected: number;
    /** How often each kind of problem occurred, by code. */
    warnings: Partial<Record<PulseErrorCode, number>>;
}

// base/entities.d.ts
/** The final status of a run, in MLflow's terms. Once set, it never changes. */
export type TerminalStatus = "FINISHED" | "FAILED" | "KILLED";
/** One value in the history of a metric. */
export interface Metric {
    readonly key: string;
    /** Any double. NaN and the infinities are stored the way MLflow stores them. */
    readonly value: number;
    /** Milliseconds since the epoch, set when the value is recorded. */
    readonly timestamp: number;
    /** An integer. @default one more than the highest step of this run and key so far */
    readonly step: number;
}
/** A parameter of a run. Written once: the first value is kept. */
export interface Param {
    readonly key: string;
    readonly value: string;
}
/** A tag of a run. The last value wins. */
export interface Tag {
    readonly key: string;
    readonly value: string;
}
/** A dataset that a run used. Within an experiment, name and digest identify it. */
export interface DatasetInput {
    /** At most 500 characters. */
    readonly name: string;
    /** Identifies the contents, at most 36 characters. */
    readonly digest: string;
    /** The kind of source, such as `local`, `s3` or `http`. */
    readonly sourceType: string;
    /** The source, as JSON. */
    readonly source: string;
    /** Columns or tensors, as JSON. */
    readonly schema: string | undefined;
    /** Statistics, as JSON. */
    readonly profile: string | undefined;
    /** Tags of this use of the dataset; `mlflow.data.context` is its purpose. */
    readonly tags: readonly Tag[];
}
/**
 * The experiment a run belongs to: a name (created if it does not exist; `tags` are set on it once) or the id of an
 * existing experiment. If `of` is set, it is the experiment of the run with that id in the store; name or id only apply
 * if that run does not exist or is deleted.
 */
export type ExperimentRef = ({
    readonly name: string;
    readonly tags?: readonly Tag[];
} | {
    readonly id: string;
}) & {
    readonly of?: string | undefined;
};
/** The status of a run, in MLflow's terms. `SCHEDULED` comes from MLflow projects only. */
export type RunStatus = "RUNNING" | "SCHEDULED" | TerminalStatus;
/** What is listed: what is in use, what was deleted and can be restored, or both. */
export type ViewType = "active" | "deleted" | "all";
/** A run as `MlflowClient` reads it. */
export interface MlflowRun {
    readonly runId: string;
    readonly runName: string;
    readonly experimentId: string;
    readonly status: RunStatus;
    readonly startTime: Date;
    /** Undefined while the run is open. */
    readonly endTime: Date | undefined;
    readonly userId: string;
    readonly lifecycleStage: "active" | "deleted";
    /** The root of its files. */
    readonly artifactUri: string;
    readonly params: Readonly<Record<string, string>>;
    readonly tags: Readonly<Record<string, string>>;
    /** The latest value of each metric: that with the highest step, then the latest time. */
    readonly metrics: Readonly<Record<string, number>>;
    /** The datasets it used. */
    readonly inputs: readonly DatasetInput[];
}
/** An experiment as `MlflowClient` reads it. */
export interface MlflowExperiment {
    readonly experimentId: string;
    readonly name: string;
    /** Where the files of its runs go. */
    readonly artifactLocation: string;
    readonly lifecycleStage: "active" | "deleted";
    /** Undefined if a version of MLflow before 1.29 created it. */
    readonly creationTime: Date | undefined;
    readonly lastUpdateTime: Date | undefined;
    readonly tags: Readonly<Record<string, string>>;
}
/** One value of a metric's history together with its place in it. */
export type MetricPoint = Omit<Metric, "key">;
/** A metric of a run, summed up. Values that are NaN count, but are none of `min`, `max` and `first`. */
export interface MetricSummary {
    readonly key: string;
    /** How many values were logged. */
    readonly count: number;
    /** The value with the lowest step, at the earliest time; undefined if all are NaN. */
    readonly first: MetricPoint | undefined;
    /** The latest value, as in `MlflowRun.metrics`. */
    readonly last: MetricPoint;
    /** The lowest value, where it was reached first; undefined if all are NaN. */
    readonly min: MetricPoint | undefined;
    /** The highest value, where it was reached first; undefined if all are NaN. */
    readonly max: MetricPoint | undefined;
}

// base/errors.d.ts
/**
 * Every problem of this package: a stable code, advice, and whether a retry can help. Codes are never renamed or
 * reused.
 */
declare const PROBLEMS: {
    readonly INVALID_CONFIG: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly INVALID_OPTION: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly INVALID_TRACKING_URI: {
        readonly retry: false;
        readonly todo: 'Use http(s)://host:port, sqlite:///relative.db, sqlite:////absolute.db, a folder such as ./mlruns or another form of docs/configuration.md, or register a scheme of your own before the first run (for commands: NODE_OPTIONS="--import ./my-store.js").';
    };
    readonly WRONG_TARGET: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly STORE_NOT_FOUND: {
        readonly retry: false;
        readonly todo: "Check the tracking URI; a store that does not exist yet is made when something is recorded.";
    };
    readonly UNSUPPORTED: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly NO_ACTIVE_RUN: {
        readonly retry: false;
        readonly todo: "Call it inside a tracked method, tracked() or withRun(), or use currentRun() and test for undefined.";
    };
    readonly OUTSIDE_RUN: {
        readonly retry: false;
        readonly todo: 'Set outsideRun: "ignore" to silence this.';
    };
    readonly CLOSED: {
        readonly retry: false;
        readonly todo: "Record before shutdown(), or make a new tracker.";
    };
    readonly DISABLED: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly INVALID_KEY: {
        readonly retry: false;
        readonly todo: "Use letters, digits, and _ - . / : or space, at most 250 characters, with no / at either end and no two side by side.";
    };
    readonly INVALID_VALUE: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly REDACTED: {
        readonly retry: false;
        readonly todo: "If it is not a secret, give it another name, or set the option `redact`.";
    };
    readonly VALUE_CUT: {
        readonly retry: false;
        readonly todo: "Shorten it. The hash at its end keeps different values distinct.";
    };
    readonly INPUT_REPEATED: {
        readonly retry: false;
        readonly todo: "MLflow keeps the first use of a dataset in a run; use another digest, or log it in a separate run.";
    };
    readonly PARAM_CONFLICT: {
        readonly retry: false;
        readonly todo: "A param keeps its first value; log a changing number as a metric.";
    };
    readonly CAPTURE_FAILED: {
        readonly retry: false;
        readonly todo: "The call itself was not affected. Fix the function, or use a selector that picks what can be read.";
    };
    readonly INTERNAL: {
        readonly retry: false;
        readonly todo: "The call itself was not affected. This is a bug in pulse-mlflow, or in code that replaces Node's own functions: please report it.";
    };
    readonly INVALID_FILTER: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly LISTENER_FAILED: {
        readonly retry: false;
        readonly todo: "Recording goes on; fix the function passed to tracker.on(), onRunStart or onRunEnd.";
    };
    readonly NOTHING_FOUND: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly CAPTURE_LIMIT: {
        readonly retry: false;
        readonly todo: "Use a selector that picks only what you need.";
    };
    readonly NOT_RECORDED: {
        readonly retry: false;
        readonly todo: "Failed runs are always recorded; raise `sample` or `maxRunsPerSecond` to record more.";
    };
    readonly OUT_OF_RANGE: {
        readonly retry: false;
        readonly todo: "It is logged anyway; fix the value, or the range in defineExperiment().";
    };
    readonly TOO_MANY_RUNS: {
        readonly retry: false;
        readonly todo: 'End the runs you start, log steps of one run instead of child runs (nest: "join"), or set maxRunsPerSecond.';
    };
    readonly SKETCH_MISSING: {
        readonly retry: false;
        readonly todo: "Only p50, p95 and p99 are missing. Reinstall pulse-mlflow, or exclude it from the bundle.";
    };
    readonly MINIFIED_NAMES: {
        readonly retry: false;
        readonly todo: 'Keep names when minifying (esbuild: keepNames; terser and swc: keep_classnames, keep_fnames), or set them: `experiment`, `runName`, and arguments by position, @LogParam({ lr: "0" }).';
    };
    readonly UNKNOWN_ARGUMENT: {
        readonly retry: false;
        readonly todo: 'Name one of its arguments, a position ("0"), or a path into one ("options.lr", "1.lr").';
    };
    readonly THENABLE_UNTRACKED: {
        readonly retry: false;
        readonly todo: "Await it inside the tracked method to have its result and its time tracked.";
    };
    readonly MEMORY_FULL: {
        readonly retry: true;
        readonly todo: "The store cannot keep up: log less often, or raise maxPendingBytes.";
    };
    readonly OUTBOX_FAILED: {
        readonly retry: false;
        readonly todo: "Recording goes on in memory; to survive a crash, set `outbox.folder` to a folder that only this user can write to.";
    };
    readonly OUTBOX_LEFT: {
        readonly retry: false;
        readonly todo: "Deliver it as the user and with the version that wrote it; remove it by hand only if nobody needs it.";
    };
    readonly OUTBOX_FULL: {
        readonly retry: true;
        readonly todo: "Log less often, or raise `outbox.maxBytes` and `outbox.maxTotalBytes`.";
    };
    readonly OUTBOX_EXPIRED: {
        readonly retry: false;
        readonly todo: "Deliver earlier with `npx pulse-mlflow sync`, or raise `outbox.maxAgeMs`.";
    };
    readonly KEPT_FOR_LATER: {
        readonly retry: false;
        readonly todo: "The next program with this tracking URI delivers them, or `npx pulse-mlflow sync` does.";
    };
    readonly LOST_AT_EXIT: {
        readonly retry: false;
        readonly todo: "Call `await flush()` earlier, and fix the cause named above.";
    };
    readonly STORE_UNAVAILABLE: {
        readonly retry: true;
        readonly todo: "Recording goes on; it is delivered when the store is back.";
    };
    readonly TLS_FAILED: {
        readonly retry: false;
        readonly todo: "Recording goes on meanwhile.";
    };
    readonly UNAUTHORIZED: {
        readonly retry: false;
        readonly todo: "Check `auth`, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and whether they may be sent to this server (docs/configuration.md); recording goes on meanwhile.";
    };
    readonly FORBIDDEN: {
        readonly retry: false;
        readonly todo: "Check `auth` and what the user may do; recording goes on, and it is delivered once the server allows it.";
    };
    readonly NO_MLFLOW: {
        readonly retry: false;
        readonly todo: "Check the tracking URI: it must be the root of an MLflow server. Recording goes on meanwhile.";
    };
    readonly SERVER_ERROR: {
        readonly retry: true;
        readonly todo: "Recording goes on; it will be retried.";
    };
    readonly STORE_BUSY: {
        readonly retry: true;
        readonly todo: "Recording goes on; it is written when the store is free.";
    };
    readonly DISK_FULL: {
        readonly retry: true;
        readonly todo: "Free space on that disk; recording goes on and is written afterwards.";
    };
    readonly DRIVER_MISSING: {
        readonly retry: false;
        readonly todo: "Run `npm install @photostructure/sqlite@1` (or `pnpm add --allow-build=@photostructure/sqlite @photostructure/sqlite@1`) in the folder where the program runs; it cannot be part of a bundle. Or use Node 24 or newer.";
    };
    readonly NOT_WRITABLE: {
        readonly retry: false;
        readonly todo: "Make the folder and file writable, or choose another trackingUri.";
    };
    readonly NOT_A_DATABASE: {
        readonly retry: false;
        readonly todo: "Choose another file in trackingUri; this one was not touched.";
    };
    readonly NOT_MLFLOW: {
        readonly retry: false;
        readonly todo: "Choose another file in trackingUri; this database was not touched.";
    };
    readonly SCHEMA_UNSUPPORTED: {
        readonly retry: false;
        readonly todo: "Update pulse-mlflow, or choose another file in trackingUri; this database was not touched.";
    };
    readonly EXPERIMENT_DELETED: {
        readonly retry: false;
        readonly todo: "Restore it (`mlflow experiments restore`) or choose another name.";
    };
    readonly EXPERIMENT_NOT_FOUND: {
        readonly retry: false;
        readonly todo: "Check the tracking URI and MLFLOW_EXPERIMENT_ID: use the id of an existing experiment, or give its name instead (MLFLOW_EXPERIMENT_NAME).";
    };
    readonly RUN_NOT_FOUND: {
        readonly retry: false;
        readonly todo: "Check the tracking URI, the option runId or MLFLOW_RUN_ID, and whether the database or folder was removed or replaced while the run was open.";
    };
    readonly RUN_DELETED: {
        readonly retry: false;
        readonly todo: "Restore the run in MLflow to log into it.";
    };
    readonly ARTIFACT_UNREADABLE: {
        readonly retry: false;
        readonly todo: "Fix the problem named above; everything else continues.";
    };
    readonly ARTIFACT_REWRITTEN: {
        readonly retry: false;
        readonly todo: "Its current content is stored; log it with `copy: true` to keep the content it had.";
    };
    readonly ARTIFACT_NOT_FOUND: {
        readonly retry: false;
        readonly todo: "List its folder to see what is there.";
    };
    readonly ARTIFACT_ROOT: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly ARTIFACT_RENAMED: {
        readonly retry: false;
        readonly todo: "Log it under a valid name.";
    };
    readonly PACKAGE_MISSING: {
        readonly retry: false;
        readonly todo: "Install the missing package next to pulse-mlflow.";
    };
    readonly ARTIFACT_REFUSED: {
        readonly retry: false;
        readonly todo: "The rest of the run is not affected.";
    };
    readonly REJECTED: {
        readonly retry: false;
        readonly todo: "";
    };
};
/** A stable, documented problem code. */
export type PulseErrorCode = keyof typeof PROBLEMS;
/**
 * The error class of this package. `code` is stable, `message` says what happened and what to do, `cause` is the
 * original error. `instanceof` also works across two loaded copies (ESM and CommonJS) of the package.
 */
export declare class PulseError extends Error {
    readonly name: string;
    readonly code: PulseErrorCode;
    constructor(code: PulseErrorCode, detail: string, cause?: unknown);
    /** Whether a later retry of the same operation can succeed. */
    get retryable(): boolean;
}
/** An error reported by an MLflow server. */
export declare class MlflowError extends PulseError {
    readonly name: string;
    /** MLflow's own code, such as `INVALID_PARAMETER_VALUE`. */
    readonly errorCode: string;
    /** The HTTP status code. */
    readonly httpStatus: number;
    constructor(code: PulseErrorCode, detail: string, errorCode: string, httpStatus: number, serverMessage?: string);
}
export {};

// base/events.d.ts
import type { PulseError } from "./errors.js";
/** The events of a tracker, by name. */
export interface TrackerEvents {
    /** The tracking store no longer accepts anything. Emitted once per outage, with the first error; recorded data waits. */
    unavailable: {
        readonly uri: string;
        readonly error: PulseError;
    };
    /** The tracking store answers again. `afterMs` is the length of the outage in milliseconds. */
    available: {
        readonly uri: string;
        readonly afterMs: number;
    };
    /** Changes were lost because memory or disk was full, or at exit. `error` is the first reason, if known. */
    dropped: {
        readonly changes: number;
        readonly error: PulseError | undefined;
    };
    /** The store refused changes because of their content. `error` is the first reason, if known. */
    rejected: {
        readonly changes: number;
        readonly error: PulseError | undefined;
    };
}

// base/text/redact.d.ts
/** Replaces secrets in one named value. A custom function runs after the built-in rules. */
export type Redactor = (key: string, value: string) => string;

// capture/aggregate.d.ts
/**
 * A summary of all values of a metric. Percentiles (nearest rank) are within 1 % of the true ones, everything else is
 * exact.
 */
export type Aggregate = "last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99";

// capture/artifacts.d.ts
import type { SelectorFunction, Untyped } from "./selector.js";
/**
 * What to store as files: a file name, if the result is the content, or a record of file names, each with a path into
 * the result or a function of it. `{step}` in a name is replaced by a counter from 0.
 */
export type ArtifactSelector<Result = Untyped, Args = Untyped> = string | {
    readonly [artifactFile: string]: string | SelectorFunction<Result, Args>;
};

// capture/check.d.ts
/// <reference types="node" />
import type { Selector, Untyped } from "./selector.js";
import type { BadPath, Found, Loose, PartOf, PathsOf, Scalar } from "./type-paths.js";
/**
 * Compile-time checks: whether the paths of a selector fit the decorated function. Each check is `true`, or an error
 * with a sentence that describes the problem.
 */
/** The type shown in a compiler error. */
export interface Wrong<Sentence extends string> {
    readonly wrong: Sentence;
}
/** Also shows the path, and the valid paths. */
interface WrongPath<Sentence extends string, Path, There extends string, Paths> extends Wrong<Sentence> {
    readonly path: Path;
    readonly there: There;
    readonly paths: Paths;
}
type Misses<Sentence extends string, Path, Paths> = [Paths] extends [never] ? WrongPath<Sentence, Path, "there are none, up to three levels deep", never> : WrongPath<Sentence, Path, "there are", Paths>;
/**
 * What a function returns, for each of its overloads (at most the last eight; TypeScript repeats the first if there are
 * fewer).
 */
type ResultOf<M> = Loose<M> extends true ? unknown : M extends {
    (...args: never): infer R1;
    (...args: never): infer R2;
    (...args: never): infer R3;
    (...args: never): infer R4;
    (...args: never): infer R5;
    (...args: never): infer R6;
    (...args: never): infer R7;
    (...args: never): infer R8;
} ? R1 | R2 | R3 | R4 | R5 | R6 | R7 | R8 : never;
/** What a function takes, for each of its overloads. */
type TakenBy<M> = Loose<M> extends true ? unknown : M extends {
    (...args: infer A1): unknown;
    (...args: infer A2): unknown;
    (...args: infer A3): unknown;
    (...args: infer A4): unknown;
    (...args: infer A5): unknown;
    (...args: infer A6): unknown;
    (...args: infer A7): unknown;
    (...args: infer A8): unknown;
} ? A1 | A2 | A3 | A4 | A5 | A6 | A7 | A8 : never;
/** The arguments of a function, as passed to functions in the options. */
export type ArgsOf<M> = Loose<M> extends true ? Untyped[] : TakenBy<M> extends infer A extends readonly Untyped[] ? A : Untyped[];
/** What selectors see: the value of a promise; of generators and streams, what they give. */
type Seen<R> = Loose<R> extends true ? unknown : R extends unknown ? Streamed<Awaited<R>> : never;
/** Of a generator what it yields, of a stream its chunks; emitters are only followed to their end, subjects not. */
type Streamed<T> = Loose<T> extends true ? T : T extends AnyIterator<infer Y> ? Y : T extends {
    on(...args: never): unknown;
} ? T : T extends AsyncIterable<infer Y> | ReadableStream<infer Y> ? Y : T extends {
    next(...args: never): unknown;
} ? T : T extends Observable<infer Y> ? Y : T;
/** RxJS's, if `pulse-mlflow/rxjs` is loaded. By its shape: most programs do not have RxJS. */
interface Observable<Y> {
    subscribe(...args: never): {
        unsubscribe(): void;
    };
    pipe(...args: never): unknown;
    forEach(next: (value: Y) => void): Promise<void>;
}
type AnyIterator<Y> = AsyncIterator<Y, unknown, never> | Iterator<Y, unknown, never>;
/** What selectors of files see: streams are kept as they are. */
type Kept<R> = Loose<R> extends true ? unknown : R extends AnyIterator<infer Y> ? Y : Awaited<R>;
/** The result as passed to functions in the options; `any` if it is unknown, so that they can use it freely. */
export type ResultSeen<R> = unknown extends Seen<R> ? Untyped : Seen<R>;
/** The result, as above, of the decorated function. */
export type ResultSeenOf<M> = ResultSeen<ResultOf<M>>;
/** The result as passed to functions that choose files. */
export type ResultKept<R> = unknown extends Kept<R> ? Untyped : Kept<R>;
/** The result, as above, of the decorated function. */
export type ResultKeptOf<M> = ResultKept<ResultOf<M>>;
/**
 * A selector whose functions may declare their own parameter types. `Function` does not affect how the compiler infers
 * the others.
 */
export type SelectorFor<Result, Args> = Selector<Result, Args> | Function | {
    readonly [key: string]: string | Function;
};
/** Where a value comes from, for error sentences. */
type Source = "what the method returns" | "what the function returns" | "what is assigned";
/** Whether every path of a selector, and of the step, leads to numbers in what a function returns. */
export type MetricCheck<S, Step, M, From extends Source = "what the method returns"> = [
    PathsOf<S> | PathsOf<Step>
] extends [never] ? [S] extends [never] ? BareCheck<ResultOf<M>> : true : ValueCheck<PathsOf<S>, PathsOf<Step>, Seen<ResultOf<M>>, From>;
/** `MetricCheck` for a return type instead of a function. */
export type ResultCheck<S, R> = [PathsOf<S>] extends [never] ? true : ValueCheck<PathsOf<S>, never, Seen<R>, "what the function returns">;
/** `MetricCheck` for an assigned value. */
export type AssignedCheck<S, Step, V> = [PathsOf<S> | PathsOf<Step>] extends [never] ? [S] extends [never] ? [NonNullable<V>] extends [never] ? true : [NonNullable<V>] extends [string] ? Wrong<"there is no number in a text"> : BareCheck<V> : true : ValueCheck<PathsOf<S>, PathsOf<Step>, V, "what is assigned">;
type ValueCheck<P, Step, T, From extends Source> = Loose<T> extends true ? true : [
    NonNullable<T>
] extends [Scalar] ? Said<"number", BadPath<Step, T, "step">, never, T, From> : Said<"number", BadPath<P, NonNullable<T>, "metric">, BadPath<Step, NonNullable<T>, "step">, NonNullable<T>, From>;
type Said<Wanted extends string, Bad, BadStep, T, From extends Source> = [Bad | BadStep] extends [never] ? true : [T] extends [Stream] ? Wrong<Unfollowed> : Misses<`this path leads to no ${Wanted} in ${From}`, Bad | BadStep, Found<T, Wanted extends "number" ? Scalar : Scalar | string>>;
/** Something async iterable of which only the end is followed. */
interface Stream {
    [Symbol.asyncIterator](): unknown;
}
type Unfollowed = "of Node's streams and other emitters only the end is followed: yield the values, and declare an AsyncGenerator";
/** Rejects types from which a bare decorator can take nothing. */
type BareCheck<R> = Loose<R> extends true ? true : IsStream<NonNullable<Seen<R>>> extends true ? Wrong<Unfollowed> : true;
type IsStream<T> = Loose<T> extends true ? false : [T] extends [Stream] ? true : false;
/** Whether every path of a tag selector leads somewhere in what a function returns. */
export type TagCheck<S, M> = [PathsOf<S>] extends [never] ? true : TagValueCheck<PathsOf<S>, Seen<ResultOf<M>>, "what the method returns">;
/** `TagCheck` for an assigned value. */
export type AssignedTagCheck<S, V> = [PathsOf<S>] extends [never] ? true : TagValueCheck<PathsOf<S>, V, "what is assigned">;
type TagValueCheck<P, T, From extends Source> = Loose<T> extends true ? true : [NonNullable<T>] extends [Scalar | string] ? true : Said<"value", BadPath<P, NonNullable<T>, "tag">, never, NonNullable<T>, From>;
/** Values that are stored in a file as they are. */
type FileContent = string | ArrayBufferView | ArrayBuffer | Blob | ReadableStream | NodeJS.ReadableStream | AsyncIterable<unknown> | {
    readonly path: string;
};
/** Whether a method's return value can become a file of that name, or all paths of a record lead somewhere. */
export type ArtifactCheck<S, M> = S extends string ? ContentCheck<S, Kept<ResultOf<M>>> : [PathsOf<S>] extends [never] ? true : TagValueCheck<PathsOf<S>, Kept<ResultOf<M>>, "what the method returns">;
type ContentCheck<File extends string, T> = Loose<T> extends true ? true : [Extract<T, FileContent>] extends [never] ? File extends `${string}.${"json" | "yaml" | "yml"}` ? [Extract<T, object>] extends [never] ? Wrong<"what the method returns is not the content of a file: an object, a string, bytes, a Blob, a stream or { path }"> : true : Wrong<"what the method returns is not the content of a file: a string, bytes, a Blob, a stream or { path } (an object for names that end in .json, .yaml or .yml)"> : true;
/** Whether every index path of a selector leads to an argument of a function. */
export type ParamCheck<S, M, Whose extends "method" | "function" = "method"> = [PathsOf<S>] extends [never] ? true : ArgumentCheck<PathsOf<S>, TakenBy<M>, Whose>;
/** `ParamCheck` for a type of arguments. */
type ArgumentCheck<P, A, Whose extends "method" | "function"> = Loose<A> extends true ? true : [BadPath<P, A, "param">] extends [never] ? true : Misses<`this index path leads to no argument of the ${Whose}`, BadPath<P, A, "param">, Found<A, Scalar | string>>;
/**
 * Whether the paths of a parameter decorator's selector lead into its argument; a single string is a name. Rest
 * parameters are not checked.
 */
export type ParameterCheck<S, M, Index extends number> = [S] extends [never] ? true : S extends string ? true : [PathsOf<S>] extends [never] ? true : TakenBy<M> extends infer A extends readonly unknown[] ? number extends A["length"] ? true : InArgument<PathsOf<S>, NonNullable<PartOf<A, `${Index}`>>> : true;
type InArgument<P, T> = Loose<T> extends true ? true : [BadPath<P, T, "tag">] extends [never] ? true : Misses<"this path leads to no value in the argument", BadPath<P, T, "tag">, Found<T, Scalar | string>>;
/**
 * The constraint of a type parameter whose default is a check of `S`. The default is only used if it is certainly an
 * error. Otherwise (it is `true`, or depends on an outer type parameter) TypeScript uses the constraint,
 * `Wrong<string>`, which then means "no error". While `S` is itself a type parameter, the constraint is `unknown`, so
 * that any default is allowed.
 */
export type Checked<S> = ((() => S) extends () => "a type parameter" ? true : false) extends false ? Wrong<string> : unknown;
/** The error if there certainly is one, else `T`. */
export type Unless<P, T> = Wrong<string> extends P ? T : P extends Wrong<string> ? P : T;
export {};

// capture/params.d.ts
import type { Untyped } from "./selector.js";
/** A function as params selector; it is passed the list of the call's arguments. */
export type ArgumentFunction = (args: Untyped) => unknown;
/**
 * Which parts of the arguments are logged: names or index paths (`"lr"`, `"1.lr"`), a record that renames them, or a
 * function.
 */
export type ParamSelector = string | readonly string[] | {
    readonly [key: string]: string | ArgumentFunction;
} | ArgumentFunction;

// capture/selector.d.ts
/** A type that is not known yet: a decorator's functions are written before the method they are applied to. */
export type Untyped = any;
/** A function as selector; it is passed the result (awaited, or one yielded value) and the call's arguments. */
export type SelectorFunction<Result = Untyped, Args = Untyped> = (result: Result, args: Args) => unknown;
/** Which parts of a result are logged, and under which keys. */
export type Selector<Result = Untyped, Args = Untyped> = string | readonly string[] | {
    readonly [key: string]: string | SelectorFunction<Result, Args>;
} | SelectorFunction<Result, Args>;
/** The options of `@LogMetric`, its second argument. */
export interface LogMetricOptions<Step = string | SelectorFunction> {
    /**
     * The step of each value: a path into the result or a function of it. @default one more than the highest step of this
     * run and key so far
     */
    readonly step?: Step | undefined;
    /** Prepended to every key as it is, for example `"train/"`. @default "" */
    readonly prefix?: string | undefined;
    /** When the value was measured: milliseconds since the epoch or a Date. @default the time of recording */
    readonly timestamp?: number | Date | SelectorFunction | undefined;
    /** Only logs results for which this returns true. @default every result */
    readonly when?: SelectorFunction | undefined;
    /** Logs the first of every `n` values of a run and key; the others still count as steps. @default 1 */
    readonly everyN?: number | undefined;
    /**
     * Minimum time between two logged values of a run and key, in milliseconds. Values in between are left out but count
     * as steps. @default 0
     */
    readonly minIntervalMs?: number | undefined;
    /**
     * Logs summaries under `<key>.<aggregate>` when the run ends, instead of single values: `"mean"`, or a list such as
     * `["mean", "p95"]`. Percentiles are within 1 % of the true ones; values that are not finite are ignored.
     */
    readonly aggregate?: "last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99" | readonly ("last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99")[] | undefined;
    /** What to do with NaN and ±Infinity: `"log"` them the way MLflow does, or `"skip"` them. @default "log" */
    readonly nonFinite?: "log" | "skip" | undefined;
}

// capture/type-paths.d.ts
import type { Untyped } from "./selector.js";
/**
 * Dotted paths into types: where a path leads, and which paths exist. The paths of a type are never enumerated
 * completely, which would not terminate for recursive types.
 */
/** The types that a metric accepts. */
export type Scalar = number | bigint | boolean;
/** True for `any`, `unknown`, `never`, `object` and `{}`, which cannot be checked. */
export type Loose<T> = unknown extends T ? true : [T] extends [never] ? true : [keyof T] extends [never] ? [object] extends [T] ? true : false : false;
/**
 * What a path leads to when `readPath` follows it; `never` if it leads nowhere. In a union, one matching member is
 * enough.
 */
type Reach<T, P extends string> = Loose<T> extends true ? unknown : PartOf<T, P> | (P extends `${infer K}.${infer Rest}` ? Deeper<NonNullable<PartOf<T, K>>, Rest> : never);
type Deeper<T, P extends string> = [T] extends [never] ? never : Reach<T, P>;
/** What one part of a path leads to: an entry of a map, an element of a list, or a field. */
export type PartOf<T, K extends string> = T extends ReadonlyMap<infer Key, infer V> ? K extends `${Key & (string | number)}` ? V : never : K extends keyof T ? T[K] : T extends ArrayLike<infer E> ? K extends `${number}` ? T extends readonly unknown[] ? number extends T["length"] ? E : never : E : never : K extends `${keyof T & (string | number)}` ? ByText<T>[K & keyof ByText<T>] : never;
/** Fields named by numbers or enum members, under the string form of their names. */
type ByText<T> = {
    [Name in keyof T as `${Name & (string | number)}`]: T[Name];
};
/** The elements of a list or other iterable, except iterators, which would be consumed. */
type ElementOf<V> = V extends string | {
    next: unknown;
} ? never : V extends ArrayLike<infer E> ? E : V extends Iterable<infer E> ? E : never;
/**
 * The elements of a result that is a list, each of which is looked into: an array, a typed array or a set, or a type
 * wide enough to include one.
 */
type ListedIn<T> = T extends string | ReadonlyMap<unknown, unknown> ? never : T extends ArrayLike<infer E> | ReadonlySet<infer E> ? E : T extends Iterable<infer E> ? E[] extends T ? E : never : never;
type Has<V, Kind> = [Extract<V, Kind>] extends [never] ? false : true;
/** Whether a value can be logged as a metric: a scalar (also as part of a union), or a list of them. */
type IsMetric<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar> extends true ? true : Has<ElementOf<NonNullable<V>>, Scalar>;
/** Whether a value can be a step. */
type IsStep<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar>;
/** Whether a value can be a tag or a param: anything except a function. */
type IsText<V> = [V] extends [never] ? false : [Exclude<NonNullable<V>, (...args: never) => unknown>] extends [never] ? false : true;
type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
/**
 * Whether a path leads to a metric in one kind of result. In a list, it leads to a position or into each element;
 * elements that are numbers are taken themselves.
 */
type FitsMetric<T, P extends string> = T extends unknown ? [ListedIn<T>] extends [never] ? IsMetric<Reach<T, P>> : P extends `${Digit}${string}` ? IsMetric<Reach<T, P>> : Has<ListedIn<T>, Scalar> extends true ? true : IsMetric<Deeper<NonNullable<ListedIn<T>>, P>> : never;
/** The path of a step leads into each element of a list. */
type FitsStep<T, P extends string> = T extends unknown ? [ListedIn<T>] extends [never] ? IsStep<Reach<T, P>> : IsStep<Deeper<NonNullable<ListedIn<T>>, P>> : never;
type FitsTag<T, P extends string> = T extends unknown ? IsText<Reach<T, P>> : never;
/** Only paths that start with a position can be checked, since the compiler does not know the names of arguments. */
type FitsParam<A, P extends string> = A extends unknown ? P extends `${Digit}${string}` ? IsText<Reach<A, P>> : true : never;
interface Fits<T, P extends string> {
    readonly metric: FitsMetric<T, P>;
    readonly step: FitsStep<T, P>;
    readonly tag: FitsTag<T, P>;
    readonly param: FitsParam<T, P>;
}
/** The paths in a selector. */
export type PathsOf<S> = [S] extends [null | undefined] ? never : S extends string ? S : S extends readonly (infer P)[] ? P : S extends (...args: Untyped) => unknown ? never : S extends object ? Extract<S[keyof S], string> : never;
/** A path without its `?` mark. */
type Bare<P extends string> = P extends `${infer Name}?` ? Name : P;
/** The paths that do not fit. Nothing can be said about a path of type `string`. */
export type BadPath<P, T, Kind extends keyof Fits<unknown, "">> = P extends string ? string extends P ? never : true extends Fits<T, Bare<P>>[Kind] ? never : {} extends Record<P, 1> ? never : P : never;
/** An object at a path. */
interface At<Path extends string, T> {
    readonly path: Path;
    readonly value: T;
}
/** The names of fields that the type spells out. */
type NamesOf<T> = keyof {
    [K in keyof T as K extends string | number ? string extends K ? never : number extends K ? never : `${K}` : never]: 1;
};
type FieldsOf<T> = T extends readonly unknown[] ? Exclude<keyof T, keyof unknown[]> : T extends (...args: never) => unknown ? never : NamesOf<T>;
/** What has named fields: an object; for a list, its first element. */
type Opened<Path extends string, T> = T extends string | Scalar | ((...args: never) => unknown) | Date ? never : T extends ReadonlyMap<infer K, infer V> ? string extends K ? never : At<Path, Record<Extract<K, string>, V>> : T extends ArrayLike<infer E> ? T extends readonly unknown[] ? number extends T["length"] ? At<`${Path}0.`, NonNullable<E>> : At<Path, T> : never : T extends object ? At<Path, T> : never;
type LeavesAt<O, Leaf> = O extends At<infer Path, infer T> ? FieldsOf<T> extends infer K extends string ? K extends unknown ? Has<PartOf<T, K>, Leaf> extends true ? `${Path}${K}` : Has<ElementOf<NonNullable<PartOf<T, K>>>, Leaf> extends true ? `${Path}${K}` : never : never : never : never;
type ObjectsAt<O> = O extends At<infer Path, infer T> ? FieldsOf<T> extends infer K extends string ? K extends unknown ? Loose<PartOf<T, K>> extends true ? never : Opened<`${Path}${K}.`, NonNullable<PartOf<T, K>>> : never : never : never;
/** The top of a result: an object, or the elements of a list. */
type Top<T> = T extends unknown ? [ListedIn<T>] extends [never] ? Opened<"", T> : Opened<"", NonNullable<ListedIn<T>>> : never;
export type Found<T, Leaf> = Levels<T extends readonly unknown[] ? (number extends T["length"] ? Top<T> : At<"", T>) : Top<T>, Leaf>;
type Levels<O, Leaf> = Deepened<LeavesAt<O, Leaf> | LeavesAt<ObjectsAt<O>, Leaf>, O, Leaf>;
type Deepened<Found, O, Leaf> = [Found] extends [never] ? LeavesAt<ObjectsAt<ObjectsAt<O>>, Leaf> : Found;
export {};

// client/client-options.d.ts
import type { MlflowRun, TerminalStatus, ViewType } from "../base/entities.js";
import type { ConfigOptions } from "../config/options.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import type { Run } from "../run/run.js";
import type { Tracker } from "../tracker.js";
/** A run: its id in the store, a run of this process, or one that was found. */
export type RunRef = string | Run | Pick<MlflowRun, "runId">;
/** Where a client reads from. */
export interface ClientOptions extends Pick<ConfigOptions, "auth" | "headers" | "tls" | "workspace"> {
    /** As in `configure`. @default the default tracker's store; its configured URI if other options are given */
    readonly trackingUri?: string | undefined;
    /** Reads what this tracker stores, and flushes it before each read: one reads what one wrote. */
    readonly tracker?: Tracker | undefined;
}
/** A search for experiments. */
export interface ExperimentQuery {
    /** In MLflow's search language: `name LIKE 'Pulse%' AND tags.team = 'ml'`. @default all */
    readonly filter?: string | undefined;
    /** Columns such as `"name DESC"`. @default the latest creation first */
    readonly orderBy?: readonly string[] | undefined;
    /** @default "active" */
    readonly viewType?: ViewType | undefined;
    /** At most this many results; also the size of a page. @default all, 1,000 a page */
    readonly maxResults?: number | undefined;
}
/** A search for runs. */
export interface RunsQuery extends ExperimentQuery {
    /** @default all active experiments, if no names are given either */
    readonly experimentIds?: readonly string[] | undefined;
    readonly experimentNames?: readonly string[] | undefined;
    /** In MLflow's search language: `metrics.loss < 0.2 AND params.lr = '0.1'`. @default all */
    readonly filter?: string | undefined;
    /** Columns such as `"metrics.loss DESC"`. @default the latest start first */
    readonly orderBy?: readonly string[] | undefined;
}
/** Options of `createExperiment`. */
export interface CreateExperimentOptions {
    /** Where the files of its runs go, a URI. @default the store decides */
    readonly artifactLocation?: string | undefined;
    readonly tags?: Readonly<Record<string, string>> | undefined;
}
/** Options of `getMetricHistory`. */
export interface HistoryOptions {
    /**
     * At most this many points, at least 4; above 20,000 it is taken for that. The highest and lowest of each part of the history stay, at their own steps.
     * @default all
     */
    readonly maxPoints?: number | undefined;
}
/** Options of `updateRun`. */
export interface RunUpdate {
    /** An end status also sets the end time. */
    readonly status?: "RUNNING" | TerminalStatus | undefined;
    readonly runName?: string | undefined;
}
/** Options of `downloadArtifacts`. */
export interface DownloadArtifactsOptions {
    /** A file or folder of the run. @default everything */
    readonly path?: string | undefined;
    /** The local folder to write into. */
    readonly to: string;
    /** Called on progress with a file and how many bytes of it are there. */
    readonly onProgress?: ((file: ArtifactInfo, bytes: number) => void) | undefined;
    /** Stops the download; the next one goes on where it ended. */
    readonly signal?: AbortSignal | undefined;
}

// client/mlflow-client.d.ts
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun } from "../base/entities.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import { type ClientOptions, type CreateExperimentOptions, type DownloadArtifactsOptions, type ExperimentQuery, type HistoryOptions, type RunRef, type RunsQuery, type RunUpdate } from "./client-options.js";
import { Results } from "./results.js";
import { type RunKeys, RunSearch } from "./run-search.js";
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
export declare class MlflowClient implements AsyncDisposable {
    /** @throws PulseError `INVALID_OPTION`, `INVALID_CONFIG`, `INVALID_TRACKING_URI` */
    constructor(options?: ClientOptions);
    /**
     * Creates an experiment and returns its id.
     * @throws (rejects) PulseError `REJECTED` if the name is taken, also by a deleted experiment
     */
    createExperiment(name: string, options?: CreateExperimentOptions): Promise<string>;
    /** @throws (rejects) PulseError `EXPERIMENT_NOT_FOUND` */
    getExperiment(experimentId: string): Promise<MlflowExperiment>;
    /** Returns undefined if there is none, as in MLflow. Deleted experiments are found, too. */
    getExperimentByName(name: string): Promise<MlflowExperiment | undefined>;
    /**
     * @throws PulseError `INVALID_FILTER` that points at the mistake.
     */
    searchExperiments(query?: ExperimentQuery): Results<MlflowExperiment>;
    renameExperiment(experimentId: string, name: string): Promise<void>;
    /** Deletes an experiment and its runs; `restoreExperiment` brings them back. */
    deleteExperiment(experimentId: string): Promise<void>;
    restoreExperiment(experimentId: string): Promise<void>;
    setExperimentTag(experimentId: string, key: string, value: string): Promise<void>;
    /** @throws (rejects) PulseError `RUN_NOT_FOUND` */
    getRun(run: RunRef): Promise<MlflowRun>;
    /** Returns undefined for a run without a parent, and if the parent no longer exists. */
    getParentRun(run: RunRef): Promise<MlflowRun | undefined>;
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
    searchRuns(query?: RunsQuery): RunSearch;
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
    runs<K extends RunKeys = RunKeys>(...experimentNames: readonly string[]): RunSearch<K>;
    setTag(run: RunRef, key: string, value: string): Promise<void>;
    deleteTag(run: RunRef, key: string): Promise<void>;
    /** Changes the status or the name of a run. An end status sets the end time to now. */
    updateRun(run: RunRef, update: RunUpdate): Promise<void>;
    /** Marks a run as deleted; `restoreRun` brings it back. */
    deleteRun(run: RunRef): Promise<void>;
    restoreRun(run: RunRef): Promise<void>;
    /** Returns the values of a metric by time; empty if the run has no such metric. */
    getMetricHistory(run: RunRef, key: string, options?: HistoryOptions): Promise<Metric[]>;
    /** Returns the values of a metric of several runs, by run id. */
    getMetricHistories(runs: Iterable<RunRef>, key: string, options?: HistoryOptions): Promise<Map<string, Metric[]>>;
    /** Sums up each metric of a run by key: the first, last, lowest and highest value with their steps, and the count. */
    bestValues(run: RunRef): Promise<Record<string, MetricSummary>>;
    /**
     * Lists the files and folders in a folder of a run.
     * @param path @default the root
     */
    listArtifacts(run: RunRef, path?: string): Promise<ArtifactInfo[]>;
    /**
     * Downloads a file, or a folder with all that is in it, to `<to>/<path>`, and returns that path.
     * @throws (rejects) PulseError `ARTIFACT_NOT_FOUND`; `NOT_WRITABLE`, `DISK_FULL` of the target
     */
    downloadArtifacts(run: RunRef, options: DownloadArtifactsOptions): Promise<string>;
    /** Returns a file as text. @throws (rejects) PulseError `ARTIFACT_NOT_FOUND`; `ARTIFACT_UNREADABLE` above 256 MiB */
    loadText(run: RunRef, path: string): Promise<string>;
    /** Returns what a JSON or YAML file holds. @throws (rejects) PulseError as `loadText`, also for other files */
    loadDict(run: RunRef, path: string): Promise<unknown>;
    /**
     * Returns the rows of a table that `logTable` has logged. Parquet needs the package `hyparquet`.
     * @throws (rejects) PulseError as `loadText`, also for other files; `PACKAGE_MISSING`
     */
    loadTable(run: RunRef, path: string): Promise<Record<string, unknown>[]>;
    /** Closes files and connections that belong to the client; a tracker stays open. Idempotent. */
    close(): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
}

// client/results.d.ts
/**
 * The results of a search: iterate over them with `for await`, or take them by `first`, `toArray` or page. Each use
 * searches anew. Nothing is searched before.
 */
export declare class Results<T> implements AsyncIterable<T> {
    /**
     * Reads one page.
     * @param options.maxResults the size of the page, from 1 to 50,000. @default the `maxResults` of the search, else
     * 1,000; pages go on beyond the `maxResults` of the search
     * @param options.pageToken the `nextPageToken` of the page before. @default the first page
     * @throws (rejects) PulseError `INVALID_FILTER`; `INVALID_OPTION` also for a token of another search
     */
    page(options?: {
        readonly maxResults?: number | undefined;
        readonly pageToken?: string | undefined;
    }): Promise<{
        readonly items: T[];
        readonly nextPageToken?: string;
    }>;
    /** Returns the first result; undefined if there is none. */
    first(): Promise<T | undefined>;
    /** Returns all results, or the first `limit`. */
    toArray(limit?: number): Promise<T[]>;
    [Symbol.asyncIterator](): AsyncIterator<T, undefined>;
}

// client/run-search.d.ts
import type { MlflowRun, ViewType } from "../base/entities.js";
import { Results } from "./results.js";
/** The keys that a search knows; those of an experiment with a schema are its own. */
export interface RunKeys {
    readonly metrics: string;
    readonly params: string;
}
/** A condition that runs match. Combine it with others by `and`, `or` and `not`. */
export declare class Condition {
    /** Both match. */
    and(other: Condition): Condition;
    /** At least one matches. */
    or(other: Condition): Condition;
    /** Inverts the operators: what a run does not have still does not match. */
    not(): Condition;
}
/** A column that runs are ordered by. */
export declare class Order {
}
/** Something runs are ordered by. */
export declare class RunColumn {
    /** The smallest first. What is missing comes last. */
    asc(): Order;
    /** The largest first. What is missing comes last. */
    desc(): Order;
}
/** A number of runs: the latest value of a metric, a time, or `duration` in milliseconds. */
export declare class NumberField extends RunColumn {
    eq(value: number | Date): Condition;
    ne(value: number | Date): Condition;
    lt(value: number | Date): Condition;
    lte(value: number | Date): Condition;
    gt(value: number | Date): Condition;
    gte(value: number | Date): Condition;
}
/** A text of runs: a param, a tag, or an attribute such as `status`. */
export declare class TextField extends RunColumn {
    eq(value: string): Condition;
    ne(value: string): Condition;
    /** Matches a pattern with `%` (any characters) and `_` (one character). */
    like(pattern: string): Condition;
    /** Like `like`, whether letters are capital or small. */
    ilike(pattern: string): Condition;
    in(values: readonly string[]): Condition;
}
/** A param or tag of runs, which a run may lack. */
export declare class KeyedText extends TextField {
    /** Runs that lack it. */
    isNull(): Condition;
    /** Runs that have it. */
    isNotNull(): Condition;
}
/** The fields of runs, as a search compares and orders them. */
export declare class RunFields<K extends RunKeys = RunKeys> {
    /** The latest value of a metric. */
    metric(key: K["metrics"]): NumberField;
    param(key: K["params"]): KeyedText;
    tag(key: string): KeyedText;
    get status(): TextField;
    get runName(): TextField;
    get runId(): TextField;
    get userId(): TextField;
    get startTime(): NumberField;
    get endTime(): NumberField;
    /** From start to end, in milliseconds; open runs have none. */
    get duration(): NumberField;
}
/** Runs of some experiments, to be narrowed down and ordered. Each method returns a new search. */
export declare class RunSearch<K extends RunKeys = RunKeys> extends Results<MlflowRun> {
    /**
     * Only runs that match: a text in MLflow's search language, or a function that builds the condition. Several calls
     * must all match.
     * @throws PulseError `INVALID_FILTER` that points at the mistake in a text.
     */
    where(condition: string | ((run: RunFields<K>) => Condition)): RunSearch<K>;
    /**
     * Orders the runs: by texts such as `"metrics.loss DESC"`, or by a function. Further calls order those that are equal
     * before. @default the latest start first
     * @throws PulseError `INVALID_FILTER`
     */
    orderBy(...columns: readonly (string | ((run: RunFields<K>) => Order | readonly Order[]))[]): RunSearch<K>;
    /** At most this many runs. */
    limit(maxResults: number): RunSearch<K>;
    /** Which runs are listed. @default "active" */
    view(viewType: ViewType): RunSearch<K>;
}

// config/options.d.ts
import type { Logger } from "../base/diagnostics.js";
import type { Redactor } from "../base/text/redact.js";
import type { RunContext } from "../context/scope-storage.js";
import { type TrackingStore } from "../contracts/tracking-store.js";
/** What a `@Log…` method does if it finds neither a run nor a class that opens one. */
export type OutsideRun = "warn" | "throw" | "ignore";
/** When recorded data is written to disk: within a flush interval and at exit, at the end of each turn, or never. */
export type Durability = "exit" | "outbox" | "memory";
/** How to log in to a server. */
export type Auth = {
    readonly username: string;
    readonly password: string;
} | {
    readonly token: string | (() => string | Promise<string>);
};
/** How to verify a server's certificate, and the client certificate. Values are paths of PEM files. */
export interface TlsOptions {
    /** Certificates to trust instead of Node's. @default MLFLOW_TRACKING_SERVER_CERT_PATH */
    readonly ca?: string | undefined;
    /** The client certificate; it includes the key unless `key` is set. @default MLFLOW_TRACKING_CLIENT_CERT_PATH */
    readonly cert?: string | undefined;
    /** The key of `cert`. */
    readonly key?: string | undefined;
    /**
     * Accepts any certificate: anyone between client and server can read and change all traffic.
     * @default MLFLOW_TRACKING_INSECURE_TLS, else false
     */
    readonly insecure?: boolean | undefined;
}
/** Where outboxes are kept on disk, and their limits. */
export interface OutboxOptions {
    /**
     * @default `pulse-mlflow/outbox` in $XDG_STATE_HOME, else in ~/.local/state (macOS: ~/Library/Application Support,
     * Windows: %LOCALAPPDATA%)
     */
    readonly folder?: string | undefined;
    /**
     * Maximum size of one tracker's outbox in bytes, at least 65536. Beyond it, the oldest metrics are dropped first,
     * then what was set aside, then whole runs that have ended but are not created yet, oldest first. If that is not
     * enough, new changes wait in memory. @default 1073741824 (1 GiB)
     */
    readonly maxBytes?: number | undefined;
    /**
     * Maximum total size of all outboxes in the folder in bytes, at least 65536. Beyond it, outboxes of trackers that are
     * gone are removed, oldest first. @default 4294967296 (4 GiB)
     */
    readonly maxTotalBytes?: number | undefined;
    /**
     * Maximum total size in bytes of the files that wait beside one tracker's outbox for their upload. Files that do not
     * fit are left out, with a warning. @default 10737418240 (10 GiB)
     */
    readonly maxArtifactBytes?: number | undefined;
    /**
     * Age in milliseconds, since the last write, at which outboxes of trackers that are gone are removed.
     * @default 7776000000 (90 days)
     */
    readonly maxAgeMs?: number | undefined;
}
/** Credentials for S3, as AWS issues them. */
export interface S3Credentials {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
    /** When to ask for new ones. @default never */
    readonly expiration?: Date | undefined;
}
/**
 * What is stored as an artifact, and which artifact locations a server may name. The server chooses where each run's
 * files go; these options limit what it may choose.
 */
export interface ArtifactsOptions {
    /**
     * Whether error stacks and params that are too long for MLflow are also stored in full (up to 100,000 characters), as
     * files in the folder `pulse`. @default true
     */
    readonly longTexts?: boolean | undefined;
    /** Whether a server on another machine may name local folders (for a shared disk). @default false */
    readonly allowLocal?: boolean | undefined;
    /**
     * The S3 buckets a server may name.
     * @default any, if the environment or `credentials` give this program access to S3
     */
    readonly buckets?: readonly string[] | undefined;
    /**
     * Returns credentials for S3; can only be set in code. @default AWS's own variables, files and container credentials
     */
    readonly credentials?: (() => S3Credentials | Promise<S3Credentials>) | undefined;
}
/**
 * Settings of a tracker. The first source that sets a value wins: option at the call, decorator, `configure()`,
 * `pulse-mlflow.config.json`, MLflow's environment variables, default.
 */
export interface ConfigOptions {
    /**
     * Where runs go: `http(s)://host:port`, `sqlite:///relative.db`, `sqlite:////absolute.db`, a folder of MLflow's file
     * store (`./mlruns`, any plain path, `file:…`), `memory:`, `null:`, or a scheme of `registerTrackingStore()`.
     * @default MLFLOW_TRACKING_URI, else "sqlite:///mlflow.db"; "mlruns" where that folder holds experiments, no
     * `mlflow.db` lies beside it and MLFLOW_ALLOW_FILE_STORE is true
     */
    readonly trackingUri?: string | undefined;
    /**
     * A store of your own to use instead of a tracking URI; can only be set in code. A store with a `uri` gets an outbox,
     * like a server; for one without, changes wait in memory (`durability` is then `"memory"`). The tracker owns the
     * store and closes it on shutdown.
     * @experimental
     */
    readonly store?: TrackingStore | undefined;
    /**
     * The experiment of runs that do not name one, at most 256 characters.
     * @default MLFLOW_EXPERIMENT_NAME, else MLFLOW_EXPERIMENT_ID, else a tracked class's name, else MLflow's "Default"
     */
    readonly experiment?: string | undefined;
    /**
     * How long `flush()`, `shutdown()` and process exit keep trying after the store last accepted something, in
     * milliseconds. @default 3000
     */
    readonly exitTimeoutMs?: number | undefined;
    /**
     * How to log in to a server: a user name and password, a token, or a function that returns a token (called again if
     * the server refuses it).
     * @default MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, each falling back to ~/.mlflow/credentials; else
     * MLFLOW_TRACKING_TOKEN
     */
    readonly auth?: Auth | undefined;
    /** Additional headers for every request to a server. */
    readonly headers?: Readonly<Record<string, string>> | undefined;
    /** How to verify a server's certificate, and the client certificate. */
    readonly tls?: TlsOptions | undefined;
    /** The workspace, for MLflow servers that have workspaces. @default MLFLOW_WORKSPACE */
    readonly workspace?: string | undefined;
    /** Timeout of one request in milliseconds. @default MLFLOW_HTTP_REQUEST_TIMEOUT (seconds), else 30000 */
    readonly requestTimeoutMs?: number | undefined;
    /**
     * What a crash may lose. `"exit"`: what the store has not accepted within `flushIntervalMs` is written to an outbox
     * on disk, and so is everything pending at exit. `"outbox"`: everything is written at the end of each turn of the
     * event loop. `"memory"`: nothing is ever written, and a change that a server fails on seven times, while it accepts
     * others, is dropped (`rejected` in `stats()`).
     * @default "exit"
     */
    readonly durability?: "exit" | "outbox" | "memory" | undefined;
    /** What is stored as an artifact, and which artifact locations a server may name. */
    readonly artifacts?: ArtifactsOptions | undefined;
    /** Where outboxes are kept, and how large they may grow. */
    readonly outbox?: OutboxOptions | undefined;
    /**
     * How long recorded changes may stay in memory until they are stored or written to the outbox, in milliseconds; see
     * `durability`. @default 1000
     */
    readonly flushIntervalMs?: number | undefined;
    /** Maximum size in bytes of the changes waiting in memory for the store. @default 67108864 (64 MiB) */
    readonly maxPendingBytes?: number | undefined;
    /**
     * How secrets in params, tags and error texts are handled: `true` applies the built-in rules, a function runs after
     * them, `false` stores secrets as they are. @default true
     */
    readonly redact?: boolean | Redactor | undefined;
    /**
     * How the open run follows a call, for the whole process; for example `clsHookedContext()` of
     * `pulse-mlflow/cls-hooked`.
     * @default AsyncLocalStorage
     */
    readonly context?: RunContext | undefined;
    /**
     * The share of top-level runs to record, from 0 to 1. It is multiplied with the `sample` of a decorator or call: with
     * `0.5` here, a method with `sample: 0.5` records a quarter. Failed runs are always recorded. `set()` of a tracker
     * changes it. @default 1
     */
    readonly sample?: number | undefined;
    /** Whether problems throw instead of warning; meant for tests. @default false */
    readonly strict?: boolean | undefined;
    /** Where warnings go. @default console */
    readonly logger?: Logger | undefined;
    /** What a `@Log…` method does outside any run. @default "warn" */
    readonly outsideRun?: "warn" | "throw" | "ignore" | undefined;
}

// context/scope-storage.d.ts
/** Carries a value through a call and all asynchronous work it starts. */
export interface ScopeStorage<T> {
    /** Returns the value of the innermost enclosing `run`, or undefined outside. */
    get(): T | undefined;
    /** Calls `fn` with `value` as the current value, also for everything it starts; code outside is not affected. */
    run<R>(value: T | undefined, fn: () => R): R;
}
/** Carries the open run through calls. The value is opaque. */
export type RunContext = ScopeStorage<unknown>;

// contracts/artifact-repository.d.ts
/// <reference types="node" />
import type { Readable } from "node:stream";
/**
 * The bytes of a file to store. They can be read any number of times, whole or in parts, and are the same each time.
 * @experimental
 */
export interface ArtifactContent {
    /** Size in bytes. */
    readonly size: number;
    /** Opens a stream of the bytes from `start` (inclusive) to `end` (exclusive). */
    open(start: number, end: number): Readable;
    /** Reads the whole content synchronously, for use at process exit. Absent if that is not possible. */
    readSync?(): Uint8Array;
}
/**
 * A file or folder in a repository.
 * @experimental
 */
export interface ArtifactInfo {
    /** Relative to the repository's root, with `/` as the separator. */
    readonly path: string;
    readonly isDir: boolean;
    /** Size in bytes; undefined for folders, and if the repository does not report it. */
    readonly size: number | undefined;
}
/**
 * Options of one upload.
 * @experimental
 */
export interface UploadOptions {
    /**
     * Aborts the upload and removes whatever has been stored of it so far, including what `state` refers to. The promise
     * then rejects with the signal's reason.
     */
    readonly signal?: AbortSignal | undefined;
    /**
     * The last value passed to `onState` for the same upload, by this process or an earlier one; the upload resumes
     * there.
     * @default start from the beginning
     */
    readonly state?: unknown;
    /**
     * Called with the state needed to resume later (a JSON value) whenever a part has been stored, and with undefined
     * once there is nothing left to resume. The state may contain signed part URLs, which grant access to this upload for
     * an hour: protect it like the file itself. Without this callback, a failed upload removes what it has stored.
     */
    readonly onState?: ((state: unknown) => void) | undefined;
    /** Called with the number of bytes stored, or sent, so far. */
    readonly onProgress?: ((bytes: number) => void) | undefined;
}
/**
 * Stores the files of a run. `upload` is idempotent: repeating it gives the same result, and a file is either stored
 * completely or not at all.
 *
 * Failures reject with a `PulseError`. Its code says whether to retry: `STORE_UNAVAILABLE`, `STORE_BUSY`,
 * `SERVER_ERROR`, `TLS_FAILED`, `UNAUTHORIZED`, `NO_MLFLOW`, `NOT_WRITABLE` and `DISK_FULL` can be retried later;
 * `FORBIDDEN` fails with these credentials; `REJECTED` always fails; `ARTIFACT_NOT_FOUND` means that the file does not
 * exist. Paths are relative to the root, with `/`, and already checked by `artifactPath`.
 * @experimental It may still change in a minor version.
 */
export interface ArtifactRepository {
    /** The URI of the root, without credentials. */
    readonly uri: string;
    /** Stores a file, replacing an existing one. */
    upload(path: string, content: ArtifactContent, options?: UploadOptions): Promise<void>;
    /** Stores a file synchronously, for use at process exit. */
    uploadSync?(path: string, content: ArtifactContent): void;
    /**
     * Lists the direct children of a folder, sorted by name; empty if the folder does not exist.
     * @default the root
     */
    list(path?: string): Promise<readonly ArtifactInfo[]>;
    /** Reads a file from byte `start` on. */
    read(path: string, start?: number): Promise<Readable>;
    /** Closes connections. Idempotent. */
    close(): void;
}

// contracts/tracking-reader.d.ts
import type { DatasetInput } from "../base/entities.js";
/**
 * A run as it is stored.
 * @experimental
 */
export interface ReadRun {
    /** The name of its experiment. */
    readonly experiment: string;
    readonly name: string;
    /** MLflow's status: `RUNNING`, `FINISHED`, `FAILED` or `KILLED`. */
    readonly status: string;
    /** Milliseconds since the epoch. */
    readonly startTime: number;
    /** Milliseconds since the epoch; null while the run is open. */
    readonly endTime: number | null;
    readonly params: Readonly<Record<string, string>>;
    readonly tags: Readonly<Record<string, string>>;
    /** Every value of every metric, as a tuple of step, timestamp and value. */
    readonly metrics: Readonly<Record<string, readonly (readonly [step: number, timestamp: number, value: number])[]>>;
    /** The datasets it used, without duplicates. @default none */
    readonly inputs?: readonly DatasetInput[] | undefined;
}
/**
 * Reads stored runs. A `TrackingStore` may implement this as well.
 * @experimental It covers what exists today and will grow.
 */
export interface TrackingReader {
    /** Reads one run by its id in the store; undefined if there is no such run. */
    readRun(runId: string): Promise<ReadRun | undefined>;
}

// contracts/tracking-store.d.ts
import type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import type { ArtifactRepository } from "./artifact-repository.js";
/**
 * The start of a run.
 * @experimental
 */
export interface RunStart {
    /** Also stored as the tag `mlflow.runName`; setting that tag later renames the run. */
    readonly name: string;
    /** Milliseconds since the epoch. */
    readonly startTime: number;
    readonly userId: string;
    /**
     * Tags shared by all runs of this process (`mlflow.user`, `mlflow.source.*`). The array is shared and never modified.
     */
    readonly sourceTags: readonly Tag[];
    /**
     * The parent's `runKey` if this is a child run. The store writes the parent's id into the tag `mlflow.parentRunId`.
     */
    readonly parentKey: string | undefined;
    /**
     * The run already exists in the store under the id `runKey`: reopen it with status `RUNNING` and no end time, and
     * ignore the other fields.
     */
    readonly resume: boolean;
}
/**
 * The end of a run.
 * @experimental
 */
export interface RunEnd {
    readonly status: TerminalStatus;
    /** Milliseconds since the epoch. */
    readonly endTime: number;
    /**
     * Only end the run if it is still running, no earlier than its last metric. Used for runs whose process died. If the
     * store does not know the run, it was never created: do nothing.
     */
    readonly ifRunning?: boolean | undefined;
}
/**
 * The ids that the store assigned to a run.
 * @experimental
 */
export interface StoredIds {
    readonly runId: string;
    readonly experimentId: string;
    /**
     * The run was created a second time because the outcome of the first attempt is unknown, so a duplicate may exist.
     */
    readonly recreated?: boolean | undefined;
}
/**
 * What was recorded of one run since its previous change. A store uses what it supports; the ids it returns are passed
 * with every later change.
 * @experimental
 */
export interface RunChange {
    /** The run's id on our side: 32 hex digits, the same in every change of the run. A store may use it as its own id. */
    readonly runKey: string;
    /**
     * Given by name (created if it does not exist) or by the id of an existing experiment. If `of` is set, the experiment
     * of that run takes precedence.
     */
    readonly experiment: ExperimentRef;
    /** The ids the store returned when the run was created; undefined before that, and if they were lost. */
    readonly ids: StoredIds | undefined;
    /** The parent's id in the store, if known. A child is created after its parent. */
    readonly parentId: string | undefined;
    /**
     * The creation, or this very change, was passed to the store before, and the outcome is unknown. A store that assigns
     * its own ids must first look whether the run exists. It does not mean that anything arrived, and other changes may
     * be repeated without this flag.
     */
    readonly attempted: boolean;
    /** Set if the run has to be created; undefined afterwards. */
    readonly create: RunStart | undefined;
    readonly metrics: readonly Metric[];
    readonly params: readonly Param[];
    readonly tags: readonly Tag[];
    readonly inputs: readonly DatasetInput[];
    readonly end: RunEnd | undefined;
}
/**
 * Items of a change that the store will never accept. Everything else in the change was stored.
 * @experimental
 */
export interface RefusedItems {
    readonly what: "metric" | "param" | "tag" | "input";
    readonly key: string;
    /** How many of the change's items this covers; 0 for something that belongs to the run's start. */
    readonly items: number;
    readonly error: PulseError;
}
/**
 * The result of applying one change. The code of `error`, a `PulseError`, tells the cause. If the store is away, it is
 * `STORE_UNAVAILABLE`, `STORE_BUSY` (locked for longer than a moment) or, if someone has to fix something first, a code
 * that is not `retryable` (`UNAUTHORIZED`, `NOT_WRITABLE`, …; `logExperiment` then rejects at once). If the change is
 * rejected, it is `EXPERIMENT_NOT_FOUND`, `EXPERIMENT_DELETED`, `RUN_NOT_FOUND`, `RUN_DELETED` or else `REJECTED`.
 * @experimental
 */
export type Outcome = 
/** Stored, except for `refused`; `ids` are set after a creation. */
{
    readonly kind: "done";
    readonly ids?: StoredIds;
    readonly refused?: readonly RefusedItems[];
}
/** The store failed on this change but may accept others. Retry it later. */
 | {
    readonly kind: "retry";
    readonly error: PulseError;
}
/** The store itself is unavailable and the change is fine. `afterMs` is when to retry, in milliseconds, if known. */
 | {
    readonly kind: "away";
    readonly error: PulseError;
    readonly afterMs?: number | undefined;
}
/**
 * These credentials may not write to the experiment or run of this change, but work elsewhere. The changes of that
 * experiment wait on their own, and everything else continues.
 */
 | {
    readonly kind: "denied";
    readonly error: PulseError;
}
/** These params already have other values. The change is applied again without them. */
 | {
    readonly kind: "conflict";
    readonly params: readonly string[];
}
/** The store will never accept this change. */
 | {
    readonly kind: "rejected";
    readonly error: PulseError;
};
/**
 * A result of a probe, for people to read.
 * @experimental
 */
export interface Finding {
    /** What was checked, in a word or two. */
    readonly what: string;
    /** `bad`: nothing can be stored. `note`: worth knowing. */
    readonly verdict: "ok" | "note" | "bad";
    readonly detail: string;
    /** How to fix it. */
    readonly todo?: string | undefined;
}
/**
 * Options of a probe.
 * @experimental
 */
export interface ProbeOptions {
    /** Also write a run into the experiment "pulse-mlflow doctor", and delete it again if possible. */
    readonly write: boolean;
}
/**
 * Where the files of a run are stored.
 * @experimental
 */
export type ArtifactPlace = string | ArtifactRepository | undefined;
/**
 * Stores run changes. `apply` is idempotent: replaying the changes of a run, in order, from any earlier point leads to
 * the same state; retries and the replay after a crash rely on exactly this. Replayed changes may be split or merged
 * differently, so recognise what is already stored by its items: a param or tag by its key, a metric value by key,
 * step, timestamp and value, a dataset by name and digest.
 *
 * Only `apply` and `close` are required. `trackingStoreContract` of `pulse-mlflow/testing` tests what a store promises.
 * @experimental It may still change in a minor version.
 */
export interface TrackingStore {
    /**
     * The store's address: absolute, and always the same for the same place. Changes that the store has not accepted are
     * kept on disk under it (in an outbox), for this process and later ones, whatever folder they run in. Credentials in
     * it are hidden. Two addresses that differ only in passwords, tokens or keys are the same place; a different user
     * name in `scheme://user:password@host` is a different place. Without an address, changes wait in memory only.
     */
    readonly uri?: string | undefined;
    /**
     * Maximum number of items per `apply` (a run's start, its end, and each metric, param, tag and dataset count as one).
     * Limits how long a store that works on the event loop blocks it. A single change may exceed it. @default 1000
     */
    readonly batchItems?: number | undefined;
    /** Maximum number of runs per `apply`. @default no limit */
    readonly batchRuns?: number | undefined;
    /** How many calls of `apply` may be in flight at once; never two for the same run. @default 1 */
    readonly width?: number | undefined;
    /**
     * Whether its contents are lost when the process ends. Nothing is then kept on disk for it, and process exit does not
     * wait for it. @default false
     */
    readonly volatile?: boolean | undefined;
    /**
     * Applies changes, each of a different run, and returns one outcome per change, in the same order. Must not modify
     * the changes. Never rejects because of a single change: a rejection means that the store is away, and all the
     * changes are passed again.
     */
    apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
    /**
     * Applies changes synchronously, waiting for locks for at most `waitMs` milliseconds. Used at process exit and when
     * memory is full. If it throws, the store is away.
     */
    applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
    /**
     * Returns where the files of a run are stored: the URI of the root, or a repository of the store's own; undefined if
     * files are discarded. Commands know only the run's id: `experimentId` is then empty.
     * @default files are not supported: each is refused
     */
    artifactsOf?(ids: StoredIds): ArtifactPlace | Promise<ArtifactPlace>;
    /**
     * Returns the stored value of one of a run's tags, which others may have set, too; undefined if there is none.
     * @default unknown: when a resumed run appends to such a tag, the stored value is overwritten
     */
    tagOf?(ids: StoredIds, key: string): string | undefined | Promise<string | undefined>;
    /** Returns the URL of the run's page, for stores that have a user interface. */
    runUrl?(ids: StoredIds): string;
    /** Whether there is background work to finish. `settle` does it now, within a few seconds; so does `close`. */
    readonly unsettled?: boolean | undefined;
    settle?(): Promise<void>;
    /** Checks whether the store can be used, for `pulse-mlflow doctor`. Changes nothing unless `options.write` is set. */
    probe?(options: ProbeOptions): Promise<readonly Finding[]>;
    /** Closes files and connections. Idempotent. */
    close(): Promise<void>;
}

// decorators/define-experiment.d.ts
import type { MlflowRun } from "../base/entities.js";
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../capture/check.js";
import type { LogMetricOptions, Selector, SelectorFunction, Untyped } from "../capture/selector.js";
import type { Scalar } from "../capture/type-paths.js";
import { MlflowClient } from "../client/mlflow-client.js";
import type { RunSearch } from "../client/run-search.js";
import { type MetricSchema } from "../run/metrics/schema.js";
import type { PathOptions, StartOptions, WithRunOptions } from "../run/options.js";
import type { Run } from "../run/run.js";
import type { MetricOptions } from "../run/verbs/metric-value.js";
import { type ExperimentDecorator } from "./tracked-experiment.js";
import type { Applied, LogMetricGoes, LogsMetrics, MemberDecorator, StepOption } from "./types.js";
/** The type of a param's values. */
export type ParamKind = "number" | "string" | "boolean";
type ParamValue<K extends ParamKind> = K extends "number" ? number | bigint : K extends "boolean" ? boolean : string;
/** What the runs of an experiment log: metrics with unit, goal and range, and params with their kind. */
export interface ExperimentSchema<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
    readonly name: string;
    /** The experiment's description in MLflow's UI, as Markdown. */
    readonly description?: string | undefined;
    /** Tags of the experiment. */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics: M;
    readonly params?: P;
}
/** A selector whose metric keys belong to an experiment. */
type KeyedSelector<K extends string> = K | `${K}?` | readonly (K | `${K}?`)[] | {
    readonly [key in K]?: string | SelectorFunction;
} | ((result: never, args: never) => {
    readonly [key in K]?: Scalar;
});
/**
 * Requires that all keys of a selector are among `K`; a constraint on the type parameter alone would let others pass.
 */
type OnlyKeys<S, K extends string> = S extends string | readonly string[] ? unknown : S extends (...args: never[]) => infer R ? [Exclude<keyof R, K>] extends [never] ? unknown : NoMetric<Exclude<keyof R, K>> : {
    readonly [key in Exclude<keyof S, K>]: never;
};
/** Shown by the compiler for a function whose result has other keys. */
interface NoMetric<Key> {
    readonly "the experiment has no such metric": Key;
}
/** A `Run` that accepts only the experiment's own metrics and params. */
export interface TypedRun<M extends string, P extends Record<string, ParamKind>> extends Omit<Run, "logMetric" | "logMetrics" | "logParam" | "logParams"> {
    logMetric(key: M, value: Scalar, options?: MetricOptions): void;
    logMetrics(metrics: {
        readonly [key in M]?: Scalar;
    }, options?: MetricOptions): void;
    logParam<K extends keyof P & string>(key: K, value: ParamValue<P[K]>): void;
    logParams(params: {
        readonly [key in keyof P]?: ParamValue<P[key]>;
    }): void;
}
/** Options of `bestRun`. */
export interface BestRunOptions {
    /** @default "last" */
    readonly by?: "last" | "min" | "max" | undefined;
    /** Where to search. @default the default tracker's store */
    readonly client?: MlflowClient | undefined;
}
/** The decorators and functions of one experiment, typed with its metrics and params. */
export interface DefinedExperiment<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
    readonly name: string;
    readonly metrics: M;
    /** `@TrackedExperiment` with this experiment's name, bare or called. */
    readonly TrackedExperiment: ExperimentDecorator<never, never> & (<const S extends Selector, A extends string>(options?: Omit<PathOptions<S, A>, "experiment">) => ExperimentDecorator<S, A>);
    /**
     * `@LogMetric` with this experiment's metrics as keys. A path that is not a key is written `{ loss: "final.loss"
     * }`. Bare, it logs all numbers, whatever their keys.
     */
    readonly LogMetric: MemberDecorator<LogMetricGoes, LogsMetrics<never, never>> & {
        (): Applied<LogMetricGoes, LogsMetrics<never, never>>;
        <const S extends KeyedSelector<keyof M & string>, const Step extends StepOption>(selector: S & OnlyKeys<S, keyof M & string>, options?: Omit<LogMetricOptions<Step>, "prefix">): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
    };
    /** `withRun` in this experiment. */
    withRun<R, Known = Untyped, const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>, Metric extends Checked<S> = ResultCheck<S, R>>(options: WithRunOptions<Known, S, NoInfer<Metric>> & {
        readonly experiment?: never;
    }, fn: (run: TypedRun<keyof M & string, P>) => R | Known): R;
    /** `startRun` in this experiment. */
    startRun(options?: Omit<StartOptions, "experiment">): TypedRun<keyof M & string, P>;
    /** The current run, if it belongs to this experiment. */
    currentRun(): TypedRun<keyof M & string, P> | undefined;
    /**
     * Searches the runs of this experiment, with its own keys.
     * @param client where to search. @default the default tracker's store
     */
    runs(client?: MlflowClient): RunSearch<{
        metrics: keyof M & string;
        params: keyof P & string;
    }>;
    /**
     * Returns the run with the best value of a metric by the goal of its schema; undefined if no run has it.
     * `by` says which value of each run counts: its last, or the lowest or highest it ever had, for which each run's
     * history is summed up.
     * @throws (rejects) PulseError `INVALID_OPTION` for a metric without a goal; and what a search rejects with
     */
    bestRun(metric: keyof M & string, options?: BestRunOptions): Promise<MlflowRun | undefined>;
}
/**
 * Defines what the runs of an experiment log. Its keys become types, units and goals become tags of each run, and
 * values out of range are counted and warned of.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 * @example
 * ```ts
 * const Sweep = defineExperiment({
 *   name: "Sweep",
 *   metrics: { loss: { unit: "nats", goal: "minimize", range: [0, Infinity] }, accuracy: { goal: "maximize", range: [0, 1] } },
 *   params: { lr: "number" },
 * });
 * ;@Sweep.TrackedExperiment()
 * class Trainer {@Sweep.LogMetric({ loss: "final.loss" })
 *   train(lr: number) {
 *     Sweep.currentRun()?.logParam("lr", lr);
 *     return { final: { loss: 1 - lr } };
 *   }
 * }
 * new Trainer().train(0.1);
 * ```
 */
export declare function defineExperiment<const M extends Record<string, MetricSchema>, const P extends Record<string, ParamKind> = Record<never, ParamKind>>(schema: ExperimentSchema<M, P>): DefinedExperiment<M, P>;
export {};

// decorators/log-artifact.d.ts
import { type ArtifactSelector } from "../capture/artifacts.js";
import type { Wrong } from "../capture/check.js";
import type { AnyFunction } from "../run/call/plan.js";
import type { Applied, LogArtifactGoes, LogsArtifacts } from "./types.js";
interface LogArtifactFactory {
    (value: AnyFunction, context: ClassMethodDecoratorContext): Wrong<'@LogArtifact needs the name of the file: @LogArtifact("report.md")'>;
    (target: object, key: string | symbol, descriptor: PropertyDescriptor): Wrong<'@LogArtifact needs the name of the file: @LogArtifact("report.md")'>;
    <const S extends ArtifactSelector>(selector: S): Applied<LogArtifactGoes, LogsArtifacts<S>>;
}
/**
 * Stores files from what the method returns or yields among the artifacts of its run. With a name: the result is the
 * file's content (text, bytes, a Blob, a stream, which is read to its end here, `{ path }` of a file or folder, or an
 * object for `.json` and `.yaml`). With a record: each name with a path into the result, or a function of it. `{step}`
 * in a name counts from 0, so that each yield gets a file of its own.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogArtifact({ "confusion.json": "confusion", "report-{step}.md": (result) => `# ${result.name}` })
 *   evaluate() {
 *     return { name: "baseline", confusion: [[9, 1], [2, 8]] };
 *   }
 * }
 * ```
 */
export declare const LogArtifact: LogArtifactFactory;
export {};

// decorators/log-metric.d.ts
import type { LogMetricOptions, Selector } from "../capture/selector.js";
import type { Applied, Explained, LogMetricGoes, LogsMetrics, MemberDecorator, PublicClass, StepOption } from "./types.js";
/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator. If none fits, its message explains the last one.
 */
type LogMetricFactory = Explained<"LogMetric"> & MemberDecorator<LogMetricGoes, LogsMetrics<never, never>> & {
    (): Applied<LogMetricGoes, LogsMetrics<never, never>>;
    <const S extends Selector, const Step extends StepOption>(selector?: S | PublicClass, options?: LogMetricOptions<Step>): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
};
/**
 * Logs numbers that the method returns, yields or is assigned. Bare: a number under the method's name, an object's
 * numeric leaves under dotted paths, and a list or generator as one step per element. With a selector: a path, a list
 * of paths, a record `{ key: path or function }`, or a function.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogMetric(["loss", "accuracy"])
 *   async evaluate() {
 *     return { loss: 0.42, accuracy: 0.9 };
 *   }
 * }
 * ```
 */
export declare const LogMetric: LogMetricFactory;
export {};

// decorators/log-param.d.ts
import { type ParamSelector } from "../capture/params.js";
import type { Applied, Explained, LogParamGoes, LogsParams, MemberDecorator, ParameterDecorator, PublicClass } from "./types.js";
/**
 * `@LogParam` once its selector is known. `Goes` describes where it is allowed; it comes first so that the compiler
 * shows it.
 */
export type ParamDecorator<Goes extends string, S> = ParameterDecorator<S> & Applied<Goes, LogsParams<S>>;
/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type LogParamFactory = Explained<"LogParam"> & ParameterDecorator<never> & MemberDecorator<LogParamGoes, LogsParams<never>> & {
    (): ParamDecorator<LogParamGoes, never>;
    <const S extends ParamSelector>(selector: S | PublicClass | undefined): ParamDecorator<LogParamGoes, S>;
};
/**
 * Logs arguments of the method as params, before its body runs. Bare: scalar arguments under their names, and the
 * scalar fields of a first argument that is an object. With a selector: a name or index path (`"lr"`, `"1.lr"`), a
 * list of them, a record that renames them, or a function of the arguments. Objects are flattened into their fields
 * under dotted keys, at most three levels and 50 fields. In the legacy dialect it is also allowed on a parameter,
 * where a text names the argument and paths lead into its value: `train(@LogParam("lr") lr: number)`.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogParam(["lr", "1.epochs"])
 *   train(lr: number, options: { epochs: number }) {}
 * }
 * ```
 */
export declare const LogParam: LogParamFactory;
export {};

// decorators/log-tag.d.ts
import type { Selector } from "../capture/selector.js";
import type { Applied, Explained, LogsTags, LogTagGoes, MemberDecorator, PublicClass } from "./types.js";
/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type LogTagFactory = Explained<"LogTag"> & MemberDecorator<LogTagGoes, LogsTags<never>> & {
    (): Applied<LogTagGoes, LogsTags<never>>;
    <const S extends Selector>(selector: S | PublicClass | undefined): Applied<LogTagGoes, LogsTags<S>>;
};
/**
 * Sets tags from what the method returns, yields or is assigned. Bare: a scalar under the method's name. With a
 * selector: a path, a list of paths, a record `{ tag: path or function }`, or a function that returns a value or a
 * record.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogTag({ stage: "info.stage" })
 *   evaluate() {
 *     return { info: { stage: "test" } };
 *   }
 * }
 * ```
 */
export declare const LogTag: LogTagFactory;
export {};

// decorators/tracked-experiment.d.ts
import type { Selector } from "../capture/selector.js";
import type { PathOptions } from "../run/options.js";
import type { ClassDecoratorToo, NamesExperiment, TrackedExperimentGoes } from "./types.js";
/** `@TrackedExperiment` once its options are known. */
export type ExperimentDecorator<Metrics, Params> = ClassDecoratorToo<TrackedExperimentGoes, NamesExperiment<Metrics, Params>>;
/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type TrackedExperimentFactory = ExperimentDecorator<never, never> & {
    <const S extends Selector, A extends string>(experimentOrOptions?: string | PathOptions<S, A>): ExperimentDecorator<S, A>;
    <const S extends Selector, A extends string>(experiment: string | undefined, options: PathOptions<S, A> | undefined): ExperimentDecorator<S, A>;
};
/**
 * On a class: calls of its methods with `@Log…` decorators open a run in this experiment, or log into the run that is
 * already open. On a method: each call opens a run in this experiment, as a child of the open one. Bare, it uses the
 * configured experiment, else the class's name.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * ;@TrackedExperiment("PulseMetaLearning", { params: { run_type: "meta-learning" } })
 * class MetaLearner {@LogMetric
 *   evaluate() {
 *     return { loss: 0.42 };
 *   }
 * }
 * ```
 */
export declare const TrackedExperiment: TrackedExperimentFactory;
export {};

// decorators/tracked-run.d.ts
import type { Selector } from "../capture/selector.js";
import type { PathOptions } from "../run/options.js";
import type { Applied, MemberDecorator, OpensRuns, PublicClass, TrackedRunGoes } from "./types.js";
/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type TrackedRunFactory = MemberDecorator<TrackedRunGoes, OpensRuns<never, never>> & (<const S extends Selector, A extends string>(options?: PathOptions<S, A> | PublicClass) => Applied<TrackedRunGoes, OpensRuns<S, A>>);
/**
 * Opens a run for each call of the method: a child if a run is already open (see `nest`), in the class's experiment,
 * else the configured one.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Sweep {@TrackedRun({ runName: ([lr]) => `lr ${lr}`, params: ["lr"] })
 *   async trial(lr: number) {}
 * }
 * ```
 */
export declare const TrackedRun: TrackedRunFactory;
export {};

// decorators/types.d.ts
import type { ArtifactCheck, AssignedCheck, AssignedTagCheck, MetricCheck, ParamCheck, ParameterCheck, TagCheck, Wrong } from "../capture/check.js";
import type { LogMetricOptions, Selector, Untyped } from "../capture/selector.js";
import type { AnyFunction } from "../run/call/plan.js";
/** Any class, including one with a private constructor, which matches no constructor type. */
interface AnyClass {
    readonly prototype: object;
}
/**
 * A class with a public constructor: the type that cannot be confused with the first argument of a called decorator.
 */
export type PublicClass = abstract new (...args: Untyped) => unknown;
export interface LogsMetrics<S, Step> {
    readonly metrics: S;
    readonly step: Step;
}
export interface LogsTags<S> {
    readonly tags: S;
}
export interface LogsArtifacts<S> {
    readonly artifacts: S;
}
export interface LogsParams<S> {
    readonly arguments: S;
}
export interface OpensRuns<Metrics, Params> {
    readonly opens: {
        readonly metrics: Metrics;
        readonly params: Params;
    };
}
/** Requirements of decorators that are also allowed on classes. */
export interface NamesExperiment<Metrics, Params> extends OpensRuns<Metrics, Params> {
    readonly classes: true;
}
/** Whether a decorator fits a method. */
type OnMethod<Asks, M> = Asks extends LogsMetrics<infer S, infer Step> ? MetricCheck<S, Step, M> : Asks extends LogsTags<infer S> ? TagCheck<S, M> : Asks extends LogsArtifacts<infer S> ? ArtifactCheck<S, M> : Asks extends LogsParams<infer S> ? ParamCheck<S, M> : Asks extends OpensRuns<infer S, infer A> ? ParamCheck<A, M> extends Wrong<string> ? ParamCheck<A, M> : MetricCheck<S, never, M> : true;
/** Whether a decorator fits an assigned value. */
type OnAssignment<Goes extends string, Asks, V> = Asks extends LogsMetrics<infer S, infer Step> ? AssignedCheck<S, Step, V> : Asks extends LogsTags<infer S> ? AssignedTagCheck<S, V> : Wrong<Goes>;
type OnField<Goes extends string, Asks, V> = 0 extends 1 & V ? true : NonNullable<V> extends AnyFunction ? OnMethod<Asks, NonNullable<V>> : Wrong<`${Goes}; this field holds no function`>;
/** Whether a decorator fits a class. Without metrics, their type is any selector, or never. */
type OnClass<Goes extends string, Asks> = Asks extends NamesExperiment<infer Metrics, unknown> ? [Metrics] extends [never] ? true : Selector extends Metrics ? true : Wrong<"metrics is an option for methods; on a class put @LogMetric on the methods"> : Wrong<Goes>;
/** The context of a member in the standard dialect. */
interface StandardContext {
    readonly kind: string;
    readonly name: unknown;
}
/** Whether a decorator fits its target in the standard dialect. */
type Standard<Goes extends string, Asks, C> = C extends {
    readonly kind: "method";
    readonly access: {
        get(object: never): infer M;
    };
} ? OnMethod<Asks, M> : C extends {
    readonly kind: "field";
    readonly access: {
        get(object: never): infer V;
    };
} ? OnField<Goes, Asks, V> : C extends {
    readonly kind: "accessor" | "setter";
    readonly access: {
        set(object: never, value: infer V): void;
    };
} ? OnAssignment<Goes, Asks, V> : C extends {
    readonly kind: "class";
} ? OnClass<Goes, Asks> : C extends {
    readonly kind: "getter";
} ? Wrong<Goes> : Untyped;
/** Whether it fits in the legacy dialect, where a member is the value of its descriptor. */
type Legacy<Goes extends string, Asks, V> = 0 extends 1 & V ? true : V extends AnyFunction ? OnMethod<Asks, V> : OnAssignment<Goes, Asks, V>;
/**
 * A decorator of members, in both dialects. If it certainly does not fit, the result type is a sentence that explains
 * why, and the compiler shows it as the only error. The signatures below accept what fits, and what depends on a type
 * parameter of the class.
 */
export interface MemberDecorator<Goes extends string, Asks> {
    <C extends StandardContext>(value: unknown, context: Standard<Goes, Asks, C> extends Wrong<string> ? C : never): Standard<Goes, Asks, C>;
    <This, M extends AnyFunction>(value: M, context: ClassMethodDecoratorContext<This, M>): M;
    <This, V>(value: undefined, context: ClassFieldDecoratorContext<This, V>): (this: This, initial: V) => V;
    <This, V>(value: ClassAccessorDecoratorTarget<This, V>, context: ClassAccessorDecoratorContext<This, V>): ClassAccessorDecoratorResult<This, V>;
    <This, V>(value: (this: This, assigned: V) => void, context: ClassSetterDecoratorContext<This, V>): (this: This, assigned: V) => void;
    <V>(target: object, key: string | symbol, descriptor: Legacy<Goes, Asks, V> extends Wrong<string> ? TypedPropertyDescriptor<V> : never): Legacy<Goes, Asks, V>;
    <M extends AnyFunction>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): TypedPropertyDescriptor<M>;
    <V>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<V>): void;
    (target: object, key: string | symbol | undefined, index: number): Wrong<Goes>;
    (target: object, key: string | symbol): Wrong<`${Goes}; a function in a field needs the standard dialect, or tracked(fn, options)`>;
}
/**
 * Wrong calls: several texts instead of a list. The first signature never matches; it gives the result type when no
 * other signature fits, which suppresses further errors.
 */
export interface Explained<Name extends string> {
    (target: never, key: never, descriptor: never): Untyped;
    (first: readonly string[], second: string, ...more: string[]): Wrong<`options are an object, after the list: @${Name}([…], { … })`>;
    (first: string, second: string, ...more: string[]): Wrong<`several are one list: @${Name}(["a", "b"])`>;
}
/** The decorator after it was called. In the legacy dialect it may then receive a class alone. */
export type Applied<Goes extends string, Asks> = MemberDecorator<Goes, Asks> & (<T extends AnyClass>(target: T) => LegacyClass<Goes, Asks, T>);
type LegacyClass<Goes extends string, Asks, T> = 0 extends 1 & T ? Untyped : OnClass<Goes, Asks> extends Wrong<string> ? OnClass<Goes, Asks> : undefined;
/** A decorator for classes and methods. */
export type ClassDecoratorToo<Goes extends string, Asks> = Applied<Goes, Asks> & ((value: AnyClass, context: {
    readonly kind: "class";
    readonly name: string | undefined;
}) => void);
/** Whether a decorator fits a parameter. Nothing is known of private methods. */
type OnParameter<S, T, K, Index extends number> = K extends keyof T ? ParameterCheck<S, T[K], Index> : true;
/** A decorator on a parameter, in the legacy dialect. */
export interface ParameterDecorator<S> {
    (target: object, key: undefined, index: number): Wrong<"@LogParam goes on parameters of methods, not on those of constructors">;
    <T extends object, K extends string | symbol, Index extends number>(target: T, key: K, index: OnParameter<S, T, K, Index> extends Wrong<string> ? Index : never): OnParameter<S, T, K, Index>;
    (target: object, key: string | symbol, index: number): void;
}
/** Values of option `step`. */
export type StepOption = LogMetricOptions["step"];
export type LogMetricGoes = "@LogMetric goes on methods, setters and accessors, not on getters";
export type LogTagGoes = "@LogTag goes on methods, setters and accessors, not on getters";
export type LogArtifactGoes = "@LogArtifact goes on methods";
export type LogParamGoes = "@LogParam goes on methods, and in the legacy dialect on their parameters";
export type TrackedRunGoes = "@TrackedRun goes on methods; a class takes @TrackedExperiment";
export type TrackedExperimentGoes = "@TrackedExperiment goes on classes and methods";
export {};

// index.d.ts
export { LogArtifact } from "./decorators/log-artifact.js";
export { LogMetric } from "./decorators/log-metric.js";
export { LogParam, type ParamDecorator } from "./decorators/log-param.js";
export { LogTag } from "./decorators/log-tag.js";
export { type ExperimentDecorator, TrackedExperiment } from "./decorators/tracked-experiment.js";
export { TrackedRun } from "./decorators/tracked-run.js";
export { tracked } from "./run/call/tracked.js";
export { bind, withRun } from "./run/call/with-run.js";
export { registerResultKind } from "./run/call/result-kinds.js";
export type { FollowedCall, ResultKind } from "./run/call/result-kind.js";
export { startRun } from "./run/call/start-run.js";
export { withFlush, type WithFlushOptions } from "./run/call/with-flush.js";
export { currentRun, requireRun } from "./run/current.js";
export type { Run } from "./run/run.js";
export type { MetricOptions, MetricValue } from "./run/verbs/metric-value.js";
export type { ArtifactBytes, ArtifactOptions } from "./run/data-verbs.js";
export type { ArtifactStream } from "./run/files/chunks.js";
export type { FolderOptions } from "./run/files/files-in.js";
export type { ImageOptions, ImageSource, PixelImage } from "./run/files/image.js";
export type { TableRows } from "./run/files/table.js";
export type { Dataset, InputOptions } from "./run/inputs.js";
export { type BestRunOptions, type DefinedExperiment, defineExperiment, type ExperimentSchema, type ParamKind, type TypedRun, } from "./decorators/define-experiment.js";
export type { MetricSchema } from "./run/metrics/schema.js";
export type { LogMetricOptions, Selector, SelectorFunction } from "./capture/selector.js";
export type { ArgumentFunction, ParamSelector } from "./capture/params.js";
export type { ArtifactSelector } from "./capture/artifacts.js";
export type { Aggregate } from "./capture/aggregate.js";
export type { ErrorClass } from "./run/errors/error-rules.js";
export type { CallOptions, CheckedOptions, Nest, RunOptions, StartOptions } from "./run/options.js";
export { configure, createTracker, defaultTracker, type FlushOptions, flush, type Installed, type PulseConfig, logExperiment, shutdown, stats, type Tracker, type TrackerSettings, } from "./tracker.js";
export type { EndedRun, RunHooks } from "./run/hooks.js";
export type { TrackerEvents } from "./base/events.js";
export type { ExperimentLog, LoggedExperiment } from "./run/log-experiment.js";
export { MlflowClient } from "./client/mlflow-client.js";
export type { ClientOptions, CreateExperimentOptions, DownloadArtifactsOptions, ExperimentQuery, HistoryOptions, RunRef, RunsQuery, RunUpdate, } from "./client/client-options.js";
export type { Results } from "./client/results.js";
export type { Condition, KeyedText, NumberField, Order, RunColumn, RunFields, RunKeys, RunSearch, TextField, } from "./client/run-search.js";
export type { MetricPoint, MetricSummary, MlflowExperiment, MlflowRun, RunStatus, ViewType } from "./base/entities.js";
export type { ArtifactsOptions, Auth, Durability, OutboxOptions, OutsideRun, S3Credentials, TlsOptions, } from "./config/options.js";
export type { RunContext } from "./context/scope-storage.js";
export type { Logger, Stats } from "./base/diagnostics.js";
export type { Redactor } from "./base/text/redact.js";
export { MlflowError, PulseError, type PulseErrorCode } from "./base/errors.js";
export { registerTrackingStore, type StoreMaker, type StoreOptions } from "./stores/registry.js";
export type { ArtifactPlace, Finding, Outcome, ProbeOptions, RefusedItems, RunChange, RunEnd, RunStart, StoredIds, TrackingStore, } from "./contracts/tracking-store.js";
export type { ReadRun, TrackingReader } from "./contracts/tracking-reader.js";
export type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "./base/entities.js";
export { type RepositoryMaker, registerArtifactRepository } from "./artifacts/registry.js";
export type { ArtifactContent, ArtifactInfo, ArtifactRepository, UploadOptions, } from "./contracts/artifact-repository.js";
export type { Applied, ClassDecoratorToo, LogMetricGoes, LogParamGoes, LogsMetrics, LogsParams, LogsTags, LogTagGoes, MemberDecorator, NamesExperiment, OpensRuns, ParameterDecorator, TrackedExperimentGoes, TrackedRunGoes, } from "./decorators/types.js";
export type { PlanPart } from "./run/call/plan.js";

// run/call/plan.d.ts
/** Any function; arguments and `this` are passed through untouched. */
export type AnyFunction = (this: any, ...args: any[]) => any;
/** What one decorator, or `tracked`, asks for. */
export interface PlanPart {
    /** The name of the decorator or function. */
    readonly decorator: string;
    readonly selector?: unknown;
    readonly options?: unknown;
    /** The index of the parameter that the decorator is on. */
    readonly parameter?: number;
}

// run/call/result-kind.d.ts
/** A call that lasts as long as its result. Only the first of `done`, `fail` and `leave` counts. */
export interface FollowedCall {
    /** Calls `fn` in the call's run, and returns what it returns. */
    enter<R>(fn: () => R): R;
    /**
     * Follows a part of the result of a built-in kind, such as a stream in it: the call ends as the part does, or at once
     * if it is of no such kind. Returns what takes the part's place.
     */
    follow<T extends object>(part: T): T;
    /** Captures a value that the result has given, as one that a generator yields: each is a step. */
    step(value: unknown): void;
    /** Ends the call. `value`, if given, is captured as its result. */
    done(value?: unknown): void;
    /** Ends the call as if it had thrown. */
    fail(error: unknown): void;
    /** Ends the call because its result was left before its end, with tag `pulse.partial`. @default "FINISHED" */
    leave(status?: "FINISHED" | "KILLED"): void;
}
/** A kind of results that are not complete when they are returned. */
export interface ResultKind<T = unknown> {
    /** For messages, such as `"knex"`. */
    readonly name: string;
    /** Whether a result is of this kind. Called with each object that a tracked call returns or resolves with. */
    matches(result: object): boolean;
    /**
     * Follows a result: tells the call what comes of it. Returns what the caller gets, which should be the result itself;
     * a result that is not iterated, awaited or read must not be so because of this. A call that returns what an inner
     * call has returned to it lasts as long, and is told the same.
     */
    follow(result: T, call: FollowedCall): T;
}

// run/call/result-kinds.d.ts
import type { ResultKind } from "./result-kind.js";
/**
 * Registers a kind of results that tracked calls follow: the run of such a call ends when its result is complete, not
 * when it is returned. Returns a function that takes it back. The kind registered last is asked first.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 * @example
 * ```ts
 * // Query builders that run a query in `then`: the owner's `await` ends the run.
 * interface Query extends PromiseLike<unknown> { toSQL(): unknown }
 * const unregister = registerResultKind<Query>({
 *   name: "knex",
 *   matches: (result) => "toSQL" in result && "then" in result,
 *   follow(query, call) {
 *     const execute = query.then.bind(query);
 *     query.then = (fulfilled, rejected) =>
 *       call.enter(() => new Promise((resolve, reject) => execute(resolve, reject)))
 *         .then((rows) => (call.done(rows), rows), (error) => { call.fail(error); throw error; })
 *         .then(fulfilled, rejected);
 *     return query;
 *   },
 * });
 * unregister();
 * ```
 */
export declare function registerResultKind<T = unknown>(kind: ResultKind<T>): () => void;

// run/call/start-run.d.ts
import type { StartOptions } from "../options.js";
import type { Run } from "../run.js";
/**
 * Opens a run that you end yourself: with `run.end()`, or by leaving an `await using` block. It is a child of the run
 * that is open here, if any. It does not become the current run for the code around it, and leaving the block by an
 * error still ends it FINISHED; `withRun` does both.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * await using run = startRun({ experiment: "Sweep", runName: "by hand" });
 * run.logParam("lr", 0.1);
 * ```
 */
export declare function startRun(options?: StartOptions): Run;

// run/call/tracked.d.ts
import type { ArgsOf, Checked, MetricCheck, ParamCheck, ResultSeenOf, SelectorFor } from "../../capture/check.js";
import type { Selector, Untyped } from "../../capture/selector.js";
import type { CheckedOptions } from "../options.js";
import { type AnyFunction } from "./plan.js";
/**
 * Returns a function that opens a run for each call, and otherwise behaves like the one given: same `this`,
 * arguments, result, errors, name, length and types.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { experiment: "Sweep", params: ["lr"], metrics: "loss" });
 * await train(0.1); // one FINISHED run: param lr, metric loss
 * ```
 */
export declare function tracked<F extends AnyFunction, const S extends SelectorFor<ResultSeenOf<F>, ArgsOf<F>> = Selector<ResultSeenOf<F>, ArgsOf<F>>, A extends string = string, M extends Checked<S> = MetricCheck<S, never, F, "what the function returns">, P extends Checked<A> = ParamCheck<A, F, "function">, Args extends readonly Untyped[] = ArgsOf<F>>(fn: F, options?: CheckedOptions<F, S, A, NoInfer<M>, NoInfer<P>, Args>): F;

// run/call/with-flush.d.ts
/** Options of `withFlush`. */
export interface WithFlushOptions {
    /**
     * How much of the time that the platform leaves is kept for the answer, in milliseconds. The time is that of an
     * argument with `getRemainingTimeInMillis`, as AWS Lambda passes it. @default 500
     */
    readonly reserveMs?: number | undefined;
    /**
     * How long delivery may take, in milliseconds.
     * @default what the platform leaves, if it tells; else until the store has accepted nothing for `exitTimeoutMs`
     */
    readonly timeoutMs?: number | undefined;
}
/**
 * Returns a handler that delivers what was recorded before it answers: for functions whose process is frozen or ended
 * as soon as they have answered. What cannot be delivered in time is kept as usual. The handler's answer or error is
 * passed on; the one returned always answers by a promise.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * const handler = withFlush(tracked(async (event: { n: number }) => ({ n: event.n }), { experiment: "Lambda", metrics: "n" }));
 * await handler({ n: 1 }); // the run is stored
 * ```
 */
export declare function withFlush<A extends readonly unknown[], R>(handler: (...args: A) => R, options?: WithFlushOptions): (...args: A) => Promise<Awaited<R>>;

// run/call/with-run.d.ts
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../../capture/check.js";
import type { Selector, Untyped } from "../../capture/selector.js";
import type { WithRunOptions } from "../options.js";
import type { Run } from "../run.js";
import { type AnyFunction } from "./plan.js";
/**
 * Opens a run, calls `fn` with it as the current run, and ends it with the result: FINISHED when `fn` returns, FAILED
 * when it throws. Returns what `fn` returns.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * await withRun({ experiment: "Sweep", params: { lr: 0.1 } }, async (run) => {
 *   run.logMetric("loss", 0.42);
 * });
 * ```
 */
export declare function withRun<R, Known = Untyped, const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>, M extends Checked<S> = ResultCheck<S, R>>(options: WithRunOptions<Known, S, NoInfer<M>>, fn: (run: Run) => R | Known): R;
/**
 * Returns a function that always runs in the run that is current now. Useful for listeners, which otherwise run in
 * the context of the code that emits the event.
 * @example
 * ```ts
 * socket.on("message", bind((text) => currentRun()?.logMetric("bytes", text.length)));
 * ```
 */
export declare function bind<F extends AnyFunction>(fn: F): F;

// run/current.d.ts
import type { Run } from "./run.js";
/**
 * Returns the current run, or undefined when no run is open here. A run that has ended is no longer current, except
 * in a function that was passed to `bind` inside it.
 */
export declare function currentRun(): Run | undefined;
/**
 * Returns the current run. While tracking is off, and outside any run in a call that is not tracked (because of
 * `when`, or in a library whose host program did not ask for tracking), returns a run that records nothing.
 * @throws PulseError `NO_ACTIVE_RUN` when no run is open here.
 */
export declare function requireRun(): Run;

// run/data-verbs.d.ts
import { type ArtifactStream } from "./files/chunks.js";
import { type FolderOptions } from "./files/files-in.js";
import { type ImageSource } from "./files/image.js";
import { type TableRows } from "./files/table.js";
import { type Dataset, type InputOptions } from "./inputs.js";
import type { MetricOptions } from "./verbs/metric-value.js";
/** Binary content of a file. */
export type ArtifactBytes = ArrayBufferView | ArrayBuffer;
/** Options for logging a file. */
export interface ArtifactOptions {
    /**
     * Whether to copy the file at once (in the background above 64 MiB), so that it may be written to afterwards.
     * Without a copy the file is kept by a hard link: that is fast and survives its removal or replacement, but not
     * writes to the file itself.
     * @default false
     */
    readonly copy?: boolean | undefined;
}
/**
 * The methods of a run that log files and datasets, with arguments in the same order as in MLflow's Python client.
 * Each method only records and returns; files are stored in the background. A problem with a file is reported once
 * and does not affect anything else. (Base class of `Run`.)
 */
export declare abstract class DataVerbs {
    /**
     * Logs that the run uses a dataset. Datasets with the same name and digest are the same dataset: MLflow keeps the
     * first use of it in a run. Logging it again with another context or other tags warns once.
     * @example
     * ```ts
     * const source = { url: "https://example.com/iris.csv" };
     * run.logInput({ name: "iris", digest: "f3a1c2d4", sourceType: "http", source }, { context: "training" });
     * ```
     */
    logInput(dataset: Dataset, options?: InputOptions): void;
    /**
     * Logs a file under its own name, in folder `artifactPath` of the run's artifacts (default: their root). If the
     * file is on the same file system as the outbox, it may be removed or replaced as soon as this returns; otherwise
     * once `await flush()` has resolved.
     * @example
     * ```ts
     * writeFileSync("weights.bin", new Uint8Array([1, 2, 3]));
     * run.logArtifact("weights.bin", "model"); // model/weights.bin
     * ```
     */
    logArtifact(localPath: string, artifactPath?: string, options?: ArtifactOptions): void;
    /**
     * Logs the files of a folder and its subfolders, in folder `artifactPath` of the run's artifacts. Symbolic links
     * are only followed with `followSymlinks`.
     * @example
     * ```ts
     * mkdirSync("out", { recursive: true });
     * run.logArtifacts("out", "reports", { exclude: ["drafts/**"] });
     * ```
     */
    logArtifacts(localDir: string, artifactPath?: string, options?: FolderOptions & ArtifactOptions): void;
    /**
     * Logs a text as a file in UTF-8. The text is stored unchanged: secrets in it are not redacted.
     * @example run.logText("# Report", "report.md");
     */
    logText(text: string, artifactFile: string): void;
    /**
     * Logs a value as a file: as YAML if the name ends in `.yaml` or `.yml`, otherwise as JSON, formatted as MLflow's
     * Python client does. Values under names of secrets are redacted, as in params.
     * @example run.logDict({ layers: [64, 32] }, "config.json");
     */
    logDict(value: object, artifactFile: string): void;
    /**
     * Logs bytes as a file. The bytes are copied, so the buffer may be reused. A Blob is read in the background.
     * @example run.logBytes(new Uint8Array([1, 2, 3]), "weights.bin");
     */
    logBytes(bytes: ArtifactBytes | Blob, artifactFile: string): void;
    /**
     * Reads a stream and logs its content as a file. Resolves when the stream has been read to its end, and never
     * rejects: if the stream fails, a warning is given and nothing is stored.
     * @example await run.logStream(new Blob(["a,b\n1,2\n"]).stream(), "data.csv");
     */
    logStream(stream: ArtifactStream, artifactFile: string): Promise<void>;
    /**
     * Adds rows to a table that MLflow's UI shows and `mlflow.load_table` reads. Takes a list of objects, or a record
     * of columns; a record of single values is one row. Missing values are null. Each time, the whole table is stored;
     * a resumed run continues the stored table. Parquet (`.parquet`) needs package `hyparquet-writer`; without it the
     * table is stored as JSON.
     * @example run.logTable([{ digit: 7, guess: 1 }, { digit: 2, guess: 2 }], "guesses.json");
     */
    logTable(rows: TableRows, artifactFile: string): void;
    /**
     * Logs an image as a file: bytes unchanged, pixels as PNG.
     * @example run.logImage({ width: 2, height: 1, data: new Uint8Array([0, 255]) }, "pixels.png");
     */
    logImage(image: ImageSource, artifactFile: string): void;
    /**
     * Logs an image for the image grid of MLflow's UI, which shows the images of a key by step, with thumbnails. (WebP
     * thumbnails need package `sharp`; without it image files serve as their own thumbnails.) The step defaults to the
     * key's highest step so far plus one.
     */
    logImage(image: ImageSource, options: {
        readonly key: string;
    } & MetricOptions): void;
    /**
     * Logs a figure as a file: a Plotly or Vega-Lite object as JSON or as a self-contained page (`.html`), or a text
     * that is SVG or HTML. Pages need package `plotly.js-dist-min`, or `vega`, `vega-lite` and `vega-embed`; without
     * them the figure is stored as JSON.
     * @example run.logFigure({ data: [{ x: [1, 2], y: [3, 4], type: "scatter" }], layout: {} }, "loss.json");
     */
    logFigure(figure: object | string, artifactFile: string): void;
}

// run/errors/error-rules.d.ts
/** A class of errors, including one whose constructor is not public. */
export type ErrorClass = abstract new (...args: any[]) => unknown;

// run/files/chunks.d.ts
/// <reference types="node" />
/** A stream of bytes or text: a web stream, a Node stream, or anything that can be iterated with `for await`. */
export type ArtifactStream = ReadableStream<Uint8Array | string> | NodeJS.ReadableStream | AsyncIterable<Uint8Array | string>;

// run/files/files-in.d.ts
/** Selects files of a folder. */
export interface FolderOptions {
    /**
     * Only files that match one of these patterns: `*` within a name, `**` across folders, as in `.gitignore`.
     * @default all files
     */
    readonly include?: readonly string[] | undefined;
    /** Leaves out files that match one of these patterns. @default none */
    readonly exclude?: readonly string[] | undefined;
    /** Whether to follow symbolic links to files and folders. @default false */
    readonly followSymlinks?: boolean | undefined;
}

// run/files/image.d.ts
import type { MetricOptions } from "../verbs/metric-value.js";
/**
 * An image as pixels, row by row, with `data.length / (width * height)` values each: 1 for grey, 3 for RGB, 4 for
 * RGBA. Values are integers from 0 to 255, or in float arrays numbers from 0 to 1.
 */
export interface PixelImage {
    readonly width: number;
    readonly height: number;
    readonly data: ArrayLike<number>;
}
/**
 * An image: the bytes of a file (PNG, JPEG, GIF, WebP), pixels, or an object that returns the bytes from `toBuffer()`
 * (a canvas, sharp).
 */
export type ImageSource = ArrayBufferView | ArrayBuffer | PixelImage | {
    toBuffer(type?: string): ArrayBufferView | Promise<ArrayBufferView>;
};
/** The place of an image in the image grid of MLflow's UI. */
export type ImageOptions = {
    readonly key: string;
} & MetricOptions;

// run/files/table.d.ts
/** A list of rows, or a record of columns; a record of single values is one row. */
export type TableRows = readonly object[] | object;

// run/hooks.d.ts
import type { TerminalStatus } from "../base/entities.js";
import type { Run } from "./run.js";
/** Functions that a tracker calls at the beginning and end of each run. */
export interface RunHooks {
    /**
     * Called with each run when it is opened, before anything is logged into it; also with those that sampling or folding
     * may leave out. What it throws is a warning (`LISTENER_FAILED`), and runs that it opens itself have no hooks.
     * @default none
     */
    readonly onRunStart?: ((run: Run) => unknown) | undefined;
    /** Called with each run when it has ended. What is logged into it now is still recorded. @default none */
    readonly onRunEnd?: ((run: Run, end: EndedRun) => unknown) | undefined;
}
/** How a run ended. */
export interface EndedRun {
    readonly status: TerminalStatus;
    /** What was thrown, or given to `fail`, if that ended the run. */
    readonly error?: unknown;
    /** What the call returned, or its promise resolved with, if a call opened the run. */
    readonly result?: unknown;
    readonly endTime: Date;
}

// run/inputs.d.ts
/** A dataset that a run uses. */
export interface Dataset {
    /** At most 500 characters. */
    readonly name: string;
    /** Identifies the content, for instance part of a hash. At most 36 characters. */
    readonly digest: string;
    /** The kind of source, such as `local`, `s3`, `http` or `code`. */
    readonly sourceType: string;
    /**
     * Where the data comes from: JSON text, or an object that becomes JSON, such as `{ uri: "data.csv" }` (`local`,
     * `s3`) or `{ url: "https://…" }` (`http`).
     */
    readonly source: string | object;
    /** Its columns, such as `{ mlflow_colspec: [{ type: "double", name: "x", required: true }] }`. */
    readonly schema?: string | object | undefined;
    /** Statistics of the data, such as `{ num_rows: 150, num_elements: 750 }`. */
    readonly profile?: string | object | undefined;
}
/** How a run uses a dataset. */
export interface InputOptions {
    /** The purpose, such as `training`. MLflow shows it. */
    readonly context?: string | undefined;
    /** Further tags of this use of the dataset. */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
}

// run/life-verbs.d.ts
import { DataVerbs } from "./data-verbs.js";
/** The methods of a run that concern it as a whole. (Base class of `Run`.) */
export declare abstract class LifeVerbs extends DataVerbs {
    /** Whether the run has ended. What is logged afterwards is still recorded, as in MLflow. */
    abstract get ended(): boolean;
    abstract end(status?: "FINISHED" | "FAILED" | "KILLED"): void;
    abstract setTag(key: string, value: unknown): void;
    /**
     * Calls `fn` with this run as the current one, also for everything it starts. May be called several times, until the
     * run has ended: code that is entered or goes on after that is outside of it. Does not end the run. Returns what
     * `fn` returns.
     * @throws what `fn` throws; PulseError `INVALID_OPTION` if `fn` is not a function.
     * @example
     * ```ts
     * const run = startRun({ experiment: "Sweep", runName: "by events" });
     * run.enter(() => currentRun()?.logMetric("loss", 0.42));
     * run.end();
     * ```
     */
    enter<R>(fn: () => R): R;
    /**
     * Ends the run because of an error, as if a call of it had thrown that error: FAILED, with the tags `error.type`,
     * `error.message` and `error.stack`; KILLED for an abort; FINISHED if option `ignore` names the error. Only the first
     * end counts.
     * @param status FAILED or KILLED, whatever the error is, unless it is ignored. @default by the error
     * @example
     * ```ts
     * const run = startRun({ experiment: "Sweep", runName: "by events" });
     * run.fail(new Error("no answer"));
     * ```
     */
    fail(error?: unknown, status?: "FAILED" | "KILLED"): void;
    /**
     * Gives the run another name, at most 250 characters: for work whose name is only known while it goes on. Sampling
     * and folding go by the first name.
     * @example
     * ```ts
     * const run = startRun({ experiment: "Sweep", runName: "request" });
     * run.rename("GET /models/:id");
     * run.end();
     * ```
     */
    rename(name: string): void;
}

// run/log-experiment.d.ts
import type { MetricValue } from "./verbs/metric-value.js";
/** A complete run to be logged by one call. */
export interface ExperimentLog {
    readonly experiment: string;
    /** @default "run" */
    readonly runName?: string | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics?: Readonly<Record<string, MetricValue>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /**
     * Files by their path in the run's artifacts. Content may be text, bytes, a Blob, a stream, `{ path }` of a file or
     * folder, or, for names that end in `.json` or `.yaml`, an object.
     */
    readonly artifacts?: Readonly<Record<string, unknown>> | undefined;
    /** @default the configured one */
    readonly trackingUri?: string | undefined;
    /** How long to wait for an unavailable store, in milliseconds. @default 10000 */
    readonly timeoutMs?: number | undefined;
}
/** Identifies a run that was logged. */
export interface LoggedExperiment {
    readonly runId: string;
    readonly experimentId: string;
    /** The run's page in MLflow's UI, if the store is a server. */
    readonly url?: string;
}

// run/metrics/schema.d.ts
/** The definition of a metric. */
export interface MetricSchema {
    /** The unit, for instance `"nats"` or `"ms"`; stored as tag `pulse.unit.<metric>`. */
    readonly unit?: string | undefined;
    /** Whether smaller or larger values are better; stored as tag `pulse.goal.<metric>`. */
    readonly goal?: "minimize" | "maximize" | undefined;
    /** The smallest and largest plausible value. Values outside are logged, counted and warned of. */
    readonly range?: readonly [min: number, max: number] | undefined;
}

// run/options.d.ts
import type { ArtifactSelector } from "../capture/artifacts.js";
import type { ArgsOf, ResultKept, ResultKeptOf, ResultSeen, ResultSeenOf, Unless, Wrong } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import type { ErrorClass } from "./errors/error-rules.js";
import type { Run } from "./run.js";
/** What a call does when a run is already open: open a child run, log into the open run, or open a root run. */
export type Nest = "child" | "join" | "root";
/** Values of option `params`. */
type RunParams<Path extends string, Args> = Readonly<Record<string, unknown>> | readonly Path[] | Told<[args: Args], Readonly<Record<string, unknown>>>;
/** Options of `withRun` and `startRun` that choose the run. `runId`, `parentRunId` and `parent` exclude each other. */
export interface RunPlace {
    /**
     * The id of an existing run in the store. That run is resumed in its own experiment and gets this run's status when
     * it ends. Its children are created in that experiment, too, unless they name another. Default steps start at 0
     * again.
     * @default a new run
     */
    readonly runId?: string | undefined;
    /**
     * The id of a run in the store that was created elsewhere: the new run becomes its child, in the same experiment
     * unless one is named. (MLflow only shows children within one experiment. If the store does not know the parent,
     * the child is created in the configured experiment.)
     * @default none
     */
    readonly parentRunId?: string | undefined;
    /**
     * A handle of the run that becomes the parent, wherever this is called and even if that run has ended.
     * @default the run open here
     */
    readonly parent?: Run | undefined;
    /** The run's description in MLflow's UI, as Markdown (tag `mlflow.note.content`). @default none */
    readonly description?: string | undefined;
}
/**
 * A function whose parameter types the compiler infers, and which may still be annotated with narrower types:
 * parameters of methods are compared bivariantly.
 */
type Told<Parameters extends readonly unknown[], Returned> = {
    told(...parameters: Parameters): Returned;
}["told"];
/** Option names that are wrong here; the compiler suggests the right ones. */
export interface Misnamed {
    /** @deprecated Write `runName`. */
    readonly name?: Wrong<"a run is named by runName, an experiment by experiment"> | undefined;
}
/** Options without those that take paths. */
interface PathlessOptions<Result, Args> extends Misnamed {
    /**
     * The experiment of the run.
     * @default the class's experiment, else the parent run's, else the configured one, else MLflow's "Default"
     */
    readonly experiment?: string | undefined;
    /**
     * The run's name, at most 250 characters. An empty name is replaced by a random one, as in MLflow.
     * @default runtime class `.` method, or the function's name
     */
    readonly runName?: string | Told<[args: Args], string> | undefined;
    /** Tags of the run. Tags of a base class are applied first. */
    readonly tags?: Readonly<Record<string, unknown>> | Told<[args: Args], Readonly<Record<string, unknown>>> | undefined;
    /** What to do when a run is already open. @default "child"; for `@Log…` methods of a tracked class "join" */
    readonly nest?: "child" | "join" | "root" | undefined;
    /**
     * Which calls are recorded: a share from 0 to 1, or a function that decides. Decided once per root run and
     * inherited by its children. Runs that are left out are held in memory (at most 1000 runs, and 1000 metrics, params
     * and tags each) and recorded after all if they fail.
     * @default 1
     */
    readonly sample?: number | Told<[args: Args], boolean | number> | undefined;
    /**
     * The number of calls of a method per second, wherever they are made, that become runs. Further calls in the same
     * second are folded into one run `<name> (folded)`, which has tag `pulse.folded` (the number of calls),
     * `<key>.count`, `.mean`, `.min`, `.max`, `.p50`, `.p95` and `.p99` of each metric, and metric `errors` (the number
     * of failed calls). It is a child of the run in which all of them were made, if it is the same. The first call that
     * fails becomes a run of its own. Runs below folded calls are folded by their names.
     * @default no limit
     */
    readonly maxRunsPerSecond?: number | undefined;
    /**
     * The key by which `maxRunsPerSecond` counts calls, which also names the folded run: calls with the same key are
     * counted together, whatever their names.
     * @default the method; for `withRun` the names of the run and the function, up to 100 names per experiment and
     * second, beyond which calls are counted together
     */
    readonly foldKey?: string | undefined;
    /**
     * Decides whether a result is a failure: if it returns true, or a reason as a text or error, the run ends FAILED.
     * For a generator it is called with each value.
     */
    readonly failOn?: Told<[result: Result, args: Args], boolean | string | Error | null | undefined> | undefined;
    /**
     * Errors that are not failures: classes, names (`"NotFoundError"`) or a function. The run ends FINISHED with tag
     * `pulse.ignored_error`; the error is still thrown.
     */
    readonly ignore?: readonly (ErrorClass | string)[] | Told<[error: Untyped, args: Args], boolean> | undefined;
    /**
     * Decides whether an error means that the call was aborted, so that the run ends KILLED. Asked about errors that are
     * not known as aborts: an `AbortError` (also as a cause), an `APIUserAbortError`, and any error while an
     * `AbortSignal` among the arguments (also as `signal` or `abortSignal` of one) is aborted. A `TimeoutError` is a
     * failure.
     */
    readonly aborted?: Told<[error: Untyped, args: Args], boolean> | undefined;
    /** Calls for which this returns false are not tracked at all. @default every call */
    readonly when?: Told<[args: Args], boolean> | undefined;
    /**
     * Whether this code belongs to a library. Its calls are then tracked only if the program asked for tracking: by
     * `configure()`, a configuration file, an active tracker or run, a variable such as MLFLOW_TRACKING_URI, or its own
     * decorators and functions without this option.
     * @default false
     */
    readonly library?: boolean | undefined;
}
/**
 * Options of the class and method decorators, `tracked`, `withRun` and `startRun`. Functions of `args` receive the
 * call's arguments as a list.
 */
export interface RunOptions<Result = Untyped, Args = Untyped> extends PathlessOptions<Result, Args> {
    /**
     * Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. Params of a base
     * class are applied first.
     */
    readonly params?: RunParams<string, Args> | undefined;
}
/**
 * Options of everything that has a result: `tracked`, `withRun`, and `@TrackedRun` and `@TrackedExperiment` on a
 * method.
 */
export interface CallOptions<Result = Untyped, Args = Untyped> extends RunOptions<Result, Args> {
    /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
    readonly metrics?: Selector<Result, Args> | undefined;
    /** Files to log from the function's result, as with `@LogArtifact`. @default none */
    readonly artifacts?: ArtifactSelector<Result, Args> | undefined;
}
/** `CallOptions` for a decorator, with paths checked by the compiler. */
export interface PathOptions<Metrics, Param extends string> extends PathlessOptions<Untyped, Untyped[]> {
    /** Files to log from the method's result, as with `@LogArtifact`. @default none */
    readonly artifacts?: ArtifactSelector | undefined;
    /** Metrics to log from the method's result, as with `@LogMetric`. @default none */
    readonly metrics?: Metrics | undefined;
    /**
     * Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. Params of a base
     * class are applied first.
     */
    readonly params?: RunParams<Param, Untyped[]> | undefined;
}
/** Options of `tracked`, typed with the function's result and arguments. */
interface FunctionOptions<F, Metrics, Param extends string, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
    /** Files to log from the function's result, as with `@LogArtifact`. @default none */
    readonly artifacts?: ArtifactSelector<ResultKeptOf<F>, Args> | undefined;
    /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
    readonly metrics?: Metrics | undefined;
    /** Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. */
    readonly params?: RunParams<Param, Args> | undefined;
}
/** The same options when a path is wrong: the type of the option describes the mistake. */
interface WrongFunctionOptions<F, BadMetric, BadParam, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
    readonly artifacts?: ArtifactSelector<ResultKeptOf<F>, Args> | undefined;
    readonly metrics?: Unless<BadMetric, Untyped>;
    readonly params?: Unless<BadParam, Untyped>;
}
/**
 * Options of `tracked`, with paths checked against the function. `BadMetric` and `BadParam` describe what is wrong
 * with them.
 */
export type CheckedOptions<F, Metrics, Param extends string, BadMetric, BadParam, Args = ArgsOf<F>> = Unless<BadMetric, Unless<BadParam, true>> extends true ? FunctionOptions<F, Metrics, Param, Args> : WrongFunctionOptions<F, BadMetric, BadParam, Args>;
/**
 * Options of `withRun`, whose function takes no arguments to log. Its option functions know the result if its type is
 * known before them.
 */
interface BlockOptions<Result, Metrics> extends PathlessOptions<ResultSeen<Result>, Untyped>, RunPlace {
    /** Files to log from the function's result, as with `@LogArtifact`. @default none */
    readonly artifacts?: ArtifactSelector<ResultKept<Result>> | undefined;
    /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
    readonly metrics?: Metrics | undefined;
    /** Fixed params, or a function. */
    readonly params?: RunParams<string, Untyped> | undefined;
}
interface WrongBlockOptions<Result, BadMetric> extends BlockOptions<Result, Untyped> {
    readonly metrics?: Unless<BadMetric, Untyped>;
}
/** Options of `withRun`, with paths checked against the result. */
export type WithRunOptions<Result, Metrics, BadMetric> = Unless<BadMetric, true> extends true ? BlockOptions<Result, Metrics> : WrongBlockOptions<Result, BadMetric>;
/** Options of `startRun`. It has no call to take arguments from, and cannot join a run. */
export interface StartOptions extends RunPlace, Misnamed {
    /** The experiment of the run. @default the parent run's, else the configured one, else MLflow's "Default" */
    readonly experiment?: string | undefined;
    /** The run's name, at most 250 characters. An empty name is replaced by a random one, as in MLflow. @default "run" */
    readonly runName?: string | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /** What to do when a run is already open. @default "child" */
    readonly nest?: "child" | "root" | undefined;
    /**
     * The share of runs that are recorded, from 0 to 1. Runs that end FAILED or KILLED are always recorded. @default 1
     */
    readonly sample?: number | undefined;
    /**
     * The number of runs per second, with the same `foldKey`, that are recorded. Further ones are folded into one run
     * `<foldKey> (folded)`, as calls are: see the option of the decorators. @default no limit
     */
    readonly maxRunsPerSecond?: number | undefined;
    /** What `maxRunsPerSecond` counts, which also names the folded run. @default the run's name at its start */
    readonly foldKey?: string | undefined;
    /** Errors given to `fail` that are not failures; see the option of the decorators. */
    readonly ignore?: readonly (ErrorClass | string)[] | ((error: Untyped) => boolean) | undefined;
    /** Whether an error given to `fail` means that the work was aborted; see the option of the decorators. */
    readonly aborted?: ((error: Untyped) => boolean) | undefined;
    /** Whether this code belongs to a library; see the option of the decorators. @default false */
    readonly library?: boolean | undefined;
}
export {};

// run/run.d.ts
/// <reference lib="esnext.disposable" preserve="true" />
import { LifeVerbs } from "./life-verbs.js";
import type { MetricOptions, MetricValue } from "./verbs/metric-value.js";
/**
 * A handle of one MLflow run. It is usable at once: its id is assigned here, before any store has seen the run. Its
 * methods only record and return; delivery happens in the background.
 */
export declare class Run extends LifeVerbs {
    /** The run's id, 32 hex digits. In an embedded store it is also the id MLflow shows. */
    readonly id: string;
    /**
     * The name of the experiment, or its id if configured by id. For a resumed run and its children it is the
     * configured experiment: only the store knows theirs.
     */
    readonly experiment: string;
    /** Whether the run has ended. What is logged afterwards is still recorded, as in MLflow. */
    get ended(): boolean;
    /**
     * Resolves with the id under which the store knows the run, once it is created there. Calling this records a run
     * that sampling or folding would otherwise hold back. The returned promise keeps the process alive, at most for
     * `requestTimeoutMs`.
     * @throws (rejects) PulseError when the run cannot be stored, is not stored within `requestTimeoutMs`
     * (`KEPT_FOR_LATER` when it is on disk, else `STORE_UNAVAILABLE`), or it is not recorded (`DISABLED`: tracking is off or paused).
     */
    serverId(): Promise<string>;
    /**
     * Logs one value of a metric. Keys that MLflow would refuse are changed, and values that are not numbers are left
     * out; both warn once.
     * @example run.logMetric("loss", 0.42, { step: 3 });
     */
    logMetric(key: string, value: MetricValue, options?: MetricOptions): void;
    /** Logs several metrics with the same time. */
    logMetrics(metrics: Readonly<Record<string, MetricValue>>, options?: MetricOptions): void;
    /**
     * Logs a param. The first value of a key stays; a different later one is stored as tag `pulse.conflict.<key>` and
     * warns once.
     */
    logParam(key: string, value: unknown): void;
    /** Logs several params. */
    logParams(params: Readonly<Record<string, unknown>>): void;
    /** Sets a tag. The last value wins. */
    setTag(key: string, value: unknown): void;
    /** Sets several tags. */
    setTags(tags: Readonly<Record<string, unknown>>): void;
    /** Ends the run. Only the first call counts. @param status @default "FINISHED" */
    end(status?: "FINISHED" | "FAILED" | "KILLED"): void;
    /** Ends the run when an `await using` block is left. */
    [Symbol.asyncDispose](): Promise<void>;
}

// run/verbs/metric-value.d.ts
/** A value that MLflow can store as a metric; booleans become 1 and 0. */
export type MetricValue = number | bigint | boolean;
/** The position of a metric value. */
export interface MetricOptions {
    /** Integer. @default the highest step of this run and key so far, plus one; the first is 0 */
    readonly step?: number | undefined;
    /** Milliseconds since the epoch, or a Date. @default now */
    readonly timestamp?: number | Date | undefined;
}

// stores/registry.d.ts
import { type TrackingStore } from "../contracts/tracking-store.js";
/**
 * Options passed to a store maker.
 * @experimental
 */
export interface StoreOptions {
    /** Timeout of one attempt to store something, in milliseconds. */
    readonly requestTimeoutMs: number;
}
/**
 * Creates the store for a tracking URI; a new one for each call, because each tracker closes its own. The store must
 * open nothing before the first change. The URI is passed as configured, including any credentials in it, and no other
 * credentials are passed.
 * @throws an error that says what is wrong with the URI.
 * @experimental
 */
export type StoreMaker = (uri: string, options: StoreOptions) => TrackingStore;
/**
 * Uses a store of your own for tracking URIs of a scheme, in the whole process: `jsonl:./runs.jsonl` for the scheme
 * `"jsonl"`. Call it before the first run; anything recorded for such a URI before is refused. Registering a scheme
 * again replaces the maker, but existing trackers keep their store. Schemes of MLflow that are not supported yet
 * (`postgresql`, `databricks`, …) may be registered until a later release supports them.
 * @throws PulseError `INVALID_OPTION` if the scheme is invalid or built in, or if `make` is not a function.
 * @experimental
 * @example
 * ```ts
 * registerTrackingStore("void", (uri) => ({
 *   uri,
 *   apply: async (changes) => changes.map(({ runKey }) => ({ kind: "done", ids: { runId: runKey, experimentId: "0" } })),
 *   close: async () => {},
 * }));
 * const tracker = createTracker({ trackingUri: "void:anywhere" });
 * await tracker.shutdown();
 * ```
 */
export declare function registerTrackingStore(scheme: string, make: StoreMaker): void;

// tracker.d.ts
import { type Stats } from "./base/diagnostics.js";
import type { TrackerEvents } from "./base/events.js";
import { type ConfigOptions } from "./config/options.js";
import { type tracked } from "./run/call/tracked.js";
import { type withRun } from "./run/call/with-run.js";
import type { RunHooks } from "./run/hooks.js";
import { type ExperimentLog, type LoggedExperiment } from "./run/log-experiment.js";
import type { StartOptions } from "./run/options.js";
import type { Run } from "./run/run.js";
/** A configured instance: where runs go, how problems are reported, and what is counted. */
export interface Tracker {
    /** Like the function `withRun`, with this tracker. */
    withRun: typeof withRun;
    /** Like the function `startRun`, with this tracker. */
    startRun(options?: StartOptions): Run;
    /** Like the function `tracked`; every call uses this tracker. */
    tracked: typeof tracked;
    /** Calls `fn`. Inside it, decorated calls and all functions use this tracker, and no run is open at first. */
    run<R>(fn: () => R): R;
    /**
     * Makes this tracker the default one for a while, wherever code runs: also in sockets, timers and a framework's own
     * code, which `run` may not reach. Meant for tests. `configure` has its effect afterwards, and `shutdown` ends the
     * open runs but not this tracker. Of several installed trackers the last one counts.
     * @example
     * ```ts
     * const tracker = createTracker({ trackingUri: "memory:" });
     * const installed = tracker.install(); // or: using _ = tracker.install();
     * withRun({ experiment: "Sweep" }, (run) => run.logMetric("loss", 0.42));
     * installed.uninstall();
     * tracker.stats().metrics; // 1
     * ```
     */
    install(): Installed;
    /** Resolves when everything recorded so far is stored, or the store has accepted nothing for `exitTimeoutMs`. */
    flush(options?: FlushOptions): Promise<void>;
    /** Ends open runs, flushes and closes the store. What is recorded afterwards is dropped and counted. Idempotent. */
    shutdown(options?: FlushOptions): Promise<void>;
    /** Returns a snapshot of what was recorded and what became of it. */
    stats(): Stats;
    /**
     * Opens no more runs until `resume()`: decorated calls and `withRun` run untracked, `startRun` returns a run that
     * records nothing, and `logExperiment` rejects with `DISABLED`. Open runs continue, and what they record is
     * delivered. Applies to this tracker in this process only, not to a tracker that replaces it.
     */
    pause(): void;
    /** Opens runs again after `pause()`. */
    resume(): void;
    /**
     * Changes settings while the program runs.
     * @throws PulseError `INVALID_OPTION` naming what is wrong.
     * @example
     * ```ts
     * const tracker = createTracker({ trackingUri: "memory:" });
     * tracker.set({ sample: 0.01 }); // one top-level run of a hundred from now on, and each that fails
     * ```
     */
    set(settings: TrackerSettings): void;
    /**
     * Calls a function for each event of a kind, after the tracker's own work and outside of any call. If it throws,
     * that is a warning (`LISTENER_FAILED`). Returns a function that removes the listener.
     * @throws PulseError `INVALID_OPTION` for an unknown event.
     * @example
     * ```ts
     * const tracker = createTracker({ trackingUri: "memory:" });
     * const off = tracker.on("dropped", ({ changes, error }) => console.error(`${changes} changes lost`, error?.code));
     * off();
     * ```
     */
    on<E extends keyof TrackerEvents>(event: E, listener: (event: TrackerEvents[E]) => unknown): () => void;
}
/** What makes a tracker the default one, until it is uninstalled. */
export interface Installed extends Disposable {
    /** Makes the default tracker what it was, or what it was configured to be since. Idempotent. */
    uninstall(): void;
}
/**
 * Settings of a tracker. The first source that sets a value wins: option at the call, decorator, `configure()`,
 * `pulse-mlflow.config.json`, MLflow's environment variables, default.
 */
export interface PulseConfig extends ConfigOptions, RunHooks {
}
/** Settings that can be changed while the program runs. */
export interface TrackerSettings {
    /** The share of top-level runs that are recorded, from 0 to 1; see option `sample` of `configure`. */
    readonly sample?: number | undefined;
}
/** Options of `flush` and `shutdown`. */
export interface FlushOptions {
    /**
     * A limit on the whole wait, in milliseconds. @default none; only `exitTimeoutMs` since the last accepted change
     * applies
     */
    readonly timeoutMs?: number | undefined;
}
/**
 * Sets up the default tracker. A later call replaces it; runs that are open keep theirs.
 * @throws PulseError `INVALID_CONFIG` naming the option, what is expected and what was got; `INVALID_TRACKING_URI`.
 * @example
 * ```ts
 * configure({ trackingUri: "sqlite:///mlflow.db", experiment: "Sweep" });
 * ```
 */
export declare function configure(config: PulseConfig): void;
/**
 * Returns the default tracker, made from the environment if `configure` was not called, to pause it or to listen to it.
 * A later `configure` makes another one.
 * @example
 * ```ts
 * defaultTracker().set({ sample: 0.1 });
 * ```
 */
export declare function defaultTracker(): Tracker;
/**
 * Creates a tracker beside the default one.
 * @throws PulseError like `configure`.
 * @example
 * ```ts
 * const tracker = createTracker({ trackingUri: "memory:" });
 * await tracker.withRun({ experiment: "Sweep" }, async (run) => run.logMetric("loss", 0.42));
 * tracker.stats().metrics; // 1
 * ```
 */
export declare function createTracker(config?: PulseConfig): Tracker;
/**
 * Resolves when everything recorded so far with the default tracker is stored, or the store has accepted nothing for
 * `exitTimeoutMs`.
 */
export declare function flush(options?: FlushOptions): Promise<void>;
/** Ends the default tracker's open runs, flushes it and closes its store. */
export declare function shutdown(options?: FlushOptions): Promise<void>;
/** Returns what the default tracker has recorded and what became of it. */
export declare function stats(): Stats;
/**
 * Logs one complete run and resolves once it is stored.
 * @throws (rejects) PulseError at once when the target cannot be used, `STORE_UNAVAILABLE` when it is still
 * unavailable after `timeoutMs`.
 * @example
 * ```ts
 * const { runId } = await logExperiment({ experiment: "Sweep", params: { lr: 0.1 }, metrics: { loss: 0.42 } });
 * ```
 */
export declare function logExperiment(log: ExperimentLog): Promise<LoggedExperiment>;
