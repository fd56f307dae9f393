import { types } from "node:util";

/** What is said of a function of the user's that answers later. */
export const LATE = "gave a promise; it must answer at once, since the call is not waited for";

/**
 * Whether something is a promise where none can be used: nobody awaits it, so that its rejection is not to end the
 * program.
 */
export function isLate(value: unknown): boolean {
  if (!types.isPromise(value)) return false;
  value.catch(() => undefined);
  return true;
}
