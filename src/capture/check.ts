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

type Misses<Sentence extends string, Path, Paths> = [Paths] extends [never]
  ? WrongPath<Sentence, Path, "there are none, up to three levels deep", never>
  : WrongPath<Sentence, Path, "there are", Paths>;

// The decorated function

/**
 * What a function returns, for each of its overloads (at most the last eight; TypeScript repeats the first if there are
 * fewer).
 */
type ResultOf<M> =
  Loose<M> extends true
    ? unknown
    : M extends {
          (...args: never): infer R1;
          (...args: never): infer R2;
          (...args: never): infer R3;
          (...args: never): infer R4;
          (...args: never): infer R5;
          (...args: never): infer R6;
          (...args: never): infer R7;
          (...args: never): infer R8;
        }
      ? R1 | R2 | R3 | R4 | R5 | R6 | R7 | R8
      : never;

/** What a function takes, for each of its overloads. */
type TakenBy<M> =
  Loose<M> extends true
    ? unknown
    : M extends {
          (...args: infer A1): unknown;
          (...args: infer A2): unknown;
          (...args: infer A3): unknown;
          (...args: infer A4): unknown;
          (...args: infer A5): unknown;
          (...args: infer A6): unknown;
          (...args: infer A7): unknown;
          (...args: infer A8): unknown;
        }
      ? A1 | A2 | A3 | A4 | A5 | A6 | A7 | A8
      : never;

/** The arguments of a function, as passed to functions in the options. */
export type ArgsOf<M> =
  Loose<M> extends true ? Untyped[] : TakenBy<M> extends infer A extends readonly Untyped[] ? A : Untyped[];

/** What selectors see: the value of a promise; of generators and streams, what they give. */
type Seen<R> = Loose<R> extends true ? unknown : R extends unknown ? Streamed<Awaited<R>> : never;

/** Of a generator what it yields, of a stream its chunks; emitters are only followed to their end, subjects not. */
type Streamed<T> =
  Loose<T> extends true
    ? T
    : T extends AnyIterator<infer Y>
      ? Y
      : T extends { on(...args: never): unknown }
        ? T
        : T extends AsyncIterable<infer Y> | ReadableStream<infer Y>
          ? Y
          : T extends { next(...args: never): unknown }
            ? T
            : T extends Observable<infer Y>
              ? Y
              : T;

