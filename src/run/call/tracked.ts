import { types } from "node:util";
import { PulseError } from "../../base/errors.js";
import { demandStack } from "../../base/stack-space.js";
import { ownName } from "../../base/text/value-text.js";
import { needFunction } from "../../base/wrong-input.js";
import { compileArtifacts } from "../../capture/artifacts.js";
import type { ArgsOf, Checked, MetricCheck, ParamCheck, ResultSeenOf, SelectorFor } from "../../capture/check.js";
import { compileMetrics } from "../../capture/metrics.js";
import type { Selector, Untyped } from "../../capture/selector.js";
import { activeHost, application, asks, OFF } from "../default-host.js";
import { forgettingRun } from "../open-run.js";
import { checkOptions } from "../option-checks.js";
import type { CallOptions, CheckedOptions } from "../options.js";
import { apply, runInForce, type Scope, scopes } from "../scope.js";
import { callUser } from "../verbs/call-user.js";
import type { RunHost } from "../verbs/run-host.js";
import { paused } from "../verbs/unrecorded.js";
import { type AnyFunction, NAMELESS, newPlan, type Plan, plans } from "./plan.js";
import { derive, observeResult } from "./promises.js";
import { resolvePlan } from "./resolve.js";
import { isGenerator, observeGenerator } from "./result.js";
import { endUnended, failing, TrackedCall } from "./tracked-call.js";

/**
 * Returns a function that opens a run for each call, and otherwise behaves like the one given: same `this`,
 * arguments, result, errors, name, length and types.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { experiment: "Sweep", params: ["lr"], metrics: "loss" });
 * await train(0.1); // one FINISHED run: param lr, metric loss
 * ```
 */
export function tracked<
  F extends AnyFunction,
  const S extends SelectorFor<ResultSeenOf<F>, ArgsOf<F>> = Selector<ResultSeenOf<F>, ArgsOf<F>>,
  A extends string = string,
  M extends Checked<S> = MetricCheck<S, never, F, "what the function returns">,
  P extends Checked<A> = ParamCheck<A, F, "function">,
  Args extends readonly Untyped[] = ArgsOf<F>,
>(fn: F, options: CheckedOptions<F, S, A, NoInfer<M>, NoInfer<P>, Args> = {} as never): F {
  return trackedBy(undefined, fn, options as CallOptions);
}

/** @internal Like `tracked`, but every call uses the given tracker. */
export function trackedBy<F extends AnyFunction>(host: RunHost | undefined, fn: F, options: CallOptions): F {
  needFunction("tracked", "fn", fn);
  checkOptions("tracked", options);
  if (OFF) return fn;
  if (options.library !== true) application.asked = true;
  const plan = newPlan(fn, ownName(fn) || NAMELESS);
  addOpening(plan, options);
  plan.closed = true;
  plan.parts.push({ decorator: "tracked", options });
  return wrap(plan, host) as F;
}

/** @internal Extends a plan so that every call opens a run. */
export function addOpening(plan: Plan, options: CallOptions): void {
  plan.opens.push(options);
  if (options.metrics !== undefined) plan.metrics.push(compileMetrics(options.metrics, {}, plan.name));
  if (options.artifacts !== undefined) plan.artifacts.push(compileArtifacts(options.artifacts));
}

/** @internal Creates the wrapper of a plan's original. Everything is wrapped here. */
export function wrap(plan: Plan, host?: RunHost): AnyFunction {
  const { original } = plan;
  let known = prototypeOf(original);
  // Both forms call the original directly, so that a call adds only one frame in deep recursion and error stacks.
  const wrapper = standIn(original, {
    method(this: unknown, ...args: unknown[]): unknown {
      if (scopes.storage.enterWith === undefined) return callTracked(plan, this, args, host);
      const call = enter(plan, this, args, host);
      let result: unknown;
      try {
        result = Reflect.apply(original, this, args);
      } catch (error) {
        throw threw(call, error);
      }
      return returned(call, plan, this, args, result);
    },
    constructor: function (this: unknown, ...args: unknown[]): unknown {
      if (wrapper.prototype !== known) known = samePrototype(wrapper, original);
      if (new.target) sayConstructed(plan, host);
      if (new.target) return Reflect.construct(original, args, new.target === wrapper ? original : new.target);
      if (scopes.storage.enterWith === undefined) return callTracked(plan, this, args, host);
      const call = enter(plan, this, args, host);
      let result: unknown;
      try {
        result = Reflect.apply(original, this, args);
      } catch (error) {
        throw threw(call, error);
      }
      return returned(call, plan, this, args, result);
    },
    trap: (_, self, args) => callTracked(plan, self, args, host),
  });
  plan.wrapper = wrapper;
  plans.byFunction.set(wrapper, plan);
  metadata.defineMetadata?.("pulse-mlflow:plan", plan.parts, wrapper);
  return wrapper;
}

