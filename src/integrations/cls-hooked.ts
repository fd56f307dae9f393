import cls from "cls-hooked";
import { PulseError } from "../base/errors.js";
import type { RunContext } from "../index.js";

/** The methods of a cls-hooked namespace that are used. */
export interface ClsNamespace {
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
  runAndReturn<R>(fn: () => R): R;
}

const KEY = "pulse-mlflow";
const METHODS = ["get", "set", "runAndReturn"] as const;

/**
 * Carries the open run in a cls-hooked namespace, for programs built on one: call `configure({ context:
 * clsHookedContext(namespace) })` before the first run. Each tracked call is a `namespace.run`: values it sets in the
 * namespace are visible inside it, not to its caller. As soon as a cls-hooked namespace exists, awaits cost several
 * times as much in the whole process, so leave `context` out if you have none. In a namespace of your own, each
 * context inherits from the enclosing one: a function that keeps rescheduling itself accumulates them without limit,
 * as with `namespace.run`.
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
        // The namespace holds nothing else, so a context need not inherit: a program that keeps rescheduling itself
        // would build an endless chain.
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
      // Thrown outside: cls-hooked adds its context as a property to what is thrown through it, which fails for
      // primitive values and frozen errors.
      const outcome = namespace.runAndReturn(() => {
        // Wrapped in a function, since values in a context may end up in a log.
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
