import { ownName } from "../../base/text/value-text.js";
import { needFunction, wrongInput } from "../../base/wrong-input.js";
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../../capture/check.js";
import type { Selector, Untyped } from "../../capture/selector.js";
import { OFF } from "../default-host.js";
import { forgettingRun, unrecordedBelow } from "../open-run.js";
import { checkBlockOptions } from "../option-checks.js";
import type { CallOptions, RunPlace, WithRunOptions } from "../options.js";
import type { Run } from "../run.js";
import { apply, below, construct, type Scope, scopes } from "../scope.js";
import type { RunHost } from "../verbs/run-host.js";
import { type AnyFunction, newPlan } from "./plan.js";
import { addOpening, callTracked, prototypeOf, samePrototype, standIn } from "./tracked.js";

/**
 * Opens a run, calls `fn` with it as the current run, and ends it with the result: FINISHED when `fn` returns, FAILED
 * when it throws. Returns what `fn` returns.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
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

/** @internal One call of `withRun`, with a given tracker or the active one. */
export function runBlock(
  options: CallOptions & RunPlace,
  fn: (run: Run) => unknown,
  host: RunHost | undefined,
): unknown {
  if (typeof options === "function")
    throw wrongInput("withRun", "options", "an object, as in withRun({}, fn)", options);
  checkBlockOptions(options);
  needFunction("withRun", "fn", fn);
  if (OFF) return fn(forgettingRun(options));
  const plan = newPlan(fn, ownName(fn) || "run", true);
  addOpening(plan, options);
  const { parent } = options;
  const unrecorded = parent && unrecordedBelow(parent);
  if (unrecorded) return fn(unrecorded);
  if (parent === undefined) return callTracked(plan, undefined, undefined, host);
  return scopes.storage.run(below(parent), callTracked, plan, undefined, undefined, undefined);
}

/**
 * Returns a function that always runs in the run that is current now. Useful for listeners, which otherwise run in
 * the context of the code that emits the event.
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
