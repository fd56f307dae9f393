// artifacts/artifact-repository.d.ts
import type { Readable } from "node:stream";
/**
 * What is to be stored. It can be read as often as it takes, in parts too, and gives the same each time.
 * @experimental
 */
export interface ArtifactContent {
    /** In bytes. */
    readonly size: number;
    /** The bytes from `start` up to, and without, `end`. */
    open(start: number, end: number): Readable;
    /** All of it before it returns, where that can be done; for the process's exit. */
    readSync?(): Uint8Array;
}
/**
 * A file or folder of a repository.
 * @experimental
 */
export interface ArtifactInfo {
    /** From the repository's root, with `/`. */
    readonly path: string;
    readonly isDir: boolean;
    /** In bytes; undefined for folders, and where the repository does not say. */
    readonly size: number | undefined;
}
/**
 * How an upload is done.
 * @experimental
 */
export interface UploadOptions {
    /** Ends it, and takes away what is stored of it so far, that of `state` included; the promise then rejects with the signal's reason. */
    readonly signal?: AbortSignal | undefined;
    /** What `onState` was told last of the same upload, by this process or an earlier one: it goes on from there. @default from the beginning */
    readonly state?: unknown;
    /**
     * Called with what has to be kept to go on later (a JSON value), whenever a part is stored; with undefined when there is nothing to go on
     * with any more. It may let in whoever has it to that one upload for an hour (addresses of parts that are signed): it is to be kept as the
     * file itself is. Without this, an upload that fails takes away what is stored of it.
     */
    readonly onState?: ((state: unknown) => void) | undefined;
    /** Called with the bytes stored so far. */
    readonly onProgress?: ((bytes: number) => void) | undefined;
}
/**
 * Where the files of a run are kept. `upload` is idempotent: the same again ends the same, a file is there whole or not at all.
 *
 * What fails rejects with a `PulseError`, whose code says what follows: `STORE_UNAVAILABLE`, `STORE_BUSY`, `SERVER_ERROR`, `TLS_FAILED`,
 * `UNAUTHORIZED`, `NO_MLFLOW`, `NOT_WRITABLE`, `DISK_FULL`: the same again later; `FORBIDDEN`: not with these credentials; `REJECTED`: never;
 * `ARTIFACT_NOT_FOUND`: there is no such file. Paths are relative to the root, with `/`, already checked by `artifactPath`.
 * @experimental It may still change in a minor version.
 */
export interface ArtifactRepository {
    /** The root's URI, without credentials. */
    readonly uri: string;
    /** Stores a file, in place of one that is there. */
    upload(path: string, content: ArtifactContent, options?: UploadOptions): Promise<void>;
    /** The same before it returns; for the process's exit. */
    uploadSync?(path: string, content: ArtifactContent): void;
    /** What a folder holds, in the order of names, without what lies deeper; empty when there is no such folder. @default the root */
    list(path?: string): Promise<readonly ArtifactInfo[]>;
    /** A file's bytes, from `start` on. */
    read(path: string, start?: number): Promise<Readable>;
    /** Lets go of connections; idempotent. */
    close(): void;
}

// artifacts/aws-settings.d.ts
import type { S3Credentials } from "../config/options.js";
/** @throws whatever it likes, which rejects what needed them with `UNAUTHORIZED` */
export type CredentialsProvider = () => S3Credentials | Promise<S3Credentials>;
/**
 * Where S3 is and with which credentials, as boto3 finds it: the environment, then the profile (`AWS_PROFILE`, else `default`) in
 * `~/.aws/credentials` and `~/.aws/config`. What those lack (SSO, roles, machines) is left to the optional peer package of the AWS SDK.
 */
export declare class AwsSettings {
    constructor(env: NodeJS.ProcessEnv, given: CredentialsProvider | undefined);
    /** An S3 of one's own, without a closing slash. */
    get endpoint(): string | undefined;
    /** @default us-east-1 */
    get region(): string;
    /**
     * The credentials, those from before for as long as they last.
     * @throws PulseError `UNAUTHORIZED` when there are none, saying what to set.
     */
    credentials(): Promise<S3Credentials>;
    /** Has them asked for anew the next time: these were refused. Gives whether that may help. */
    renew(): boolean;
}
/** Whether the environment gives this very program access to S3, rather than the machine to whoever uses it. */
export declare function givesS3({ env }: {
    readonly env: NodeJS.ProcessEnv;
}): boolean;

// artifacts/registry.d.ts
import type { ArtifactsOptions } from "../config/options.js";
import type { ServerSettings } from "../config/server.js";
import type { ArtifactRepository } from "./artifact-repository.js";
import { type CredentialsProvider } from "./aws-settings.js";
/**
 * Makes the repository of a root's URI, which is handed on as it stands, a new one for each call. It opens nothing before the first use.
 * @throws an error that says what is wrong with the root.
 * @experimental
 */
export type RepositoryMaker = (root: string, options: {
    readonly requestTimeoutMs: number;
}) => ArtifactRepository;
/** What decides how a root is spoken to, and whether it may be. */
export interface RepositoryOptions {
    /** Of the run or experiment the root belongs to; that of a server is who has chosen the root. */
    readonly trackingUri: string;
    /** How that server is spoken to, if it is one; its credentials go to it alone. */
    readonly server: ServerSettings;
    /** What relative roots (`./mlruns/…`) are relative to: the folder of the database. @default none, and they are refused */
    readonly folder?: string | undefined;
    /** Whether a server may name folders of this machine. @default only one on this machine may */
    readonly allowLocal?: boolean | undefined;
    /** The buckets a server may name. @default any, if the environment gives this program access to S3 */
    readonly buckets?: readonly string[] | undefined;
    /** Asked for credentials for S3, instead of the environment. */
    readonly credentials?: CredentialsProvider | undefined;
}
/** How the places that a store at a URI names for artifacts are spoken to. */
export declare function repositoryOptions({ server, artifacts }: {
    readonly server: ServerSettings;
    readonly artifacts: ArtifactsOptions;
}, uri: string): RepositoryOptions;
/**
 * Has artifact roots of a scheme (`gs`, `wasbs`, …) go to a repository of your own, in the whole process, from now on. Registering a scheme
 * again replaces what was there. Such a root is used whoever has chosen it, a server too: what is registered decides whom it trusts.
 * @throws PulseError `INVALID_OPTION` for a scheme that is none, or one of this package's own, and for a `make` that is no function.
 * @experimental
 */
export declare function registerArtifactRepository(scheme: string, make: RepositoryMaker): void;
/**
 * Makes the repository of a run's root; nothing is opened before the first use.
 *
 * Behind an `http(s)` tracking URI it is the server that chooses the root, and it is not trusted with more than its own files:
 * - `mlflow-artifacts:` and `http(s)` roots only of that server itself: its credentials go nowhere else;
 * - folders of this machine only if the server is on this machine (a loopback address), or with `allowLocal`;
 * - S3 only to the `buckets` named; without that option, if S3 was opened to this very program: by `credentials`, or by its environment
 *   (`MLFLOW_S3_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, or the credentials of a container). What merely lies in `~/.aws` is not
 *   enough. The endpoint is never the server's word.
 *
 * A root that is one's own (behind a database, or with no server) may be any of them but the first.
 * @throws PulseError `ARTIFACT_ROOT` for a root that cannot, or must not, be used, saying what does; `INVALID_CONFIG` when what is
 * registered for it makes no repository.
 */
export declare function openArtifactRepository(root: string, options: RepositoryOptions): ArtifactRepository;

// capture/aggregate.d.ts
/** What can be made of all the values of a metric; percentiles (nearest rank) are within 1 % of the true ones, everything else is exact. */
export type Aggregate = "last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99";

// capture/artifacts.d.ts
import type { SelectorFunction, Untyped } from "./selector.js";
/**
 * Which files a result becomes: the name of one, for a result that is its content, or a record of names, each with a path into the result or a function
 * of it. `{step}` in a name counts from 0 with each time.
 */
export type ArtifactSelector<Result = Untyped, Args = Untyped> = string | {
    readonly [artifactFile: string]: string | SelectorFunction<Result, Args>;
};

// capture/check.d.ts
import type { Selector, Untyped } from "./selector.js";
import type { BadPath, Found, Loose, PartOf, PathsOf, Scalar } from "./type-paths.js";
/** The compiler's part: whether the paths of a selector fit the function it is applied to. Each check gives `true`, or what is wrong as a sentence. */
/** What the compiler shows where something is wrong. */
export interface Wrong<Sentence extends string> {
    readonly wrong: Sentence;
}
/** The same with the path, and the paths there are. */
interface WrongPath<Sentence extends string, Path, There extends string, Paths> extends Wrong<Sentence> {
    readonly path: Path;
    readonly there: There;
    readonly paths: Paths;
}
type Misses<Sentence extends string, Path, Paths> = [Paths] extends [never] ? WrongPath<Sentence, Path, "there are none", never> : WrongPath<Sentence, Path, "there are", Paths>;
/** What a function gives, for each of its overloads (of more than eight the last eight; of fewer TypeScript repeats the first). */
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
/** What a function takes, likewise. */
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
/** The arguments of a function, as functions in its options get them. */
export type ArgsOf<M> = Loose<M> extends true ? Untyped[] : TakenBy<M> extends infer A extends readonly Untyped[] ? A : Untyped[];
/** What selectors look at: a promise's value, what a generator yields, anything else as it is. */
type Seen<R> = Loose<R> extends true ? unknown : R extends AsyncIterator<infer Y, unknown, never> | Iterator<infer Y, unknown, never> ? Y : Awaited<R>;
/** What functions in the options get as the result; what is not known is `any`, so that they can do with it as they like. */
export type ResultSeen<R> = unknown extends Seen<R> ? Untyped : Seen<R>;
/** The same, of the function that is called. */
export type ResultSeenOf<M> = ResultSeen<ResultOf<M>>;
/** A selector whose functions may say themselves what they take: `Function` leaves what the compiler tells the others about as it is. */
export type SelectorFor<Result, Args> = Selector<Result, Args> | Function | {
    readonly [key: string]: string | Function;
};
/** Where a value comes from, for sentences. */
type Source = "what the method returns" | "what the function returns" | "what is assigned";
/** Whether every path of a selector, and that of the step, leads to numbers in what a function gives. */
export type MetricCheck<S, Step, M, From extends Source = "what the method returns"> = [PathsOf<S> | PathsOf<Step>] extends [never] ? [S] extends [never] ? BareCheck<ResultOf<M>> : true : ValueCheck<PathsOf<S>, PathsOf<Step>, Seen<ResultOf<M>>, From>;
/** The same, of what a function gives that is not known itself. */
export type ResultCheck<S, R> = [PathsOf<S>] extends [never] ? true : ValueCheck<PathsOf<S>, never, Seen<R>, "what the function returns">;
/** The same, of a value that is assigned. */
export type AssignedCheck<S, Step, V> = [PathsOf<S> | PathsOf<Step>] extends [never] ? [S] extends [never] ? [NonNullable<V>] extends [never] ? true : [NonNullable<V>] extends [string] ? Wrong<"there is no number in a text"> : BareCheck<V> : true : ValueCheck<PathsOf<S>, PathsOf<Step>, V, "what is assigned">;
type ValueCheck<P, Step, T, From extends Source> = Loose<T> extends true ? true : [
    NonNullable<T>
] extends [Scalar] ? Said<"number", BadPath<Step, T, "step">, never, T, From> : Said<"number", BadPath<P, NonNullable<T>, "metric">, BadPath<Step, NonNullable<T>, "step">, NonNullable<T>, From>;
type Said<Wanted extends string, Bad, BadStep, T, From extends Source> = [Bad | BadStep] extends [never] ? true : [T] extends [Stream] ? Wrong<Unfollowed> : Misses<`this path leads to no ${Wanted} in ${From}`, Bad | BadStep, Found<T, Wanted extends "number" ? Scalar : Scalar | string>>;
/** What is not its own iterator is handed on as it is. */
interface Stream {
    [Symbol.asyncIterator](): unknown;
}
type Unfollowed = "only generators are followed, not streams and other AsyncIterables: yield the values, and declare an AsyncGenerator";
/** What a bare decorator can take nothing of. */
type BareCheck<R> = Loose<R> extends true ? true : IsStream<NonNullable<Seen<R>>> extends true ? Wrong<Unfollowed> : true;
type IsStream<T> = Loose<T> extends true ? false : [T] extends [Stream] ? true : false;
/** Whether every path of a tag selector leads somewhere in what a function gives. */
export type TagCheck<S, M> = [PathsOf<S>] extends [never] ? true : TagValueCheck<PathsOf<S>, Seen<ResultOf<M>>, "what the method returns">;
/** The same, of a value that is assigned. */
export type AssignedTagCheck<S, V> = [PathsOf<S>] extends [never] ? true : TagValueCheck<PathsOf<S>, V, "what is assigned">;
type TagValueCheck<P, T, From extends Source> = Loose<T> extends true ? true : [NonNullable<T>] extends [Scalar | string] ? true : Said<"value", BadPath<P, NonNullable<T>, "tag">, never, NonNullable<T>, From>;
/** What becomes a file as it is. */
type FileContent = string | ArrayBufferView | ArrayBuffer | Blob | ReadableStream | NodeJS.ReadableStream | AsyncIterable<unknown> | {
    readonly path: string;
};
/** Whether what a method gives can become a file of that name, or the paths to several lead somewhere. */
export type ArtifactCheck<S, M> = S extends string ? ContentCheck<S, Seen<ResultOf<M>>> : TagCheck<S, M>;
type ContentCheck<File extends string, T> = Loose<T> extends true ? true : [Extract<T, FileContent>] extends [never] ? File extends `${string}.${"json" | "yaml" | "yml"}` ? [Extract<T, object>] extends [never] ? Wrong<"what the method returns is no content: an object, a text, bytes, a Blob, a stream or { path }"> : true : Wrong<"what the method returns is no content: a text, bytes, a Blob, a stream or { path } (an object for names that end in .json, .yaml or .yml)"> : true;
/** Whether every index path of a selector leads to an argument of a function. */
export type ParamCheck<S, M, Whose extends "method" | "function" = "method"> = [PathsOf<S>] extends [never] ? true : ArgumentCheck<PathsOf<S>, TakenBy<M>, Whose>;
/** The same, of arguments. */
type ArgumentCheck<P, A, Whose extends "method" | "function"> = Loose<A> extends true ? true : [BadPath<P, A, "param">] extends [never] ? true : Misses<`this index path leads to no argument of the ${Whose}`, BadPath<P, A, "param">, Found<A, Scalar | string>>;
/** Whether the paths of a selector above a parameter lead into its argument; a text is the argument's name. Of the rest of the arguments nothing is said. */
export type ParameterCheck<S, M, Index extends number> = [S] extends [never] ? true : S extends string ? true : [PathsOf<S>] extends [never] ? true : TakenBy<M> extends infer A extends readonly unknown[] ? number extends A["length"] ? true : InArgument<PathsOf<S>, NonNullable<PartOf<A, `${Index}`>>> : true;
type InArgument<P, T> = Loose<T> extends true ? true : [BadPath<P, T, "tag">] extends [never] ? true : Misses<"this path leads to no value in the argument", BadPath<P, T, "tag">, Found<T, Scalar | string>>;
/**
 * The constraint of a type parameter whose default is a check of `S`: the default stays when it is a mistake for certain. Otherwise (it is `true`, or depends on a
 * type parameter of the code around) TypeScript takes the constraint instead, `Wrong<string>`, which stands for "nothing to say".
 * As long as `S` is a type parameter itself, the constraint is `unknown`, so that any default may be written.
 */
export type Checked<S> = ((() => S) extends () => "a type parameter" ? true : false) extends false ? Wrong<string> : unknown;
/** What is wrong when something is for certain, else `T`. */
export type Unless<P, T> = Wrong<string> extends P ? T : P extends Wrong<string> ? P : T;
export {};

// capture/params.d.ts
import type { Untyped } from "./selector.js";
/** A function as params selector: gets the list of the call's arguments. */
export type ArgumentFunction = (args: Untyped) => unknown;
/** What part of the arguments is taken: names or index paths (`"lr"`, `"1.lr"`), a record that renames them, or a function. */
export type ParamSelector = string | readonly string[] | {
    readonly [key: string]: string | ArgumentFunction;
} | ArgumentFunction;

// capture/redact.d.ts
/** Replaces secrets in one named value. A custom function of the user sees what the rules have left. */
export type Redactor = (key: string, value: string) => string;

// capture/selector.d.ts
/** What is not known when it is written: a decorator's functions are, before the method they are applied to. */
export type Untyped = any;
/** A function as selector: gets the result (awaited, or one yielded value) and the call's arguments. */
export type SelectorFunction<Result = Untyped, Args = Untyped> = (result: Result, args: Args) => unknown;
/** What part of a result is taken, and under which keys. */
export type Selector<Result = Untyped, Args = Untyped> = string | readonly string[] | {
    readonly [key: string]: string | SelectorFunction<Result, Args>;
} | SelectorFunction<Result, Args>;
/** Options of `@LogMetric`, second after the selector. */
export interface LogMetricOptions<Step = string | SelectorFunction> {
    /** The step of each value: a path into the result or a function of it. @default the highest step so far of this run and key, plus one */
    readonly step?: Step | undefined;
    /** Put before every key, verbatim, for instance `"train/"`. @default "" */
    readonly prefix?: string | undefined;
    /** When the value was measured, milliseconds since the epoch or a Date. @default the time of recording */
    readonly timestamp?: number | Date | SelectorFunction | undefined;
    /** Logs only results for which this returns true. @default every result */
    readonly when?: SelectorFunction | undefined;
    /** Logs the first of every `n` values of a run and key; the others count as steps. @default 1 */
    readonly everyN?: number | undefined;
    /** Leaves out values that come sooner than this after the last one logged of a run and key, in milliseconds; they count as steps. @default 0 */
    readonly minIntervalMs?: number | undefined;
    /**
     * Logs no single values but, when the run ends, what they come to, under `<key>.<aggregate>`: `"mean"`, or a list such as `["mean", "p95"]`.
     * Percentiles are within 1 % of the true ones; values that are not finite are left out.
     */
    readonly aggregate?: "last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99" | readonly ("last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99")[] | undefined;
    /** What to do with NaN and ±Infinity: `"log"` them as MLflow's own, or `"skip"` them. @default "log" */
    readonly nonFinite?: "log" | "skip" | undefined;
}

