import { types } from "node:util";
import { messageOf, PulseError } from "../../base/errors.js";
import type { RunHost } from "./run-host.js";

/**
 * @internal Calls a function of the user's other than the tracked one, such as a selector or a name function. If it
 * throws or returns a promise, warns that `what` failed and returns undefined.
 */
export function callUser<R>(host: RunHost, what: string | (() => string), fn: () => R): R | undefined {
  try {
    const given = fn();
    if (!types.isPromise(given)) return given;
    given.catch(() => undefined);
    throw new Error("it must return its value synchronously, but returned a promise");
  } catch (error) {
    captureFailed(host, typeof what === "string" ? what : what(), error);
    return undefined;
  }
}

/** @internal Warns that capturing a value failed. The user's call goes on. */
export function captureFailed(host: RunHost, what: string, error: unknown): void {
  if (host.config.strict && error instanceof PulseError) throw error;
  host.diagnostics.warn("CAPTURE_FAILED", `${what} failed: ${messageOf(error)}.`, error, what);
}
