import { types } from "node:util";
import { messageOf, PulseError } from "../base/errors.js";
import type { RunHost } from "./verbs/run-host.js";

/**
 * @internal Runs a function of the user's that is not the tracked one (a selector, a name function); what it throws is
 * a warning, which says `what` failed.
 */
export function callUser<R>(host: RunHost, what: string | (() => string), fn: () => R): R | undefined {
  try {
    const given = fn();
    if (!types.isPromise(given)) return given;
    given.catch(() => undefined);
    throw new Error("it must answer at once, and gave a promise");
  } catch (error) {
    captureFailed(host, typeof what === "string" ? what : what(), error);
    return undefined;
  }
}

/** @internal Says that something of the user's failed while values were taken; the call goes on. */
export function captureFailed(host: RunHost, what: string, error: unknown): void {
  if (host.config.strict && error instanceof PulseError) throw error;
  host.diagnostics.warn("CAPTURE_FAILED", `${what} failed: ${messageOf(error)}.`, error, what);
}