// capture/type-paths.d.ts
import type { Untyped } from "./selector.js";
/** Dotted paths into types: where one leads, and which ones there are. All paths of a type are never spelled out, which would not end for recursive ones. */
/** What a metric can be made of. */
export type Scalar = number | bigint | boolean;
/** True for `any`, `unknown`, `never`, `object` and `{}`, about which nothing can be checked. */
export type Loose<T> = unknown extends T ? true : [T] extends [never] ? true : [keyof T] extends [never] ? [object] extends [T] ? true : false : false;
/** What a path leads to, as `readPath` follows it into a value; `never` where it leads nowhere. Of a union one member that has it is enough. */
type Reach<T, P extends string> = Loose<T> extends true ? unknown : PartOf<T, P> | (P extends `${infer K}.${infer Rest}` ? Deeper<NonNullable<PartOf<T, K>>, Rest> : never);
type Deeper<T, P extends string> = [T] extends [never] ? never : Reach<T, P>;
/** What one part of a path leads to: an entry of a map, an element of a list, a field. */
export type PartOf<T, K extends string> = T extends ReadonlyMap<infer Key, infer V> ? K extends `${Key & (string | number)}` ? V : never : K extends keyof T ? T[K] : T extends ArrayLike<infer E> ? K extends `${number}` ? T extends readonly unknown[] ? number extends T["length"] ? E : never : E : never : K extends `${keyof T & (string | number)}` ? ByText<T>[K & keyof ByText<T>] : never;
/** The fields whose names are numbers or members of an enum, under their texts. */
type ByText<T> = {
    [Name in keyof T as `${Name & (string | number)}`]: T[Name];
};
/** What a list or anything else that can be walked along holds; not what would be used up by that. */
type ElementOf<V> = V extends string | {
    next: unknown;
} ? never : V extends ArrayLike<infer E> ? E : V extends Iterable<infer E> ? E : never;
/** What a result holds when it is a list, each of whose elements is looked into: an array, a typed array or a set, or something so wide that it may be one. */
type ListedIn<T> = T extends string | ReadonlyMap<unknown, unknown> ? never : T extends ArrayLike<infer E> | ReadonlySet<infer E> ? E : T extends Iterable<infer E> ? E[] extends T ? E : never : never;
type Has<V, Kind> = [Extract<V, Kind>] extends [never] ? false : true;
/** Whether a value can be logged as a metric: a number or the like (also among other things), or a list of them. */
type IsMetric<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar> extends true ? true : Has<ElementOf<NonNullable<V>>, Scalar>;
/** Whether a value can be a step. */
type IsStep<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar>;
/** Whether a value can be a tag or a param: anything but a function. */
type IsText<V> = [V] extends [never] ? false : [Exclude<NonNullable<V>, (...args: never) => unknown>] extends [never] ? false : true;
type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";
/** Whether a path leads to a metric in one kind of result. Into a list it leads by position, or into each of its elements, of which numbers are taken themselves. */
type FitsMetric<T, P extends string> = T extends unknown ? [ListedIn<T>] extends [never] ? IsMetric<Reach<T, P>> : P extends `${Digit}${string}` ? IsMetric<Reach<T, P>> : Has<ListedIn<T>, Scalar> extends true ? true : IsMetric<Deeper<NonNullable<ListedIn<T>>, P>> : never;
/** A step's path leads into each element of a list. */
type FitsStep<T, P extends string> = T extends unknown ? [ListedIn<T>] extends [never] ? IsStep<Reach<T, P>> : IsStep<Deeper<NonNullable<ListedIn<T>>, P>> : never;
type FitsTag<T, P extends string> = T extends unknown ? IsText<Reach<T, P>> : never;
/** Only what begins with a position can be checked: the compiler does not know the names of arguments. */
type FitsParam<A, P extends string> = A extends unknown ? (P extends `${Digit}${string}` ? IsText<Reach<A, P>> : true) : never;
interface Fits<T, P extends string> {
    readonly metric: FitsMetric<T, P>;
    readonly step: FitsStep<T, P>;
    readonly tag: FitsTag<T, P>;
    readonly param: FitsParam<T, P>;
}
/** The paths a selector is made of. */
export type PathsOf<S> = [S] extends [null | undefined] ? never : S extends string ? S : S extends readonly (infer P)[] ? P : S extends (...args: Untyped) => unknown ? never : S extends object ? Extract<S[keyof S], string> : never;
/** A path without the mark that what it leads to may be absent. */
type Bare<P extends string> = P extends `${infer Name}?` ? Name : P;
/** The paths that do not fit. About a path that is any text nothing can be said. */
export type BadPath<P, T, Kind extends keyof Fits<unknown, "">> = P extends string ? string extends P ? never : true extends Fits<T, Bare<P>>[Kind] ? never : {} extends Record<P, 1> ? never : P : never;
/** An object at a path. */
interface At<Path extends string, T> {
    readonly path: Path;
    readonly value: T;
}
/** Names of fields that are written in the type. */
type NamesOf<T> = keyof {
    [K in keyof T as K extends string | number ? (string extends K ? never : number extends K ? never : `${K}`) : never]: 1;
};
type FieldsOf<T> = T extends readonly unknown[] ? Exclude<keyof T, keyof unknown[]> : T extends (...args: never) => unknown ? never : NamesOf<T>;
/** What has fields to name: an object, and of a list its first element. */
type Opened<Path extends string, T> = T extends string | Scalar | ((...args: never) => unknown) | Date ? never : T extends ReadonlyMap<infer K, infer V> ? string extends K ? never : At<Path, Record<Extract<K, string>, V>> : T extends ArrayLike<infer E> ? T extends readonly unknown[] ? number extends T["length"] ? At<`${Path}0.`, NonNullable<E>> : At<Path, T> : never : T extends object ? At<Path, T> : never;
type LeavesAt<O, Leaf> = O extends At<infer Path, infer T> ? FieldsOf<T> extends infer K extends string ? K extends unknown ? Has<PartOf<T, K>, Leaf> extends true ? `${Path}${K}` : Has<ElementOf<NonNullable<PartOf<T, K>>>, Leaf> extends true ? `${Path}${K}` : never : never : never : never;
type ObjectsAt<O> = O extends At<infer Path, infer T> ? FieldsOf<T> extends infer K extends string ? K extends unknown ? Loose<PartOf<T, K>> extends true ? never : Opened<`${Path}${K}.`, NonNullable<PartOf<T, K>>> : never : never : never;
/** The top of a result: an object, or the elements of a list. */
type Top<T> = T extends unknown ? ([ListedIn<T>] extends [never] ? Opened<"", T> : Opened<"", NonNullable<ListedIn<T>>>) : never;
export type Found<T, Leaf> = Levels<T extends readonly unknown[] ? (number extends T["length"] ? Top<T> : At<"", T>) : Top<T>, Leaf>;
type Levels<O, Leaf> = Deepened<LeavesAt<O, Leaf> | LeavesAt<ObjectsAt<O>, Leaf>, O, Leaf>;
type Deepened<Found, O, Leaf> = [Found] extends [never] ? LeavesAt<ObjectsAt<ObjectsAt<O>>, Leaf> : Found;
export {};

// clock.d.ts
/** Where time, ids and chance come from; tests put their own in place. */
export interface Clock {
    /** Milliseconds since the epoch, an integer. */
    now(): number;
    /** 32 hex digits, never the same twice. */
    id(): string;
    /** A number in [0, 1), for jitter. */
    random(): number;
}
/** A clock that remembers what it last said: whoever only needs to know roughly does not have to read it again. */
export declare class ReadClock implements Clock {
    last: number;
    constructor(clock: Clock);
    now(): number;
    id(): string;
    random(): number;
}
/** The machine's own clock. */
export declare const systemClock: Clock;

// config/options.d.ts
import type { Redactor } from "../capture/redact.js";
import type { RunContext } from "../context/scope-storage.js";
import type { Logger } from "../diagnostics.js";
import { type TrackingStore } from "../stores/tracking-store.js";
/** What happens when a `@Log…` method finds neither a run nor a class that opens one. */
export type OutsideRun = "warn" | "throw" | "ignore";
/** When what is recorded is written down: within a flush interval and at exit, at the end of each turn, or never. */
export type Durability = "exit" | "outbox" | "memory";
/** How to log in to a server. */
export type Auth = {
    readonly username: string;
    readonly password: string;
} | {
    readonly token: string | (() => string | Promise<string>);
};
/** How a server's certificate is checked, and the client's own. Paths of PEM files. */
export interface TlsOptions {
    /** Certificates to trust instead of Node's. @default MLFLOW_TRACKING_SERVER_CERT_PATH */
    readonly ca?: string | undefined;
    /** The client's certificate, with its key unless `key` names it. @default MLFLOW_TRACKING_CLIENT_CERT_PATH */
    readonly cert?: string | undefined;
    /** The key of `cert`. */
    readonly key?: string | undefined;
    /** Accepts any certificate: whoever is in between can read and change everything. @default MLFLOW_TRACKING_INSECURE_TLS, else false */
    readonly insecure?: boolean | undefined;
}
/** The outboxes on disk. */
export interface OutboxOptions {
    /** @default `pulse-mlflow/outbox` in $XDG_STATE_HOME, else in ~/.local/state (macOS: ~/Library/Application Support, Windows: %LOCALAPPDATA%) */
    readonly folder?: string | undefined;
    /**
     * Bound of one tracker's outbox in bytes, 65536 or more. Beyond it the oldest metrics are dropped, then what was set aside, then whole runs that have
     * ended and are not created yet, the oldest first; when that is not enough, what comes new waits in memory. @default 1073741824 (1 GiB)
     */
    readonly maxBytes?: number | undefined;
    /** Bound of all outboxes in the folder in bytes, 65536 or more; beyond it those of dead trackers are removed, the oldest first. @default 4294967296 (4 GiB) */
    readonly maxTotalBytes?: number | undefined;
    /** Bound in bytes of the files that wait beside one tracker's outbox until they are stored as artifacts; what does not fit is left out, with a warning. @default 10737418240 (10 GiB) */
    readonly maxArtifactBytes?: number | undefined;
    /** Outboxes of dead trackers that were last written longer ago are removed, in milliseconds. @default 7776000000 (90 days) */
    readonly maxAgeMs?: number | undefined;
}
/** Credentials for S3, as AWS gives them. */
export interface S3Credentials {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
    /** When they are to be asked for anew. @default never */
    readonly expiration?: Date | undefined;
}
/** Where a server may have artifacts kept. It names the place of each run's files, and is not trusted with more than its own. */
export interface ArtifactsOptions {
    /** Whether a server on another machine may name folders of this one (a disk that both see). @default false */
    readonly allowLocal?: boolean | undefined;
    /** The S3 buckets a server may name. @default any, if the environment or `credentials` give this very program access to S3 */
    readonly buckets?: readonly string[] | undefined;
    /** Gives credentials for S3, by code only. @default AWS's own variables, files and container credentials */
    readonly credentials?: (() => S3Credentials | Promise<S3Credentials>) | undefined;
}
/** Settings of a tracker. First that speaks wins: option at the call, decorator, `configure()`, `pulse-mlflow.config.json`, MLflow's environment variables, default. */
export interface PulseConfig {
    /**
     * Where runs go: `http(s)://host:port`, `sqlite:///relative.db`, `sqlite:////absolute.db`, another form of the README, or a scheme
     * of `registerTrackingStore()`.
     * @default MLFLOW_TRACKING_URI, else "sqlite:///mlflow.db"
     */
    readonly trackingUri?: string | undefined;
    /**
     * Where runs go instead of a tracking URI: a store of your own, by code only. One with a `uri` has an outbox like a server; of one
     * without, what waits is in memory (`durability` is then `"memory"`). The tracker owns it and closes it with itself.
     * @experimental
     */
    readonly store?: TrackingStore | undefined;
    /**
     * The experiment of runs that name none, at most 256 characters.
     * @default MLFLOW_EXPERIMENT_NAME, else MLFLOW_EXPERIMENT_ID, else a tracked class's name, else MLflow's "Default"
     */
    readonly experiment?: string | undefined;
    /** Milliseconds that `flush()`, `shutdown()` and the end of the process go on after the store last accepted something. @default 3000 */
    readonly exitTimeoutMs?: number | undefined;
    /**
     * How to log in to a server: a user with a password, a token, or a function that gives one (asked again when the server refuses it).
     * @default MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, each else from ~/.mlflow/credentials; else MLFLOW_TRACKING_TOKEN
     */
    readonly auth?: Auth | undefined;
    /** Further headers of every request to a server. */
    readonly headers?: Readonly<Record<string, string>> | undefined;
    /** How a server's certificate is checked, and the client's own. */
    readonly tls?: TlsOptions | undefined;
    /** The workspace of an MLflow server that has them. @default MLFLOW_WORKSPACE */
    readonly workspace?: string | undefined;
    /** How long one request may take, in milliseconds. @default MLFLOW_HTTP_REQUEST_TIMEOUT (seconds), else 30000 */
    readonly requestTimeoutMs?: number | undefined;
    /**
     * What a crash may cost. `"exit"`: what the store has not taken within `flushIntervalMs` is written to an outbox on disk, everything is at exit.
     * `"outbox"`: everything is, at the end of each turn of the event loop. `"memory"`: nothing is ever written,
     * and what a server fails on seven times, while it takes others, is dropped (`rejected` in `stats()`).
     * @default "exit"
     */
    readonly durability?: "exit" | "outbox" | "memory" | undefined;
    /** Where a server may have artifacts kept. */
    readonly artifacts?: ArtifactsOptions | undefined;
    /** Where outboxes lie and how large one may grow. */
    readonly outbox?: OutboxOptions | undefined;
    /** See `durability`; milliseconds. @default 1000 */
    readonly flushIntervalMs?: number | undefined;
    /** Bound in bytes of what waits in memory for the store. @default 67108864 (64 MiB) */
    readonly maxPendingBytes?: number | undefined;
    /** Secrets in params, tags and error texts: `true` for the built-in rules, a function to go on after them, `false` to store them. @default true */
    readonly redact?: boolean | Redactor | undefined;
    /** How the open run is carried along a call, for the whole process: `clsHookedContext()` of `pulse-mlflow/cls-hooked`. @default AsyncLocalStorage */
    readonly context?: RunContext | undefined;
    /** Problems throw instead of warning: for tests. @default false */
    readonly strict?: boolean | undefined;
    /** Where warnings go. @default console */
    readonly logger?: Logger | undefined;
    /** What a `@Log…` method does outside any run. @default "warn" */
    readonly outsideRun?: "warn" | "throw" | "ignore" | undefined;
}
/** What a header may hold; a line break would be another header. */
export declare const HEADER_VALUE: RegExp;

// config/picker.d.ts
import type { PulseConfig } from "./options.js";
/** The file of the working folder that is read once. */
export declare const CONFIG_FILE = "pulse-mlflow.config.json";
/** Where a setting comes from that code gives. */
export declare const BY_CODE: "configure()";
/** The server a tracking URI names; undefined for what is none. */
export declare function originOf(uri: string | undefined): string | undefined;
/** Takes each setting from the first that speaks, and remembers who did. */
export declare class Picker {
    readonly env: NodeJS.ProcessEnv;
    readonly origins: Record<string, string>;
    /** Where runs go. */
    readonly trackingUri: string;
    constructor(given: PulseConfig, stored: PulseConfig, env: NodeJS.ProcessEnv, callUri?: string);
    /**
     * Whether credentials may go where runs go. They belong to a server: those of options to the tracker's own, those of the file to
     * the one it names, those of the environment to the one it names or that code names, which is trusted; a file that lies in
     * the working folder is not, and the URI of one call is another server's.
     */
    maySend(whose: "options" | "file" | "environment"): boolean;
    /** Credentials among the options, else in the file, if they may go where runs go. */
    secret<K extends "auth" | "headers" | "tls">(name: K): PulseConfig[K];
    /** An option, else the file's, else an environment variable's text where the option is a text. */
    maybe<K extends keyof PulseConfig>(name: K, variable?: PulseConfig[K] extends string | undefined ? string : never): PulseConfig[K];
    /** The same with a default. */
    value<K extends keyof PulseConfig>(name: K, fallback: NonNullable<PulseConfig[K]>, variable?: PulseConfig[K] extends string | undefined ? string : never): NonNullable<PulseConfig[K]>;
    /** The text of an environment variable that is not blank. */
    environment(name: string, variable: string): string | undefined;
    /** Takes note of where a value comes from. */
    note(name: string, origin: string): void;
}

// config/resolve.d.ts
import type { ExperimentRef } from "../entities.js";
import { type ArtifactsOptions, type Durability, type PulseConfig } from "./options.js";
import { type ServerSettings } from "./server.js";
/** A configuration with every question answered. */
export interface ResolvedConfig {
    readonly trackingUri: string;
    /** Where runs go instead. */
    readonly store: PulseConfig["store"];
    /** Undefined when nobody named one: a class then gives its name, anything else goes to Default. */
    readonly experiment: ExperimentRef | undefined;
    /** The run that the first top-level run of the process resumes. */
    readonly runId: string | undefined;
    readonly server: ServerSettings;
    readonly durability: Durability;
    readonly flushIntervalMs: number;
    /** Undefined is the user's state folder. */
    readonly outboxFolder: string | undefined;
    readonly maxOutboxBytes: number;
    readonly maxArtifactBytes: number;
    readonly artifacts: ArtifactsOptions;
    /** Bounds of all outboxes together: their bytes, and the age of those nobody holds in milliseconds. */
    readonly outboxLimits: {
        readonly maxTotalBytes: number;
        readonly maxAgeMs: number;
    };
    readonly exitTimeoutMs: number;
    readonly maxPendingBytes: number;
    readonly redact: PulseConfig["redact"];
    readonly strict: boolean;
    readonly logger: PulseConfig["logger"];
    readonly outsideRun: NonNullable<PulseConfig["outsideRun"]>;
    /** Where each value that somebody set comes from, in words; what is missing is a default. */
    readonly origins: Readonly<Record<string, string>>;
}
/** The variable that names a run to resume; gone as soon as that is done. */
export declare const RUN_ID = "MLFLOW_RUN_ID";
/** What is in force where a configuration cannot be used. */
export declare const NOTHING_CONFIGURED: ResolvedConfig;
/**
 * Resolves a configuration: the options given, then `pulse-mlflow.config.json` of the working folder (read once),
 * then MLflow's environment variables, then the defaults. `callUri` is where one call goes instead, without the credentials of another server.
 * @throws PulseError `INVALID_CONFIG` for a wrong or an unreadable file, and for environment variables that mean nothing.
 */
export declare function resolveConfig(given?: PulseConfig, env?: NodeJS.ProcessEnv, stored?: PulseConfig, callUri?: string): ResolvedConfig;
/** Whether there is such a file; what Node's permissions hide from a program is not there for it. */
export declare function isThere(path: string): boolean;
/** Whether there is a configuration file. */
export declare function hasConfigFile(): boolean;

// config/server.d.ts
import { PulseError } from "../errors.js";
import type { Auth, TlsOptions } from "./options.js";
import type { Picker } from "./picker.js";
/** How a server is spoken to: the settings of Python's client, by option or by its environment variables. */
export interface ServerSettings {
    readonly auth: Auth | undefined;
    /** What is wrong with the file the credentials come from, once they were asked for. */
    readonly problem?: PulseError | undefined;
    readonly headers: Readonly<Record<string, string>>;
    readonly tls: TlsOptions;
    readonly workspace: string | undefined;
    readonly requestTimeoutMs: number;
    /** Whether a server's Retry-After is kept. */
    readonly respectRetryAfter: boolean;
    /** `*_PROXY` and `NO_PROXY` are read from here. */
    readonly env: NodeJS.ProcessEnv;
}
/**
 * Resolves the settings of a server.
 * @throws PulseError `INVALID_CONFIG` for environment variables that contradict each other, or mean nothing.
 */
export declare function serverSettings(pick: Picker): ServerSettings;

// context/scope-storage.d.ts
/** Carries one value along a call and everything asynchronous that it starts. */
export interface ScopeStorage<T> {
    /** The value of the innermost `run` this code was started in, or undefined outside. */
    get(): T | undefined;
    /** Calls `fn` with `value` in force inside it and in all it starts; outside nothing changes. */
    run<R>(value: T | undefined, fn: () => R): R;
}
/** How the open run is carried along; what it carries is opaque. */
export type RunContext = ScopeStorage<unknown>;
/** A storage that also hands arguments on, so that no function has to stand in a stack only to hold them. */
export interface CallStorage<T> extends ScopeStorage<T> {
    run<R, A extends readonly unknown[]>(value: T | undefined, fn: (...args: A) => R, ...args: A): R;
    /**
     * Puts a value in force from here on, where the storage can. Whoever does that puts the former one back in a `finally`, as `run` does: a call
     * between the two needs no frame of the storage's, of which deep recursion would have one for each level.
     */
    enterWith?(value: T | undefined): void;
}
/** The default storage, on `AsyncLocalStorage`. */
export declare function asyncLocalScopes<T>(): CallStorage<T>;
/** A storage of somebody else's with arguments bound, which takes no frame either. */
export declare function callStorageOn<T>(storage: ScopeStorage<T>): CallStorage<T>;

// decorators/define-experiment.d.ts
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../capture/check.js";
import type { LogMetricOptions, Selector, SelectorFunction, Untyped } from "../capture/selector.js";
import type { Scalar } from "../capture/type-paths.js";
import type { MetricOptions } from "../run/metric-value.js";
import type { PathOptions, StartOptions, WithRunOptions } from "../run/options.js";
import type { Run } from "../run/run.js";
import { type MetricSchema } from "../run/schema.js";
import { type ExperimentDecorator } from "./tracked-experiment.js";
import type { Applied, LogMetricGoes, LogsMetrics, StepOption } from "./types.js";
/** What a param's values are. */
export type ParamKind = "number" | "string" | "boolean";
type ParamValue<K extends ParamKind> = K extends "number" ? number | bigint : K extends "boolean" ? boolean : string;
/** What an experiment's runs log: its metrics with unit, goal and range, its params with their kind. */
export interface ExperimentSchema<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
    readonly name: string;
    /** What MLflow shows as the experiment's description, as Markdown. */
    readonly description?: string | undefined;
    /** Tags of the experiment. */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics: M;
    readonly params?: P;
}
/** A selector whose metric keys are those of an experiment. */
type KeyedSelector<K extends string> = K | `${K}?` | readonly (K | `${K}?`)[] | {
    readonly [key in K]?: string | SelectorFunction;
} | ((result: never, args: never) => {
    readonly [key in K]?: Scalar;
});
/** Nothing more when a selector's keys are all among `K`; a type parameter alone would let others pass. */
type OnlyKeys<S, K extends string> = S extends string | readonly string[] ? unknown : S extends (...args: never[]) => infer R ? [Exclude<keyof R, K>] extends [never] ? unknown : NoMetric<Exclude<keyof R, K>> : {
    readonly [key in Exclude<keyof S, K>]: never;
};
/** Shown by the compiler in place of a function whose result has other keys. */
interface NoMetric<Key> {
    readonly "the experiment has no such metric": Key;
}
/** A `Run` that takes the experiment's own metrics and params. */
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
/** The decorators and functions of one experiment, with its own metrics and params as types. */
export interface DefinedExperiment<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
    readonly name: string;
    readonly metrics: M;
    /** `@TrackedExperiment` with this experiment's name. */
    TrackedExperiment<const S extends Selector, A extends string>(options?: Omit<PathOptions<S, A>, "experiment">): ExperimentDecorator<S, A>;
    /** `@LogMetric` whose keys are this experiment's metrics; a path that is no key is written `{ loss: "final.loss" }`. */
    LogMetric<const S extends KeyedSelector<keyof M & string>, const Step extends StepOption>(selector: S & OnlyKeys<S, keyof M & string>, options?: Omit<LogMetricOptions<Step>, "prefix">): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
    /** `withRun` in this experiment. */
    withRun<R, Known = Untyped, const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>, Metric extends Checked<S> = ResultCheck<S, R>>(options: WithRunOptions<Known, S, NoInfer<Metric>> & {
        readonly experiment?: never;
    }, fn: (run: TypedRun<keyof M & string, P>) => R | Known): R;
    /** `startRun` in this experiment. */
    startRun(options?: Omit<StartOptions, "experiment">): TypedRun<keyof M & string, P>;
    /** The run in force here, when it is one of this experiment. */
    currentRun(): TypedRun<keyof M & string, P> | undefined;
}
/**
 * Says once what an experiment's runs log: its keys become types, units and goals are stored as tags of each run, values out of range are counted and warned of.
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
import type { Applied, LogArtifactGoes, LogsArtifacts } from "./types.js";
/**
 * Makes files of what the method returns or yields, among the artifacts of its run. With a name: the result is the file's content (a text, bytes, a Blob,
 * a stream, which is read to its end here, `{ path }` of a file or folder, or an object for `.json` and `.yaml`). With a record: each name with a path into
 * the result, or a function of it. `{step}` in a name counts from 0, so that each yield has a file of its own.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
 * @example
 * ```ts
 * class Learner {@LogArtifact({ "confusion.json": "confusion", "report-{step}.md": (result) => `# ${result.name}` })
 *   evaluate() {
 *     return { name: "baseline", confusion: [[9, 1], [2, 8]] };
 *   }
 * }
 * ```
 */
