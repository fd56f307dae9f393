// integrations/cls-hooked.d.ts
import type { RunContext } from "../index.js";
/** The methods of a cls-hooked namespace that are used. */
export interface ClsNamespace {
    get(key: string): unknown;
    set(key: string, value: unknown): unknown;
    runAndReturn<R>(fn: () => R): R;
}
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
export declare function clsHookedContext(namespace?: ClsNamespace): RunContext;