const CLASS = /^class\b/;
const constructed = new WeakSet<Plan>();

/** Reports once that `tracked` was given a class, which is constructed rather than called. */
function sayConstructed(plan: Plan, host: RunHost | undefined): void {
  if (constructed.has(plan)) return;
  constructed.add(plan);
  if (!CLASS.test(Function.prototype.toString.call(plan.original))) return;
  const { diagnostics } = host ?? activeHost(scopes.get());
  const detail = `tracked(${plan.name}): a class is constructed with new, not called, so nothing is recorded. Put @TrackedExperiment on it, or pass its functions to tracked().`;
  diagnostics.notice("WRONG_TARGET", detail, plan.name);
}

/**
 * @internal Returns the function that replaces the original, as similar to it as a function can be: same prototype
 * (async, generator, callable objects), name, length, source text, own properties and framework metadata. For a
 * proxy, returns a proxy that does not inspect it.
 */
export function standIn(original: AnyFunction, forms: Forms): AnyFunction {
  if (types.isProxy(original)) return new Proxy(original, { apply: forms.trap });
  const hasPrototype = Object.hasOwn(original, "prototype");
  const bound = !hasPrototype && isConstructor(original);
  const made = hasPrototype || bound ? forms.constructor : forms.method;
  Object.setPrototypeOf(made, Object.getPrototypeOf(original) as object | null);
  for (const key of Reflect.ownKeys(original)) if (key !== "arguments" && key !== "caller") share(made, original, key);
  // If the program has deleted one of these, the wrapper must not have it either.
  for (const key of ["name", "length"]) if (!Object.hasOwn(original, key)) Reflect.deleteProperty(made, key);
  if (bound) asBound(made, original);
  if (!Object.hasOwn(original, "toString")) {
    // Some dependency injection frameworks read parameter names from the source text.
    const { toString: value } = { toString: () => Function.prototype.toString.call(original) };
    Object.defineProperty(made, "toString", { value, writable: true, configurable: true });
  }
  const { getOwnMetadataKeys, getOwnMetadata, defineMetadata } = metadata;
  if (getOwnMetadataKeys && getOwnMetadata && defineMetadata)
    for (const key of getOwnMetadataKeys(original)) defineMetadata(key, getOwnMetadata(key, original), made);
  return made;
}

/**
 * Whether a function can be called with `new`. Bound functions can, although they have no `prototype`. Does not call
 * it.
 */
function isConstructor(fn: AnyFunction): boolean {
  try {
    Reflect.construct(Object, [], fn);
    return true;
  } catch {
    return false;
  }
}

/** Makes a function behave like a bound one: without `prototype`, and with `instanceof` referring to the original. */
function asBound(made: AnyFunction, original: AnyFunction): void {
  made.prototype = undefined;
  const value = (instance: unknown): boolean => instance instanceof original;
  if (!Object.hasOwn(original, Symbol.hasInstance))
    Object.defineProperty(made, Symbol.hasInstance, { value, configurable: true });
}

/** @internal Returns a function's `prototype`; undefined for a proxy, which is not inspected. */
export function prototypeOf(fn: AnyFunction): unknown {
  return types.isProxy(fn) ? undefined : Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
}

/**
 * @internal Copies a `prototype` that the program assigned to the wrapper to the original, so that all instances
 * inherit from it, and returns it.
 */
export function samePrototype(made: AnyFunction, original: AnyFunction): unknown {
  const { prototype } = made;
  if (Object.getOwnPropertyDescriptor(original, "prototype")?.writable === true) original.prototype = prototype;
  return prototype;
}

/**
 * A function in three forms that do the same. The one needed is called directly, since a function in between would
 * add a frame to every stack.
 */