export declare function LogArtifact<const S extends ArtifactSelector>(selector: S): Applied<LogArtifactGoes, LogsArtifacts<S>>;

// decorators/log-metric.d.ts
import type { LogMetricOptions, Selector } from "../capture/selector.js";
import type { Applied, Explained, LogMetricGoes, LogsMetrics, MemberDecorator, PublicClass, StepOption } from "./types.js";
/**
 * The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a decorator. The last one is the
 * one that is explained when none fits.
 */
type LogMetricFactory = Explained<"LogMetric"> & MemberDecorator<LogMetricGoes, LogsMetrics<never, never>> & {
    (): Applied<LogMetricGoes, LogsMetrics<never, never>>;
    <const S extends Selector, const Step extends StepOption>(selector?: S | PublicClass, options?: LogMetricOptions<Step>): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
};
/**
 * Logs numbers of what the method returns, yields or is assigned. Bare: a number under the method's name, an object's numeric leaves under
 * dotted paths, a list or generator as one step per element. With a selector: a path, a list of paths, a record `{ key: path or function }`, a function.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
/** What `@LogParam` is after its selector is known; `Goes` says where it goes, and comes first so that the compiler shows it. */
export type ParamDecorator<Goes extends string, S> = ParameterDecorator<S> & Applied<Goes, LogsParams<S>>;
/** The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a decorator. */
type LogParamFactory = Explained<"LogParam"> & ParameterDecorator<never> & MemberDecorator<LogParamGoes, LogsParams<never>> & {
    (): ParamDecorator<LogParamGoes, never>;
    <const S extends ParamSelector>(selector: S | PublicClass | undefined): ParamDecorator<LogParamGoes, S>;
};
/**
 * Logs arguments of the method as params, before its body runs. Bare: scalar arguments under their names and the scalar fields of a first argument
 * that is an object. With a selector: a name or index path (`"lr"`, `"1.lr"`), a list of them, a record that renames them, or a function of the arguments.
 * Objects become their fields, under dotted keys (three levels deep, 50 at most). In the legacy dialect also above a parameter, where a text is the
 * argument's name and paths lead into its value: `train(@LogParam("lr") lr: number)`.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
/** The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a decorator. */
type LogTagFactory = Explained<"LogTag"> & MemberDecorator<LogTagGoes, LogsTags<never>> & {
    (): Applied<LogTagGoes, LogsTags<never>>;
    <const S extends Selector>(selector: S | PublicClass | undefined): Applied<LogTagGoes, LogsTags<S>>;
};
/**
 * Sets tags from what the method returns, yields or is assigned. Bare: a scalar under the method's name. With a selector: a path, a list of paths,
 * a record `{ tag: path or function }`, or a function that returns a value or a record.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
import { type PathOptions } from "../run/options.js";
import type { ClassDecoratorToo, NamesExperiment, TrackedExperimentGoes } from "./types.js";
/** What `@TrackedExperiment` is after its options are known. */
export type ExperimentDecorator<Metrics, Params> = ClassDecoratorToo<TrackedExperimentGoes, NamesExperiment<Metrics, Params>>;
/** The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a decorator. */
type TrackedExperimentFactory = ExperimentDecorator<never, never> & {
    <const S extends Selector, A extends string>(experimentOrOptions?: string | PathOptions<S, A>): ExperimentDecorator<S, A>;
    <const S extends Selector, A extends string>(experiment: string | undefined, options: PathOptions<S, A> | undefined): ExperimentDecorator<S, A>;
};
/**
 * On a class: its methods with `@Log…` decorators open a run in this experiment, or log into the one that is open. On a method: every call
 * opens a run in this experiment, a child of the open one. Bare: the configured experiment, else the class's name.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
import { type PathOptions } from "../run/options.js";
import type { Applied, MemberDecorator, OpensRuns, PublicClass, TrackedRunGoes } from "./types.js";
/** The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a decorator. */
type TrackedRunFactory = MemberDecorator<TrackedRunGoes, OpensRuns<never, never>> & (<const S extends Selector, A extends string>(options?: PathOptions<S, A> | PublicClass) => Applied<TrackedRunGoes, OpensRuns<S, A>>);
/**
 * Every call of the method opens a run: a child when one is open already (`nest` changes that), in the experiment of the class, else the configured one.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
import type { AnyFunction } from "../run/plan.js";
/** Any class, also one whose constructor is private (which fits no constructor type). */
interface AnyClass {
    readonly prototype: object;
}
/** What cannot be mistaken for the first argument of a decorator that is called: a class whose constructor is public. */
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
/** What may stand on classes, too. */
export interface NamesExperiment<Metrics, Params> extends OpensRuns<Metrics, Params> {
    readonly classes: true;
}
/** Whether a decorator fits a method. */
type OnMethod<Asks, M> = Asks extends LogsMetrics<infer S, infer Step> ? MetricCheck<S, Step, M> : Asks extends LogsTags<infer S> ? TagCheck<S, M> : Asks extends LogsArtifacts<infer S> ? ArtifactCheck<S, M> : Asks extends LogsParams<infer S> ? ParamCheck<S, M> : Asks extends OpensRuns<infer S, infer A> ? ParamCheck<A, M> extends Wrong<string> ? ParamCheck<A, M> : MetricCheck<S, never, M> : true;
/** Whether a decorator fits what is assigned. */
type OnAssignment<Goes extends string, Asks, V> = Asks extends LogsMetrics<infer S, infer Step> ? AssignedCheck<S, Step, V> : Asks extends LogsTags<infer S> ? AssignedTagCheck<S, V> : Wrong<Goes>;
type OnField<Goes extends string, Asks, V> = 0 extends 1 & V ? true : NonNullable<V> extends AnyFunction ? OnMethod<Asks, NonNullable<V>> : Wrong<`${Goes}; this field holds no function`>;
/** Whether a decorator fits a class. Where no metrics were given, their type is any selector, or never. */
type OnClass<Goes extends string, Asks> = Asks extends NamesExperiment<infer Metrics, unknown> ? [Metrics] extends [never] ? true : Selector extends Metrics ? true : Wrong<"metrics is an option for methods; on a class put @LogMetric on the methods"> : Wrong<Goes>;
/** What the standard dialect says of a member. */
interface StandardContext {
    readonly kind: string;
    readonly name: unknown;
}
/** Whether a decorator fits what it stands on in the standard dialect. */
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
/** The same for the legacy one, where a member is what its descriptor holds. */
type Legacy<Goes extends string, Asks, V> = 0 extends 1 & V ? true : V extends AnyFunction ? OnMethod<Asks, V> : OnAssignment<Goes, Asks, V>;
/**
 * A decorator of members, in both dialects. What does not fit for certain gives back the sentence that says why, which the compiler shows as the one error;
 * the signatures below take what fits, and what depends on a type parameter of the class.
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
 * What is called wrongly: several texts that are no list, and, first of all signatures and fitting nothing, the one that the compiler takes the result of when
 * no other fits. (Of that it says nothing more.)
 */
export interface Explained<Name extends string> {
    (target: never, key: never, descriptor: never): Untyped;
    (first: string, second: string, ...more: string[]): Wrong<`several are one list: @${Name}(["a", "b"])`>;
}
/** The same after it was called: then it is told from a class, which is all the legacy dialect gives it. */
export type Applied<Goes extends string, Asks> = MemberDecorator<Goes, Asks> & (<T extends AnyClass>(target: T) => LegacyClass<Goes, Asks, T>);
type LegacyClass<Goes extends string, Asks, T> = 0 extends 1 & T ? Untyped : OnClass<Goes, Asks> extends Wrong<string> ? OnClass<Goes, Asks> : undefined;
/** On classes and methods. */
export type ClassDecoratorToo<Goes extends string, Asks> = Applied<Goes, Asks> & ((value: AnyClass, context: {
    readonly kind: "class";
    readonly name: string | undefined;
}) => void);
/** What is known of a parameter: of private methods nothing. */
type OnParameter<S, T, K, Index extends number> = K extends keyof T ? ParameterCheck<S, T[K], Index> : true;
/** Above a parameter, in the legacy dialect. */
export interface ParameterDecorator<S> {
    (target: object, key: undefined, index: number): Wrong<"@LogParam goes on parameters of methods, not on those of constructors">;
    <T extends object, K extends string | symbol, Index extends number>(target: T, key: K, index: OnParameter<S, T, K, Index> extends Wrong<string> ? Index : never): OnParameter<S, T, K, Index>;
    (target: object, key: string | symbol, index: number): void;
}
/** What the option `step` may be. */
export type StepOption = LogMetricOptions["step"];
export type LogMetricGoes = "@LogMetric goes on methods, setters and accessors, not on getters";
export type LogTagGoes = "@LogTag goes on methods, setters and accessors, not on getters";
export type LogArtifactGoes = "@LogArtifact goes on methods";
export type LogParamGoes = "@LogParam goes on methods, and in the legacy dialect on their parameters";
export type TrackedRunGoes = "@TrackedRun goes on methods; a class takes @TrackedExperiment";
export type TrackedExperimentGoes = "@TrackedExperiment goes on classes and methods";
export {};

// diagnostics.d.ts
import { type PulseErrorCode } from "./errors.js";
/** Where warnings go; `console` fits. */
export interface Logger {
    warn(message: string): void;
}
/** What a tracker has done so far. A change is a run's start or end, a metric value, a param, a tag, a dataset or a file. */
export interface Stats {
    /** Runs opened. */
    runs: number;
    /** Metric values recorded. */
    metrics: number;
    /** Params recorded. */
    params: number;
    /** Tags recorded by the user or a decorator (source tags are part of the run's start). */
    tags: number;
    /** Dataset inputs recorded. */
    inputs: number;
    /** Files recorded as artifacts. */
    artifacts: number;
    /** Their size, in bytes. */
    artifactBytes: number;
    /** Runs that sampling left out, counted at their root. */
    unsampled: number;
    /** Calls that are no runs of their own but part of a folded one. */
    folded: number;
    /** Changes the store has acknowledged. */
    delivered: number;
    /** Changes recorded and not yet acknowledged, dropped or rejected. */
    pending: number;
    /** Changes lost for want of memory or at exit. */
    dropped: number;
    /** Changes the store refused for what they are. */
    rejected: number;
    /** How often each kind of problem was met, by code. */
    warnings: Partial<Record<PulseErrorCode, number>>;
}

// entities.d.ts
/** A status that ends a run, in MLflow's words; once set it never changes again. */
export type TerminalStatus = "FINISHED" | "FAILED" | "KILLED";
/** One point of one metric's history. */
export interface Metric {
    readonly key: string;
    /** Any double; NaN and the infinities are stored the way MLflow stores them. */
    readonly value: number;
    /** Milliseconds since the epoch, fixed once when the value is recorded. */
    readonly timestamp: number;
    /** Integer; by default the highest step so far of this run and key, plus one. */
    readonly step: number;
}
/** A run's parameter: written once, the first value stays. */
export interface Param {
    readonly key: string;
    readonly value: string;
}
/** A run's tag: the last value stays. */
export interface Tag {
    readonly key: string;
    readonly value: string;
}
/** A dataset that a run has used. A name and a digest are one dataset of an experiment. */
export interface DatasetInput {
    /** At most 500 characters. */
    readonly name: string;
    /** What tells its contents from others, at most 36 characters. */
    readonly digest: string;
    /** What kind of place it comes from, such as `local`, `s3` or `http`. */
    readonly sourceType: string;
    /** Where it comes from, as JSON. */
    readonly source: string;
    /** Its columns or tensors, as JSON. */
    readonly schema: string | undefined;
    /** What it looks like, as JSON. */
    readonly profile: string | undefined;
    /** What is said of this use of it; `mlflow.data.context` says what it was used for. */
    readonly tags: readonly Tag[];
}
/**
 * The experiment a run goes to: by name (made when absent; tags, when there are some, are set once) or by the id of an existing one. With `of` it is
 * the one that the run with this id in the store is in, whatever is said beside it, which holds only where there is no such run, or a deleted one.
 */
export type ExperimentRef = ({
    readonly name: string;
    readonly tags?: readonly Tag[];
} | {
    readonly id: string;
}) & {
    readonly of?: string | undefined;
};
/**
 * What MLflow accepts, kept on our side because servers truncate or corrupt silently.
 * Lengths are characters. Tags: 8000 in MLflow 3, 5000 before it; the smaller is safe on all.
 */
export declare const LIMITS: {
    readonly key: number;
    readonly paramValue: number;
    readonly tagValue: number;
    readonly runName: number;
    readonly userId: number;
    readonly experimentName: number;
};

// errors.d.ts
/**
 * Every problem the package can name: a stable code, what to do about it, and whether trying the
 * same again can help. Codes are never renamed or reused.
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
        readonly todo: 'Use http(s)://host:port, sqlite:///relative.db, sqlite:////absolute.db or another form of the README, or register a scheme of your own before the first run (for commands: NODE_OPTIONS="--import ./my-store.js").';
    };
    readonly WRONG_TARGET: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly NO_ACTIVE_RUN: {
        readonly retry: false;
        readonly todo: "Call it inside a tracked method, tracked() or withRun(), or use currentRun() and test for undefined.";
    };
    readonly OUTSIDE_RUN: {
        readonly retry: false;
        readonly todo: 'outsideRun: "ignore" is silent.';
    };
    readonly CLOSED: {
        readonly retry: false;
        readonly todo: "Record before shutdown(), or make a new tracker.";
    };
    readonly DISABLED: {
        readonly retry: false;
        readonly todo: "Unset PULSE_MLFLOW to track.";
    };
    readonly INVALID_KEY: {
        readonly retry: false;
        readonly todo: "Use letters, digits, and _ - . / : or space, at most 250 characters.";
    };
    readonly INVALID_VALUE: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly REDACTED: {
        readonly retry: false;
        readonly todo: "If it is none, give it another name, or set the option `redact`.";
    };
    readonly VALUE_CUT: {
        readonly retry: false;
        readonly todo: "Shorten it; two values that differ stay apart by the hash.";
    };
    readonly INPUT_REPEATED: {
        readonly retry: false;
        readonly todo: "MLflow keeps the first use of a dataset in a run; give another digest, or log it in a run of its own.";
    };
    readonly PARAM_CONFLICT: {
        readonly retry: false;
        readonly todo: "A param keeps its first value; log a changing number as a metric.";
    };
    readonly CAPTURE_FAILED: {
        readonly retry: false;
        readonly todo: "The call itself was not touched. Mend the function, or give a selector that picks what can be read.";
    };
    readonly NOTHING_FOUND: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly CAPTURE_LIMIT: {
        readonly retry: false;
        readonly todo: "Give the decorator a selector that picks what you need.";
    };
    readonly NOT_RECORDED: {
        readonly retry: false;
        readonly todo: "Runs that fail are recorded all the same; raise `sample` or `maxRunsPerSecond` to record more.";
    };
    readonly OUT_OF_RANGE: {
        readonly retry: false;
        readonly todo: "It is logged all the same; mend the value, or the range of defineExperiment().";
    };
    readonly TOO_MANY_RUNS: {
        readonly retry: false;
        readonly todo: 'End the runs you start, log steps of one run instead of child runs (nest: "join"), or set maxRunsPerSecond.';
    };
    readonly SKETCH_MISSING: {
        readonly retry: false;
        readonly todo: "Everything but p50, p95 and p99 is there. Install it beside your bundle, or leave pulse-mlflow out of the bundle.";
    };
    readonly MINIFIED_NAMES: {
        readonly retry: false;
        readonly todo: 'Name the arguments: @LogParam({ lr: "0" }), or a parameter decorator @LogParam("lr").';
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
        readonly todo: "The store is slower than what is recorded: log less often, or raise maxPendingBytes.";
    };
    readonly OUTBOX_FAILED: {
        readonly retry: false;
        readonly todo: "Recording goes on in memory; give `outbox.folder` a writable one to survive a crash.";
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
        readonly todo: "Call `await flush()` earlier and mend the cause named above.";
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
        readonly todo: "Check `auth`, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and whether they may go to this server (README); recording goes on meanwhile.";
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
        readonly todo: "Recording goes on; it is tried again.";
    };
    readonly STORE_BUSY: {
        readonly retry: true;
        readonly todo: "Recording goes on and is written when the database is free.";
    };
    readonly DISK_FULL: {
        readonly retry: true;
        readonly todo: "Free space on that disk; recording goes on and is written afterwards.";
    };
    readonly DRIVER_MISSING: {
        readonly retry: false;
        readonly todo: "Run `npm install @photostructure/sqlite@1`, or use Node 24 or newer.";
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
        readonly todo: "Check the tracking URI, the option runId or MLFLOW_RUN_ID, and whether the database was removed or replaced while the run was open.";
    };
    readonly RUN_DELETED: {
        readonly retry: false;
        readonly todo: "Restore the run in MLflow to log into it.";
    };
    readonly ARTIFACT_UNREADABLE: {
        readonly retry: false;
        readonly todo: "Everything else of the run goes on.";
    };
    readonly ARTIFACT_REWRITTEN: {
        readonly retry: false;
        readonly todo: "What it holds now is stored; log it with `copy: true` to keep what it held.";
    };
    readonly ARTIFACT_NOT_FOUND: {
        readonly retry: false;
        readonly todo: "Look at what is there with a listing of its folder.";
    };
    readonly ARTIFACT_ROOT: {
        readonly retry: false;
        readonly todo: "";
    };
    readonly ARTIFACT_RENAMED: {
        readonly retry: false;
        readonly todo: "Choose another folder.";
    };
    readonly PACKAGE_MISSING: {
        readonly retry: false;
        readonly todo: "Install what is missing beside pulse-mlflow.";
    };
    readonly ARTIFACT_REFUSED: {
        readonly retry: false;
        readonly todo: "Everything else of the run goes on.";
    };
    readonly REJECTED: {
        readonly retry: false;
        readonly todo: "";
    };
};
/** A stable, documented problem code. */
export type PulseErrorCode = keyof typeof PROBLEMS;
/**
 * The one error class of this package: `code` is stable, `message` says what happened and what to do, `cause` is the original.
 * `instanceof` also holds across two loaded copies (ESM and CommonJS) of the package.
 */
export declare class PulseError extends Error {
    readonly name: string;
    readonly code: PulseErrorCode;
    constructor(code: PulseErrorCode, detail: string, cause?: unknown);
    /** Whether trying the same again later can succeed. */
    get retryable(): boolean;
    static [Symbol.hasInstance](value: unknown): boolean;
}
/** An answer of an MLflow server that refuses: what it called the problem, and the status. */
export declare class MlflowError extends PulseError {
    readonly name: string;
    /** MLflow's own code, such as `INVALID_PARAMETER_VALUE`. */
    readonly errorCode: string;
    /** The status of the HTTP answer. */
    readonly httpStatus: number;
    constructor(code: PulseErrorCode, detail: string, errorCode: string, httpStatus: number, serverMessage?: string);
    static [Symbol.hasInstance](value: unknown): boolean;
}
/** Gives an unknown thrown value as text, whatever it is; of a long one a part. */
export declare function messageOf(error: unknown): string;
export {};

// index.d.ts
export type { ArtifactContent, ArtifactInfo, ArtifactRepository, UploadOptions } from "./artifacts/artifact-repository.js";
export { type RepositoryMaker, registerArtifactRepository } from "./artifacts/registry.js";
export type { Aggregate } from "./capture/aggregate.js";
export type { ArtifactSelector } from "./capture/artifacts.js";
export type { ArgumentFunction, ParamSelector } from "./capture/params.js";
export type { Redactor } from "./capture/redact.js";
export type { LogMetricOptions, Selector, SelectorFunction } from "./capture/selector.js";
export type { ArtifactsOptions, Auth, Durability, OutboxOptions, OutsideRun, PulseConfig, S3Credentials, TlsOptions, } from "./config/options.js";
export type { RunContext } from "./context/scope-storage.js";
export { type DefinedExperiment, defineExperiment, type ExperimentSchema, type ParamKind, type TypedRun, } from "./decorators/define-experiment.js";
export { LogArtifact } from "./decorators/log-artifact.js";
export { LogMetric } from "./decorators/log-metric.js";
export { LogParam, type ParamDecorator } from "./decorators/log-param.js";
export { LogTag } from "./decorators/log-tag.js";
export { type ExperimentDecorator, TrackedExperiment } from "./decorators/tracked-experiment.js";
export { TrackedRun } from "./decorators/tracked-run.js";
export type { Applied, ClassDecoratorToo, LogMetricGoes, LogParamGoes, LogsMetrics, LogsParams, LogsTags, LogTagGoes, MemberDecorator, NamesExperiment, OpensRuns, ParameterDecorator, TrackedExperimentGoes, TrackedRunGoes, } from "./decorators/types.js";
export type { Logger, Stats } from "./diagnostics.js";
export type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "./entities.js";
export { MlflowError, PulseError, type PulseErrorCode } from "./errors.js";
export { bind, currentRun, requireRun, startRun, withRun } from "./run/current.js";
export type { ArtifactBytes, ArtifactOptions } from "./run/data-verbs.js";
export type { ArtifactStream } from "./run/files/chunks.js";
export type { FolderOptions } from "./run/files/files-in.js";
export type { ImageSource, PixelImage } from "./run/files/image.js";
export type { ImageOptions } from "./run/files/images.js";
export type { TableRows } from "./run/files/table.js";
export type { Dataset, InputOptions } from "./run/inputs.js";
export type { ExperimentLog, LoggedExperiment } from "./run/log-experiment.js";
export type { MetricOptions, MetricValue } from "./run/metric-value.js";
export type { CallOptions, CheckedOptions, ErrorClass, Nest, RunOptions, StartOptions } from "./run/options.js";
export type { PlanPart } from "./run/plan.js";
export type { Run } from "./run/run.js";
export type { MetricSchema } from "./run/schema.js";
export { tracked } from "./run/tracked.js";
export { registerTrackingStore, type StoreMaker, type StoreOptions } from "./stores/registry.js";
export type { ReadRun, TrackingReader } from "./stores/tracking-reader.js";
export type { ArtifactPlace, Finding, Outcome, ProbeOptions, RefusedItems, RunChange, RunEnd, RunStart, StoredIds, TrackingStore, } from "./stores/tracking-store.js";
export { configure, createTracker, type FlushOptions, flush, logExperiment, shutdown, stats, type Tracker } from "./tracker.js";

