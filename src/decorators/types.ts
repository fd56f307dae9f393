import type { Selector, Untyped } from "../capture/metrics.js";
import type { ParamSelector } from "../capture/params.js";
import type { AnyFunction } from "../run/plan.js";

/** What a metric can be made of. */
type Scalar = number | bigint | boolean;

/** True for `any`, `unknown` and `never`, about which nothing can be checked. */
type Loose<T> = unknown extends T ? true : [T] extends [never] ? true : false;

/** What a method's call comes to: promises are awaited, generators give what they yield. */
type ResultOf<M> = M extends (...args: Untyped) => infer R
  ? Loose<R> extends true
    ? unknown
    : R extends AsyncIterator<infer Y> | Iterator<infer Y>
      ? Y
      : Awaited<R>
  : never;

/** Whether a value can be logged under a path that leads to it: a number or the like (also among other things), or a list of them. */
type IsLeaf<V> =
  Loose<V> extends true
    ? true
    : [Extract<NonNullable<V>, Scalar>] extends [never]
      ? NonNullable<V> extends ArrayLike<infer E>
        ? [Extract<NonNullable<E>, Scalar>] extends [never]
          ? false
          : true
        : false
      : true;

/** Follows one dotted path into a type, as `readPath` follows it into a value; all paths of a type are never spelled out, which would not end for recursive ones. */
type LeadsToNumber<T, P extends string> =
  Loose<T> extends true
    ? true
    : T extends ArrayLike<infer E>
      ? P extends `${number}`
        ? IsLeaf<E>
        : P extends `${number}.${infer Rest}`
          ? LeadsToNumber<NonNullable<E>, Rest>
          : false
      : P extends `${keyof T & (string | number)}`
        ? IsLeaf<FieldOf<T, P>>
        : P extends `${infer K}.${infer Rest}`
          ? K extends `${keyof T & (string | number)}`
            ? LeadsToNumber<NonNullable<FieldOf<T, K>>, Rest>
            : false
          : false;

type FieldOf<T, K extends string> = K extends keyof T
  ? T[K]
  : K extends `${infer N extends number}`
    ? N extends keyof T
      ? T[N]
      : never
    : never;

/** The paths of a selector that lead to no number; of a list each element is looked into. */
type BadPath<P, R> = P extends string
  ? true extends LeadsToNumber<R, P> | (R extends ArrayLike<infer E> ? LeadsToNumber<NonNullable<E>, P> | IsScalar<E> : false)
    ? never
    : P
  : never;

type IsScalar<T> = [NonNullable<T>] extends [Scalar] ? true : false;

/** The paths a selector is made of. */
type PathsOf<S> = S extends string
  ? S
  : S extends readonly (infer P)[]
    ? P
    : S extends AnyFunction
      ? never
      : S extends object
        ? Extract<S[keyof S], string>
        : never;

/** Shown by the compiler in place of a path that leads to no number of the method's result. */
interface NotANumberInTheResult<Path> {
  readonly "this path leads to no number in what the method returns": Path;
}

/** `unknown` when every path of a selector fits the method, else what is wrong. */
type MetricCheck<S, M> =
  Loose<ResultOf<M>> extends true
    ? unknown
    : IsScalar<ResultOf<M>> extends true
      ? unknown
      : [BadPath<PathsOf<S>, NonNullable<ResultOf<M>>>] extends [never]
        ? unknown
        : NotANumberInTheResult<BadPath<PathsOf<S>, NonNullable<ResultOf<M>>>>;

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
type ParamCheck<S, M> = M extends (...args: infer A) => unknown
  ? [BadArgument<PathsOf<S>, A>] extends [never]
    ? unknown
    : NotAnArgument<BadArgument<PathsOf<S>, A>>
  : unknown;

/** A method decorator of both dialects. */
export interface MethodDecoratorOf {
  <This, M extends AnyFunction>(value: M, context: ClassMethodDecoratorContext<This, M>): M;
  <M extends AnyFunction>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<M>): TypedPropertyDescriptor<M>;
}

/** Any class, also one whose constructor is private (which fits no constructor type). */
interface AnyClass {
  readonly prototype: object;
}

/** A class decorator of both dialects that never replaces the class. */
export interface ClassDecoratorOf {
  (value: AnyClass, context: { readonly kind: "class"; readonly name: string | undefined }): void;
  (target: AnyClass): void;
}

/** Decorates accessors and setters, in both dialects: every assignment is logged. */
interface AssignmentDecorator<Value> {
  <This, V extends Value>(
    value: ClassAccessorDecoratorTarget<This, V>,
    context: ClassAccessorDecoratorContext<This, V>,
  ): ClassAccessorDecoratorResult<This, V>;
  <This, V extends Value>(
    value: (this: This, assigned: V) => void,
    context: ClassSetterDecoratorContext<This, V>,
  ): (this: This, assigned: V) => void;
}

/**
 * `@LogMetric` after its selector is known. Of overloads that fail the compiler explains the last of each dialect,
 * so the one for methods, whose selector can be wrong, stands there.
 */
export type MetricDecorator<S extends Selector | undefined> = AssignmentDecorator<Untyped> & {
  <This, M extends AnyFunction>(value: M & MetricCheck<S, M>, context: ClassMethodDecoratorContext<This, M>): M;
  <V extends Scalar | readonly unknown[] | { readonly [key: string]: unknown }>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<V>,
  ): void;
  <M extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M> & MetricCheck<S, M>,
  ): TypedPropertyDescriptor<M>;
};

/** `@LogTag` after its selector is known. */
export type TagDecorator = AssignmentDecorator<Untyped> &
  (<V extends Scalar | string | { readonly [key: string]: unknown }>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<V>,
  ) => void) &
  MethodDecoratorOf;

/** `@LogParam` after its selector is known. */
export interface ParamDecorator<S extends ParamSelector | undefined> {
  <This, M extends AnyFunction>(value: M & ParamCheck<S, M>, context: ClassMethodDecoratorContext<This, M>): M;
  <M extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M> & ParamCheck<S, M>,
  ): TypedPropertyDescriptor<M>;
}
