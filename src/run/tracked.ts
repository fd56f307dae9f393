import { compileMetrics, type MetricSink } from "../capture/metrics.js";
import { emitRecord } from "../capture/params.js";
import { messageOf, PulseError } from "../errors.js";
import { activeHost, OFF, type RunHost, type Scope, scopes } from "./host.js";
import { forgettingRun, openRun } from "./open-run.js";
import { type CallOptions, checkOptions } from "./options.js";
import { type AnyFunction, newPlan, type Plan, plans } from "./plan.js";
import { type ResolvedPlan, resolvePlan } from "./resolve.js";
import { type CallObserver, derive, isGenerator, observeGenerator, observeResult } from "./result.js";
import type { Run } from "./run.js";
import { endWithError } from "./status.js";

/**
 * Gives a function that opens a run at every call, and otherwise is the one given: same `this`, arguments, result, errors,
 * name, length and types.
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * const train = tracked(async (lr: number) => ({ loss: 1 - lr }), { experiment: "Sweep", params: ["lr"], metrics: "loss" });
 * await train(0.1); // one FINISHED run: param lr, metric loss
 */
export function tracked<F extends AnyFunction>(fn: F, options: CallOptions = {}): F {
  if (typeof fn !== "function")
    throw new PulseError("INVALID_OPTION", `tracked: expected a function, got ${fn === null ? "null" : typeof fn}.`);
  checkOptions("tracked", options);
  if (OFF) return fn;
  const plan = newPlan(fn, fn.name || "anonymous");
  addOpening(plan, options);
  return wrap(plan) as F;
}

/** @internal Adds to a plan that every call opens a run. */
export function addOpening(plan: Plan, options: CallOptions): void {
  plan.opens = plan.opens ? { ...plan.opens, ...options } : options;
  if (options.metrics !== undefined) plan.metrics.push(compileMetrics(options.metrics, {}, plan.name));
}

/** @internal Makes the function that stands in for a plan's original: the only place that wraps. */
export function wrap(plan: Plan): AnyFunction {
  const { original } = plan;
  const wrapper = function (this: unknown, ...args: unknown[]): unknown {
    if (new.target) return Reflect.construct(original, args, new.target === wrapper ? original : new.target);
    return callTracked(plan, this, args);
  };
  likeOriginal(wrapper, original);
  plans.byFunction.set(wrapper, plan);
  return wrapper;
}