// recorder/accounting.d.ts
import type { Stats } from "../diagnostics.js";
import type { ItemKind } from "./changes/item-kinds.js";
/** Who is told what became of items. */
export interface Account {
    /** The store took so many items, all but `refused` of them. */
    delivered(items: number, refused: number): void;
    /** So many were refused for what they are. */
    rejected(items: number): void;
    /** So many were given up. */
    dropped(items: number): void;
}
/** The books of the files of runs. */
export declare class FileAccounting implements Account {
    /** Rough resident size of what waits in memory. */
    bytes: number;
    /** Files recorded and neither stored nor given up. */
    pending: number;
    constructor(stats: Stats);
    /** One more, of this size, and so much of it in memory. */
    recorded(size: number, bytes: number): void;
    /** So many bytes are no longer in memory. */
    released(bytes: number): void;
    /** It belongs to a run that is not recorded. */
    withdrawn(size: number): void;
    delivered(items: number, refused: number): void;
    rejected(items: number): void;
    dropped(items: number): void;
}
/** The books of one tracker: nobody else writes what was recorded, what became of it, and how much of it is in memory. */
export declare class Accounting implements Account {
    /** Rough resident size of what waits in memory. */
    bytes: number;
    readonly files: FileAccounting;
    constructor(stats: Stats);
    /** Items recorded and neither delivered, rejected nor dropped, without files. */
    get pending(): number;
    /** Whether nothing waits, no file either. */
    get idle(): boolean;
    /** So many items more, of this size in memory in all. */
    recorded(kind: ItemKind, bytes: number, items: number): void;
    /** So many bytes are no longer in memory; fewer than none are more. */
    released(bytes: number): void;
    delivered(items: number, refused: number): void;
    rejected(items: number): void;
    dropped(items: number): void;
    /** A run that sampling has left out. */
    unsampled(): void;
    /** A call that is part of a folded run. */
    folded(): void;
}

// recorder/activities.d.ts
/** Something that is still being made or read, and is recorded when it is there. */
export interface Activity {
    /** The process or the tracker has ended: what comes now is for nobody. */
    readonly over: boolean;
    /** It goes on: who waits for it waits on. */
    progress(): void;
}
/** What is under way and needs turns of the event loop before it can be recorded. Who waits for delivery waits for it, too. */
export declare class Activities {
    /** When one of them last went on, on the clock that is never set back. */
    lastProgress: number;
    constructor(onSettled: () => void);
    get any(): boolean;
    /** Those that are under way now, for `waits`. */
    mark(): ReadonlySet<object>;
    /** Whether some of these are still under way. */
    waits(some: ReadonlySet<object>): boolean;
    /** Does `work`, or, should it fail or the process end before, `otherwise`. Resolves when one of them is done, and never rejects. */
    run(work: (activity: Activity) => Promise<void>, otherwise: (error?: unknown) => void): Promise<void>;
    /** The process or the tracker ends. */
    end(): void;
}

// recorder/buffer/deferred-runs.d.ts
import type { Accounting } from "../accounting.js";
import type { ItemKind } from "../changes/item-kinds.js";
import type { UnfinishedEnd } from "../unfinished.js";
import type { ChangeSink, RunBuffer } from "./run-buffer.js";
/** Who has runs that are not over although nobody has them queued. */
export interface Holder {
    endOpen(end: UnfinishedEnd): void;
    /** The process was asked to stop. */
    askedToStop?(): void;
    /** Ends what is over by the clock. */
    endOverdue?(): void;
}
/** The recorder, as far as it has to do with deferred runs. */
export interface DeferringRecorder extends ChangeSink {
    /** Who defers runs that are not over. */
    readonly held: Set<Holder>;
    readonly accounting: Accounting;
}
/** Gives who defers a run, or has done so. */
export declare const deferralOf: (buffer: RunBuffer) => DeferredRuns | undefined;
/** What becomes of the runs when their root is over. */
export type Verdict = "record" | "drop";
/** A root run and all below it, held back in memory until the root is over: only then is it known whether they are recorded. */
export declare class DeferredRuns implements ChangeSink {
    /** `judge` is asked when the root is over; `failed`: it or one below it did. */
    constructor(recorder: DeferringRecorder, judge: (root: RunBuffer, failed: boolean) => Verdict);
    /** Whether the root is over and not recorded: what is opened below it now is a root of its own. */
    get dropped(): boolean;
    /** Whether nobody knows yet what becomes of the runs. */
    get undecided(): boolean;
    /** Has the runs recorded, whatever becomes of them. */
    record(): void;
    /** Who takes what a run opened now records. */
    get intake(): ChangeSink;
    /** Takes note of a run that was opened with that intake. */
    opened(log: RunBuffer): void;
    admits(kind: ItemKind, key: string): boolean;
    added(log: RunBuffer, kind: ItemKind): void;
    ending(): void;
    /** Ends the runs that are still open, the root last. */
    endOpen(end: UnfinishedEnd): void;
    askedToStop(): void;
}
/** Holds a run and all below it back until one of them fails; `counts` has it counted when none does. */
export declare function recordOnlyIfFailed(recorder: DeferringRecorder, counts?: boolean): DeferredRuns;

// recorder/buffer/gathered-items.d.ts
import type { ExperimentRef, Metric } from "../../entities.js";
import type { ListName, RunChange, RunEnd, RunStart, StoredIds } from "../../stores/tracking-store.js";
import type { Lists } from "../changes/item-kinds.js";
/** The lists of a change but the metrics. */
export type OtherLists = {
    -readonly [K in Exclude<ListName, "metrics">]: Lists[K];
};
/** Whose change a piece is. */
export interface ChangeOwner {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    readonly ids: StoredIds | undefined;
    readonly parent: {
        readonly ids: StoredIds | undefined;
    } | undefined;
}
/**
 * What is gathered of a run and not handed over yet: its start, its lists, its end, in pieces. The base of a run's buffer and no object of
 * its own, since there may be a hundred thousand of them.
 */
export declare class GatheredItems {
    protected putStart(start: RunStart): void;
    protected putMetric(metric: Metric): void;
    /** Takes the first result as a whole; false when there is something already. */
    protected putResult(keys: readonly string[], values: readonly number[], time: number): boolean;
    protected putItem<K extends keyof OtherLists>(name: K, item: Lists[K][number]): void;
    protected putEnd(end: RunEnd): void;
    protected replaceStart(change: (start: RunStart) => RunStart): void;
    /** All of it, whatever has been handed over of the metrics. */
    protected get everything(): Pick<RunChange, "create" | "end"> & Lists;
    protected get holds(): boolean;
    /** How many metrics are not handed over. */
    get metricsLeft(): number;
    /** How many items are no metrics. */
    protected get othersLeft(): number;
    /**
     * The `count` metrics, at most, behind the first `from` of those that are left, as a change; what is no metric goes with the first of those
     * that are left, the end with the last.
     */
    protected piece(from: number, count: number, { runKey, experiment, ids, parent }: ChangeOwner): RunChange;
    /** Lets go of everything but the metrics behind the first `count` that are left, and the end behind them. */
    protected forget(count: number): void;
    /** Lets go of the first `count` metrics that are left: behind a store that never catches up the list would only grow. */
    protected advance(count: number): void;
}

// recorder/buffer/run-buffer.d.ts
import type { DatasetInput, ExperimentRef, Metric, Param, Tag } from "../../entities.js";
import type { PulseError } from "../../errors.js";
import { type RunChange, type RunEnd, type RunStart, type StoredIds } from "../../stores/tracking-store.js";
import { type ItemKind } from "../changes/item-kinds.js";
import type { Unfinished, UnfinishedEnd } from "../unfinished.js";
import { GatheredItems } from "./gathered-items.js";
/** Who takes note of what a run's buffer holds: the recorder, or who defers the run. */
export interface ChangeSink {
    /** Whether there is room for one more metric, param or tag. @default there always is */
    readonly admits?: (kind: ItemKind, key: string) => boolean;
    /** The buffer holds so many items more, of this many bytes in all. */
    added(buffer: RunBuffer, kind: ItemKind, bytes: number, items?: number): void;
    /** The end of a run that the store has as open is recorded. */
    ending(buffer: RunBuffer): void;
}
/** How a run fares in the store, told to those who wait for it. */
export interface RunWatcher {
    /** Everything recorded so far is stored. */
    stored?(ids: StoredIds): void;
    /** The run is created in the store. */
    created?(ids: StoredIds): void;
    /** The store is away; `error.retryable` says whether it may come back. */
    away?(error: PulseError): void;
    /** Some of the run was refused or dropped. */
    lost?(error: PulseError): void;
}
/**
 * One run's way to the store: the change being gathered, and its head, the one that is handed over. Changes stay in order.
 * Whoever carries it further says what has happened; what that makes of its state is decided here.
 */
export declare class RunBuffer extends GatheredItems {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    readonly run: Unfinished;
    /** A signal that asks the process to stop came while it was open. */
    askedToStop: boolean;
    /** Its place in the queue's list, or -1; the list's own. */
    place: number;
    constructor(intake: ChangeSink, run: Unfinished, runKey: string, experiment: ExperimentRef, parent: RunBuffer | undefined);
    /** The run it is a child of, as far as it is to be created as one. */
    get parent(): RunBuffer | undefined;
    /** Items recorded so far, and how many of them are acknowledged, refused, dropped or on disk: what `flush` compares. */
    get recorded(): number;
    get settled(): number;
    /** What is with the store, or to be handed to it again as it is. */
    get head(): RunChange | undefined;
    /** The head is with the store now. */
    get flying(): boolean;
    /** Where the outbox has the head, when that was written down while it was with the store. */
    get headSeq(): number | undefined;
    get queued(): boolean;
    get kept(): boolean;
    /** Since when it holds something, on the clock that is never set back. */
    get since(): number;
    /** The outbox knows that the run is open. */
    get registered(): boolean;
    /** What the store calls it, once created there. */
    get ids(): StoredIds | undefined;
    /** Why it never can be created. */
    get refused(): PulseError | undefined;
    /** Whether the creation is still to be stored. */
    get uncreated(): boolean;
    /** The run's end is recorded. */
    get ended(): boolean;
    /** Children that wait for this run's creation. */
    get children(): readonly RunBuffer[];
    /** The process or the tracker ends with this run open. */
    endUnfinished(end: UnfinishedEnd): void;
    /** Has a watcher told how the run fares. */
    watch(watcher: RunWatcher): void;
    /** Whether somebody waits for news of it. */
    get watched(): boolean;
    /** Tells the watchers, if any. */
    tell<K extends keyof RunWatcher>(what: K, about: Parameters<Required<RunWatcher>[K]>[0]): void;
    start(start: RunStart): void;
    metric(metric: Metric): void;
    /** Takes the run's first result as a whole; false when it has to come metric by metric. */
    result(keys: readonly string[], values: readonly number[], time: number): boolean;
    param(param: Param): void;
    tag(tag: Tag): void;
    input(input: DatasetInput): void;
    /** Has `record` record what all values came to, for which there is always room; the run's end follows. */
    closing(record: () => void): void;
    end(end: RunEnd): void;
    /** What of it is gathered and not handed over. */
    get gathered(): Pick<RunChange, "metrics" | "end"> | undefined;
    /** Goes over to another intake, with everything gathered so far. */
    handOver(intake: ChangeSink): void;
    /** Whether there is nothing to hand over. */
    get empty(): boolean;
    /** How many items there are to hand over, without what follows a head that is to be handed over again. */
    get nextItems(): number;
    /** Gives the change to hand over next, at most `limit` items of it when it is all metrics; what follows stays in order. */
    take(limit: number): RunChange | undefined;
    /**
     * What is not with the store, in pieces of about `limit` items, for writing it down. With `most`, only about as many metrics of it;
     * the rest, and the end, stay for the next time.
     */
    peek(limit: number, most?: number): RunChange[];
    /** So many more items of it are on their way. */
    count(items: number): void;
    /** It holds something that waits; `since` then, when anybody looks how long. */
    enqueue(since?: number): void;
    /** The queue has let it go: false when it holds nothing, else it is to be queued again. */
    requeue(): boolean;
    /** Its head is with the store from now on. */
    fly(now: number): void;
    /** Its head is back. */
    land(): void;
    /** Its head is taken back without an answer: nobody knows what has become of it. */
    recall(): void;
    /** Other items are to be tried in place of the head's. */
    replaceHead(change: RunChange): void;
    /** Nothing more is to become of its head; gives it. */
    settleHead(): RunChange;
    /** The run is created in the store. */
    created(ids: StoredIds): void;
    /** The store will not take some of it; without its creation, nothing at all. */
    lose(error: PulseError, creation: boolean): void;
    /** What `peek` gave with the same `most` is in the outbox, the head, if it is with the store, at `headSeq`. */
    keep(headSeq: number | undefined, items: number, most: number): void;
    /** The outbox need not know any more where the head is. */
    landHead(): void;
    /** The outbox knows that the run is open, or has forgotten it. */
    register(registered: boolean): void;
    /** The outbox has nothing of it any more: all is stored. */
    drained(): void;
    /** The outbox is no more, and what was in it is lost; `holds`: there is something in memory that goes on. */
    abandoned(error: PulseError, holds: boolean): void;
    /** A child waits for this run's creation. */
    awaitedBy(child: RunBuffer): void;
    /** Has the children that wait, or those of them, wait no more, and gives them. */
    free(which?: (child: RunBuffer) => boolean): RunBuffer[];
    /** Cuts the tie to a parent the store refused: the child stands alone, with a tag that names it. */
    orphan(): void;
    /** Takes note that the oldest metrics are dropped, at most `most` of those not yet handed over, and says how many they were. */
    dropMetrics(most?: number): number;
    /** Forgets what is not stored, and says that it is lost. */
    refuse(error: PulseError): void;
}
/** The start of a child whose parent never will be: it stands alone, with a tag that names it. */
export declare function orphaned(create: RunStart): RunStart;

// recorder/changes/item-kinds.d.ts
import type { DatasetInput, Metric, Param, Tag } from "../../entities.js";
import { type ListName, type RunChange } from "../../stores/tracking-store.js";
/** The kinds of items that are recorded of a run; all but the ends have a counter of that name in `stats()`. */
export type ItemKind = "runs" | ListName | "ends";
/** Rough resident sizes, for the memory bound, in bytes. */
export declare const START_BYTES = 512;
export declare const END_BYTES = 96;
export declare const METRIC_BYTES = 128;
/** One kind of items of which a change may hold any number. */
interface ListKind<T, Row> {
    /** Rough resident size of one, in bytes. */
    bytes(item: T): number;
    /** How one is written into an outbox, as JSON. */
    toRow(item: T): Row;
    /** Whether something read from an outbox, which may be damaged, is one. */
    isRow(row: unknown): row is Row;
    fromRow(row: Row): T;
}
type Point = [key: string, value: number | string, timestamp: number, step: number];
/** Whether something read from an outbox is a param or a tag. */
export declare const isPair: (row: unknown) => row is Param & Tag;
/** The one table of kinds: a new kind of items is a row here, a field of the stores' contract, and what each store does with it. */
export declare const LIST_KINDS: {
    readonly metrics: ListKind<Metric, Point>;
    readonly params: ListKind<Param, Param>;
    readonly tags: ListKind<Tag, Tag>;
    readonly inputs: ListKind<DatasetInput, DatasetInput>;
};
/** The lists of a change. */
export type Lists = Pick<RunChange, ListName>;
/** Gives the rough resident size of a change in bytes. */
export declare function bytesOf(change: RunChange): number;
/** Writes a list as rows. */
export declare function toRows<K extends ListName>(name: K, items: Lists[K]): unknown[];
/**
 * Reads a list that was written as rows; one that was not written is empty.
 * @throws TypeError when it is damaged.
 */
export declare function fromRows(name: ListName, rows: unknown): unknown[];
export {};

// recorder/dispatch/change-log.d.ts
import type { ExperimentRef } from "../../entities.js";
import type { PulseError } from "../../errors.js";
import type { Outcome } from "../../stores/tracking-store.js";
/** What is dispatched: a change of a run, or anything else that belongs to one. */
export interface Work {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    /** What is wrong with it is said once for each. @default for all that has none */
    readonly subject?: string | undefined;
}
/** Where work is brought to. */
export interface Target<W extends Work> {
    /** Most items in one call. */
    readonly batchItems: number;
    /** Most runs in one call. @default as many as there are */
    readonly batchRuns?: number | undefined;
    /** How many calls may be under way at once. @default 1 */
    readonly width?: number | undefined;
    apply(work: readonly W[]): Promise<readonly Outcome[]>;
    applySync?(work: readonly W[], waitMs: number): readonly Outcome[];
}
/** What is to become of one piece of work; it says so once for each that was taken. */
export type Decision = 
/** It is stored, all but what is `refused`; `ids` after a creation. */
(Outcome & {
    readonly kind: "done";
})
/** It goes again as soon as the store may be asked; `error` when the store is away. */
 | {
    readonly kind: "again";
    readonly error: PulseError | undefined;
}
/** It goes again, its parts one by one, to find the one that is refused. */
 | {
    readonly kind: "split";
}
/** It goes again without these params, which become tags. */
 | {
    readonly kind: "withoutParams";
    readonly params: readonly string[];
}
/** It goes again after so long; until then its run alone waits. */
 | {
    readonly kind: "later";
    readonly afterMs: number;
    readonly error: PulseError;
}
/** It waits with all others of its experiment until `reopen`. */
 | {
    readonly kind: "denied";
    readonly error: PulseError;
}
/** It is set aside for good. */
 | {
    readonly kind: "rejected";
    readonly error: PulseError;
};
/** Work that was handed out, in the order of a call. */
export interface Batch<W extends Work> {
    readonly work: readonly W[];
    /** Somebody else has taken it over (the process is exiting, its outbox was let go): what becomes of it is of no interest any more. */
    readonly recalled: boolean;
    /** Whether a piece consists of parts that may go one by one. */
    divisible(index: number): boolean;
    /** Takes note of what is to become of each piece, in their order, and tells the account. */
    conclude(decisions: readonly Decision[]): void;
}
/** Where work waits, in memory or in a file; it keeps the order within a run, and children behind their parents. */
export interface ChangeLog<W extends Work> {
    /** Whether `take` may give something. */
    readonly ready: boolean;
    /** Gives what is next, at most `items` items of at most `runs` runs; nothing although it is ready when it has to look further. */
    take(items: number, runs: number): Batch<W> | undefined;
    /** Looks again at what waits for its experiment. */
    reopen(): void;
}

// recorder/dispatch/denied-experiments.d.ts
import type { ExperimentRef } from "../../entities.js";
import type { PulseError } from "../../errors.js";
/** One text for an experiment, whether it is named or has an id. */
export declare const experimentKey: (ref: ExperimentRef) => string;
/**
 * The experiments that the store refuses to these credentials, which it accepts elsewhere. Their runs wait apart, without a request
 * for each: from time to time one goes as a probe, and when it is accepted all the others follow.
 */
export declare class DeniedExperiments {
    /** `retry` is called when what was passed over is to be looked at again. */
    constructor(retry: () => void);
    /** Whether there is any: nothing has to be asked otherwise. */
    get any(): boolean;
    /** Why the runs of each experiment wait, by its key. */
    get reasons(): [experiment: string, reason: string][];
    /** Whether runs of an experiment wait. */
    has(experiment: string): boolean;
    /** Whether runs of an experiment wait and none of them may go now. */
    closed(experiment: string): boolean;
    /** Whether a change of an experiment may go now; of a denied one, one at a time when it is due. */
    admits(experiment: string): boolean;
    /** The one that was let through has got no answer about its experiment, or it is time again: the next may ask. */
    undecided(experiment: string): void;
    /** A change was refused: says whether its whole experiment waits now, or the run alone is to. */
    refused(experiment: string, error: PulseError): "experiment" | "run";
    /** A change was accepted: what waits of its experiment may go. */
    accepted(experiment: string): void;
    stop(): void;
}

