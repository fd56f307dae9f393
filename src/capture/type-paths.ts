import type { Untyped } from "./selector.js";

/**
 * Dotted paths into types: where a path leads, and which paths exist. The paths of a type are never enumerated
 * completely, which would not terminate for recursive types.
 */

/** The types that a metric accepts. */
export type Scalar = number | bigint | boolean;

/** True for `any`, `unknown`, `never`, `object` and `{}`, which cannot be checked. */
export type Loose<T> = unknown extends T
  ? true
  : [T] extends [never]
    ? true
    : [keyof T] extends [never]
      ? [object] extends [T]
        ? true
        : false
      : false;

/**
 * What a path leads to when `readPath` follows it; `never` if it leads nowhere. In a union, one matching member is
 * enough.
 */
type Reach<T, P extends string> =
  Loose<T> extends true
    ? unknown
    : PartOf<T, P> | (P extends `${infer K}.${infer Rest}` ? Deeper<NonNullable<PartOf<T, K>>, Rest> : never);

type Deeper<T, P extends string> = [T] extends [never] ? never : Reach<T, P>;

/** What one part of a path leads to: an entry of a map, an element of a list, or a field. */
export type PartOf<T, K extends string> =
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

/** Fields named by numbers or enum members, under the string form of their names. */
type ByText<T> = { [Name in keyof T as `${Name & (string | number)}`]: T[Name] };

/** The elements of a list or other iterable, except iterators, which would be consumed. */
type ElementOf<V> = V extends string | { next: unknown }
  ? never
  : V extends ArrayLike<infer E>
    ? E
    : V extends Iterable<infer E>
      ? E
      : never;

/**
 * The elements of a result that is a list, each of which is looked into: an array, a typed array or a set, or a type
 * wide enough to include one.
 */
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

/** Whether a value can be logged as a metric: a scalar (also as part of a union), or a list of them. */
type IsMetric<V> = [V] extends [never]
  ? false
  : Loose<V> extends true
    ? true
    : Has<V, Scalar> extends true
      ? true
      : Has<ElementOf<NonNullable<V>>, Scalar>;

/** Whether a value can be a step. */
type IsStep<V> = [V] extends [never] ? false : Loose<V> extends true ? true : Has<V, Scalar>;

/** Whether a value can be a tag or a param: anything except a function. */
type IsText<V> = [V] extends [never]
  ? false
  : [Exclude<NonNullable<V>, (...args: never) => unknown>] extends [never]
    ? false
    : true;

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";

/**
 * Whether a path leads to a metric in one kind of result. In a list, it leads to a position or into each element;
 * elements that are numbers are taken themselves.
 */
type FitsMetric<T, P extends string> = T extends unknown
  ? [ListedIn<T>] extends [never]
    ? IsMetric<Reach<T, P>>
    : P extends `${Digit}${string}`
      ? IsMetric<Reach<T, P>>
      : Has<ListedIn<T>, Scalar> extends true
        ? true
        : IsMetric<Deeper<NonNullable<ListedIn<T>>, P>>
  : never;

/** The path of a step leads into each element of a list. */
type FitsStep<T, P extends string> = T extends unknown
  ? [ListedIn<T>] extends [never]
    ? IsStep<Reach<T, P>>
    : IsStep<Deeper<NonNullable<ListedIn<T>>, P>>
  : never;

type FitsTag<T, P extends string> = T extends unknown ? IsText<Reach<T, P>> : never;

/** Only paths that start with a position can be checked, since the compiler does not know the names of arguments. */
type FitsParam<A, P extends string> = A extends unknown
  ? P extends `${Digit}${string}`
    ? IsText<Reach<A, P>>
    : true
  : never;

interface Fits<T, P extends string> {
  readonly metric: FitsMetric<T, P>;
  readonly step: FitsStep<T, P>;
  readonly tag: FitsTag<T, P>;
  readonly param: FitsParam<T, P>;
}

/** The paths in a selector. */
export type PathsOf<S> = [S] extends [null | undefined]
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

/** A path without its `?` mark. */
type Bare<P extends string> = P extends `${infer Name}?` ? Name : P;

/** The paths that do not fit. Nothing can be said about a path of type `string`. */
export type BadPath<P, T, Kind extends keyof Fits<unknown, "">> = P extends string
  ? string extends P
    ? never
    : true extends Fits<T, Bare<P>>[Kind]
      ? never
      : // biome-ignore lint/complexity/noBannedTypes: a text with a pattern (`a${string}`) makes no field that must be there
        {} extends Record<P, 1>
        ? never
        : P
  : never;

// The valid paths, for error sentences: two levels deep, or three if there are none so far, so that every type
// terminates. TypeScript shows the first of them.

/** An object at a path. */
interface At<Path extends string, T> {
  readonly path: Path;
  readonly value: T;
}

/** The names of fields that the type spells out. */
type NamesOf<T> = keyof {
  [K in keyof T as K extends string | number
    ? string extends K
      ? never
      : number extends K
        ? never
        : `${K}`
    : never]: 1;
};

type FieldsOf<T> = T extends readonly unknown[]
  ? Exclude<keyof T, keyof unknown[]>
  : T extends (...args: never) => unknown
    ? never
    : NamesOf<T>;

/** What has named fields: an object; for a list, its first element. */
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
type Top<T> = T extends unknown
  ? [ListedIn<T>] extends [never]
    ? Opened<"", T>
    : Opened<"", NonNullable<ListedIn<T>>>
  : never;

export type Found<T, Leaf> = Levels<
  T extends readonly unknown[] ? (number extends T["length"] ? Top<T> : At<"", T>) : Top<T>,
  Leaf
>;

type Levels<O, Leaf> = Deepened<LeavesAt<O, Leaf> | LeavesAt<ObjectsAt<O>, Leaf>, O, Leaf>;

type Deepened<Found, O, Leaf> = [Found] extends [never] ? LeavesAt<ObjectsAt<ObjectsAt<O>>, Leaf> : Found;
