import type { Untyped } from "./metrics.js";

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

type Misses<Sentence extends string, Path, Paths> = [Paths] extends [never]
  ? WrongPath<Sentence, Path, "there are none", never>
  : WrongPath<Sentence, Path, "there are", Paths>;

/** What a metric can be made of. */
export type Scalar = number | bigint | boolean;

/** True for `any`, `unknown`, `never`, `object` and `{}`, about which nothing can be checked. */
type Loose<T> = unknown extends T
  ? true
  : [T] extends [never]
    ? true
    : [keyof T] extends [never]
      ? [object] extends [T]
        ? true
        : false
      : false;

// What is called

/** What a function gives, for each of its overloads (of more than eight the last eight; of fewer TypeScript repeats the first). */
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
export type ArgsOf<M> = Loose<M> extends true ? Untyped : TakenBy<M>;

/** What selectors look at: a promise's value, what a generator yields, anything else as it is. */
type Seen<R> =
  Loose<R> extends true ? unknown : R extends AsyncIterator<infer Y, unknown, never> | Iterator<infer Y, unknown, never> ? Y : Awaited<R>;

/** What functions in the options get as the result; what is not known is `any`, so that they can do with it as they like. */
export type ResultSeen<R> = unknown extends Seen<R> ? Untyped : Seen<R>;

/** The same, of the function that is called. */
export type ResultSeenOf<M> = ResultSeen<ResultOf<M>>;

// Following a path

/** What a path leads to, as `readPath` follows it into a value; `never` where it leads nowhere. Of a union one member that has it is enough. */
type Reach<T, P extends string> =
  Loose<T> extends true ? unknown : PartOf<T, P> | (P extends `${infer K}.${infer Rest}` ? Deeper<NonNullable<PartOf<T, K>>, Rest> : never);

type Deeper<T, P extends string> = [T] extends [never] ? never : Reach<T, P>;

/** What one part of a path leads to: an entry of a map, an element of a list, a field. */
type PartOf<T, K extends string> =
  T extends ReadonlyMap<infer Key, infer V>
    ? K extends `${Key & (string | number)}`
      ? V
      : never
    : K extends keyof T
      ? T[K]
      : T extends ArrayLike<infer E>
        ? K extends `${number}`
          ? T extends readonly unknown[]
            ? number extends T["length"]
              ? E
              : never
            : E
          : never
        : K extends `${keyof T & (string | number)}`
          ? ByText<T>[K & keyof ByText<T>]
          : never;

/** The fields whose names are numbers or members of an enum, under their texts. */
type ByText<T> = { [Name in keyof T as `${Name & (string | number)}`]: T[Name] };

/** What a list or anything else that can be walked along holds; not what would be used up by that. */
type ElementOf<V> = V extends string | { next: unknown }
  ? never
  : V extends ArrayLike<infer E>
    ? E
    : V extends Iterable<infer E>
      ? E
      : never;

/** What a result holds when it is a list, each of whose elements is looked into: an array, a typed array or a set, or something so wide that it may be one. */
type ListedIn<T> = T extends string | ReadonlyMap<unknown, unknown>
  ? never
  : T extends ArrayLike<infer E> | ReadonlySet<infer E>
    ? E
    : T extends Iterable<infer E>
      ? E[] extends T
        ? E
        : never
      : never;

type Has<V, Kind> = [Extract<V, Kind>] extends [never] ? false : true;

/** Whether a value can be logged as a metric: a number or the like (also among other things), or a list of them. */
type IsMetric<V> = [V] extends [never]
  ? false
  : Loose<V> extends true
    ? true
    : Has<V, Scalar> extends true
      ? true
      : Has<ElementOf<NonNullable<V>>, Scalar>;

/** Whether a value can be a step. */
type IsStep<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar>;

/** Whether a value can be a tag or a param: anything but a function. */
type IsText<V> = [V] extends [never] ? false : [Exclude<NonNullable<V>, (...args: never) => unknown>] extends [never] ? false : true;

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";

/** Whether a path leads to a metric in one kind of result. Into a list it leads by position, or into each of its elements, of which numbers are taken themselves. */
type FitsMetric<T, P extends string> = T extends unknown
  ? [ListedIn<T>] extends [never]
    ? IsMetric<Reach<T, P>>
    : P extends `${Digit}${string}`
      ? IsMetric<Reach<T, P>>
      : Has<ListedIn<T>, Scalar> extends true
        ? true
        : IsMetric<Deeper<NonNullable<ListedIn<T>>, P>>
  : never;

/** A step's path leads into each element of a list. */
type FitsStep<T, P extends string> = T extends unknown
  ? [ListedIn<T>] extends [never]
    ? IsStep<Reach<T, P>>
    : IsStep<Deeper<NonNullable<ListedIn<T>>, P>>
  : never;

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
type PathsOf<S> = [S] extends [null | undefined]
  ? never
  : S extends string
    ? S
    : S extends readonly (infer P)[]
      ? P
      : S extends (...args: Untyped) => unknown
        ? never
        : S extends object
          ? Extract<S[keyof S], string>
          : never;

/** A path without the mark that what it leads to may be absent. */
type Bare<P extends string> = P extends `${infer Name}?` ? Name : P;