// recorder/dispatch/dispatcher.d.ts
import type { Clock } from "../../clock.js";
import type { Diagnostics } from "../../diagnostics.js";
import { PulseError } from "../../errors.js";
import type { ChangeLog, Target, Work } from "./change-log.js";
import { DeniedExperiments } from "./denied-experiments.js";
/** What a timer can wait at most; a longer one would fire at once. */
export declare const MAX_TIMER_MS: number;
/** What a dispatcher works with. */
export interface DispatcherOptions<W extends Work> {
    readonly store: Target<W>;
    readonly diagnostics: Diagnostics;
    readonly clock: Clock;
    /** Called when outcomes are booked. */
    readonly onSettled?: (() => void) | undefined;
    /** Called in a turn of its own before anything is taken. */
    readonly turn?: (() => void) | undefined;
}
/**
 * Brings work from change logs to the store, as much at once as the store likes, and decides what each outcome means: attempts, back-off,
 * what waits apart and what is set aside. The one place that does, for whichever log the work comes from.
 */
export declare class Dispatcher<W extends Work> {
    /** When the store last accepted something, on the clock that is never set back. */
    lastAccepted: number;
    /** The experiments whose runs wait apart. */
    readonly denied: DeniedExperiments;
    constructor(options: DispatcherOptions<W>);
    /** Has it also take from this log. */
    add(log: ChangeLog<W>): void;
    /** Lets a log go. */
    remove(log: ChangeLog<W>): void;
    /** Begins at the end of this turn. */
    schedule(): void;
    /** Begins at once, cutting a wait short. */
    wake(): void;
    /** Sends nothing more. */
    stop(): void;
    /** Resolves when outcomes are booked next, or after `withinMs` milliseconds. */
    nextSettled(withinMs: number): Promise<void>;
    /** Tells those who wait that something was booked, here or elsewhere. */
    notifySettled(): void;
    /** How long the store has been refusing, in milliseconds; 0 while it accepts. */
    get refusingFor(): number;
    /** Whether a run rests because the store denies it alone. */
    isDenied(runKey: string): boolean;
    /** Has the store write one batch before it returns, waiting for locks at most `waitMs`: true when it took it, false when there was none, else why not. */
    writeSync(waitMs: number): boolean | PulseError;
}

// recorder/outbox/file-rows.d.ts
import type { UploadSource } from "../uploads/upload-source.js";
import type { OutboxFile } from "./outbox-file.js";
/** A file as an outbox has it. */
export interface KeptFile {
    readonly seq: number;
    readonly run: string;
    readonly path: string;
    readonly size: number;
    readonly source: UploadSource;
    readonly state: unknown;
}
/** The files that wait in an outbox: what is small in rows, what is larger beside it, and where others of the user's lie. */
export declare class FileRows {
    constructor(file: OutboxFile);
    /** Writes one down and gives its number. */
    put(run: string, path: string, source: UploadSource): number;
    /** Writes down where else the bytes are now. */
    move(seq: number, source: UploadSource): void;
    /** Takes note of how far an upload in parts has come. */
    setState(seq: number, state: unknown): void;
    remove(seq: number): void;
    /** The next ones behind `after`, in their order. Those that are damaged are taken out and given as how many. */
    page(after: number, limit: number): {
        files: KeptFile[];
        damaged: number;
        upTo: number;
    };
    /** The names of those that lie beside the outbox. */
    get stagedNames(): Set<string>;
    /** How many there are, and their size in bytes. */
    get count(): {
        files: number;
        bytes: number;
    };
}

// recorder/outbox/outbox-file.d.ts
import { type SqlValue } from "../../stores/sql/driver.js";
/** What the name of the file beside an outbox ends with that says so. */
export declare const UNSURE = ".unsure";
/**
 * Whether somebody in this process has the file open. POSIX locks are the process's: another copy of the driver, in a worker
 * thread or of another version, would be given the same lock. Must be asked before the file is opened: closing it drops that lock.
 */
export declare function isOpenHere(path: string): boolean;
/** An SQLite file held exclusively: whoever can lock it owns it. */
export declare class OutboxFile {
    readonly path: string;
    /** Whether any of its creations may have been handed over. */
    unsure: boolean;
    /**
     * Opens a file and locks it.
     * @throws the driver's error when another tracker holds it, or it is none of ours.
     */
    constructor(path: string, created?: {
        readonly uri: string;
        readonly now: number;
    });
    /** Whether its files are still where they were made: what is written into removed ones nobody finds. */
    get inPlace(): boolean;
    /** Whether its files are where they were, and somebody has made one of them shorter. */
    get isCut(): boolean;
    /** Says by an empty file beside it, for which there is room on a full disk, that rows may have been handed over without being marked so. */
    markUnsure(): void;
    /** Writes all there is into a new file, which must be empty or absent. */
    copyTo(path: string): void;
    /** Does several things in one transaction. */
    transaction<R>(body: () => R): R;
    /** Gives up the open transaction, if there is one: the process exits from within it, and what is written now is not to be part of it. */
    abandon(): void;
    /** Brings the log of changes into the file, which also makes room in the log. */
    checkpoint(): void;
    /** Lets the file go, so that others may own it. */
    close(): void;
    run(sql: string, ...values: SqlValue[]): {
        lastInsertRowid: number | bigint;
    };
    get(sql: string, ...values: SqlValue[]): Record<string, unknown> | undefined;
    all(sql: string, ...values: SqlValue[]): Record<string, unknown>[];
}

// recorder/outbox/outbox-folder.d.ts
import { Outbox } from "./outbox.js";
/**
 * Where a user's programs keep what is to outlive them, by the customs of the system.
 * @throws Error where there is no such place: a user without a home.
 */
export declare function stateFolder(env?: NodeJS.ProcessEnv): string;
/**
 * The outboxes of one tracking URI: a folder with a file for each tracker that needed one. Links are not followed, and nothing is
 * written or read where another user could change it.
 */
export declare class OutboxFolder {
    /** The tracking URI, without credentials. */
    readonly uri: string;
    /** `root` is the user's state folder when undefined; nothing is asked of the machine before it is needed. */
    constructor(root: string | undefined, uri: string);
    /** Where new outboxes lie, for people too. */
    get path(): string;
    /** Makes a new outbox and holds it. */
    create(now: number, id: string): Outbox;
    /** Makes a new outbox of all that is in one whose file was removed, and empties that. */
    recreate(removed: Outbox, now: number, id: string): Outbox;
    /** The files of this folder, oldest first. */
    files(): string[];
    /** The folder of all tracking URIs; empty where the machine has none. */
    get root(): string;
}
/** Removes an outbox's files, as far as that can be done. */
export declare function removeFiles(path: string): void;
/** The folders there are, each with its URI. */
export declare function outboxFolders(root: string): OutboxFolder[];
/**
 * Takes over an outbox whose tracker is dead; `held` when it lives, `foreign` when the file is of another version or none of ours.
 * @throws PulseError `DRIVER_MISSING`: nothing is known of the file then.
 */
export declare function adopt(path: string): Outbox | "held" | "foreign";
/** Lets go of an outbox; one that holds nothing any more is removed: only its owner gets here. */
export declare function closeOutbox(outbox: Outbox): void;
/** The size of an outbox's files in bytes, and when it was last written. */
export declare function fileFacts(path: string): {
    bytes: number;
    changed: number;
};

// recorder/outbox/outbox-limits.d.ts
import type { Diagnostics } from "../../diagnostics.js";
/** Bounds of all outboxes of a state folder together. */
export interface OutboxLimits {
    /** Most bytes of all files. */
    readonly maxTotalBytes: number;
    /** An outbox of a dead tracker that was last written longer ago is removed, in milliseconds. */
    readonly maxAgeMs: number;
}
/**
 * Removes outboxes of dead trackers that are too old, and then the oldest ones until all files are small enough; says so, with what was in them.
 * Gives how many bytes are left beside `own`, which like those of other living trackers is not touched.
 */
export declare function removeExpired(root: string, own: string | undefined, now: number, limits: OutboxLimits, diagnostics: Diagnostics): number;

// recorder/outbox/outbox-log.d.ts
import type { Diagnostics } from "../../diagnostics.js";
import { PulseError } from "../../errors.js";
import { type RunChange, type StoredIds } from "../../stores/tracking-store.js";
import type { Account } from "../accounting.js";
import type { Batch, ChangeLog } from "../dispatch/change-log.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "./outbox.js";
/** Who is told what becomes of an outbox's runs. */
export interface OutboxListener {
    /** A run is created in the store. */
    created(key: string, ids: StoredIds): void;
    /** Nothing of the run is left in the outbox. */
    drained(key: string): void;
    /** Something of a run was set aside. */
    setAside(key: string, error: PulseError): void;
    /** Nothing more can be delivered. */
    idle?(): void;
    /** The store is away. */
    away(key: string, error: PulseError): void;
    /** The outbox could not be written, or not read; then it is `paused` until somebody says otherwise. */
    failed(error: unknown, what: "reading" | "writing"): void;
}
/** The runs of an outbox as a source of delivery: changes of a run in order, parents before their children. */
export declare class OutboxLog implements ChangeLog<RunChange> {
    outbox: Outbox;
    /** Nothing is taken for now: the disk fails. */
    paused: boolean;
    constructor(outbox: Outbox, dispatcher: Dispatcher<RunChange>, diagnostics: Diagnostics, account: Account, listener: OutboxListener);
    get ready(): boolean;
    /** Whether anything is under way or may be delivered. */
    get idle(): boolean;
    /** Whether a change of the run is with the store, or rests. */
    isBusy(key: string): boolean;
    /** Leaves a run alone: a change of it is with the store already. */
    block(key: string): void;
    /** Goes on with a run. */
    unblock(key: string): void;
    /** Takes no notice of anything any more: the outbox is about to be closed. */
    stop(): void;
    /** Has the children of a run that is created, or never will be, follow. */
    freeChildren(key: string): void;
    reopen(): void;
    take(items: number, runs: number): Batch<RunChange> | undefined;
    /** The outbox can be written again: takes out what was passed over meanwhile. */
    recovered(): void;
}

// recorder/outbox/outbox.d.ts
import type { TerminalStatus } from "../../entities.js";
import type { RunChange, StoredIds } from "../../stores/tracking-store.js";
import type { Lists } from "../changes/item-kinds.js";
import { FileRows } from "./file-rows.js";
import { OutboxFile } from "./outbox-file.js";
import { type KeptChange, type KeptRun, type KeptState, type OutboxSummary } from "./rows.js";
/**
 * Run changes in an SQLite file that one tracker holds for its life. Writing is synchronous, so that it also works while
 * the process exits.
 */
export declare class Outbox extends OutboxFile {
    /** Size of the changes it holds, in bytes. */
    bytes: number;
    /** The highest sequence number given so far. */
    lastSeq: number;
    /** The files of its runs. */
    readonly files: FileRows;
    constructor(path: string, created?: {
        readonly uri: string;
        readonly now: number;
    });
    transaction<R>(body: () => R): R;
    /** Writes a run down, or what is new about it. */
    putRun({ key, experiment, parent, parentId, ids, ended }: KeptState, now: number): void;
    /** Writes one change down and gives its sequence number; `aside` says why the store will not take it. */
    append(change: RunChange, items: number, attempted: boolean, aside?: string): number;
    /** The keys of runs with changes behind `after`, oldest first, each with its experiment as JSON, and where to go on. */
    page(after: number, limit: number): {
        runs: Map<string, string>;
        upTo: number;
    };
    find(key: string): KeptRun | undefined;
    /**
     * A run's next changes, in order, at most `items` items of them but at least one change. One that is damaged is set aside, with all of
     * its run when it is the creation; gives these, too.
     */
    changes(key: string, items: number): {
        found: KeptChange[];
        damaged: {
            items: number;
            reason: string;
        }[];
    };
    /** Marks a creation as handed over, before it is. */
    markAttempted(seq: number): void;
    /** Takes out the changes of a run up to `seq`, which the store has; the run goes with its end. */
    remove(key: string, seq: number): void;
    /** What the store has but could not be taken out, since nothing can be written now: it is passed over from here on. */
    pass(key: string, seq: number, ids: StoredIds | undefined): void;
    /** Takes out what was passed over. */
    takeOutPassed(): void;
    /** Takes out a file that is stored, or never will be. */
    removeFile(key: string, seq: number): void;
    /** Takes note of what the store calls a run, for itself and for its children. */
    setIds(key: string, { runId, experimentId, recreated }: StoredIds): void;
    /** Takes note that a run's end is stored. */
    ended(key: string): void;
    /** Sets the changes of a run up to `seq` aside, with the reason; `whole` does so with all there is and is to come of it. */
    setAside(key: string, seq: number, reason: string, whole: boolean): void;
    /** Replaces all but the start and the metrics of a change. */
    replace(seq: number, change: Lists & Pick<RunChange, "end">): void;
    /** Has what was set aside go again. */
    retrySetAside(): void;
    /** Takes out what is set aside; the children of runs that never are created by that have no parent. */
    dropSetAside(): void;
    /** Takes note of what open runs end as if the tracker dies. */
    noteDeath(status: TerminalStatus | undefined): void;
    /** Takes note that the file can be written. */
    touch(now: number): void;
    /** Takes note, for people, of the experiments whose runs wait because the store denies them, and why. */
    noteDenied(reasons: readonly (readonly [experiment: string, reason: string])[]): void;
    /** Ends the runs a dead tracker has left open: after what is kept of each, an end with the time of its last change. */
    endOpenRuns(): void;
    /**
     * Drops some metrics, until `bytes` of changes are left or that is enough for once: the oldest first, those that are set aside last, and none
     * of the runs that are `busy`. Says how many values that were waiting were dropped, and whether there may be more.
     */
    dropOldestMetrics(bytes: number, busy: (key: string) => boolean): {
        items: number;
        more: boolean;
    };
    /**
     * The same for runs: what is set aside first, then whole runs that have ended and are not created yet, the oldest first. Gives those that
     * were waiting, with their items.
     */
    dropOldestRuns(bytes: number, busy: (key: string) => boolean): {
        runs: {
            key: string;
            items: number;
        }[];
        more: boolean;
    };
    /** Has what may be dropped looked for from the beginning again: what was with the store then may be dropped now. */
    lookAgain(): void;
    /** Takes everything out. */
    clear(): void;
    /** Whether there is nothing in it, not even an open run. */
    get empty(): boolean;
    /** Whether a change up to `seq` still waits, of another experiment than those. */
    waitsUpTo(seq: number, denied?: readonly string[]): boolean;
    /** How many items there are in all. */
    get items(): number;
    /** How many items of a run wait. */
    itemsOf(key: string): number;
    /** Whether a run has changes that wait. */
    holds(key: string): boolean;
    summary(): OutboxSummary;
}

// recorder/outbox/own-outbox.d.ts
import type { Clock } from "../../clock.js";
import type { Diagnostics } from "../../diagnostics.js";
import { PulseError } from "../../errors.js";
import type { RunChange } from "../../stores/tracking-store.js";
import type { Accounting } from "../accounting.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "./outbox.js";
import { type OutboxFolder } from "./outbox-folder.js";
import { type OutboxListener, OutboxLog } from "./outbox-log.js";
/** What a tracker's own outbox is made of. */
export interface OwnOutboxOptions {
    /** Undefined keeps nothing on disk. */
    readonly folder: OutboxFolder | undefined;
    /** Bound of the outbox in bytes. */
    readonly maxBytes: number;
    /** Bound of all outboxes in bytes. */
    readonly maxTotalBytes: number;
    readonly clock: Clock;
    readonly diagnostics: Diagnostics;
    readonly account: Accounting;
    readonly dispatcher: Dispatcher<RunChange>;
}
/** Who is told what becomes of the runs in the own outbox, and of itself. */
export interface OwnOutboxListener extends Omit<OutboxListener, "failed"> {
    /** After it failed, it can be used again. */
    recovered(): void;
    /** What was in it cannot be read any more. */
    lost(error: PulseError): void;
    /** A run was dropped, since the outbox is full. */
    dropped(key: string, error: PulseError): void;
}
/**
 * The outbox of one tracker: made when first needed, and bounded. When the disk fails (it is full, the folder is gone) it is tried
 * again after a while, and memory takes over until then; an outbox that was removed is written anew elsewhere.
 */
export declare class OwnOutbox {
    source: OutboxLog | undefined;
    /** What the outboxes of other trackers take. */
    bytesOfOthers: number;
    constructor(options: OwnOutboxOptions, listener: OwnOutboxListener);
    /** Whether something may be written down, now or when the disk is well again. */
    get usable(): boolean;
    /** Whether what was written down is where somebody else will find it. */
    get safe(): boolean;
    /** Whether something is still to be written that has happened already. */
    get owes(): boolean;
    /** Nobody will try again later: the next write does not wait for its time. */
    lastChance(): void;
    /** The highest sequence number given so far. */
    get lastSeq(): number;
    get path(): string | undefined;
    /** Does something in one transaction, after which it is on disk; false when it cannot be done now and nothing was. */
    write(body: (outbox: Outbox) => void): boolean;
    /** The same for what must be written down some time, because it has happened already. */
    mustWrite(body: (outbox: Outbox) => void, then?: () => void): void;
    /** Whether something written down up to `seq` still waits for the store. */
    waitsUpTo(seq: number): boolean;
    /** Lets go of the outbox when nothing is in it; else its file stays open, for what may still come of its runs. It can be used on. */
    rest(): void;
    /** Lets go of the outbox; its file stays when it holds something. */
    close(): void;
}

// recorder/outbox/rows.d.ts
import type { ExperimentRef } from "../../entities.js";
import { type RunChange, type RunEnd, type RunStart, type StoredIds } from "../../stores/tracking-store.js";
import { type Lists } from "../changes/item-kinds.js";
/** Version of the tables below, kept as SQLite's `user_version`; a file of another one is left alone. */
export declare const OUTBOX_VERSION: 1;
/** Stands in for the table of files in an outbox of version 0.1.0, which has none: such a file may lie on a disk that is full. */
export declare const NO_FILES: string;
/** The tables of an outbox. */
export declare const TABLES: string;
/** One run as an outbox has it. */
export interface KeptRun {
    readonly key: string;
    readonly experiment: ExperimentRef;
    readonly parent: string | undefined;
    /** The store's id of the parent, where that was known. */
    readonly parentId: string | undefined;
    readonly ids: StoredIds | undefined;
    /** Why it never can be created. */
    readonly aside: string | undefined;
}
/** What is written down of a run beside its changes. */
export interface KeptState {
    readonly key: string;
    readonly experiment: ExperimentRef;
    readonly parent: string | undefined;
    readonly parentId: string | undefined;
    readonly ids: StoredIds | undefined;
    readonly ended: boolean;
}
/** One change of a run as an outbox has it. */
export interface KeptChange extends Lists {
    readonly seq: number;
    readonly items: number;
    readonly attempted: boolean;
    readonly create: RunStart | undefined;
    readonly end: RunEnd | undefined;
}
/** What an outbox holds, for people. */
export interface OutboxSummary {
    readonly uri: string;
    /** How many items there are, and in how many runs; those that are set aside, and open runs, included. */
    readonly items: number;
    readonly runs: number;
    /** Runs that something waits of. */
    readonly waitingRuns: number;
    readonly asideItems: number;
    readonly asideRuns: number;
    readonly bytes: number;
    /** When the oldest waiting change was written down, in milliseconds since the epoch. */
    readonly oldest: number | undefined;
    readonly openRuns: number;
    /** Experiments that the store denied to the credentials last tried. */
    readonly denied: readonly {
        readonly experiment: string;
        readonly reason: string;
        readonly runs: number;
    }[];
    readonly setAside: readonly {
        readonly run: string;
        readonly reason: string;
        readonly items: number;
    }[];
}
/** Gives the columns of a change, and how many bytes they are. */
export declare function keptColumns(change: RunChange): {
    start: string | null;
    rest: string | null;
    metrics: string | null;
    bytes: number;
};
/** Gives the column of all lists but the metrics, and the end; null when there is nothing. */
export declare function restOf(change: Lists & Pick<RunChange, "end">): string | null;
/** Reads a row of runs; one that is damaged is set aside for that. */
export declare function keptRun(row: Record<string, unknown>): KeptRun;
/** Says why a row cannot be used. */
export declare function damage(what: string, error: unknown): string;
/**
 * Reads a row of changes.
 * @throws what is wrong with it when it is damaged.
 */
export declare function keptChange(row: Record<string, unknown>, unsure: boolean): KeptChange;

