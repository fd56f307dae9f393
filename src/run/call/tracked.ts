import { types } from "node:util";
import { PulseError } from "../../base/errors.js";
import { demandStack } from "../../base/stack-room.js";
import { ownName } from "../../base/text/text.js";
import { needFunction } from "../../base/wrong-input.js";
import { compileArtifacts } from "../../capture/artifacts.js";
import type { ArgsOf, Checked, MetricCheck, ParamCheck, ResultSeenOf, SelectorFor } from "../../capture/check.js";
import { compileMetrics } from "../../capture/metrics.js";
import type { Selector, Untyped } from "../../capture/selector.js";
import { callUser } from "../call-user.js";
import { activeHost, application, asks, OFF } from "../default-host.js";
import { forgettingRun } from "../open-run.js";
import { type CallOptions, type CheckedOptions, checkOptions } from "../options.js";
import { apply, runInForce, type Scope, scopes } from "../scope.js";
import type { RunHost } from "../verbs/run-host.js";
import { type AnyFunction, NAMELESS, newPlan, type Plan, plans } from "./plan.js";
import { derive, observeResult } from "./promises.js";
import { resolvePlan } from "./resolve.js";
import { isGenerator, observeGenerator } from "./result.js";
import { endUnended, failing, TrackedCall } from "./tracked-call.js";

/**
 * Gives a function that opens a run at every call, and otherwise is the one given: same `this`, arguments, result,
 * errors, name, length and types.
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
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

/** @internal Like `tracked`, with that tracker at every call. */
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

/** @internal Adds to a plan that every call opens a run. */
export function addOpening(plan: Plan, options: CallOptions): void {
  plan.opens.push(options);
  if (options.metrics !== undefined) plan.metrics.push(compileMetrics(options.metrics, {}, plan.name));
  if (options.artifacts !== undefined) plan.artifacts.push(compileArtifacts(options.artifacts));
}

