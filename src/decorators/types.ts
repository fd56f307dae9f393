import type {
  ArtifactCheck,
  AssignedCheck,
  AssignedTagCheck,
  MetricCheck,
  ParamCheck,
  ParameterCheck,
  TagCheck,
  Wrong,
} from "../capture/check.js";
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

// What each decorator requires of its target.

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
  readonly opens: { readonly metrics: Metrics; readonly params: Params };
}

/** Requirements of decorators that are also allowed on classes. */
export interface NamesExperiment<Metrics, Params> extends OpensRuns<Metrics, Params> {
  readonly classes: true;
}

/** Whether a decorator fits a method. */
type OnMethod<Asks, M> =
  Asks extends LogsMetrics<infer S, infer Step>
    ? MetricCheck<S, Step, M>
    : Asks extends LogsTags<infer S>
      ? TagCheck<S, M>
      : Asks extends LogsArtifacts<infer S>
        ? ArtifactCheck<S, M>
        : Asks extends LogsParams<infer S>
          ? ParamCheck<S, M>
          : Asks extends OpensRuns<infer S, infer A>
            ? ParamCheck<A, M> extends Wrong<string>
              ? ParamCheck<A, M>
              : MetricCheck<S, never, M>
            : true;

/** Whether a decorator fits an assigned value. */
type OnAssignment<Goes extends string, Asks, V> =
  Asks extends LogsMetrics<infer S, infer Step>
    ? AssignedCheck<S, Step, V>
    : Asks extends LogsTags<infer S>
      ? AssignedTagCheck<S, V>
      : Wrong<Goes>;

type OnField<Goes extends string, Asks, V> = 0 extends 1 & V
  ? true
  : NonNullable<V> extends AnyFunction
    ? OnMethod<Asks, NonNullable<V>>
    : Wrong<`${Goes}; this field holds no function`>;

/** Whether a decorator fits a class. Without metrics, their type is any selector, or never. */
type OnClass<Goes extends string, Asks> =
  Asks extends NamesExperiment<infer Metrics, unknown>
    ? [Metrics] extends [never]
      ? true
      : Selector extends Metrics
        ? true
        : Wrong<"metrics is an option for methods; on a class put @LogMetric on the methods">
    : Wrong<Goes>;

/** The context of a member in the standard dialect. */
interface StandardContext {
  readonly kind: string;
  readonly name: unknown;
}

/** Whether a decorator fits its target in the standard dialect. */
type Standard<Goes extends string, Asks, C> = C extends {
  readonly kind: "method";
  readonly access: { get(object: never): infer M };
}
  ? OnMethod<Asks, M>
  : C extends { readonly kind: "field"; readonly access: { get(object: never): infer V } }
    ? OnField<Goes, Asks, V>
    : C extends { readonly kind: "accessor" | "setter"; readonly access: { set(object: never, value: infer V): void } }
      ? OnAssignment<Goes, Asks, V>
      : C extends { readonly kind: "class" }
        ? OnClass<Goes, Asks>
        : C extends { readonly kind: "getter" }
          ? Wrong<Goes>
          : Untyped;

/** Whether it fits in the legacy dialect, where a member is the value of its descriptor. */
type Legacy<Goes extends string, Asks, V> = 0 extends 1 & V
  ? true
  : V extends AnyFunction
    ? OnMethod<Asks, V>
    : OnAssignment<Goes, Asks, V>;

/**
 * A decorator of members, in both dialects. If it certainly does not fit, the result type is a sentence that explains
 * why, and the compiler shows it as the only error. The signatures below accept what fits, and what depends on a type
 * parameter of the class.
 */