/** @internal Gives a wrapper what can be seen of a function from outside: name, length, own properties, and metadata a framework put on it. */
export function likeOriginal(wrapper: AnyFunction, original: AnyFunction): void {
  for (const key of Reflect.ownKeys(original)) {
    if (key === "arguments" || key === "caller") continue;
    Object.defineProperty(wrapper, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  const { getOwnMetadataKeys, getOwnMetadata, defineMetadata } = Reflect as unknown as Partial<MetadataReflect>;
  if (!getOwnMetadataKeys || !getOwnMetadata || !defineMetadata) return;
  for (const key of getOwnMetadataKeys(original)) defineMetadata(key, getOwnMetadata(key, original), wrapper);
}

/** What reflect-metadata adds to `Reflect`; it is used when the program has loaded it, and never loaded by us. */
interface MetadataReflect {
  getOwnMetadataKeys(target: object): unknown[];
  getOwnMetadata(key: unknown, target: object): unknown;
  defineMetadata(key: unknown, value: unknown, target: object): void;
}

/** @internal Calls a plan's original as the plan says. `withRun` passes the run itself as the argument. */
export function callTracked(plan: Plan, self: unknown, args: readonly unknown[], passRun = false): unknown {
  const call = prepare(plan, self, args);
  if (call === undefined) return Reflect.apply(plan.original, self, passRun ? [forgettingRun(plan.opens ?? {})] : args);
  // A generator function's body starts at the first `next`, and so does its run.
  if (passRun || plan.nature !== "generator") call.begin();
  let result: unknown;
  try {
    result = call.enter(() => Reflect.apply(plan.original, self, passRun ? [call.run] : args));
  } catch (error) {
    call.failed(error);
    throw error;
  }
  // An iterator's own fluent method gives the iterator itself: no stand-in for what the caller has already.
  if (plan.nature === "async") return derive(result as Promise<unknown>, call, true);
  if (result !== self && isGenerator(result)) return observeGenerator(result, call);
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
function prepare(plan: Plan, self: unknown, args: readonly unknown[]): TrackedCall | undefined {
  const scope = scopes.get();
  const host = activeHost(scope);
  if (plan.unknownArguments.length > 0) sayUnknownArguments(plan, host);
  const resolved = resolvePlan(plan, self);
  const active = scope?.run;
  if (resolved.when && guard(host, "when", () => resolved.when?.(args)) === false) return undefined;
  if (!resolved.opens || resolved.nest === "join") {
    if (active) return new TrackedCall(plan, host, resolved, args, scope, active);
    if (!resolved.opens) {
      outsideRun(host, plan);
      return undefined;
    }
  }
  return new TrackedCall(plan, host, resolved, args, scope, undefined);
}

function sayUnknownArguments(plan: Plan, host: RunHost): void {
  for (const name of plan.unknownArguments.splice(0)) {
    host.diagnostics.warn(
      "UNKNOWN_ARGUMENT",
      `${plan.name} has no argument named ${JSON.stringify(name)}.`,
      undefined,
      `${plan.name} ${name}`,
    );
  }
}

function outsideRun(host: RunHost, plan: Plan): void {
  const { outsideRun: mode } = host.config;
  const detail = `${plan.name} logs, but no run is open and nothing says to open one.`;
  if (mode === "throw") throw new PulseError("OUTSIDE_RUN", detail);
  if (mode === "warn") host.diagnostics.warn("OUTSIDE_RUN", detail, undefined, plan.name);
}

/** Runs a function of the user's that is not the tracked one (a selector, a name function); what it throws is a warning. */
function guard<R>(host: RunHost, what: string, fn: () => R): R | undefined {
  try {
    return fn();
  } catch (error) {
    captureFailed(host, what, error);
    return undefined;
  }
}

function captureFailed(host: RunHost, what: string, error: unknown): void {
  if (host.config.strict && error instanceof PulseError) throw error;
  host.diagnostics.warn("CAPTURE_FAILED", `${what} failed: ${messageOf(error)}.`, error, what);
}

/** One call of a tracked function, from its start to the end of its result. */
class TrackedCall implements CallObserver, MetricSink {
  run: Run | undefined;
  readonly #plan: Plan;
  readonly #host: RunHost;
  readonly #resolved: ResolvedPlan | undefined;
  readonly #args: readonly unknown[];
  readonly #joined: boolean;
  #scope: Scope | undefined;
  begun = false;
  #now = 0;

  constructor(
    plan: Plan,
    host: RunHost,
    resolved: ResolvedPlan | undefined,
    args: readonly unknown[],
    scope: Scope | undefined,
    joined: Run | undefined,
  ) {
    this.#plan = plan;
    this.#host = host;
    this.#resolved = resolved;
    this.#args = args;
    this.#scope = scope;
    this.#joined = joined !== undefined;
    this.run = joined;
  }

  enter<R>(part: () => R): R {
    return scopes.run(this.#scope, part);
  }

  begin(): void {
    if (this.begun) return; // a plain function that returned a generator began when it was called
    this.begun = true;
    const resolved = this.#resolved as ResolvedPlan;
    if (!this.#joined) {
      const { runName, defaultName } = resolved;
      const host = this.#host;
      this.run = openRun(host, {
        experiment: resolved.experiment,
        fallbackExperiment: resolved.className,
        name:
          (typeof runName === "function" ? guard(host, `${this.#plan.name}: runName`, () => runName(this.#args)) : runName) ?? defaultName,
        parent: resolved.nest === "root" ? undefined : this.#scope?.run,
      });
      this.#scope = { host, run: this.run };
    }
    this.#begin(resolved);
  }

  step(value: unknown): void {
    this.capture(value);
  }

  done(value: unknown): void {
    try {
      this.capture(value);
    } finally {
      if (!this.#joined) this.run?.end("FINISHED", this.#now);
    }
  }

  exhausted(): void {
    if (!this.#joined) this.run?.end();
  }

  failed(error: unknown): void {
    if (!this.#joined && this.run) endWithError(this.run, error, this.#args);
  }

  abandoned(): void {
    if (this.#joined) return;
    this.run?.setTag("pulse.partial", "true");
    this.run?.end();
  }

  untouchable(): void {
    const { name } = this.#plan;
    this.#host.diagnostics.warn(
      "THENABLE_UNTRACKED",
      `${name} returned a thenable of its own kind; it is handed on untouched, and nothing of its result is logged.`,
      undefined,
      name,
    );
    this.exhausted();
  }

  /** Takes metrics and tags from a result or a yielded value. */
  capture(result: unknown): void {
    const { metrics, tags, name } = this.#plan;
    this.#now = this.#host.clock.now(); // the values of one result, and its end, belong to one moment
    for (const capture of metrics) {
      try {
        capture(result, this.#args, this);
      } catch (error) {
        captureFailed(this.#host, name, error);
      }
    }
    for (const capture of tags) guard(this.#host, name, () => capture(result, this.#args, (key, value) => this.run?.setTag(key, value)));
  }

  metric(key: string, value: unknown, step: unknown, timestamp: unknown): void {
    this.run?.capture(key, value, step, timestamp ?? this.#now);
  }

  limited(what: string): void {
    const { name } = this.#plan;
    this.#host.diagnostics.warn("CAPTURE_LIMIT", `${name}: ${what} logged.`, undefined, name);
  }

  /** Logs params and tags that are known before the body runs: fixed ones, base class first, then the captured arguments. */
  #begin(resolved: ResolvedPlan): void {
    const { params, name } = this.#plan;
    const run = this.run as Run;
    if (!this.#joined && resolved.params.length + resolved.tags.length > 0) {
      const fixed = { params: new Map<string, unknown>(), tags: new Map<string, unknown>() };
      for (const kind of ["params", "tags"] as const) {
        for (const fields of resolved[kind]) {
          const record = typeof fields === "function" ? guard(this.#host, `${name}: ${kind}`, () => fields(this.#args)) : fields;
          emitRecord(record, (key, value) => fixed[kind].set(key, value));
        }
      }
      for (const capture of params) guard(this.#host, name, () => capture(this.#args, (key, value) => fixed.params.set(key, value)));
      for (const [key, value] of fixed.params) run.logParam(key, value);
      for (const [key, value] of fixed.tags) run.setTag(key, value);
    } else {
      for (const capture of params) guard(this.#host, name, () => capture(this.#args, (key, value) => run.logParam(key, value)));
    }
  }
}
