import { wrongInput } from "../base/wrong-input.js";
import type { Selector } from "../capture/selector.js";
import { addOpening } from "../run/call/tracked.js";
import { type CallOptions, checkOptions, type PathOptions } from "../run/options.js";
import { apply, isBare } from "./dialect.js";
import type { Applied, MemberDecorator, OpensRuns, PublicClass, TrackedRunGoes } from "./types.js";

/**
 * The decorator's own signatures come first: the compiler also tries calls of fewer arguments when it applies a
 * decorator.
 */
type TrackedRunFactory = MemberDecorator<TrackedRunGoes, OpensRuns<never, never>> &
  (<const S extends Selector, A extends string>(
    options?: PathOptions<S, A> | PublicClass,
  ) => Applied<TrackedRunGoes, OpensRuns<S, A>>);

/**
 * Every call of the method opens a run: a child when one is open already (`nest` changes that), in the experiment of
 * the class, else the configured one.
 * @throws PulseError `INVALID_OPTION`, `WRONG_TARGET` where it cannot stand.
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
      "what stands in its parentheses",
      "an object of options; to wrap a function use tracked(fn, options)",
      options,
    );
  checkOptions("TrackedRun", options);
  return (...target: unknown[]) => place(target, options);
}) as TrackedRunFactory;

function place(args: readonly unknown[], options: CallOptions): unknown {
  return apply(args, { part: { decorator: "TrackedRun", options }, onMethod: (plan) => addOpening(plan, options) });
}
