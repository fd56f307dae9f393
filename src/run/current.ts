import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import { ownName } from "../capture/text.js";
import { PulseError } from "../errors.js";
import { recordOnlyIfFailed } from "../recorder/buffer/deferred-runs.js";
import { needFunction, wrongInput } from "../wrong-input.js";
import { activeHost, apply, asks, construct, OFF, runInForce, type Scope, scopes } from "./host.js";
import { forgettingRun, openRun, tagStart } from "./open-run.js";
import {
  type CallOptions,
  checkBlockOptions,
  checkStartOptions,
  type RunPlace,
  type StartOptions,
  type WithRunOptions,
} from "./options.js";
import { type AnyFunction, newPlan } from "./plan.js";
import type { Run } from "./run.js";
import type { RunHost } from "./run-host.js";
import { addOpening, callTracked, prototypeOf, samePrototype, standIn } from "./tracked.js";

/**
 * Opens a run, calls `fn` with it in force, and ends it as the result ends: returned → FINISHED, thrown → FAILED.
 * Gives back what `fn` gives.
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * ```ts
 * await withRun({ experiment: "Sweep", params: { lr: 0.1 } }, async (run) => {
 *   run.logMetric("loss", 0.42);
 * });
 * ```
 */
export function withRun<
  R,
  Known = Untyped,
  const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>,
  M extends Checked<S> = ResultCheck<S, R>,
>(options: WithRunOptions<Known, S, NoInfer<M>>, fn: (run: Run) => R | Known): R {
  return runBlock(options as CallOptions & RunPlace, fn, undefined) as R;
}

/** @internal One call of `withRun`, whoever's. */
export function runBlock(options: CallOptions & RunPlace, fn: (run: Run) => unknown, host: RunHost | undefined): unknown {
  if (typeof options === "function") throw wrongInput("withRun", "options", "an object, as in withRun({}, fn)", options);
  checkBlockOptions(options);
  needFunction("withRun", "fn", fn);
  if (OFF) return fn(forgettingRun(options));
  const plan = newPlan(fn, ownName(fn) || "run", true);
  addOpening(plan, options);
  const { parent } = options;
  if (parent?.log === undefined) return callTracked(plan, undefined, undefined, host);
  return scopes.storage.run(below(parent), callTracked, plan, undefined, undefined, undefined);
}

/** What is in force where a run is named as the parent of another one. */
const below = (parent: Run): Scope => ({ host: parent.host, run: parent, bound: true });

/**
 * Opens a run that ends when you say so: `run.end()`, or leaving an `await using` block. It is a child of the run open here, if any;
 * code around it does not see it as the current run, and leaving the block by an error ends it FINISHED all the same (use `withRun` for both).
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
 * @example
 * ```ts
 * await using run = startRun({ experiment: "Sweep", runName: "by hand" });
 * run.logParam("lr", 0.1);
 * ```
 */
export function startRun(options: StartOptions = {}): Run {
  checkStartOptions(options);
  if (OFF) return forgettingRun(options);
  const { experiment, runName = "run", params, tags, nest = "child", sample = 1, runId, parentRunId, library = false } = options;
  const scope = options.parent?.log ? below(options.parent) : scopes.get();
  if (!asks(library, scope)) return forgettingRun(options);
  const host = activeHost(scope);
  const apart = nest === "root" || runId !== undefined || parentRunId !== undefined;
  const parent = apart ? undefined : runInForce(scope);
  const run = openRun(host, {
    experiment,
    fallbackExperiment: undefined,
    name: runName,
    parent,
    place: options,
    held: parent === undefined && sample < 1 && host.clock.random() >= sample ? recordOnlyIfFailed(host.recorder) : undefined,
  });
  if (parent === undefined && !apart) tagStart(run, scope);
  if (params) run.logParams(params);
  if (tags) run.setTags(tags);
  return run;
}

/** The run in force here, or undefined outside any. A run that has ended is in force nowhere, but in what was given to `bind` within it. */
export function currentRun(): Run | undefined {
  return runInForce(scopes.get());
}

/**
 * The run in force here; one that forgets while tracking is off, and in a call that is not tracked (`when`, or a library's in a program that did not
 * ask for tracking) outside any.
 * @throws PulseError `NO_ACTIVE_RUN` outside any.
 */
export function requireRun(): Run {
  const scope = scopes.get();
  const run = OFF ? forgettingRun({}) : (runInForce(scope) ?? (scope?.untracked ? forgettingRun({}) : undefined));
  if (run === undefined) {
    const over = scope?.run;
    const why = over
      ? `: run ${JSON.stringify(over.runName)}, in which this was started, is over. Await the work, use the run's handle, or bind()`
      : "";
    throw new PulseError("NO_ACTIVE_RUN", `No run is open here${why}.`);
  }
  return run;
}

/**
 * Gives a function that always runs in the run in force now: for listeners of emitters, which otherwise run in the emitter's.
 * @example
 * ```ts
 * socket.on("message", bind((text) => currentRun()?.logMetric("bytes", text.length)));
 * ```
 */
export function bind<F extends AnyFunction>(fn: F): F {
  needFunction("bind", "fn", fn);
  const scope = scopes.get();
  const held: Scope | undefined = scope?.run ? { ...scope, bound: true } : scope;
  let known = prototypeOf(fn);
  const bound = standIn(fn, {
    method(this: unknown, ...args: unknown[]): unknown {
      return scopes.storage.run(held, apply, fn, this, args);
    },
    constructor: function (this: unknown, ...args: unknown[]): unknown {
      if (bound.prototype !== known) known = samePrototype(bound, fn);
      if (new.target) return scopes.storage.run(held, construct, fn, args, new.target === bound ? fn : new.target);
      return scopes.storage.run(held, apply, fn, this, args);
    },
    trap: (_, self, args) => scopes.storage.run(held, apply, fn, self, args),
  });
  return bound as F;
}
