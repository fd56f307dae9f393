import { wrongInput } from "../base/wrong-input.js";
import type { Selector } from "../capture/selector.js";
import { addOpening } from "../run/call/tracked.js";
import { checkOptions } from "../run/option-checks.js";
import type { CallOptions, PathOptions } from "../run/options.js";
import { apply, isBare } from "./dialect.js";
import type { Applied, MemberDecorator, OpensRuns, PublicClass, TrackedRunGoes } from "./types.js";

/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type TrackedRunFactory = MemberDecorator<TrackedRunGoes, OpensRuns<never, never>> &
  (<const S extends Selector, A extends string>(
    options?: PathOptions<S, A> | PublicClass,
  ) => Applied<TrackedRunGoes, OpensRuns<S, A>>);

/**
 * Opens a run for each call of the method: a child if a run is already open (see `nest`), in the class's experiment,
 * else the configured one.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Sweep {@TrackedRun({ runName: ([lr]) => `lr ${lr}`, params: ["lr"] })
 *   async trial(lr: number) {}
 * }
 * ```
 */
export const TrackedRun: TrackedRunFactory = ((...args: unknown[]): unknown => {
  if (isBare(args)) return place(args, {});
  const options = (args[0] ?? {}) as CallOptions;
  if (typeof options === "function")
    throw wrongInput(
      "TrackedRun",
      "its argument",
      "an object of options; to wrap a function use tracked(fn, options)",
      options,
    );
  checkOptions("TrackedRun", options);
  return (...target: unknown[]) => place(target, options);
}) as TrackedRunFactory;

function place(args: readonly unknown[], options: CallOptions): unknown {
  return apply(args, { part: { decorator: "TrackedRun", options }, onMethod: (plan) => addOpening(plan, options) });
}
