// integrations/cls-hooked.d.ts
import type { RunContext } from "../index.js";
/** What of a cls-hooked namespace is used. */
export interface ClsNamespace {
    get(key: string): unknown;
    set(key: string, value: unknown): unknown;
    runAndReturn<R>(fn: () => R): R;
}
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
export declare function clsHookedContext(namespace?: ClsNamespace): RunContext;
