import type { ArgsOf, Checked, MetricCheck, ParamCheck, ResultSeenOf } from "../capture/check.js";
import { compileMetrics, type Selector } from "../capture/metrics.js";
import { PulseError } from "../errors.js";
import { guard } from "./guard.js";
import { activeHost, apply, OFF, type Scope, scopes } from "./host.js";
import { forgettingRun } from "./open-run.js";
import { type CallOptions, type CheckedOptions, checkOptions } from "./options.js";
import { type AnyFunction, newPlan, type Plan, plans } from "./plan.js";
import { resolvePlan } from "./resolve.js";
import { derive, isGenerator, observeGenerator, observeResult } from "./result.js";
import type { RunHost } from "./run-host.js";
import { TrackedCall } from "./tracked-call.js";

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
export function tracked<
  F extends AnyFunction,
  const S extends Selector<ResultSeenOf<F>, ArgsOf<F>> = Selector<ResultSeenOf<F>, ArgsOf<F>>,
  A extends string = string,
  M extends Checked<S> = MetricCheck<S, never, F, "what the function returns">,
  P extends Checked<A> = ParamCheck<A, F, "function">,
>(fn: F, options: CheckedOptions<F, S, A, NoInfer<M>, NoInfer<P>> = {} as never): F {
  return trackedBy(undefined, fn, options as CallOptions);
}

/** @internal Like `tracked`, with that tracker at every call. */
export function trackedBy<F extends AnyFunction>(host: RunHost | undefined, fn: F, options: CallOptions): F {
  if (typeof fn !== "function")
    throw new PulseError("INVALID_OPTION", `tracked: expected a function, got ${fn === null ? "null" : typeof fn}.`);
  checkOptions("tracked", options);
  if (OFF) return fn;
  const plan = newPlan(fn, fn.name || "anonymous");
  addOpening(plan, options);
  plan.closed = true;
  plan.parts.push({ decorator: "tracked", options });
  return wrap(plan, host) as F;
}

/** @internal Adds to a plan that every call opens a run. */
export function addOpening(plan: Plan, options: CallOptions): void {
  plan.opens.push(options);
  if (options.metrics !== undefined) plan.metrics.push(compileMetrics(options.metrics, {}, plan.name));
}

/** @internal Makes the function that stands in for a plan's original: the only place that wraps. */
export function wrap(plan: Plan, host?: RunHost): AnyFunction {
  const { original } = plan;
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    if (new.target) return Reflect.construct(original, args, new.target === wrapper ? original : new.target);
    return callTracked(plan, this, args, host);
  };
  likeOriginal(wrapper, original);
  plans.byFunction.set(wrapper, plan);
  metadata.defineMetadata?.("pulse-mlflow:plan", plan.parts, wrapper);
  return wrapper;
}

/** @internal Gives a wrapper what can be seen of a function from outside: name, length, own properties, and metadata a framework put on it. */
export function likeOriginal(wrapper: AnyFunction, original: AnyFunction): void {
  for (const key of Reflect.ownKeys(original)) {
    if (key === "arguments" || key === "caller") continue;
    Object.defineProperty(wrapper, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  const { getOwnMetadataKeys, getOwnMetadata, defineMetadata } = metadata;
  if (!getOwnMetadataKeys || !getOwnMetadata || !defineMetadata) return;
  for (const key of getOwnMetadataKeys(original)) defineMetadata(key, getOwnMetadata(key, original), wrapper);
}

/** What reflect-metadata adds to `Reflect`; it is used when the program has loaded it, and never loaded by us. */
interface MetadataReflect {
  getOwnMetadataKeys(target: object): unknown[];
  getOwnMetadata(key: unknown, target: object, member?: string | symbol): unknown;
  defineMetadata(key: unknown, value: unknown, target: object): void;
}

/** @internal */
export const metadata: Partial<MetadataReflect> = Reflect as unknown as Partial<MetadataReflect>;

/**
 * @internal Calls a plan's original as the plan says, with the tracker of `host` if there is one. Without arguments the run itself is the one (`withRun`).
 * An error below it shows three frames of a tracked call: the function that calls this one, this one, and the storage's.
 */
export function callTracked(plan: Plan, self: unknown, args: readonly unknown[] | undefined, host?: RunHost): unknown {
  const { original } = plan;
  const active = scopes.get();
  const scope = host === undefined || active?.host === host ? active : { host, run: undefined };
  const call = prepare(plan, self, args, scope);
  if (call === undefined) {
    const given = args ?? [forgettingRun(plan.opens[0] ?? {})];
    return scope === active ? Reflect.apply(original, self, given) : scopes.storage.run(scope, apply, original, self, given);
  }
  // A generator function's body starts at the first `next`, and so does its run.
  if (args === undefined || plan.nature !== "generator") call.begin();
  let result: unknown;
  try {
    result = scopes.storage.run(call.scope, apply, original, self, args ?? [call.run]);
  } catch (error) {
    call.failed(error);
    throw error;
  }
  if (plan.nature === "async") return derive(result as Promise<unknown>, call, true);
  if (plan.nature === "generator") return observeGenerator(result as object, call, true);
  // An iterator's own fluent method gives the iterator itself: no stand-in for what the caller has already.
  if (result !== self && isGenerator(result)) return observeGenerator(result, call, false);
  return observeResult(result, call);
}

/** @internal Captures an assignment: setters and accessors log, but never open a run. */
export function captureAssignment(plan: Plan, value: unknown): void {
  const scope = scopes.get();
  const host = activeHost(scope);
  if (scope?.run === undefined) outsideRun(host, plan);
  else new TrackedCall(plan, host, undefined, [value], scope, scope.run).capture(value);
}

/** Decides what one call is: a run of its own, part of the open run, or none of ours. */
function prepare(plan: Plan, self: unknown, given: readonly unknown[] | undefined, scope: Scope | undefined): TrackedCall | undefined {
  const args = given ?? NONE;
  const host = activeHost(scope);
  const resolved = resolvePlan(plan, self);
  if (plan.remarks.length > 0)
    for (const { code, detail } of plan.remarks.splice(0)) host.diagnostics.warn(code, detail, undefined, detail);
  const active = scope?.run;
  if (resolved.when && guard(host, "when", () => resolved.when?.(args)) === false) return undefined;
  if (!resolved.opens || resolved.nest === "join") {
    if (active) return new TrackedCall(plan, host, resolved, args, scope, active);
    if (!resolved.opens) {
      outsideRun(host, plan);
      return undefined;
    }
  }
  return new TrackedCall(plan, host, resolved, args, scope, undefined, given === undefined);
}

const NONE: readonly unknown[] = [];

function outsideRun(host: RunHost, plan: Plan): void {
  const { outsideRun: mode } = host.config;
  const detail = `${plan.name} logs, but no run is open and nothing says to open one.`;
  if (mode === "throw") throw new PulseError("OUTSIDE_RUN", detail);
  if (mode === "warn") host.diagnostics.warn("OUTSIDE_RUN", detail, undefined, plan.name);
}
