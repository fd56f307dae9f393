import { types } from "node:util";
import type { MetricCapture } from "../capture/metrics.js";
import type { EmitValue, ParamCapture } from "../capture/params.js";
import { shared } from "../registry.js";
import type { CallOptions, RunOptions } from "./options.js";

/** Any function; arguments and `this` go through untouched. */
// biome-ignore lint/suspicious/noExplicitAny: a wrapper is transparent for whatever it wraps
export type AnyFunction = (this: any, ...args: any[]) => any;

/** @internal What the decorators on one method (or `tracked` on one function) ask for. Every decorator only adds to it. */
export interface Plan {
  readonly original: AnyFunction;
  /** Async functions give a new promise with each call; the bodies of generator functions begin at the first `next`. */
  readonly nature: "async" | "generator" | "plain";
  /** The member's name, as keys and run names show it. */
  readonly name: string;
  /** What makes the method open a run at every call: `@TrackedRun`, its own `@TrackedExperiment`, `tracked`, `withRun`; the inner one first. */
  readonly opens: CallOptions[];
  readonly metrics: MetricCapture[];
  readonly params: ParamCapture[];
  readonly tags: ((result: unknown, args: readonly unknown[], emit: EmitValue) => void)[];
  /** The class whose decorator saw the method (legacy: whose body holds it), for calls whose `this` says nothing. */
  owner: (() => unknown) | undefined;
  /** Argument names found missing at decoration; said at the first call, when there is a tracker to say it. */
  readonly unknownArguments: string[];
}

/** @internal What `@TrackedExperiment` on a class says. */
export interface ClassPlan {
  /** Undefined when bare: the configured experiment, else the class's name. */
  readonly experiment: string | undefined;
  readonly options: RunOptions;
}

interface Plans {
  readonly byFunction: WeakMap<object, Plan>;
  readonly byClass: WeakMap<object, ClassPlan>;
  /** Raised by each decoration of what is wrapped already, so that what was resolved before it is resolved again. */
  version: number;
}

/** @internal All plans of the process. */
export const plans: Plans = shared("plans", () => ({ byFunction: new WeakMap(), byClass: new WeakMap(), version: 0 }));

/** @internal Makes an empty plan for a function. */
export function newPlan(original: AnyFunction, name: string): Plan {
  return {
    original,
    name,
    nature: natureOf(original),
    opens: [],
    metrics: [],
    params: [],
    tags: [],
    owner: undefined,
    unknownArguments: [],
  };
}

function natureOf(fn: AnyFunction): Plan["nature"] {
  if (types.isGeneratorFunction(fn)) return "generator"; // async generators, too
  return types.isAsyncFunction(fn) ? "async" : "plain";
}

/** @internal The plan of a tracked function, or undefined when it is not one. */
export function planOf(fn: unknown): Plan | undefined {
  return typeof fn === "function" ? plans.byFunction.get(fn) : undefined;
}

/** @internal Notes that a decorator names an argument the function does not have. */
export function noteUnknownArgument(plan: Plan, name: string): void {
  if (!plan.unknownArguments.includes(name)) plan.unknownArguments.push(name);
}