/** @internal Makes the function that stands in for a plan's original: the only place that wraps. */
export function wrap(plan: Plan, host?: RunHost): AnyFunction {
  const { original } = plan;
  let known = prototypeOf(original);
  // Both functions call the original themselves: in deep recursion, and in the stack of each error, a call has one
  // frame of ours.
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

/** Says once that what `tracked` was given is a class, which is constructed and not called. */
function sayConstructed(plan: Plan, host: RunHost | undefined): void {
  if (constructed.has(plan)) return;
  constructed.add(plan);
  if (!CLASS.test(Function.prototype.toString.call(plan.original))) return;
  const { diagnostics } = host ?? activeHost(scopes.get());
  const detail = `tracked(${plan.name}): a class is made with new, not called, so that nothing of it is recorded. Put @TrackedExperiment on it, or give tracked() its functions.`;
  diagnostics.notice("WRONG_TARGET", detail, plan.name);
}

/**
 * @internal Gives the function that takes the original's place. It is of the original's kind, as far as a function can
 * be: prototype (async, generator, callable objects), name, length, text, own properties, and what a framework's
 * metadata say. A proxy gets a proxy, which asks nothing of it.
 */
export function standIn(original: AnyFunction, forms: Forms): AnyFunction {
  if (types.isProxy(original)) return new Proxy(original, { apply: forms.trap });
  const hasPrototype = Object.hasOwn(original, "prototype");
  const bound = !hasPrototype && isConstructor(original);
  const made = hasPrototype || bound ? forms.constructor : forms.method;
  Object.setPrototypeOf(made, Object.getPrototypeOf(original) as object | null);
  for (const key of Reflect.ownKeys(original)) if (key !== "arguments" && key !== "caller") share(made, original, key);
  // What somebody has deleted there is not to be ours here.
  for (const key of ["name", "length"]) if (!Object.hasOwn(original, key)) Reflect.deleteProperty(made, key);
  if (bound) asBound(made, original);
  if (!Object.hasOwn(original, "toString")) {
    // Some read a function's parameters from its text (dependency injection).
    const { toString: value } = { toString: () => Function.prototype.toString.call(original) };
    Object.defineProperty(made, "toString", { value, writable: true, configurable: true });
  }
  const { getOwnMetadataKeys, getOwnMetadata, defineMetadata } = metadata;
  if (getOwnMetadataKeys && getOwnMetadata && defineMetadata)
    for (const key of getOwnMetadataKeys(original)) defineMetadata(key, getOwnMetadata(key, original), made);
  return made;
}

/**
 * Whether a function can be called with `new`: those of the language that `bind` makes can, and have no `prototype`.
 * Calls nothing.
 */
function isConstructor(fn: AnyFunction): boolean {
  try {
    Reflect.construct(Object, [], fn);
    return true;
  } catch {
    return false;
  }
}

/**
 * Has a function with a `prototype` be like one that `bind` made: without one, and `instanceof` asks the function
 * behind it.
 */
function asBound(made: AnyFunction, original: AnyFunction): void {
  made.prototype = undefined;
  const value = (instance: unknown): boolean => instance instanceof original;
  if (!Object.hasOwn(original, Symbol.hasInstance))
    Object.defineProperty(made, Symbol.hasInstance, { value, configurable: true });
}

/** @internal The prototype of what a function makes; a proxy is asked nothing. */
export function prototypeOf(fn: AnyFunction): unknown {
  return types.isProxy(fn) ? undefined : Object.getOwnPropertyDescriptor(fn, "prototype")?.value;
}

/**
 * @internal Has the original have the prototype that somebody has given the function in its place: instances are of it,
 * whoever makes them. Gives it.
 */
export function samePrototype(made: AnyFunction, original: AnyFunction): unknown {
  const { prototype } = made;
  if (Object.getOwnPropertyDescriptor(original, "prototype")?.writable === true) original.prototype = prototype;
  return prototype;
}

/**
 * A function in three forms that do the same; whichever is needed is called directly, since a function in between is a
 * frame in every stack.
 */
interface Forms {
  /** Without a `prototype`, as methods, arrow functions and async functions are. */
  readonly method: AnyFunction;
  /** With one, as classes, generator functions and functions of old are. */
  readonly constructor: AnyFunction;
  /** A proxy's. */
  readonly trap: (original: AnyFunction, self: unknown, args: unknown[]) => unknown;
}

/** Lets one function have an own property of another: what can change there is read and written there. */
function share(made: AnyFunction, original: AnyFunction, key: string | symbol): void {
  const found = Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor;
  const { configurable = false, enumerable = false, writable } = found;
  const changes = writable === true && configurable && key !== "prototype";
  const get = (): unknown => Reflect.get(original, key);
  const set = (value: unknown): void => void Reflect.set(original, key, value);
  Object.defineProperty(made, key, changes ? { get, set, configurable, enumerable } : found);
}

/** What reflect-metadata adds to `Reflect`; it is used when the program has loaded it, and never loaded by us. */
interface MetadataReflect {
  getOwnMetadataKeys(target: object): unknown[];
  getOwnMetadata(key: unknown, target: object, member?: string | symbol): unknown;
  defineMetadata(key: unknown, value: unknown, target: object): void;
}

const metadata: Partial<MetadataReflect> = Reflect as unknown as Partial<MetadataReflect>;

/**
 * @internal Calls a plan's original as the plan says, with the tracker of `host` if there is one. Without arguments the
 * run itself is the one (`withRun`).
 */
export function callTracked(plan: Plan, self: unknown, args: readonly unknown[] | undefined, host?: RunHost): unknown {
  const call = enter(plan, self, args, host);
  const given = args ?? [call.run ?? forgettingRun(plan.opens[0] ?? {})];
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

/** A call that is none of ours: where the tracker was chosen, it is in force all the same. */
class UntrackedCall {
  readonly run: undefined;
  readonly scope: Scope | undefined;
  /** What was in force before. */
  readonly outer: Scope | undefined;

  constructor(scope: Scope | undefined, outer: Scope | undefined) {
    this.scope = scope;
    this.outer = outer;
  }
}

/** Begins a call, and puts in force what is in force in it, where the storage can. */
function enter(
  plan: Plan,
  self: unknown,
  args: readonly unknown[] | undefined,
  host: RunHost | undefined,
): TrackedCall | UntrackedCall {
  if (failing()) wary = WARY_CALLS;
  // Not at each level, since it takes microseconds.
  if ((depth >= DEEP && depth % 4 === 0) || wary > 0) demandRoom();
  const outer = scopes.get();
  const scope = host === undefined || outer?.host === host ? outer : { host, run: undefined };
  const call = prepare(plan, self, args, scope, outer);
  if (call instanceof TrackedCall) {
    call.outer = outer;
    // A generator function's body starts at the first `next`, and so does its run.
    if (args === undefined || plan.nature !== "generator") call.begin();
  }
  if (call.scope !== outer) scopes.storage.enterWith?.(call.scope);
  depth++;
  return call;
}

/** Puts in force again what was before a call. */
function leave(call: TrackedCall | UntrackedCall): void {
  depth--;
  if (call.scope !== call.outer) scopes.storage.enterWith?.(call.outer);
}

/** Ends a call that threw, and gives what it threw. */
function threw(call: TrackedCall | UntrackedCall, error: unknown): unknown {
  leave(call);
  if (call instanceof TrackedCall) call.failed(error);
  return error;
}

/** Follows what a call came to, and gives what its caller is to get. */
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
  // An iterator's own fluent method gives the iterator itself: no stand-in for what the caller has already.
  if (result !== self && isGenerator(result)) return observeGenerator(result, call, false);
  return observeResult(result, call, self, args ?? NONE, plan);
}

/** How many tracked calls are on the stack. */
let depth = 0;
/**
 * From so many on there may be little of the stack left: then calls make sure that there is enough for all that is ours
 * in them.
 */
const DEEP = 64;
/**
 * Words of the stack that what is ours in a call takes at most: V8 asks for 40 KiB to compile a function that has not
 * run yet.
 */
const ROOM = 7_500;

/** After a call that ran out of it, so many make sure, however few there are on the stack. */
const WARY_CALLS = 1_000;
let wary = 0;

/** Throws the RangeError that the call is going to meet, before anything has begun that would have to be ended. */
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
  else if (!library || asks(library, scope)) outsideRun(activeHost(scope), defaultName, "is assigned");
}

