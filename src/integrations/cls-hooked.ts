import cls from "cls-hooked";
import { PulseError } from "../base/errors.js";
import type { RunContext } from "../index.js";

/** What of a cls-hooked namespace is used. */
export interface ClsNamespace {
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
  runAndReturn<R>(fn: () => R): R;
}

const KEY = "pulse-mlflow";
const METHODS = ["get", "set", "runAndReturn"] as const;

/**
 * Carries the open run in a cls-hooked namespace, for programs that live in one: `configure({ context:
 * clsHookedContext(namespace) })`, before the first run. A tracked call is a `namespace.run`: what it sets in the
 * namespace is seen inside it, not by its caller. Awaits cost several times as much in the whole process as soon as a
 * cls-hooked namespace exists; without one, leave `context` out. In a namespace of yours each context inherits from the
 * one around it, so that a function that schedules itself for ever holds ever more of them, as with `namespace.run`.
 * @param namespace @default the namespace "pulse-mlflow"
 * @example
 * ```ts
 * import { clsHookedContext } from "pulse-mlflow/cls-hooked";
 * configure({ context: clsHookedContext() });
 * ```
 */
export function clsHookedContext(namespace?: ClsNamespace): RunContext {
  const get = (space: ClsNamespace): unknown => (space.get(KEY) as (() => unknown) | undefined)?.();
  if (namespace === undefined) {
    const space = cls.getNamespace(KEY) ?? cls.createNamespace(KEY);
    return {
      get: () => get(space),
      run(value, fn) {
        // Nothing else is in it, so it need not inherit: a program that schedules itself again and again would make a
        // chain without end.
        const context = { _ns_name: KEY, [KEY]: () => value };
        space.enter(context);
        try {
          return fn();
        } finally {
          space.exit(context);
        }
      },
    };
  }
  const missing = METHODS.find((name) => typeof (namespace as Partial<ClsNamespace> | null)?.[name] !== "function");
  if (missing !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `clsHookedContext: namespace must be one of cls-hooked's; this one has no method ${missing}.`,
    );
  return {
    get: () => get(namespace),
    run(value, fn) {
      // What is thrown through a namespace gets its context as a property, which a text or a frozen error cannot take.
      // It is thrown outside.
      const outcome = namespace.runAndReturn(() => {
        // A function, since whatever else is in a context may end up in somebody's log.
        namespace.set(KEY, () => value);
        try {
          return { result: fn() };
        } catch (error) {
          return { error };
        }
      });
      if ("error" in outcome) throw outcome.error;
      return outcome.result;
    },
  };
}
