import type { MetricCheck, ParamCheck } from "../capture/check.js";
import type { LogMetricOptions, Untyped } from "../capture/metrics.js";
import type { ParamSelector } from "../capture/params.js";
import type { AnyFunction } from "../run/plan.js";

/** A method decorator of both dialects; in the standard one also of a field that holds a function. */
export interface MethodDecoratorOf {
  <This, M extends AnyFunction | undefined>(value: undefined, context: ClassFieldDecoratorContext<This, M>): (this: This, initial: M) => M;
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

/** What is assigned to a setter or accessor, but nothing that is `Not`; methods have overloads of their own. */
type Assigned<V, Not> = 0 extends 1 & V ? unknown : V extends Not ? never : unknown;

/** What the option `step` may be. */
export type StepOption = LogMetricOptions["step"];

/** `LogMetricOptions` whose step is known to the compiler. */
export type SteppedOptions<Step extends StepOption> = Omit<LogMetricOptions, "step"> & { readonly step?: Step | undefined };

/**
 * `@LogMetric` after its selector is known. Of overloads that fail the compiler explains the last of each dialect,
 * so the one for methods, whose selector can be wrong, stands there.
 */
export type MetricDecorator<S, Step = undefined> = AssignmentDecorator<Untyped> & {
  <This, M extends AnyFunction | undefined>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, M> & MetricCheck<S, NonNullable<M>, Step>,
  ): (this: This, initial: M) => M;
  <This, M extends AnyFunction>(value: M & MetricCheck<S, M, Step>, context: ClassMethodDecoratorContext<This, M>): M;
  <V>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<V> & Assigned<V, AnyFunction | string>): void;
  <M extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M> & MetricCheck<S, M, Step>,
  ): TypedPropertyDescriptor<M>;
};

/** `@LogTag` after its selector is known. */
export type TagDecorator = AssignmentDecorator<Untyped> &
  (<V>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<V> & Assigned<V, AnyFunction>) => void) &
  MethodDecoratorOf;

/** `@LogParam` after its selector is known. */
export interface ParamDecorator<S extends ParamSelector | undefined> {
  /** Above a parameter, in the legacy dialect. */
  (target: object, key: string | symbol, index: number): void;
  <This, M extends AnyFunction | undefined>(
    value: undefined,
    context: ClassFieldDecoratorContext<This, M> & ParamCheck<S, NonNullable<M>>,
  ): (this: This, initial: M) => M;
  <This, M extends AnyFunction>(value: M & ParamCheck<S, M>, context: ClassMethodDecoratorContext<This, M>): M;
  <M extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M> & ParamCheck<S, M>,
  ): TypedPropertyDescriptor<M>;
}
