import { type Check, checkOptions, needFunction } from "../../base/wrong-input.js";
import { activeHostIfMade, OFF } from "../default-host.js";
import { scopes } from "../scope.js";
import type { AnyFunction } from "./plan.js";

/** Options of `withFlush`. */
export interface WithFlushOptions {
  /**
   * How much of the time that the platform leaves is kept for the answer, in milliseconds. The time is that of an
   * argument with `getRemainingTimeInMillis`, as AWS Lambda passes it. @default 500
   */
  readonly reserveMs?: number | undefined;
  /**
   * How long delivery may take, in milliseconds.
   * @default what the platform leaves, if it tells; else until the store has accepted nothing for `exitTimeoutMs`
   */
  readonly timeoutMs?: number | undefined;
}

const MILLISECONDS: Check = [
  "a number of milliseconds, 0 or more",
  (value) => typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY,
];

/**
 * Returns a handler that delivers what was recorded before it answers: for functions whose process is frozen or ended
 * as soon as they have answered. What cannot be delivered in time is kept as usual. The handler's answer or error is
 * passed on; the one returned always answers by a promise.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * const handler = withFlush(tracked(async (event: { n: number }) => ({ n: event.n }), { experiment: "Lambda", metrics: "n" }));
 * await handler({ n: 1 }); // the run is stored
 * ```
 */
export function withFlush<A extends readonly unknown[], R>(
  handler: (...args: A) => R,
  options: WithFlushOptions = {},
): (...args: A) => Promise<Awaited<R>> {
  needFunction("withFlush", "handler", handler);
  checkOptions("withFlush", options, { reserveMs: MILLISECONDS, timeoutMs: MILLISECONDS });
  const { reserveMs = 500, timeoutMs } = options;
  const flushing = async function (this: unknown, ...args: A): Promise<Awaited<R>> {
    try {
      return await Reflect.apply(handler as AnyFunction, this, args);
    } finally {
      const left = remaining(args);
      const limits = [timeoutMs, left === undefined ? undefined : Math.max(0, left - reserveMs)];
      const limit = Math.min(...limits.map((each) => each ?? Number.POSITIVE_INFINITY));
      await delivered(limit === Number.POSITIVE_INFINITY ? undefined : limit);
    }
  };
  // Platforms tell by the number of parameters whether a handler takes a callback.
  return Object.defineProperties(flushing, {
    name: { value: handler.name, configurable: true },
    length: { value: handler.length, configurable: true },
  });
}

async function delivered(limit: number | undefined): Promise<void> {
  if (OFF) return;
  try {
    await activeHostIfMade(scopes.get())?.recorder.flush(limit);
  } catch {
    // A strict tracker tells it at the next call; the answer is the handler's.
  }
}

/** What the platform leaves, if an argument tells. */
function remaining(args: readonly unknown[]): number | undefined {
  for (const arg of args)
    try {
      const ask = (arg as { getRemainingTimeInMillis?: unknown } | null | undefined)?.getRemainingTimeInMillis;
      if (typeof ask !== "function") continue;
      const left: unknown = Reflect.apply(ask, arg, []);
      if (typeof left === "number" && left >= 0) return left;
    } catch {
      // An argument that cannot be asked tells nothing; the answer is the handler's.
    }
  return undefined;
}
