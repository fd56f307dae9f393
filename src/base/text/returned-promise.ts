import { types } from "node:util";

/** Describes a user's function that returned a promise where a value is needed. */
export const LATE = "returned a promise; it must return its value synchronously, because calls are not delayed for it";

/**
 * Whether a value is a promise where none can be used. Nobody awaits it, so its rejection is handled here, to keep it
 * from ending the program.
 */
export function isLate(value: unknown): boolean {
  if (!types.isPromise(value)) return false;
  value.catch(() => undefined);
  return true;
}
