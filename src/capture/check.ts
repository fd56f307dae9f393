import type { Selector, Untyped } from "./selector.js";
import type { BadPath, Found, Loose, PartOf, PathsOf, Scalar } from "./type-paths.js";

/**
 * The compiler's part: whether the paths of a selector fit the function it is applied to. Each check gives `true`, or
 * what is wrong as a sentence.
 */

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

type Misses<Sentence extends string, Path, Paths> = [Paths] extends [never]
  ? WrongPath<Sentence, Path, "there are none, up to three levels deep", never>
  : WrongPath<Sentence, Path, "there are", Paths>;

// What is called

/**
 * What a function gives, for each of its overloads (of more than eight the last eight; of fewer TypeScript repeats the
 * first).
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

/** What a function takes, likewise. */
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

/** The arguments of a function, as functions in its options get them. */
export type ArgsOf<M> =
  Loose<M> extends true ? Untyped[] : TakenBy<M> extends infer A extends readonly Untyped[] ? A : Untyped[];

/** What selectors look at: a promise's value, what a generator yields, anything else as it is. */
type Seen<R> =
  Loose<R> extends true
    ? unknown
    : R extends AsyncIterator<infer Y, unknown, never> | Iterator<infer Y, unknown, never>
      ? Y
      : Awaited<R>;

/**
 * What functions in the options get as the result; what is not known is `any`, so that they can do with it as they
 * like.
 */
export type ResultSeen<R> = unknown extends Seen<R> ? Untyped : Seen<R>;

/** The same, of the function that is called. */
export type ResultSeenOf<M> = ResultSeen<ResultOf<M>>;

/**
 * A selector whose functions may say themselves what they take: `Function` leaves what the compiler tells the others
 * about as it is.
 */
export type SelectorFor<Result, Args> =
  | Selector<Result, Args>
  // biome-ignore lint/complexity/noBannedTypes: see above
  | Function
  // biome-ignore lint/complexity/noBannedTypes: see above
  | { readonly [key: string]: string | Function };

// The checks

/** Where a value comes from, for sentences. */
type Source = "what the method returns" | "what the function returns" | "what is assigned";

/** Whether every path of a selector, and that of the step, leads to numbers in what a function gives. */
export type MetricCheck<S, Step, M, From extends Source = "what the method returns"> = [
  PathsOf<S> | PathsOf<Step>,
] extends [never]
  ? [S] extends [never]
    ? BareCheck<ResultOf<M>>
    : true
  : ValueCheck<PathsOf<S>, PathsOf<Step>, Seen<ResultOf<M>>, From>;

/** The same, of what a function gives that is not known itself. */
export type ResultCheck<S, R> = [PathsOf<S>] extends [never]
  ? true
  : ValueCheck<PathsOf<S>, never, Seen<R>, "what the function returns">;

/** The same, of a value that is assigned. */
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
    : // A bare number has no paths: the text is simply its key.
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

/** What is not its own iterator is handed on as it is. */
interface Stream {
  [Symbol.asyncIterator](): unknown;
}

type Unfollowed =
  "only generators are followed, not streams and other AsyncIterables: yield the values, and declare an AsyncGenerator";

/** What a bare decorator can take nothing of. */
type BareCheck<R> =
  Loose<R> extends true ? true : IsStream<NonNullable<Seen<R>>> extends true ? Wrong<Unfollowed> : true;

type IsStream<T> = Loose<T> extends true ? false : [T] extends [Stream] ? true : false;

/** Whether every path of a tag selector leads somewhere in what a function gives. */
export type TagCheck<S, M> = [PathsOf<S>] extends [never]
  ? true
  : TagValueCheck<PathsOf<S>, Seen<ResultOf<M>>, "what the method returns">;

/** The same, of a value that is assigned. */
export type AssignedTagCheck<S, V> = [PathsOf<S>] extends [never]
  ? true
  : TagValueCheck<PathsOf<S>, V, "what is assigned">;

type TagValueCheck<P, T, From extends Source> =
  Loose<T> extends true
    ? true
    : [NonNullable<T>] extends [Scalar | string]
      ? true
      : Said<"value", BadPath<P, NonNullable<T>, "tag">, never, NonNullable<T>, From>;

/** What becomes a file as it is. */
type FileContent =
  | string
  | ArrayBufferView
  | ArrayBuffer
  | Blob
  | ReadableStream
  | NodeJS.ReadableStream
  | AsyncIterable<unknown>
  | { readonly path: string };

/** Whether what a method gives can become a file of that name, or the paths to several lead somewhere. */
export type ArtifactCheck<S, M> = S extends string ? ContentCheck<S, Seen<ResultOf<M>>> : TagCheck<S, M>;

type ContentCheck<File extends string, T> =
  Loose<T> extends true
    ? true
    : [Extract<T, FileContent>] extends [never]
      ? File extends `${string}.${"json" | "yaml" | "yml"}`
        ? [Extract<T, object>] extends [never]
          ? Wrong<"what the method returns is no content: an object, a text, bytes, a Blob, a stream or { path }">
          : true
        : Wrong<"what the method returns is no content: a text, bytes, a Blob, a stream or { path } (an object for names that end in .json, .yaml or .yml)">
      : true;

/** Whether every index path of a selector leads to an argument of a function. */
export type ParamCheck<S, M, Whose extends "method" | "function" = "method"> = [PathsOf<S>] extends [never]
  ? true
  : ArgumentCheck<PathsOf<S>, TakenBy<M>, Whose>;

/** The same, of arguments. */
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
 * Whether the paths of a selector above a parameter lead into its argument; a text is the argument's name. Of the rest
 * of the arguments nothing is said.
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
 * The constraint of a type parameter whose default is a check of `S`: the default stays when it is a mistake for
 * certain. Otherwise (it is `true`, or depends on a type parameter of the code around) TypeScript takes the constraint
 * instead, `Wrong<string>`, which stands for "nothing to say". As long as `S` is a type parameter itself, the
 * constraint is `unknown`, so that any default may be written.
 */
export type Checked<S> = ((() => S) extends () => "a type parameter" ? true : false) extends false
  ? Wrong<string>
  : unknown;

/** What is wrong when something is for certain, else `T`. */
export type Unless<P, T> = Wrong<string> extends P ? T : P extends Wrong<string> ? P : T;