export interface MemberDecorator<Goes extends string, Asks> {
  <C extends StandardContext>(
    value: unknown,
    context: Standard<Goes, Asks, C> extends Wrong<string> ? C : never,
  ): Standard<Goes, Asks, C>;
  <This, M extends AnyFunction>(value: M, context: ClassMethodDecoratorContext<This, M>): M;
  <This, V>(value: undefined, context: ClassFieldDecoratorContext<This, V>): (this: This, initial: V) => V;
  <This, V>(
    value: ClassAccessorDecoratorTarget<This, V>,
    context: ClassAccessorDecoratorContext<This, V>,
  ): ClassAccessorDecoratorResult<This, V>;
  <This, V>(
    value: (this: This, assigned: V) => void,
    context: ClassSetterDecoratorContext<This, V>,
  ): (this: This, assigned: V) => void;
  <V>(
    target: object,
    key: string | symbol,
    descriptor: Legacy<Goes, Asks, V> extends Wrong<string> ? TypedPropertyDescriptor<V> : never,
  ): Legacy<Goes, Asks, V>;
  <M extends AnyFunction>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): TypedPropertyDescriptor<M>;
  <V>(target: object, key: string | symbol, descriptor: TypedPropertyDescriptor<V>): void;
  (target: object, key: string | symbol | undefined, index: number): Wrong<Goes>;
  (
    target: object,
    key: string | symbol,
  ): Wrong<`${Goes}; a function in a field needs the standard dialect, or tracked(fn, options)`>;
}

/**
 * Wrong calls: several texts instead of a list. The first signature never matches; it gives the result type when no
 * other signature fits, which suppresses further errors.
 */
export interface Explained<Name extends string> {
  (target: never, key: never, descriptor: never): Untyped;
  (
    first: readonly string[],
    second: string,
    ...more: string[]
  ): Wrong<`options are an object, after the list: @${Name}([…], { … })`>;
  (first: string, second: string, ...more: string[]): Wrong<`several are one list: @${Name}(["a", "b"])`>;
}

/** The decorator after it was called. In the legacy dialect it may then receive a class alone. */
export type Applied<Goes extends string, Asks> = MemberDecorator<Goes, Asks> &
  (<T extends AnyClass>(target: T) => LegacyClass<Goes, Asks, T>);

type LegacyClass<Goes extends string, Asks, T> = 0 extends 1 & T
  ? Untyped
  : OnClass<Goes, Asks> extends Wrong<string>
    ? OnClass<Goes, Asks>
    : undefined;

/** A decorator for classes and methods. */
export type ClassDecoratorToo<Goes extends string, Asks> = Applied<Goes, Asks> &
  ((value: AnyClass, context: { readonly kind: "class"; readonly name: string | undefined }) => void);

/** Whether a decorator fits a parameter. Nothing is known of private methods. */
type OnParameter<S, T, K, Index extends number> = K extends keyof T ? ParameterCheck<S, T[K], Index> : true;

/** A decorator on a parameter, in the legacy dialect. */
export interface ParameterDecorator<S> {
  (
    target: object,
    key: undefined,
    index: number,
  ): Wrong<"@LogParam goes on parameters of methods, not on those of constructors">;
  <T extends object, K extends string | symbol, Index extends number>(
    target: T,
    key: K,
    index: OnParameter<S, T, K, Index> extends Wrong<string> ? Index : never,
  ): OnParameter<S, T, K, Index>;
  (target: object, key: string | symbol, index: number): void;
}

/** Values of option `step`. */
export type StepOption = LogMetricOptions["step"];

// Where each decorator is allowed. This comes first in the decorators' types, so that the compiler shows it.

export type LogMetricGoes = "@LogMetric goes on methods, setters and accessors, not on getters";
export type LogTagGoes = "@LogTag goes on methods, setters and accessors, not on getters";
export type LogArtifactGoes = "@LogArtifact goes on methods";
export type LogParamGoes = "@LogParam goes on methods, and in the legacy dialect on their parameters";
export type TrackedRunGoes = "@TrackedRun goes on methods; a class takes @TrackedExperiment";
export type TrackedExperimentGoes = "@TrackedExperiment goes on classes and methods";