// recorder/recorder.d.ts
import type { ReadClock } from "../clock.js";
import type { Durability } from "../config/options.js";
import type { Diagnostics } from "../diagnostics.js";
import type { ExperimentRef, TerminalStatus } from "../entities.js";
import { PulseError } from "../errors.js";
import type { ReadyStore, RunStart } from "../stores/tracking-store.js";
import { Accounting } from "./accounting.js";
import { type Activity } from "./activities.js";
import type { DeferredRuns, Holder } from "./buffer/deferred-runs.js";
import { RunBuffer } from "./buffer/run-buffer.js";
import type { ItemKind } from "./changes/item-kinds.js";
import type { OutboxFolder } from "./outbox/outbox-folder.js";
import { type OutboxLimits } from "./outbox/outbox-limits.js";
import type { Unfinished, UnfinishedEnd } from "./unfinished.js";
import { type OpenRepository } from "./uploads/upload-target.js";
import { type LoggedContent } from "./uploads/uploads.js";
interface RunOpening {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    readonly parent: RunBuffer | undefined;
}
/** What a recorder is made of. */
export interface RecorderOptions {
    readonly store: ReadyStore;
    readonly diagnostics: Diagnostics;
    readonly clock: ReadClock;
    /** Bound of what waits in memory, in bytes. */
    readonly maxPendingBytes: number;
    /** `flush` gives up this long after the last change the store accepted, in milliseconds. */
    readonly exitTimeoutMs: number;
    /** Who waits for a run's id keeps the process for at most so long, in milliseconds. */
    readonly patienceMs: number;
    readonly durability: Durability;
    /** What the store has not taken this long after it was recorded is written down, in milliseconds. */
    readonly flushIntervalMs: number;
    /** Where it is written down; undefined keeps everything in memory. */
    readonly outboxes: OutboxFolder | undefined;
    /** Bound of the outbox, in bytes. */
    readonly maxOutboxBytes: number;
    /** Bounds of all outboxes of the folder. */
    readonly outboxLimits: OutboxLimits;
    /** Bound of the files that wait beside the outbox, in bytes. */
    readonly maxArtifactBytes: number;
    /** Makes the repository of a run's files at the root that the store names. */
    readonly openRepository: OpenRepository;
}
/**
 * Gathers what runs record into changes and hands them to delivery in the background: the changes of one run in order,
 * a child's creation after its parent's, memory bounded, everything written at the end.
 */
