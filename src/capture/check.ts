import type { Untyped } from "./metrics.js";

/** The compiler's part: whether the paths of a selector fit the function it is applied to. */

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

/** What a method's call comes to: promises are awaited, generators give what they yield. */
type ResultOf<M> = M extends (...args: Untyped) => infer R
  ? Loose<R> extends true
    ? unknown
    : R extends AsyncIterator<infer Y> | AsyncIterable<infer Y> | Iterator<infer Y>
      ? Y
      : Awaited<R>
  : never;

/** What a list or anything else that can be walked along holds; a text is none. */
type ElementOf<V> = V extends string ? never : V extends ArrayLike<infer E> ? E : V extends Iterable<infer E> ? E : never;

/** Whether a value can be logged under a path that leads to it: a number or the like (also among other things), or a list of them. */
type IsLeaf<V> =
  Loose<V> extends true
    ? true
    : [Extract<NonNullable<V>, Scalar>] extends [never]
      ? [Extract<NonNullable<ElementOf<NonNullable<V>>>, Scalar>] extends [never]
        ? false
        : true
      : true;

/** What a path leads to that leads nowhere. */
interface Nowhere {
  readonly nowhere: never;
}

/** What one part of a path leads to: an entry of a map, an element of a list, a field. */
type PartOf<T, K extends string> =
  T extends ReadonlyMap<infer Key, infer V>
    ? K extends `${Key & (string | number)}`
      ? V
      : Nowhere
    : T extends readonly unknown[]
      ? number extends T["length"]
        ? K extends "length"
          ? number
          : K extends `${number}`
            ? T[number]
            : Nowhere
        : K extends keyof T
          ? T[K]
          : Nowhere
      : T extends ArrayLike<infer E>
        ? K extends "length"
          ? number
          : K extends `${number}`
            ? E
            : Nowhere
        : K extends `${keyof T & (string | number)}`
          ? FieldOf<T, K>
          : Nowhere;

/** Follows one dotted path into a type, as `readPath` follows it into a value; all paths of a type are never spelled out, which would not end for recursive ones. */
type LeadsToNumber<T, P extends string> =
  Loose<T> extends true
    ? true
    : IsLeaf<PartOf<T, P>> | (P extends `${infer K}.${infer Rest}` ? LeadsToNumber<NonNullable<PartOf<T, K>>, Rest> : false);

type FieldOf<T, K extends string> = K extends keyof T
  ? T[K]
  : K extends `${infer N extends number}`
    ? N extends keyof T
      ? T[N]
      : never
    : never;

/** The paths of a selector that lead to no number; of a list each element is looked into. About a path that is any text nothing can be said. */
type BadPath<P, R> = P extends string
  ? string extends P
    ? never
    : true extends LeadsToNumber<R, P> | (R extends ReadonlyMap<unknown, unknown> ? false : OfEach<ElementOf<R>, P>)
      ? never
      : P
  : never;

/** A path into a list is looked for in each of its elements; a number among them is logged under the path itself. */
type OfEach<E, P extends string> = [E] extends [never] ? false : LeadsToNumber<NonNullable<E>, P> | IsScalar<E>;

type IsScalar<T> = [NonNullable<T>] extends [Scalar] ? true : false;

/** The paths a selector is made of. */
type PathsOf<S> = S extends string
  ? S
  : S extends readonly (infer P)[]
    ? P
    : S extends (...args: Untyped) => unknown
      ? never
      : S extends object
        ? Extract<S[keyof S], string>
        : never;

/** Shown by the compiler in place of a path that leads to no number of the method's result. */
interface NotANumberInTheResult<Path> {
  readonly "this path leads to no number in what the method returns": Path;
}

/** `unknown` when every path of a selector, and that of the step, fits the method, else what is wrong. */
export type MetricCheck<S, M, Step = undefined> =
  Loose<ResultOf<M>> extends true
    ? unknown
    : IsScalar<ResultOf<M>> extends true
      ? unknown
      : [BadPath<PathsOf<S> | Extract<Step, string>, NonNullable<ResultOf<M>>>] extends [never]
        ? unknown
        : NotANumberInTheResult<BadPath<PathsOf<S> | Extract<Step, string>, NonNullable<ResultOf<M>>>>;

/** Shown by the compiler in place of an index path that fits no argument of the method. */
interface NotAnArgument<Path> {
  readonly "this index path leads to no argument of the method": Path;
}

/** Follows a dotted path into an argument; of a union one member that has it is enough. */
type HasField<T, P extends string> =
  Loose<T> extends true
    ? true
    : T extends ArrayLike<infer E>
      ? P extends `${number}.${infer Rest}`
        ? HasField<NonNullable<E>, Rest>
        : true
      : T extends ReadonlyMap<unknown, unknown>
        ? true
        : P extends `${keyof T & (string | number)}`
          ? true
          : P extends `${infer K}.${infer Rest}`
            ? K extends `${keyof T & (string | number)}`
              ? HasField<NonNullable<FieldOf<T, K>>, Rest>
              : false
            : false;

type BadArgument<P, A extends readonly unknown[]> = P extends `${infer I extends number}.${infer Rest}`
  ? number extends A["length"]
    ? never
    : `${I}` extends keyof A
      ? true extends HasField<NonNullable<A[`${I}`]>, Rest>
        ? never
        : P
      : P
  : P extends `${infer I extends number}`
    ? number extends A["length"]
      ? never
      : `${I}` extends keyof A
        ? never
        : P
    : never;

/** `unknown` when every index path of a selector fits the method's arguments, else what is wrong. */
export type ParamCheck<S, M> = M extends (...args: infer A) => unknown
  ? [BadArgument<PathsOf<S>, A>] extends [never]
    ? unknown
    : NotAnArgument<BadArgument<PathsOf<S>, A>>
  : unknown;