/** The paths that do not fit. About a path that is any text nothing can be said. */
type BadPath<P, T, Kind extends keyof Fits<unknown, "">> = P extends string
  ? string extends P
    ? never
    : true extends Fits<T, Bare<P>>[Kind]
      ? never
      : // biome-ignore lint/complexity/noBannedTypes: a text with a pattern (`a${string}`) makes no field that must be there
        {} extends Record<P, 1>
        ? never
        : P
  : never;

// The checks

/** Where a value comes from, for sentences. */
type Source = "what the method returns" | "what the function returns" | "what is assigned";

/** Whether every path of a selector, and that of the step, leads to numbers in what a function gives. */
export type MetricCheck<S, Step, M, From extends Source = "what the method returns"> = [PathsOf<S> | PathsOf<Step>] extends [never]
  ? [S] extends [never]
    ? BareCheck<ResultOf<M>>
    : true
  : ValueCheck<PathsOf<S>, PathsOf<Step>, Seen<ResultOf<M>>, From>;

/** The same, of what a function gives that is not known itself. */
export type ResultCheck<S, R> = [PathsOf<S>] extends [never] ? true : ValueCheck<PathsOf<S>, never, Seen<R>, "what the function returns">;

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
      : Said<"number", BadPath<P, NonNullable<T>, "metric">, BadPath<Step, NonNullable<T>, "step">, NonNullable<T>, From>;

type Said<Wanted extends string, Bad, BadStep, T, From extends Source> = [Bad | BadStep] extends [never]
  ? true
  : [T] extends [Stream]
    ? Wrong<Unfollowed>
    : Misses<`this path leads to no ${Wanted} in ${From}`, Bad | BadStep, Found<T, Wanted extends "number" ? Scalar : Scalar | string>>;

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

type TagValueCheck<P, T, From extends Source> =
  Loose<T> extends true
    ? true
    : [NonNullable<T>] extends [Scalar | string]
      ? true
      : Said<"value", BadPath<P, NonNullable<T>, "tag">, never, NonNullable<T>, From>;

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
      : Misses<`this index path leads to no argument of the ${Whose}`, BadPath<P, A, "param">, Found<A, Scalar | string>>;

// Accepting what cannot be decided

/**
 * The constraint of a type parameter whose default is a check of `S`: the default stays when it is a mistake for certain. Otherwise (it is `true`, or depends on a
 * type parameter of the code around) TypeScript takes the constraint instead, `Wrong<string>`, which stands for "nothing to say".
 * As long as `S` is a type parameter itself, the constraint is `unknown`, so that any default may be written.
 */
export type Checked<S> = ((() => S) extends () => "a type parameter" ? true : false) extends false ? Wrong<string> : unknown;

/** What is wrong when something is for certain, else `T`. */
export type Unless<P, T> = Wrong<string> extends P ? T : P extends Wrong<string> ? P : T;

// The paths there are, for sentences: two levels deep, or three when there are none so far, so that every type comes to an end. TypeScript shows the first of them.

/** An object at a path. */
interface At<Path extends string, T> {
  readonly path: Path;
  readonly value: T;
}

/** Names of fields that are written in the type. */
type NamesOf<T> = keyof {
  [K in keyof T as K extends string | number ? (string extends K ? never : number extends K ? never : `${K}`) : never]: 1;
};

type FieldsOf<T> = T extends readonly unknown[]
  ? Exclude<keyof T, keyof unknown[]>
  : T extends (...args: never) => unknown
    ? never
    : NamesOf<T>;

/** What has fields to name: an object, and of a list its first element. */
type Opened<Path extends string, T> = T extends string | Scalar | ((...args: never) => unknown) | Date
  ? never
  : T extends ReadonlyMap<infer K, infer V>
    ? string extends K
      ? never
      : At<Path, Record<Extract<K, string>, V>>
    : T extends ArrayLike<infer E>
      ? T extends readonly unknown[]
        ? number extends T["length"]
          ? At<`${Path}0.`, NonNullable<E>>
          : At<Path, T>
        : never
      : T extends object
        ? At<Path, T>
        : never;

type LeavesAt<O, Leaf> =
  O extends At<infer Path, infer T>
    ? FieldsOf<T> extends infer K extends string
      ? K extends unknown
        ? Has<PartOf<T, K>, Leaf> extends true
          ? `${Path}${K}`
          : Has<ElementOf<NonNullable<PartOf<T, K>>>, Leaf> extends true
            ? `${Path}${K}`
            : never
        : never
      : never
    : never;

type ObjectsAt<O> =
  O extends At<infer Path, infer T>
    ? FieldsOf<T> extends infer K extends string
      ? K extends unknown
        ? Loose<PartOf<T, K>> extends true
          ? never
          : Opened<`${Path}${K}.`, NonNullable<PartOf<T, K>>>
        : never
      : never
    : never;

/** The top of a result: an object, or the elements of a list. */
type Top<T> = T extends unknown ? ([ListedIn<T>] extends [never] ? Opened<"", T> : Opened<"", NonNullable<ListedIn<T>>>) : never;

type Found<T, Leaf> = Levels<T extends readonly unknown[] ? (number extends T["length"] ? Top<T> : At<"", T>) : Top<T>, Leaf>;

type Levels<O, Leaf> = Deepened<LeavesAt<O, Leaf> | LeavesAt<ObjectsAt<O>, Leaf>, O, Leaf>;

type Deepened<Found, O, Leaf> = [Found] extends [never] ? LeavesAt<ObjectsAt<ObjectsAt<O>>, Leaf> : Found;
