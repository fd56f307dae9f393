import { types } from "node:util";
import { messageOf, PulseError } from "../../base/errors.js";
import type { Hooks } from "../../config/options.js";
import type { RunHost } from "./run-host.js";

/** Whether a hook is being called: runs that it opens itself have none. */
let calling = false;

/** Calls a hook of the tracker, if there is one. What it throws, or rejects with, is a warning. */
export function callHook(host: RunHost, name: keyof Hooks, ...args: readonly unknown[]): void {
  // A host of an older copy of the package has no hooks.
  const hook = (host.config as Partial<RunHost["config"]>).hooks?.[name] as
    | ((...args: unknown[]) => unknown)
    | undefined;
  if (hook === undefined || calling) return;
  const failed = (error: unknown): void =>
    host.diagnostics.warnAsync(new PulseError("LISTENER_FAILED", `${name} failed: ${messageOf(error)}.`, error), name);
  calling = true;
  try {
    const given = hook(...args);
    if (types.isPromise(given)) given.catch(failed);
  } catch (error) {
    failed(error);
  } finally {
    calling = false;
  }
}