/** RxJS's, if `pulse-mlflow/rxjs` is loaded. By its shape: most programs do not have RxJS. */
interface Observable<Y> {
  subscribe(...args: never): { unsubscribe(): void };
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
export type SelectorFor<Result, Args> =
  | Selector<Result, Args>
  // biome-ignore lint/complexity/noBannedTypes: see above
  | Function
  // biome-ignore lint/complexity/noBannedTypes: see above
  | { readonly [key: string]: string | Function };

// The checks

/** Where a value comes from, for error sentences. */
type Source = "what the method returns" | "what the function returns" | "what is assigned";

/** Whether every path of a selector, and of the step, leads to numbers in what a function returns. */
export type MetricCheck<S, Step, M, From extends Source = "what the method returns"> = [
  PathsOf<S> | PathsOf<Step>,
] extends [never]
  ? [S] extends [never]
    ? BareCheck<ResultOf<M>>
    : true
  : ValueCheck<PathsOf<S>, PathsOf<Step>, Seen<ResultOf<M>>, From>;

/** `MetricCheck` for a return type instead of a function. */
export type ResultCheck<S, R> = [PathsOf<S>] extends [never]
  ? true
  : ValueCheck<PathsOf<S>, never, Seen<R>, "what the function returns">;

/** `MetricCheck` for an assigned value. */
export type AssignedCheck<S, Step, V> = [PathsOf<S> | PathsOf<Step>] extends [never]
  ? [S] extends [never]
    ? [NonNullable<V>] extends [never]
      ? true
      : [NonNullable<V>] extends [string]
        ? Wrong<"there is no number in a text">
        : BareCheck<V>
    : true
  : ValueCheck<PathsOf<S>, PathsOf<Step>, V, "what is assigned">;

type ValueCheck<P, Step, T, From extends Source> =
  Loose<T> extends true
    ? true
    : // A bare number has no paths: the string is simply its key.
      [NonNullable<T>] extends [Scalar]
      ? Said<"number", BadPath<Step, T, "step">, never, T, From>
      : Said<
          "number",
          BadPath<P, NonNullable<T>, "metric">,
          BadPath<Step, NonNullable<T>, "step">,
          NonNullable<T>,
          From
        >;

type Said<Wanted extends string, Bad, BadStep, T, From extends Source> = [Bad | BadStep] extends [never]
  ? true
  : [T] extends [Stream]
    ? Wrong<Unfollowed>
    : Misses<
        `this path leads to no ${Wanted} in ${From}`,
        Bad | BadStep,
        Found<T, Wanted extends "number" ? Scalar : Scalar | string>
      >;

/** Something async iterable of which only the end is followed. */
interface Stream {
  [Symbol.asyncIterator](): unknown;
}

type Unfollowed =
  "of Node's streams and other emitters only the end is followed: yield the values, and declare an AsyncGenerator";

/** Rejects types from which a bare decorator can take nothing. */
type BareCheck<R> =
  Loose<R> extends true ? true : IsStream<NonNullable<Seen<R>>> extends true ? Wrong<Unfollowed> : true;

type IsStream<T> = Loose<T> extends true ? false : [T] extends [Stream] ? true : false;

/** Whether every path of a tag selector leads somewhere in what a function returns. */
export type TagCheck<S, M> = [PathsOf<S>] extends [never]
  ? true
  : TagValueCheck<PathsOf<S>, Seen<ResultOf<M>>, "what the method returns">;

/** `TagCheck` for an assigned value. */
export type AssignedTagCheck<S, V> = [PathsOf<S>] extends [never]
  ? true
  : TagValueCheck<PathsOf<S>, V, "what is assigned">;

type TagValueCheck<P, T, From extends Source> =
  Loose<T> extends true
    ? true
    : [NonNullable<T>] extends [Scalar | string]
      ? true
      : Said<"value", BadPath<P, NonNullable<T>, "tag">, never, NonNullable<T>, From>;

/** Values that are stored in a file as they are. */
type FileContent =
  | string
  | ArrayBufferView
  | ArrayBuffer
  | Blob
  | ReadableStream
  | NodeJS.ReadableStream
  | AsyncIterable<unknown>
  | { readonly path: string };

/** Whether a method's return value can become a file of that name, or all paths of a record lead somewhere. */
export type ArtifactCheck<S, M> = S extends string
  ? ContentCheck<S, Kept<ResultOf<M>>>
  : [PathsOf<S>] extends [never]
    ? true
    : TagValueCheck<PathsOf<S>, Kept<ResultOf<M>>, "what the method returns">;

type ContentCheck<File extends string, T> =
  Loose<T> extends true
    ? true
    : [Extract<T, FileContent>] extends [never]
      ? File extends `${string}.${"json" | "yaml" | "yml"}`
        ? [Extract<T, object>] extends [never]
          ? Wrong<"what the method returns is not the content of a file: an object, a string, bytes, a Blob, a stream or { path }">
          : true
        : Wrong<"what the method returns is not the content of a file: a string, bytes, a Blob, a stream or { path } (an object for names that end in .json, .yaml or .yml)">
      : true;

/** Whether every index path of a selector leads to an argument of a function. */
export type ParamCheck<S, M, Whose extends "method" | "function" = "method"> = [PathsOf<S>] extends [never]
  ? true
  : ArgumentCheck<PathsOf<S>, TakenBy<M>, Whose>;

/** `ParamCheck` for a type of arguments. */
type ArgumentCheck<P, A, Whose extends "method" | "function"> =
  Loose<A> extends true
    ? true
    : [BadPath<P, A, "param">] extends [never]
      ? true
      : Misses<
          `this index path leads to no argument of the ${Whose}`,
          BadPath<P, A, "param">,
          Found<A, Scalar | string>
        >;

/**
 * Whether the paths of a parameter decorator's selector lead into its argument; a single string is a name. Rest
 * parameters are not checked.
 */
export type ParameterCheck<S, M, Index extends number> = [S] extends [never]
  ? true
  : S extends string
    ? true
    : [PathsOf<S>] extends [never]
      ? true
      : TakenBy<M> extends infer A extends readonly unknown[]
        ? number extends A["length"]
          ? true
          : InArgument<PathsOf<S>, NonNullable<PartOf<A, `${Index}`>>>
        : true;

type InArgument<P, T> =
  Loose<T> extends true
    ? true
    : [BadPath<P, T, "tag">] extends [never]
      ? true
      : Misses<"this path leads to no value in the argument", BadPath<P, T, "tag">, Found<T, Scalar | string>>;

// Accepting what cannot be decided

/**
 * The constraint of a type parameter whose default is a check of `S`. The default is only used if it is certainly an
 * error. Otherwise (it is `true`, or depends on an outer type parameter) TypeScript uses the constraint,
 * `Wrong<string>`, which then means "no error". While `S` is itself a type parameter, the constraint is `unknown`, so
 * that any default is allowed.
 */
export type Checked<S> = ((() => S) extends () => "a type parameter" ? true : false) extends false
  ? Wrong<string>
  : unknown;

/** The error if there certainly is one, else `T`. */
export type Unless<P, T> = Wrong<string> extends P ? T : P extends Wrong<string> ? P : T;