interface Forms {
  /** Without `prototype`, like methods, arrow functions and async functions. */
  readonly method: AnyFunction;
  /** With `prototype`, like classes, generator functions and `function` functions. */
  readonly constructor: AnyFunction;
  /** The `apply` trap of a proxy. */
  readonly trap: (original: AnyFunction, self: unknown, args: unknown[]) => unknown;
}

/** Shares an own property of the original with its wrapper: a property that may change is forwarded to the original. */
function share(made: AnyFunction, original: AnyFunction, key: string | symbol): void {
  const found = Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor;
  const { configurable = false, enumerable = false, writable } = found;
  const changes = writable === true && configurable && key !== "prototype";
  const get = (): unknown => Reflect.get(original, key);
  const set = (value: unknown): void => void Reflect.set(original, key, value);
  Object.defineProperty(made, key, changes ? { get, set, configurable, enumerable } : found);
}

/** What reflect-metadata adds to `Reflect`. Used if the program has loaded it; this package never loads it. */
interface MetadataReflect {
  getOwnMetadataKeys(target: object): unknown[];
  getOwnMetadata(key: unknown, target: object, member?: string | symbol): unknown;
  defineMetadata(key: unknown, value: unknown, target: object): void;
}

const metadata: Partial<MetadataReflect> = Reflect as unknown as Partial<MetadataReflect>;

/**
 * @internal Calls a plan's original as the plan asks, with the tracker `host` if given. Without `args` the original
 * receives the run (`withRun`).
 */
export function callTracked(plan: Plan, self: unknown, args: readonly unknown[] | undefined, host?: RunHost): unknown {
  const call = enter(plan, self, args, host);
  const given = args ?? [call.run ?? forgettingRun(plan.opens[0] ?? {}, reasonOf(call))];
  const { storage } = scopes;
  let result: unknown;
  try {
    result =
      storage.enterWith === undefined
        ? storage.run(call.scope, apply, plan.original, self, given)
        : Reflect.apply(plan.original, self, given);
  } catch (error) {
    throw threw(call, error);
  }
  return returned(call, plan, self, args, result);
}

/** A call that is not tracked. A tracker chosen for it still applies inside. */
class UntrackedCall {
  readonly run: undefined;
  readonly scope: Scope | undefined;
  /** The caller's scope. */
  readonly outer: Scope | undefined;
  /** Makes the error that says why, where tracking is not simply off for it. */
  readonly unrecorded: (() => PulseError) | undefined;

  constructor(scope: Scope | undefined, outer: Scope | undefined, unrecorded?: () => PulseError) {
    this.scope = scope;
    this.outer = outer;
    this.unrecorded = unrecorded;
  }
}

const reasonOf = (call: TrackedCall | UntrackedCall): PulseError | undefined =>
  call instanceof UntrackedCall ? call.unrecorded?.() : undefined;

/** Begins a call and enters its scope, if the storage supports `enterWith`. */
function enter(
  plan: Plan,
  self: unknown,
  args: readonly unknown[] | undefined,
  host: RunHost | undefined,
): TrackedCall | UntrackedCall {
  if (failing()) wary = WARY_CALLS;
  // Not at every depth, since the check takes microseconds.
  if ((depth >= DEEP && depth % 4 === 0) || wary > 0) demandRoom();
  const outer = scopes.get();
  const scope = host === undefined || outer?.host === host ? outer : { host, run: undefined };
  const call = prepare(plan, self, args, scope, outer);
  if (call instanceof TrackedCall) {
    call.outer = outer;
    // The body of a generator function starts at the first `next`, and so does its run.
    if (args === undefined || plan.nature !== "generator") call.begin();
  }
  if (call.scope !== outer) scopes.storage.enterWith?.(call.scope);
  depth++;
  return call;
}

/** Restores the caller's scope. */
function leave(call: TrackedCall | UntrackedCall): void {
  depth--;
  if (call.scope !== call.outer) scopes.storage.enterWith?.(call.outer);
}

/** Ends a call that threw, and returns the error to rethrow. */
function threw(call: TrackedCall | UntrackedCall, error: unknown): unknown {
  leave(call);
  if (call instanceof TrackedCall) call.failed(error);
  return error;
}