/** Decides what one call is: a run of its own, part of the open run, or none of ours. */
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
      const said = code === "UNKNOWN_ARGUMENT" ? `${resolved.defaultName}: ${detail}` : detail;
      host.diagnostics.warn(code, said, undefined, said);
    }
  const active = runInForce(scope);
  // As of a call that `when` leaves out: it joins no run either.
  if (host.paused && !(active && (!resolved.opens || resolved.nest === "join")))
    return new UntrackedCall(active ? scope : { host, run: undefined, untracked: true }, outer);
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
/** What is in force in a library's call of which the program wants no tracking. */
const NOT_ASKED: Scope = { host: undefined, run: undefined, untracked: true };

function outsideRun(host: RunHost, where: string, what: "logs" | "is assigned"): void {
  const { outsideRun: mode } = host.config;
  const why =
    what === "logs"
      ? "and nothing says to open one. Call it inside withRun() or a tracked method; @TrackedExperiment on the class or @TrackedRun on the method have each call of it open a run."
      : "and an assignment opens none: assign inside a tracked method or withRun().";
  const detail = `${where} ${what}, but no run is open ${why}`;
  if (mode === "throw") throw new PulseError("OUTSIDE_RUN", detail);
  if (mode === "warn") host.diagnostics.warn("OUTSIDE_RUN", detail, undefined, where);
}