export declare class Recorder {
    readonly store: ReadyStore;
    /** Whether the store can write while the process exits. */
    readonly writesSync: boolean;
    /** How long a wait for delivery goes on, in milliseconds. */
    readonly exitTimeoutMs: number;
    /** How long all waits of the process's end may take, in milliseconds. */
    readonly patienceMs: number;
    readonly accounting: Accounting;
    /** Read also by the exit of other versions of this package. */
    readonly stats: Readonly<Diagnostics["stats"]>;
    /** Who holds runs back that are not over. */
    readonly held: Set<Holder>;
    /** Files are read when they are logged, as far as they are not large: where nothing is on disk that they could be linked to. */
    readsFiles: boolean;
    constructor(options: RecorderOptions);
    /** Makes the log of a new run. `held` has a say in whether it is recorded at all. */
    buffer(run: Unfinished, { runKey, experiment, parent }: RunOpening, held: DeferredRuns | undefined): RunBuffer;
    /** Opens it: its start is the first thing in it. */
    open(log: RunBuffer, start: RunStart, held: DeferredRuns | undefined): void;
    /**
     * Takes note that a run log holds something new; everything goes out at the end of the turn.
     * There is always room: when memory is full, something else gives way.
     */
    added(log: RunBuffer, kind: ItemKind, bytes: number, items?: number): void;
    /**
     * Has something recorded when this turn is over, and at the latest when somebody waits for delivery or the process may end. `about`: what it
     * is read from.
     */
    late(record: () => void, about: unknown): void;
    /** Has something that grows recorded from time to time, and likewise at the latest. */
    grown(record: () => void): void;
    /**
     * Brings a run's files to where it keeps them; false when that was not done within the time.
     * @throws PulseError why one of them never will be there.
     */
    flushFiles(log: RunBuffer, timeoutMs: number): Promise<boolean>;
    /** What the store has of one of a run's tags, once the run is created; undefined where it has none, or cannot say. */
    storedTag(log: RunBuffer, key: string): Promise<string | undefined>;
    /** What a run's artifacts hold under a path, once the run is created; undefined where there is no such file. */
    storedFile(log: RunBuffer, path: string): Promise<Uint8Array | undefined>;
    ending(log: RunBuffer): void;
    /** Takes a file of a run. */
    upload(log: RunBuffer, path: string, content: LoggedContent): void;
    /** Takes a file of a run as its bytes come; resolves when it is here, or never will be. */
    receive(log: RunBuffer, path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
    /**
     * Does what needs turns of the event loop before something can be recorded; flush and the end of the process wait for it. Should it fail, or the
     * process end before, `otherwise` is done. Never rejects.
     */
    during(work: (activity: Activity) => Promise<void>, otherwise: (error?: unknown) => void): Promise<void>;
    /** Brings everything recorded so far to the store; false when it gave up, `exitTimeoutMs` after the store last accepted something. */
    flush(timeoutMs?: number): Promise<boolean>;
    /** Begins delivery at once, without waiting for it. */
    push(): void;
    /**
     * Keeps the process while somebody waits for news of a run, for `patienceMs` at most: then `late` is told what has become of it.
     * Gives how to end the wait.
     */
    hold(log: RunBuffer, late: (error: PulseError) => void): () => void;
    /** Whether a run is on disk, where the next program finds it. */
    isKept(log: RunBuffer | undefined): boolean;
    /** Writes everything down, if that can be done; true when this run is on disk. */
    keep(log: RunBuffer | undefined): boolean;
    /** Ends the open runs and writes everything before it returns, as far as the store can; for the process's `exit`. */
    drainSync(end: UnfinishedEnd): void;
    /** Takes nothing more: this thread is about to be torn down. */
    seal(): void;
    /** Says what is left to say, at the end of the process. */
    sayAll(): void;
    /** Writes everything down before it returns: what happens next may be survived, or not, and then open runs end with `status`. */
    writeDown(status: TerminalStatus): void;
    /** Ends the runs that are still open. */
    endOpenRuns(end: UnfinishedEnd): void;
    /** Takes note that the process was asked to stop while these runs were open, whether it does or not. */
    askedToStop(): void;
    /** The process was asked to stop, and has gone on. */
    forgetDeath(): void;
    get hasOpenRuns(): boolean;
    /** Flushes and closes the store; what cannot be delivered is written down, or dropped and counted. */
    close(timeoutMs?: number): Promise<void>;
    get idle(): boolean;
    /** Whether nothing is left to do, for the store neither. */
    get settled(): boolean;
    /** Brings everything recorded so far to the store, and has it do what it still has to; false when it gave up. */
    settle(): Promise<boolean>;
    /** Writes down what the store has not taken and tells those who wait for it: nobody will wait any longer. */
    giveUp(): void;
    /** Has a store that writes on the event loop write what is queued before it returns. */
    writeSync(): void;
    /** Has all that can be stored before it returns stored, files too: for tests, which look at once. */
    storeNow(): void;
}
export {};

// recorder/unfinished.d.ts
import type { TerminalStatus } from "../entities.js";
/** How runs that are still open end with the process or the tracker. */
export interface UnfinishedEnd {
    readonly status: TerminalStatus;
    /** Nothing went wrong, but the run was not ended by anybody. */
    readonly partial: boolean;
}
/** The run a buffer belongs to: what must be possible with it when the process or the tracker ends. */
export interface Unfinished {
    endUnfinished(end: UnfinishedEnd): void;
}

// recorder/uploads/staging.d.ts
import type { SourceFile, UploadSource } from "./upload-source.js";
export type StagedFile = UploadSource & {
    readonly kind: "staged";
};
/** A file beside the outbox that is still being written. */
export interface StagedWriter {
    write(bytes: Uint8Array): Promise<void>;
    end(): Promise<StagedFile>;
    /** Takes away what was written. */
    abandon(): Promise<void>;
}
/** A file beside the outbox, which nobody else changes or takes away: a second name of the user's own, or a copy. */
export declare class Staging {
    /** `outbox` gives where the outbox lies; undefined while there is none. */
    constructor(outbox: () => string | undefined, newName: () => string);
    /** Where a staged file lies now. */
    locate(source: UploadSource): UploadSource;
    /**
     * Gives a file of the user's a second name here.
     * @throws the error of the file system: another one, a file that may not be linked, or no outbox.
     */
    link(file: SourceFile): StagedFile;
    /** Copies a file. */
    copySync(file: SourceFile): StagedFile;
    /** The same without holding the event loop. */
    copy(file: SourceFile): Promise<StagedFile>;
    /** Writes bytes. */
    write(bytes: Uint8Array): StagedFile;
    /** Begins a file that is written bit by bit. */
    writer(): Promise<StagedWriter>;
    remove(source: UploadSource): void;
}
/** Removes the folder beside an outbox that is no more, with what is in it. */
export declare function removeStaged(outbox: string): void;
/** Has what lies beside an outbox lie beside another one. */
export declare function moveStaged(from: string, to: string): void;
/** Removes what lies beside an outbox and is in none of its rows; its owner died between the two. */
export declare function sweepStaged(outbox: string, names: ReadonlySet<string>): void;

// recorder/uploads/upload-queue.d.ts
import { type ExperimentRef } from "../../entities.js";
import { PulseError } from "../../errors.js";
import type { StoredIds } from "../../stores/tracking-store.js";
import type { Batch, ChangeLog } from "../dispatch/change-log.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import { type UploadSource } from "./upload-source.js";
import type { Upload } from "./upload-target.js";
/** One file that waits. */
export interface WaitingFile {
    readonly runKey: string;
    readonly experiment: ExperimentRef;
    readonly path: string;
    source: UploadSource;
    /** What the store calls the run, once it is created there. */
    ids: StoredIds | undefined;
    /** Its row in the outbox. */
    row?: number | undefined;
    /** How far an upload in parts has come. */
    state?: unknown;
    /** It is being copied to where it is safe: not before. */
    copying?: Promise<void> | undefined;
}
/** Who is told what becomes of files. */
export interface UploadListener {
    stored(file: WaitingFile): void;
    /** It never will be. */
    failed(file: WaitingFile, error: PulseError): void;
    /** Another file has taken its place. */
    replaced(file: WaitingFile): void;
    /** A part of it is stored; `kept`: what is to be known to go on from there has changed. */
    progress(file: WaitingFile, kept: boolean): void;
    rewritten(file: WaitingFile): void;
    /** Where a source lies now. */
    locate(source: UploadSource): UploadSource;
    /** Nothing waits that can be delivered. */
    idle?(): void;
}
/** The files of runs, in the order in which they are to be stored: of one run and path one at a time, none before its run is created. */
export declare class UploadQueue implements ChangeLog<Upload> {
    constructor(dispatcher: Dispatcher<Upload>, listener: UploadListener);
    get ready(): boolean;
    /** Whether nothing is under way or may be without anybody's doing. */
    get idle(): boolean;
    /** All that are not stored. */
    get files(): ReadonlySet<WaitingFile>;
    /** Whether a file waits for a permission. */
    isDenied(file: WaitingFile): boolean;
    /** Takes one more; gives back what waits under the same name and is not under way: nobody needs that any more. */
    add(file: WaitingFile): WaitingFile | undefined;
    /** A run is created: its files may go. */
    created(runKey: string, ids: StoredIds): void;
    /** A run never will be. */
    lost(runKey: string, error: PulseError): void;
    reopen(): void;
    take(): Batch<Upload> | undefined;
    /** What is handed over of a file whose run is created. */
    uploadOf(file: WaitingFile, signal?: AbortSignal): Upload;
    /** Takes one out, whatever becomes of it. */
    drop(file: WaitingFile): void;
    /** Takes back what is under way: nobody will hear what becomes of it. */
    recall(): void;
    /** Takes no notice of anything any more. */
    stop(): void;
}
/** Rough resident size of what waits of a file in memory, in bytes. */
export declare const bytesInMemory: ({ source }: WaitingFile) => number;
/** What is said of a file that was no longer what was logged. */
export declare function rewritten({ source, path }: WaitingFile): PulseError;
/** The tag that says that a file is not there. */
export declare function failureTag(path: string, error: unknown): {
    key: string;
    value: string;
};

// recorder/uploads/upload-source.d.ts
import type { ArtifactContent } from "../../artifacts/artifact-repository.js";
/** A file as it was when it was logged. */
export interface SourceFile {
    readonly path: string;
    readonly size: number;
    readonly changedMs: number;
}
/** Where the bytes of an artifact are until they are stored. */
export type UploadSource = {
    readonly kind: "bytes";
    readonly bytes: Uint8Array;
}
/** A file of the user's, as it lies. */
 | ({
    readonly kind: "file";
} & SourceFile)
/** A file beside the outbox, by its name there. */
 | ({
    readonly kind: "staged";
    readonly name: string;
} & SourceFile);
export declare const sizeOf: (source: UploadSource) => number;
/** A source that is about to be stored, as it is now. */
export interface OpenSource {
    readonly content: ArtifactContent;
    /** It is no longer what was logged. */
    readonly rewritten: boolean;
    /** @throws PulseError `ARTIFACT_UNREADABLE` when it has changed since it was opened. */
    verify(): void;
}
/**
 * Opens a source, to be stored as it is now.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is gone, or cannot be read.
 */
export declare function openSource(source: UploadSource): OpenSource;
/** What a file of the user's holds now; what is large, or no file of the user's, as it came. */
export declare function inMemory<C extends object>(content: C): C | Uint8Array;
/**
 * Looks at a file that is logged; `gone`: what is said of one that is not there.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is no file, or cannot be read.
 */
export declare function sourceFile(path: string, gone?: string): SourceFile;

// recorder/uploads/upload-target.d.ts
import type { ArtifactRepository, UploadOptions } from "../../artifacts/artifact-repository.js";
import { type Outcome, type ReadyStore, type StoredIds } from "../../stores/tracking-store.js";
import type { Target, Work } from "../dispatch/change-log.js";
import { type UploadSource } from "./upload-source.js";
/** A file on its way to where the run keeps its artifacts. */
export interface Upload extends Work {
    readonly ids: StoredIds;
    /** In the run's artifacts. */
    readonly path: string;
    readonly source: UploadSource;
    readonly options: UploadOptions;
    /** Told when a file is no longer what was logged: what it holds now is stored. */
    rewritten(): void;
}
/** Makes the repository at a root that a store has named. */
export type OpenRepository = (root: string) => ArtifactRepository;
/** Where a run's files are brought to: the store says where that is. */
export declare class UploadTarget implements Target<Upload> {
    readonly batchItems: number;
    readonly batchRuns: number;
    readonly width: number;
    constructor(store: ReadyStore, open: OpenRepository);
    apply(uploads: readonly Upload[]): Promise<readonly Outcome[]>;
    /** Stores one before it returns; false where that cannot be done. */
    uploadSync({ ids, path, source, rewritten }: Upload): boolean;
    /**
     * A whole file; undefined where there is none.
     * @throws PulseError as the repository does.
     */
    read(ids: StoredIds, path: string): Promise<Uint8Array | undefined>;
    /**
     * Where a run's files are kept; undefined where they are forgotten.
     * @throws PulseError as the store does; `ARTIFACT_ROOT` where that has no place for files, or has named one that must not be used.
     */
    repository(ids: StoredIds): Promise<ArtifactRepository | undefined>;
    /** Lets go of connections. */
    close(): void;
}

// recorder/uploads/uploads.d.ts
import type { Clock } from "../../clock.js";
import type { Diagnostics } from "../../diagnostics.js";
import { PulseError } from "../../errors.js";
import type { StoredIds } from "../../stores/tracking-store.js";
import type { FileAccounting } from "../accounting.js";
import type { Activity } from "../activities.js";
import type { RunBuffer } from "../buffer/run-buffer.js";
import { Dispatcher } from "../dispatch/dispatcher.js";
import type { OwnOutbox } from "../outbox/own-outbox.js";
import { type StagedFile } from "./staging.js";
import { type WaitingFile } from "./upload-queue.js";
import { type SourceFile } from "./upload-source.js";
import type { Upload, UploadTarget } from "./upload-target.js";
/** What uploads work with. */
export interface UploadsOptions {
    readonly target: UploadTarget;
    readonly diagnostics: Diagnostics;
    readonly clock: Clock;
    readonly account: FileAccounting;
    /** Where files are kept until they are stored. */
    readonly own: OwnOutbox;
    /** Has a run told what becomes of it, though it may lie in the outbox alone. */
    readonly follow: (log: RunBuffer) => void;
    readonly onSettled: () => void;
    /** Bound of what waits in memory, in bytes. */
    readonly maxPendingBytes: number;
    /** Bound of what lies beside the outbox, in bytes. */
    readonly maxArtifactBytes: number;
}
/** What is logged: bytes, which nobody else changes, a file, or what has been put beside the outbox already. */
export type LoggedContent = Uint8Array | (SourceFile & {
    readonly copy: boolean;
}) | StagedFile;
/** The files of this tracker's runs, until they are stored. */
export declare class Uploads {
    readonly dispatcher: Dispatcher<Upload>;
    /** Why the last file of a run that failed never will be there. */
    readonly lost: WeakMap<RunBuffer, PulseError>;
    constructor(options: UploadsOptions);
    /** Takes a file as its bytes come. */
    receive(log: RunBuffer, path: string, chunks: AsyncIterable<Uint8Array>, activity: Activity): Promise<void>;
    /** A file never will be there. */
    refuse(log: RunBuffer, path: string, error: PulseError): void;
    /** What is stored of a run under a path, once it is created; undefined where there is no such file. */
    stored(log: RunBuffer, path: string): Promise<Uint8Array | undefined>;
    /**
     * What the store calls a run, once it is created.
     * @throws PulseError why it never can be.
     */
    created(log: RunBuffer): Promise<StoredIds>;
    /** Takes a file of a run. */
    add(log: RunBuffer, path: string, content: LoggedContent): void;
    /** Writes everything down that is not; false when that cannot be done. */
    keep(): boolean;
    /** Whether files of a run wait. */
    waitsFor(log: RunBuffer): boolean;
    /** What waits now, for `waits`. */
    mark(): WaitingFile[];
    /** Whether some of these wait and may still be stored; those that do not are taken out. Of those that are denied it is said. */
    waits(files: WaitingFile[]): "no" | "denied" | "yes";
    /** Stores what can be stored before it returns, of runs that are created, up to the first that cannot. */
    writeSync(): void;
    /** The process or the tracker ends: what can be stored at once is, the rest is written down, or lost. */
    writeAll(): void;
    /** Sends nothing more. */
    stop(): void;
}

// run/current.d.ts
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import { type StartOptions, type WithRunOptions } from "./options.js";
import { type AnyFunction } from "./plan.js";
import type { Run } from "./run.js";
/**
 * Opens a run, calls `fn` with it in force, and ends it as the result ends: returned → FINISHED, thrown → FAILED.
 * Gives back what `fn` gives.
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * ```ts
 * await withRun({ experiment: "Sweep", params: { lr: 0.1 } }, async (run) => {
 *   run.logMetric("loss", 0.42);
 * });
 * ```
 */
export declare function withRun<R, Known = Untyped, const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>, M extends Checked<S> = ResultCheck<S, R>>(options: WithRunOptions<Known, S, NoInfer<M>>, fn: (run: Run) => R | Known): R;
/**
 * Opens a run that ends when you say so: `run.end()`, or leaving an `await using` block. It is a child of the run open here, if any;
 * code around it does not see it as the current run, and leaving the block by an error ends it FINISHED all the same (use `withRun` for both).
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * ```ts
 * await using run = startRun({ experiment: "Sweep", runName: "by hand" });
 * run.logParam("lr", 0.1);
 * ```
 */
export declare function startRun(options?: StartOptions): Run;
/** The run in force here, or undefined outside any. A run that has ended is in force nowhere, but in what was given to `bind` within it. */
export declare function currentRun(): Run | undefined;
/**
 * The run in force here; one that forgets while tracking is off, and in a call that is not tracked (`when`, or a library's in a program that did not
 * ask for tracking) outside any.
 * @throws PulseError `NO_ACTIVE_RUN` outside any.
 */
export declare function requireRun(): Run;
/**
 * Gives a function that always runs in the run in force now: for listeners of emitters, which otherwise run in the emitter's.
 * @example
 * ```ts
 * socket.on("message", bind((text) => currentRun()?.logMetric("bytes", text.length)));
 * ```
 */
export declare function bind<F extends AnyFunction>(fn: F): F;

// run/data-verbs.d.ts
import { type ArtifactStream } from "./files/chunks.js";
import { type FolderOptions } from "./files/files-in.js";
import { type ImageSource } from "./files/image.js";
import { type TableRows } from "./files/table.js";
import { type Dataset, type InputOptions } from "./inputs.js";
import type { MetricOptions } from "./metric-value.js";
/** Bytes as they come. */
export type ArtifactBytes = ArrayBufferView | ArrayBuffer;
/** How a file is logged. */
export interface ArtifactOptions {
    /**
     * Copies it at once, so that it may be written to afterwards. Without it a file is kept by a second name (a hard link), which is quick and
     * safe from its removal and replacement, but not from being written to in place. @default false
     */
    readonly copy?: boolean | undefined;
}
/**
 * The verbs of a run that log files and datasets, in the order of arguments of Python's client. Each only records and returns: storing goes on in the
 * background, and what is wrong with a file is said once and fails nothing else. (The base of `Run`.)
 */
export declare abstract class DataVerbs {
    /**
     * Logs that the run uses a dataset. A name and a digest are one dataset; MLflow keeps the first use of it in a run, a second one with
     * another context is warned of once.
     * @example
     * run.logInput({ name: "iris", digest: "f3a1c2d4", sourceType: "http", source: { url: "https://example.com/iris.csv" } }, { context: "training" });
     */
    logInput(dataset: Dataset, options?: InputOptions): void;
    /**
     * Logs a file under its name, in folder `artifactPath` of the run's artifacts (without it, at their root). It need not stay: once this returns it may be removed or
     * replaced, where it lies on the same file system as the outbox; else once `await flush()` has resolved.
     * @example
     * ```ts
     * writeFileSync("weights.bin", new Uint8Array([1, 2, 3]));
     * run.logArtifact("weights.bin", "model"); // model/weights.bin
     * ```
     */
    logArtifact(localPath: string, artifactPath?: string, options?: ArtifactOptions): void;
    /**
     * Logs a folder's files, with those of its folders, in folder `artifactPath` of the run's artifacts. Links are not followed unless asked for.
     * @example
     * ```ts
     * mkdirSync("out", { recursive: true });
     * run.logArtifacts("out", "reports", { exclude: ["drafts/**"] });
     * ```
     */
    logArtifacts(localDir: string, artifactPath?: string, options?: FolderOptions & ArtifactOptions): void;
    /**
     * Logs a text as a file, in UTF-8. It is stored as it is, secrets too.
     * @example
     * run.logText("# Report", "report.md");
     */
    logText(text: string, artifactFile: string): void;
    /**
     * Logs a value as a file: as YAML where the name ends in `.yaml` or `.yml`, else as JSON, both as Python's client writes them. What stands under a
     * name of a secret is replaced, as in params.
     * @example
     * run.logDict({ layers: [64, 32] }, "config.json");
     */
    logDict(value: object, artifactFile: string): void;
    /**
     * Logs bytes as a file. They are copied: what is written into them afterwards is not part of it. A Blob is read in the background.
     * @example
     * run.logBytes(new Uint8Array([1, 2, 3]), "weights.bin");
     */
    logBytes(bytes: ArtifactBytes | Blob, artifactFile: string): void;
    /**
     * Logs what a stream gives as a file, read as it comes. Resolves when it is read to its end, and never rejects: a stream that breaks off is
     * warned of, and stores nothing.
     * @example
     * await run.logStream(new Blob(["a,b\n1,2\n"]).stream(), "data.csv");
     */
    logStream(stream: ArtifactStream, artifactFile: string): Promise<void>;
    /**
     * Adds rows to a table, which MLflow shows and `mlflow.load_table` reads: objects, or columns under their names; a record of single values is one
     * row. Parquet (`.parquet`) needs `hyparquet-writer`, and is JSON without it. What is stored each time is the whole table; a resumed run goes on with the one that is stored. Columns a row lacks are null.
     * @example
     * run.logTable([{ digit: 7, guess: 1 }, { digit: 2, guess: 2 }], "guesses.json");
     */
    logTable(rows: TableRows, artifactFile: string): void;
    /**
     * Logs an image as a file: bytes as they are, pixels as PNG.
     * @example
     * run.logImage({ width: 2, height: 1, data: new Uint8Array([0, 255]) }, "pixels.png");
     */
    logImage(image: ImageSource, artifactFile: string): void;
    /**
     * Logs an image into the image grid of MLflow's UI, which shows those of a key by step, with a thumbnail. (WebP thumbnails need `sharp`; without
     * it files of bytes are their own thumbnail.) Without a step it is the highest so far of the key, plus one.
     */
    logImage(image: ImageSource, options: {
        readonly key: string;
    } & MetricOptions): void;
    /**
     * Logs a figure as a file: one of Plotly or Vega-Lite as JSON, or as a page that needs nothing else (`.html`; needs `plotly.js-dist-min`, or
     * `vega`, `vega-lite` and `vega-embed`, without which it is JSON), or a text that is SVG or HTML.
     * @example
     * run.logFigure({ data: [{ x: [1, 2], y: [3, 4], type: "scatter" }], layout: { title: "loss" } }, "loss.json");
     */
    logFigure(figure: object | string, artifactFile: string): void;
}

// run/files/chunks.d.ts
/** What bytes can be read from as they come: a web stream, a stream of Node's, anything that can be walked along with `for await`. */
export type ArtifactStream = ReadableStream<Uint8Array | string> | NodeJS.ReadableStream | AsyncIterable<Uint8Array | string>;
/** Whether a value is a stream, without reading from it. */
export declare function isStream(value: unknown): value is ArtifactStream;
/**
 * Reads a stream to its end.
 * @throws PulseError `INVALID_VALUE` when it gives something that is neither bytes nor text; what the stream itself throws.
 */
export declare function chunksOf(stream: ArtifactStream): AsyncGenerator<Uint8Array, void, void>;

// run/files/files-in.d.ts
/** Which files of a folder are logged. */
export interface FolderOptions {
    /** Only files that one of these patterns matches: `*` within a name, `**` across folders, as in `.gitignore`. @default all */
    readonly include?: readonly string[] | undefined;
    /** No file that one of these matches. @default none */
    readonly exclude?: readonly string[] | undefined;
    /** Follows links to files and folders. @default false */
    readonly followSymlinks?: boolean | undefined;
}
/**
 * Gives the files of a folder and of those in it, with `/`, in the order of their names, and the entries that are none that can be logged.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is no folder, cannot be read, or holds more than 100,000 files.
 */
export declare function filesIn(root: string, options: FolderOptions): {
    files: string[];
    skipped: string[];
};

// run/files/image.d.ts
/** An image by its pixels: row by row, `data.length / (width * height)` values each: 1 is grey, 3 RGB, 4 RGBA. Whole numbers from 0 to 255; of float arrays 0 to 1. */
export interface PixelImage {
    readonly width: number;
    readonly height: number;
    readonly data: ArrayLike<number>;
}
/** An image: its file's bytes (PNG, JPEG, GIF, WebP), its pixels, or what gives the bytes by `toBuffer()` (a canvas, sharp). */
export type ImageSource = ArrayBufferView | ArrayBuffer | PixelImage | {
    toBuffer(type?: string): ArrayBufferView | Promise<ArrayBufferView>;
};
/** Pixels as bytes, with so many of them for each. */
export interface Pixels {
    readonly width: number;
    readonly height: number;
    readonly channels: 1 | 3 | 4;
    readonly data: Uint8Array;
}
/**
 * Checks an image of pixels and copies it.
 * @throws PulseError `INVALID_VALUE` that says what is wrong.
 */
export declare function pixelsOf({ width, height, data }: PixelImage): Pixels;
/** An image of at most `THUMBNAIL` pixels on its longest side: each is the mean of those it stands for. */
export declare function thumbnail(image: Pixels): Pixels;
/** Writes an image as PNG (RFC 2083). */
export declare function png({ width, height, channels, data }: Pixels): Uint8Array;
/** Whether bytes are a file that browsers show as an image, by how it begins. */
export declare function isImageFile(bytes: Uint8Array): boolean;
/** Makes a WebP thumbnail of an image's file. @throws Error where `sharp` is not installed, or cannot read it. */
export declare function smaller(bytes: Uint8Array): Promise<Uint8Array>;
/** A copy of bytes; undefined for what is none. */
export declare function copyOf(bytes: unknown): Uint8Array | undefined;
/** A key of images, as MLflow's UI reads it back from their names. */
export declare function checkImageKey(key: unknown): string;
/** The two files of an image in the grid of MLflow's UI, which reads key, step and time from their names. */
export declare function gridPaths(key: string, step: number, timestamp: number, id: string): {
    image: string;
    thumbnail: string;
};
/** Names that the grid cannot read make MLflow's UI fail for the whole run. */
export declare const spoilsGrid: (path: string) => boolean;

// run/files/images.d.ts
import type { MetricOptions } from "../metric-value.js";
import { type Place } from "../values.js";
import { type ImageSource } from "./image.js";
/** What the images of a run are recorded with. */
export interface ImagesOptions {
    readonly place: Place;
    readonly upload: (path: string, bytes: Uint8Array) => void;
    /** Says that an image is left out. */
    readonly fail: (path: string, error: unknown) => void;
}
/** Where an image goes in the grid of MLflow's UI. */
export type ImageOptions = {
    readonly key: string;
} & MetricOptions;
/** The images of one run. */
export declare class RunImages {
    constructor(options: ImagesOptions);
    /**
     * Logs one as a file.
     * @throws PulseError `INVALID_VALUE` for what is no image.
     */
    file(image: ImageSource, path: string): void;
    /**
     * Logs one into the grid: the image, and a thumbnail, without which the UI shows a broken one. `shown` is called when it is there.
     * @throws PulseError `INVALID_VALUE` for what is no image, or no key.
     */
    intoGrid(image: ImageSource, options: ImageOptions, shown: () => void): void;
}

// run/files/table.d.ts
/** Rows, or columns under their names; a record of single values is one row. */
export type TableRows = readonly object[] | Readonly<Record<string, unknown>>;
/** A table that grows, as MLflow keeps one: what a row lacks is null. */
export declare class Table {
    readonly columns: string[];
    readonly rows: unknown[][];
    /**
     * Adds rows, each value as `plain` gives it.
     * @throws PulseError `INVALID_VALUE` for what is no table.
     */
    add(given: TableRows, plain: (column: string, value: unknown) => unknown): void;
    /**
     * Puts the rows of a stored table before its own.
     * @throws Error when that is no table.
     */
    behind(stored: unknown): Table;
    /** As pandas reads it with orient "split". */
    toJSON(): {
        columns: readonly string[];
        data: readonly (readonly unknown[])[];
    };
}
/**
 * Checks the path of a table.
 * @throws PulseError `INVALID_VALUE`
 */
export declare function checkTablePath(path: string): string;

// run/inputs.d.ts
/** A dataset that a run uses. */
export interface Dataset {
    /** At most 500 characters. */
    readonly name: string;
    /** Tells its contents from others', for instance a part of a hash; at most 36 characters. */
    readonly digest: string;
    /** What kind of place it comes from, such as `local`, `s3`, `http` or `code`. */
    readonly sourceType: string;
    /** Where it comes from: JSON, or an object that becomes JSON, such as `{ uri: "data.csv" }` (`local`, `s3`) or `{ url: "https://…" }` (`http`). */
    readonly source: string | object;
    /** Its columns, such as `{ mlflow_colspec: [{ type: "double", name: "x", required: true }] }`. */
    readonly schema?: string | object | undefined;
    /** What it looks like, such as `{ num_rows: 150, num_elements: 750 }`. */
    readonly profile?: string | object | undefined;
}
/** How a run uses a dataset. */
export interface InputOptions {
    /** What for, such as `training`; MLflow shows it. */
    readonly context?: string | undefined;
    /** What else is to be said of this use. */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
}

// run/log-experiment.d.ts
import type { MetricValue } from "./metric-value.js";
/** One finished run, whole. */
export interface ExperimentLog {
    readonly experiment: string;
    /** @default "run" */
    readonly runName?: string | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly metrics?: Readonly<Record<string, MetricValue>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /**
     * Files, by their path in the run's artifacts: texts, bytes, Blobs, streams, `{ path }` of a file or folder, and objects for names that end in
     * `.json` or `.yaml`.
     */
    readonly artifacts?: Readonly<Record<string, unknown>> | undefined;
    /** @default the configured one */
    readonly trackingUri?: string | undefined;
    /** How long an absent store is waited for, in milliseconds. @default 10000 */
    readonly timeoutMs?: number | undefined;
}
/** Where a logged run is. */
export interface LoggedExperiment {
    readonly runId: string;
    readonly experimentId: string;
    /** The run's page, where there is a server. */
    readonly url?: string;
}

// run/metric-value.d.ts
/** A value MLflow can take as a metric; booleans are 1 and 0. */
export type MetricValue = number | bigint | boolean;
/** When a metric value belongs. */
export interface MetricOptions {
    /** Integer. @default the highest step so far of this run and key, plus one; the first is 0 */
    readonly step?: number | undefined;
    /** Milliseconds since the epoch, or a Date. @default now */
    readonly timestamp?: number | Date | undefined;
}

// run/options.d.ts
import type { ArtifactSelector } from "../capture/artifacts.js";
import type { ArgsOf, ResultSeen, ResultSeenOf, Unless, Wrong } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import type { Run } from "./run.js";
/** What a call does when a run is open already: open a child of it, log into it, or open a run of its own at the top. */
export type Nest = "child" | "join" | "root";
/** A class of errors, also one whose constructor is not public. */
export type ErrorClass = abstract new (...args: any[]) => unknown;
/** What the option `params` may be. */
type RunParams<Path extends string, Args> = Readonly<Record<string, unknown>> | readonly Path[] | Told<[args: Args], Readonly<Record<string, unknown>>>;
/** Options of `withRun` and `startRun` that say which run it is. At most one of `runId`, `parentRunId` and `parent`. */
export interface RunPlace {
    /**
     * The id of a run that the store has: it is resumed, in the experiment it is in, and ends as this one ends; its children that name no experiment
     * are created there, too. Its default steps begin at 0 again. @default a new run
     */
    readonly runId?: string | undefined;
    /**
     * The id, in the store, of a run that was made elsewhere: the new one is a child of it, in its experiment if none is named. (MLflow shows children
     * only there; a run that the store does not know has the child in the configured experiment.) @default none
     */
    readonly parentRunId?: string | undefined;
    /** A handle of the run that the new one is to be a child of, wherever it is called and whether that run is over or not. @default the run open here */
    readonly parent?: Run | undefined;
    /** What MLflow shows as the run's description, as Markdown (tag `mlflow.note.content`). @default none */
    readonly description?: string | undefined;
}
/**
 * A function that the compiler knows the parameters of, and that may be annotated otherwise by whoever knows better (a narrower result):
 * parameters of methods are compared both ways.
 */
type Told<Parameters extends readonly unknown[], Returned> = {
    told(...parameters: Parameters): Returned;
}["told"];
/** What runs and experiments are not named by here: the compiler says so. */
interface Misnamed {
    /** @deprecated Write `runName`. */
    readonly name?: Wrong<"a run is named by runName, an experiment by experiment"> | undefined;
}
/** Options without those that hold paths. */
interface PathlessOptions<Result, Args> extends Misnamed {
    /** @default the class's experiment, else the one the parent run is in, else the configured one, else MLflow's "Default" */
    readonly experiment?: string | undefined;
    /** At most 250 characters; an empty one becomes a made-up name, as in MLflow. @default runtime class `.` method, or the function's name */
    readonly runName?: string | Told<[args: Args], string> | undefined;
    /** Tags of the run. Those of a base class come first. */
    readonly tags?: Readonly<Record<string, unknown>> | Told<[args: Args], Readonly<Record<string, unknown>>> | undefined;
    /** @default "child"; for `@Log…` methods of a tracked class "join" */
    readonly nest?: "child" | "join" | "root" | undefined;
    /**
     * Which calls are recorded: a share from 0 to 1, or a function that says so. Decided at the root and good for all runs below it;
     * what is left out is held back in memory (at most 1000 runs, and of metrics, params and tags each) and recorded after all when it fails. @default 1
     */
    readonly sample?: number | Told<[args: Args], boolean | number> | undefined;
    /**
     * The first so many calls of a method in a second, wherever they are made, are runs; the others become one run `<name> (folded)` (below the run they were
     * all made in, if it is one) with tag `pulse.folded` (how many calls), `<key>.count`, `.mean`, `.min`, `.max`, `.p50`, `.p95`, `.p99` of each metric, and metric `errors` (how many of them failed). The first of them that fails is a run of its own instead. @default no limit
     */
    readonly maxRunsPerSecond?: number | undefined;
    /**
     * What counts as one for `maxRunsPerSecond`, and how the folded run is named: calls with the same key are counted together, whatever they are called.
     * @default the method; of `withRun` the run's name and the function's, of the first 100 names of an experiment and second: the others are counted as one
     */
    readonly foldKey?: string | undefined;
    /** Results that are failures: a call for which this returns true, or the reason as a text or error, ends FAILED. Of a generator each value is asked about. */
    readonly failOn?: Told<[result: Result, args: Args], boolean | string | Error | null | undefined> | undefined;
    /** Errors that are none: classes, names (`"NotFoundError"`) or a function. The run ends FINISHED, with tag `pulse.ignored_error`; the error is thrown all the same. */
    readonly ignore?: readonly (ErrorClass | string)[] | Told<[error: Untyped, args: Args], boolean> | undefined;
    /** Calls for which this returns false are not tracked at all. @default every call */
    readonly when?: Told<[args: Args], boolean> | undefined;
    /**
     * The code is a library's: its calls are tracked only where the program it is used in has asked for tracking, by `configure()`, a
     * configuration file, a tracker or run in force, MLFLOW_TRACKING_URI and the like, or decorators and functions of its own without this option. @default false
     */
    readonly library?: boolean | undefined;
}
/** Options of the class and method decorators, `tracked`, `withRun` and `startRun`. Functions of `args` get the list of the call's arguments. */
export interface RunOptions<Result = Untyped, Args = Untyped> extends PathlessOptions<Result, Args> {
    /** Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. Those of a base class come first. */
    readonly params?: RunParams<string, Args> | undefined;
}
/** Options of what has a result to take metrics from: `tracked`, `withRun`, `@TrackedRun` and `@TrackedExperiment` on a method. */
export interface CallOptions<Result = Untyped, Args = Untyped> extends RunOptions<Result, Args> {
    /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
    readonly metrics?: Selector<Result, Args> | undefined;
    /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
    readonly artifacts?: ArtifactSelector<Result, Args> | undefined;
}
/** `CallOptions` of a decorator, whose paths the compiler knows. */
export interface PathOptions<Metrics, Param extends string> extends PathlessOptions<Untyped, Untyped[]> {
    /** Files to make of what the method returns, as `@LogArtifact` does. @default none */
    readonly artifacts?: ArtifactSelector | undefined;
    /** Metrics to take from what the method returns, as `@LogMetric` does. @default none */
    readonly metrics?: Metrics | undefined;
    /** Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. Those of a base class come first. */
    readonly params?: RunParams<Param, Untyped[]> | undefined;
}
/** Options of `tracked`, whose functions know the result and the arguments of the function. */
interface FunctionOptions<F, Metrics, Param extends string, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
    /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
    readonly artifacts?: ArtifactSelector<ResultSeenOf<F>, Args> | undefined;
    /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
    readonly metrics?: Metrics | undefined;
    /** Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. */
    readonly params?: RunParams<Param, Args> | undefined;
}
/** The same where something is wrong with paths: what, stands in their place. */
interface WrongFunctionOptions<F, BadMetric, BadParam, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
    readonly artifacts?: ArtifactSelector<ResultSeenOf<F>, Args> | undefined;
    readonly metrics?: Unless<BadMetric, Untyped>;
    readonly params?: Unless<BadParam, Untyped>;
}
/** Options of `tracked`: paths are checked against the function. `BadMetric` and `BadParam` are what is wrong with them. */
export type CheckedOptions<F, Metrics, Param extends string, BadMetric, BadParam, Args = ArgsOf<F>> = Unless<BadMetric, Unless<BadParam, true>> extends true ? FunctionOptions<F, Metrics, Param, Args> : WrongFunctionOptions<F, BadMetric, BadParam, Args>;
/** Options of `withRun`, whose function has no arguments to take; its functions know the result where it is known before them. */
interface BlockOptions<Result, Metrics> extends PathlessOptions<ResultSeen<Result>, Untyped>, RunPlace {
    /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
    readonly artifacts?: ArtifactSelector<ResultSeen<Result>> | undefined;
    /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
    readonly metrics?: Metrics | undefined;
    /** Fixed params, or a function. */
    readonly params?: RunParams<string, Untyped> | undefined;
}
interface WrongBlockOptions<Result, BadMetric> extends BlockOptions<Result, Untyped> {
    readonly metrics?: Unless<BadMetric, Untyped>;
}
/** Options of `withRun`, likewise. */
export type WithRunOptions<Result, Metrics, BadMetric> = Unless<BadMetric, true> extends true ? BlockOptions<Result, Metrics> : WrongBlockOptions<Result, BadMetric>;
/** Options of `startRun`, which has no call: nothing to take arguments from, and no run of somebody else's to end. */
export interface StartOptions extends RunPlace, Misnamed {
    /** @default the parent run's experiment, else the configured one, else MLflow's "Default" */
    readonly experiment?: string | undefined;
    /** At most 250 characters; an empty one becomes a made-up name, as in MLflow. @default "run" */
    readonly runName?: string | undefined;
    readonly params?: Readonly<Record<string, unknown>> | undefined;
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /** @default "child" */
    readonly nest?: "child" | "root" | undefined;
    /** The share of runs that are recorded, from 0 to 1, and those that end FAILED or KILLED. @default 1 */
    readonly sample?: number | undefined;
    /** As for the decorators. @default false */
    readonly library?: boolean | undefined;
}
export {};

// run/plan.d.ts
/** Any function; arguments and `this` go through untouched. */
export type AnyFunction = (this: any, ...args: any[]) => any;
/** What one decorator, or `tracked`, asks for. */
export interface PlanPart {
    /** Its name, or that of the function. */
    readonly decorator: string;
    readonly selector?: unknown;
    readonly options?: unknown;
    /** The position of the parameter it stands on. */
    readonly parameter?: number;
}

// run/run-host.d.ts
import type { Redactor } from "../capture/redact.js";
import type { Clock } from "../clock.js";
import type { ResolvedConfig } from "../config/resolve.js";
import type { Diagnostics } from "../diagnostics.js";
import type { Recorder } from "../recorder/recorder.js";
/** What runs need of the tracker they belong to. */
export interface RunHost {
    readonly config: ResolvedConfig;
    readonly recorder: Recorder;
    readonly diagnostics: Diagnostics;
    readonly clock: Clock;
    readonly redact: Redactor;
    /** Whether it was the default one, and another is now. */
    readonly replaced: boolean;
    /** How many of its runs are open. */
    opened: number;
    /** Gives, once, the id of the run that the first top-level run of the process resumes (MLFLOW_RUN_ID). */
    takeResumeId(): string | undefined;
}