/** Observes the result of a call, and returns what the caller gets. */
function returned(
  call: TrackedCall | UntrackedCall,
  plan: Plan,
  self: unknown,
  args: readonly unknown[] | undefined,
  result: unknown,
): unknown {
  leave(call);
  if (!(call instanceof TrackedCall)) return result;
  if (plan.nature === "async") return derive(result as Promise<unknown>, call, true);
  if (plan.nature === "generator") return observeGenerator(result as object, call, true);
  // A fluent method of an iterator returns `this`: the caller already has it.
  if (result !== self && isGenerator(result)) return observeGenerator(result, call, false);
  return observeResult(result, call, self, args ?? NONE, plan);
}

/** The number of tracked calls on the stack. */
let depth = 0;
/**
 * From this depth on the stack may be nearly exhausted, so calls check that there is enough left for this package's
 * part.
 */
const DEEP = 64;
/**
 * The stack space, in words, that this package's part of a call needs at most. V8 alone takes 40 KiB to compile a
 * function that has not run yet.
 */
const ROOM = 7_500;

/** After a call that ran out of stack, this many calls check for it whatever their depth. */
const WARY_CALLS = 1_000;
let wary = 0;

/** Throws the RangeError that the call would run into, before anything has begun that would need to be ended. */
function demandRoom(): void {
  demandStack(ROOM);
  if (wary > 0) wary--;
  endUnended();
}
/** @internal Captures an assignment: setters and accessors log, but never open a run. */
export function captureAssignment(plan: Plan, self: unknown, value: unknown): void {
  const scope = scopes.get();
  const run = runInForce(scope);
  const { library, defaultName } = resolvePlan(plan, self);
  if (run !== undefined) new TrackedCall(plan, activeHost(scope), undefined, [value], scope, run).capture(value);
  else if (!library || asks(library, scope)) {
    const host = activeHost(scope);
    if (!host.paused) outsideRun(host, defaultName, "is assigned");
  }
}

/** Decides how a call is treated: it opens a run, joins the open one, or is not tracked. */
function prepare(
  plan: Plan,
  self: unknown,
  given: readonly unknown[] | undefined,
  scope: Scope | undefined,
  outer: Scope | undefined,
): TrackedCall | UntrackedCall {
  const args = given ?? NONE;
  const resolved = resolvePlan(plan, self);
  if (resolved.opens && !asks(resolved.library, scope)) return new UntrackedCall(NOT_ASKED, outer);
  const host = activeHost(scope);
  if (plan.remarks.length > 0)
    for (const { code, detail } of plan.remarks.splice(0)) {
      const warning = code === "UNKNOWN_ARGUMENT" ? `${resolved.defaultName}: ${detail}` : detail;
      host.diagnostics.warn(code, warning, undefined, warning);
    }
  const active = runInForce(scope);
  // Like a call that `when` leaves out, it does not join a run either.
  if (host.paused && !(active && (!resolved.opens || resolved.nest === "join")))
    return new UntrackedCall(active ? scope : { host, run: undefined, untracked: true }, outer, paused);
  if (resolved.when && callUser(host, `${resolved.defaultName}: when`, () => resolved.when?.(args)) === false)
    return new UntrackedCall(active ? scope : { host, run: undefined, untracked: true }, outer);
  if (!resolved.opens || resolved.nest === "join") {
    if (active) return new TrackedCall(plan, host, resolved, args, scope, active);
    if (!resolved.opens) {
      outsideRun(host, resolved.defaultName, "logs");
      return new UntrackedCall(scope, outer);
    }
  }
  return new TrackedCall(plan, host, resolved, args, scope, undefined, given === undefined);
}

const NONE: readonly unknown[] = [];
/** The scope inside a library's call when the program has not asked for tracking. */
const NOT_ASKED: Scope = { host: undefined, run: undefined, untracked: true };

function outsideRun(host: RunHost, where: string, what: "logs" | "is assigned"): void {
  const { outsideRun: mode } = host.config;
  const why =
    what === "logs"
      ? "and nothing opens one. Call it inside withRun() or a tracked method, or put @TrackedExperiment on the class or @TrackedRun on the method, so that each call opens a run."
      : "and assignments never open one: assign inside a tracked method or withRun().";
  const detail = `${where} ${what}, but no run is open ${why}`;
  if (mode === "throw") throw new PulseError("OUTSIDE_RUN", detail);
  if (mode === "warn") host.diagnostics.warn("OUTSIDE_RUN", detail, undefined, where);
}