// run/run.d.ts
/// <reference lib="esnext.disposable" preserve="true" />
import { DataVerbs } from "./data-verbs.js";
import type { MetricOptions, MetricValue } from "./metric-value.js";
/**
 * A handle on one MLflow run, usable at once: the id is the run's own before any store has seen it.
 * Every verb only records and returns; delivery happens in the background.
 */
export declare class Run extends DataVerbs {
    /** 32 hex digits; in an embedded store also the id MLflow shows. */
    readonly id: string;
    /** Name (or, when configured by id, the id) of the experiment; of a resumed run and its children the configured one: only the store knows theirs. */
    readonly experiment: string;
    /** Whether the run has ended; what is logged afterwards is still recorded, as in MLflow. */
    get ended(): boolean;
    /**
     * The id under which the store knows the run, once it is created there. A run that sampling or folding holds back is recorded by asking for it.
     * Who waits for it keeps the process alive, for `requestTimeoutMs` at most.
     * @throws (rejects) PulseError when the run cannot be stored, when it is not within `requestTimeoutMs` (`KEPT_FOR_LATER` when it is on disk,
     * else `STORE_UNAVAILABLE`), or tracking is off (`DISABLED`).
     */
    serverId(): Promise<string>;
    /**
     * Logs one value of a metric. Keys MLflow would refuse are mended, a value that is no number is left out; both warn once.
     * @example
     * run.logMetric("loss", 0.42, { step: 3 });
     */
    logMetric(key: string, value: MetricValue, options?: MetricOptions): void;
    /** Logs several metrics at the same moment. */
    logMetrics(metrics: Readonly<Record<string, MetricValue>>, options?: MetricOptions): void;
    /** Logs a param. The first value of a key stays; another one is kept in tag `pulse.conflict.<key>` and warned of once. */
    logParam(key: string, value: unknown): void;
    /** Logs several params. */
    logParams(params: Readonly<Record<string, unknown>>): void;
    /** Sets a tag; the last value stays. */
    setTag(key: string, value: unknown): void;
    /** Sets several tags. */
    setTags(tags: Readonly<Record<string, unknown>>): void;
    /** Ends the run; only the first end counts. @param status @default "FINISHED" */
    end(status?: "FINISHED" | "FAILED" | "KILLED"): void;
    /** Ends the run when an `await using` block is left. */
    [Symbol.asyncDispose](): Promise<void>;
}

// run/schema.d.ts
/** What is known of a metric beforehand. */
export interface MetricSchema {
    /** What it is counted in, for instance `"nats"` or `"ms"`; stored as tag `pulse.unit.<metric>`. */
    readonly unit?: string | undefined;
    /** Which way is better; stored as tag `pulse.goal.<metric>`. */
    readonly goal?: "minimize" | "maximize" | undefined;
    /** The least and the greatest value that make sense; others are logged, counted and warned of. */
    readonly range?: readonly [min: number, max: number] | undefined;
}

// run/tracked.d.ts
import type { ArgsOf, Checked, MetricCheck, ParamCheck, ResultSeenOf, SelectorFor } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import { type CheckedOptions } from "./options.js";
import { type AnyFunction } from "./plan.js";
/**
 * Gives a function that opens a run at every call, and otherwise is the one given: same `this`, arguments, result, errors,
 * name, length and types.
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * ```ts
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { experiment: "Sweep", params: ["lr"], metrics: "loss" });
 * await train(0.1); // one FINISHED run: param lr, metric loss
 * ```
 */
export declare function tracked<F extends AnyFunction, const S extends SelectorFor<ResultSeenOf<F>, ArgsOf<F>> = Selector<ResultSeenOf<F>, ArgsOf<F>>, A extends string = string, M extends Checked<S> = MetricCheck<S, never, F, "what the function returns">, P extends Checked<A> = ParamCheck<A, F, "function">, Args extends readonly Untyped[] = ArgsOf<F>>(fn: F, options?: CheckedOptions<F, S, A, NoInfer<M>, NoInfer<P>, Args>): F;

// run/values.d.ts
import { type EmitValue } from "../capture/params.js";
import { type Tag } from "../entities.js";
import { type PulseErrorCode } from "../errors.js";
import type { RunHost } from "./run-host.js";
/** Where something is recorded, for what is said of it: a run, or one that is about to be opened. */
export interface Place {
    readonly host: RunHost;
    /** Class and method that opened it. */
    readonly method: string | undefined;
    readonly runName: string;
    readonly experiment: string;
}
/** Says, once for each method and what it is about, what is wrong; and where. `method`: the one that records, which may have joined the run. */
export declare function warnAt(place: Place, method: string | undefined, code: PulseErrorCode, detail: string, about: string, cause?: unknown): void;
/** Walks along a record of the user's, which may have getters that throw. */
export declare function eachOf(place: Place, verb: string, record: object, visit: EmitValue): void;
/** Says that a key is stored under another name: mended, or because it would be what another one was mended to, or that of another place (`apart`). */
export declare function sayMended(place: Place, method: string | undefined, key: string, clean: string, stored: string, apart: boolean): void;
/** Says that a metric is none. */
export declare function sayNoNumber(place: Place, method: string | undefined, key: string, value: unknown): void;
/** A value as the number that is stored. */
export declare function numberOf(place: Place, method: string | undefined, key: string, value: number | bigint | boolean): number;
/** The tag that holds what a key was, or where it is from. */
export declare function keyTag(place: Place, stored: string, given: string, method: string | undefined): Tag;
/** A step or a time as the integer it must be. */
export declare function integerOf(place: Place, given: unknown, what: string, key: string, fallback: number, method: string | undefined): number;
/** Says, once for each name, that the rules have taken something for a secret. */
export declare function sayRedacted(host: RunHost, name: string, given: unknown, text: string): void;
/** The text of a param or tag: redacted, then cut. That of an error may be cut, and may lose secrets, without a word. */
export declare function textOf(place: Place, key: string, value: unknown, limit: number, method: string | undefined, ofError?: boolean): string;

// stores/registry.d.ts
import { type TrackingStore } from "./tracking-store.js";
/**
 * What a store is given beside its URI.
 * @experimental
 */
export interface StoreOptions {
    /** How long one attempt to store something may take, in milliseconds. */
    readonly requestTimeoutMs: number;
}
/**
 * Makes the store that a tracking URI names, a new one for each call: each tracker closes its own. It opens nothing before the first
 * change. It is given the URI as it stands, with what credentials are in it, and no others.
 * @throws an error that says what is wrong with the URI.
 * @experimental
 */
export type StoreMaker = (uri: string, options: StoreOptions) => TrackingStore;
/**
 * Has tracking URIs of a scheme go to a store of your own, in the whole process, from now on: `jsonl:./runs.jsonl` for scheme `"jsonl"`.
 * Call it before the first run; what is recorded earlier for such a URI is refused. Registering a scheme again replaces what was there;
 * trackers that exist keep their store. Schemes of MLflow that are not there yet (`file`, `s3`, `postgresql`, …) may be registered until a
 * later release brings its own store for them.
 * @throws PulseError `INVALID_OPTION` for a scheme that is none, or one of this package's own, and for a `make` that is no function.
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

// stores/sql/driver.d.ts
import type { SqlValue } from "./sql-values.js";
export type { SqlValue } from "./sql-values.js";
/** A prepared statement, as `node:sqlite` has it. */
export interface Statement {
    run(...values: SqlValue[]): {
        changes: number | bigint;
        lastInsertRowid: number | bigint;
    };
    get(...values: SqlValue[]): Record<string, unknown> | undefined;
    all(...values: SqlValue[]): Record<string, unknown>[];
}
/** An open database, as `node:sqlite` has it. */
export interface Database {
    readonly isTransaction: boolean;
    exec(sql: string): void;
    prepare(sql: string): Statement;
    close(): void;
}
/** The name of the opened file within its connection; whatever names no table of the file must say it. */
export declare const FILE: "file";
/** How a file is opened. */
export interface OpenOptions {
    /** How long a lock is waited for, in milliseconds. @default 0 */
    readonly waitMs?: number;
    /** Takes the lock for as long as the file is open. */
    readonly exclusive?: boolean;
}
/**
 * Opens a database file; the driver is loaded at the first need, so that importing the package stays cheap.
 * It is attached to a connection that has no file of its own: @photostructure/sqlite finalizes statements only when they are
 * collected, and a connection keeps its main file open, with its locks, until then; what is detached is closed at once.
 */
export declare function openDatabase(path: string, { waitMs, exclusive }?: OpenOptions): Database;
/** Gives up the open transaction, if there is one. */
export declare function rollback(db: Pick<Database, "exec">): void;
/**
 * Loads the driver, and gives its name.
 * @throws PulseError `DRIVER_MISSING`
 */
export declare function loadSqlite(): string;
/**
 * Gives a double as it must be bound to a FLOAT column. @photostructure/sqlite 1.2.1 binds what is up to 2.2e-16
 * above an integer as that integer, so that 1e-20 would become 0; as text the column's affinity makes it the same double.
 */
export declare function real(value: number): SqlValue;
/** SQLite's primary result codes that ask for different answers. */
export declare const SQLITE: {
    readonly BUSY: 5;
    readonly LOCKED: 6;
    readonly READONLY: 8;
    readonly IOERR: 10;
    readonly CORRUPT: 11;
    readonly FULL: 13;
    readonly CANTOPEN: 14;
    readonly TOOBIG: 18;
    readonly CONSTRAINT: 19;
    readonly MISMATCH: 20;
    readonly NOTADB: 26;
};
/** Gives the primary result code of a driver's error, or undefined when it is none of SQLite's. */
export declare function sqliteCode(error: unknown): number | undefined;
/** Whether a driver's error says that the file is no database any more: what was in it cannot be read. */
export declare function isDamaged(error: unknown): boolean;

// stores/sql/sql-values.d.ts
/** What a column can be given. */
export type SqlValue = string | number | bigint | Uint8Array | null;
/** A row of an answer. */
export type SqlRow = Readonly<Record<string, unknown>>;

// stores/tracking-reader.d.ts
import type { DatasetInput } from "../entities.js";
/**
 * A run as a store has it.
 * @experimental
 */
export interface ReadRun {
    /** The experiment's name. */
    readonly experiment: string;
    readonly name: string;
    /** In MLflow's words: `RUNNING`, `FINISHED`, `FAILED`, `KILLED`. */
    readonly status: string;
    /** Milliseconds since the epoch. */
    readonly startTime: number;
    /** Milliseconds since the epoch; null while the run is open. */
    readonly endTime: number | null;
    readonly params: Readonly<Record<string, string>>;
    readonly tags: Readonly<Record<string, string>>;
    /** Every point of every metric, by step, timestamp and value. */
    readonly metrics: Readonly<Record<string, readonly (readonly [step: number, timestamp: number, value: number])[]>>;
    /** The datasets it has used, each once. @default none */
    readonly inputs?: readonly DatasetInput[] | undefined;
}
/**
 * Where stored runs are read: what a store may offer beside being a `TrackingStore`.
 * @experimental It holds what is there today and will grow.
 */
export interface TrackingReader {
    /** One run, by the id the store has given it; undefined when there is none. */
    readRun(runId: string): Promise<ReadRun | undefined>;
}

// stores/tracking-store.d.ts
import type { ArtifactRepository } from "../artifacts/artifact-repository.js";
import type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../entities.js";
import { PulseError } from "../errors.js";
/**
 * How a run starts.
 * @experimental
 */
export interface RunStart {
    /** Also the run's tag `mlflow.runName`; when that is set later, the run has another name. */
    readonly name: string;
    /** Milliseconds since the epoch. */
    readonly startTime: number;
    readonly userId: string;
    /** Tags every run of this process carries (`mlflow.user`, `mlflow.source.*`); shared between runs, never changed. */
    readonly sourceTags: readonly Tag[];
    /** The parent's `runKey`, when this is a child run: tag `mlflow.parentRunId` has its id. */
    readonly parentKey: string | undefined;
    /** The run exists in the store already, `runKey` is its id there, and it is opened again: `RUNNING`, without an end. The rest here is of no account. */
    readonly resume: boolean;
}
/**
 * How a run ends.
 * @experimental
 */
export interface RunEnd {
    readonly status: TerminalStatus;
    /** Milliseconds since the epoch. */
    readonly endTime: number;
    /**
     * Only if nobody has ended it yet; its end is then no earlier than its last metric. For runs whose process died: one that is not there
     * was never created, and nothing is to be done.
     */
    readonly ifRunning?: boolean | undefined;
}
/**
 * The ids under which the store knows a run.
 * @experimental
 */
export interface StoredIds {
    readonly runId: string;
    readonly experimentId: string;
    /** The run had to be created a second time, because nobody knows what became of the first: there may be a twin. */
    readonly recreated?: boolean | undefined;
}
/**
 * What was recorded of one run since its last change. A store uses of it what it can; the ids it gave come back with every later change.
 * @experimental
 */
export interface RunChange {
    /** The run's id on our side, 32 hex digits, the same in every change of the run. A store may take it for its own id. */
    readonly runKey: string;
    /** By name, and made when there is none of that name; or by the id of one that exists; or, before either, that of another run (`of`). */
    readonly experiment: ExperimentRef;
    /** What the store answered to the run's creation; undefined before it, and where that was forgotten. */
    readonly ids: StoredIds | undefined;
    /** The store's id of the parent, where it is known; a child is created after it. */
    readonly parentId: string | undefined;
    /**
     * The creation, or this very change, was handed over before, and nobody knows what became of it: a store that gives ids of its own looks
     * first whether the run is there. It says nothing about whether anything arrived; and other changes may come again without it.
     */
    readonly attempted: boolean;
    /** The run is to be made; undefined when it was. */
    readonly create: RunStart | undefined;
    readonly metrics: readonly Metric[];
    readonly params: readonly Param[];
    readonly tags: readonly Tag[];
    readonly inputs: readonly DatasetInput[];
    readonly end: RunEnd | undefined;
}
/**
 * Items of a change that the store will never take; it has the others.
 * @experimental
 */
export interface RefusedItems {
    readonly what: "metric" | "param" | "tag" | "input";
    readonly key: string;
    /** How many of the change's items these are; 0 for what is part of the run's start. */
    readonly items: number;
    readonly error: PulseError;
}
/**
 * What became of one change. The `error` is a `PulseError`, whose code says what people can do: of a store that is away
 * `STORE_UNAVAILABLE`, `STORE_BUSY` (a lock; said only when it lasts) or, where somebody must mend something first, another one that is not
 * `retryable` (`UNAUTHORIZED`, `NOT_WRITABLE`, …; `logExperiment` then rejects at once); of a change that is rejected `EXPERIMENT_NOT_FOUND`,
 * `EXPERIMENT_DELETED`, `RUN_NOT_FOUND`, `RUN_DELETED`, else `REJECTED`.
 * @experimental
 */
export type Outcome = 
/** It is stored, all but `refused`; `ids` after a creation. */
{
    readonly kind: "done";
    readonly ids?: StoredIds;
    readonly refused?: readonly RefusedItems[];
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
/**
 * The experiment or run of this change may not be written with these credentials, which the store accepts elsewhere:
 * it waits apart with others of its experiment, and everything else goes on.
 */
 | {
    readonly kind: "denied";
    readonly error: PulseError;
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
 * What a probe has found out, for people.
 * @experimental
 */
export interface Finding {
    /** What was looked at, in a word or two. */
    readonly what: string;
    /** `bad` is a reason why nothing can be stored; `note` is worth knowing. */
    readonly verdict: "ok" | "note" | "bad";
    readonly detail: string;
    /** What to do about it. */
    readonly todo?: string | undefined;
}
/**
 * How far a probe may go.
 * @experimental
 */
export interface ProbeOptions {
    /** Also writes a run into experiment "pulse-mlflow doctor", and takes it away again where that can be done. */
    readonly write: boolean;
}
/**
 * Where the files of a run are kept.
 * @experimental
 */
export type ArtifactPlace = string | ArtifactRepository | undefined;
/**
 * Where run changes go. `apply` is idempotent: the changes of a run, replayed in order from any earlier
 * point, end in the same state; retry and replay after a crash rely on exactly this. What comes again may be cut otherwise, two changes as
 * one or one as two, so what is there is told by its items: a param or tag by its key, a point by key, step, timestamp and value, a dataset
 * by name and digest.
 *
 * Only `apply` and `close` must be there. `trackingStoreContract` of `pulse-mlflow/testing` tests what a store promises.
 * @experimental It may still change in a minor version.
 */
export interface TrackingStore {
    /**
     * The store's address, absolute and always the same for the same place: what the store does not take is kept on disk under it (an
     * outbox), for this process and for later ones, in whatever folder they run. Credentials in it are hidden. Of these the user's name in
     * `scheme://user:password@host` tells two places apart; what differs in nothing but passwords, tokens and keys is one. Without an
     * address, what waits is only ever in memory.
     */
    readonly uri?: string | undefined;
    /**
     * Most items one `apply` should get (a run's start, its end, each metric, param and tag is one): bounds how long a store that
     * works on the event loop holds it. A single change may hold more. @default 1000
     */
    readonly batchItems?: number | undefined;
    /** Most runs one `apply` should get. @default any number */
    readonly batchRuns?: number | undefined;
    /** How many calls of `apply` may be under way at once; never two for the same run. @default 1 */
    readonly width?: number | undefined;
    /** What it holds is gone with the process: nothing is kept on disk for it, and the end of the process does not wait for it. @default false */
    readonly volatile?: boolean | undefined;
    /**
     * Applies changes, each of another run, and says what became of each, in the same order; what it is given, it does not change. Never
     * rejects for a change's sake: a rejected promise means that the store is away, and all of them come again.
     */
    apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
    /** The same before it returns, waiting for locks at most `waitMs` milliseconds; for process exit and full memory. What it throws means: away. */
    applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
    /**
     * Where the files of a run are kept: the root's URI, or a repository of the store's own; undefined where they are forgotten. Commands
     * know a run by its id alone: `experimentId` is empty then.
     * @default there is no place for files: each is refused
     */
    artifactsOf?(ids: StoredIds): ArtifactPlace | Promise<ArtifactPlace>;
    /**
     * What the store has of one of a run's tags, which others may have set, too; undefined where it has none.
     * @default not known: what a resumed run adds to such a tag takes the place of what is there
     */
    tagOf?(ids: StoredIds, key: string): string | undefined | Promise<string | undefined>;
    /** The page where people look at a run, when there is one. */
    runUrl?(ids: StoredIds): string;
    /** Whether it has something to look after that nobody waits for: `settle` does it now, in a few seconds at most. `close` does so, too. */
    readonly unsettled?: boolean | undefined;
    settle?(): Promise<void>;
    /** Looks whether the store can be used, for `pulse-mlflow doctor`; changes nothing unless told to. */
    probe?(options: ProbeOptions): Promise<readonly Finding[]>;
    /** Lets go of files and connections; idempotent. */
    close(): Promise<void>;
}

// tracker.d.ts
import { type PulseConfig } from "./config/options.js";
import { type Stats } from "./diagnostics.js";
import { type withRun } from "./run/current.js";
import { type ExperimentLog, type LoggedExperiment } from "./run/log-experiment.js";
import type { StartOptions } from "./run/options.js";
import type { Run } from "./run/run.js";
import { type tracked } from "./run/tracked.js";
/** One configured instance of everything: where runs go, how problems are told, what is counted. */
export interface Tracker {
    /** Like the function of that name, with this tracker. */
    withRun: typeof withRun;
    /** Like the function of that name, with this tracker. */
    startRun(options?: StartOptions): Run;
    /** Like the function of that name, with this tracker at every call. */
    tracked: typeof tracked;
    /** Calls `fn`; inside, decorated calls and all functions use this tracker, and no run is open. */
    run<R>(fn: () => R): R;
    /** Resolves when everything recorded so far is stored, or the store has accepted nothing for `exitTimeoutMs`. */
    flush(options?: FlushOptions): Promise<void>;
    /** Ends open runs, flushes and lets go of the store; what is recorded afterwards is dropped and counted. Idempotent. */
    shutdown(options?: FlushOptions): Promise<void>;
    /** What has been recorded and what became of it; a snapshot. */
    stats(): Stats;
}
/** How long to wait. */
export interface FlushOptions {
    /** A limit in all, in milliseconds. @default none beside `exitTimeoutMs` since the last accepted change */
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
 * Makes a tracker of its own beside the default one.
 * @throws PulseError like `configure`.
 * @example
 * ```ts
 * const tracker = createTracker({ trackingUri: "memory:" });
 * await tracker.withRun({ experiment: "Sweep" }, async (run) => run.logMetric("loss", 0.42));
 * tracker.stats().metrics; // 1
 * ```
 */
export declare function createTracker(config?: PulseConfig): Tracker;
/** Resolves when everything recorded so far with the default tracker is stored, or the store has accepted nothing for `exitTimeoutMs`. */
export declare function flush(options?: FlushOptions): Promise<void>;
/** Ends the default tracker's open runs, flushes it and lets go of its store. */
export declare function shutdown(options?: FlushOptions): Promise<void>;
/** What the default tracker has recorded and what became of it. */
export declare function stats(): Stats;
/**
 * Logs one whole run and resolves once it is stored.
 * @throws (rejects) PulseError at once when the target cannot be used, `STORE_UNAVAILABLE` after `timeoutMs` when it is absent.
 * @example
 * ```ts
 * const { runId } = await logExperiment({ experiment: "Sweep", params: { lr: 0.1 }, metrics: { loss: 0.42 } });
 * ```
 */
export declare function logExperiment(log: ExperimentLog): Promise<LoggedExperiment>;
