import { PulseError } from "../base/errors.js";
import { type CallStorage, callStorageOn, type RunContext, type ScopeStorage } from "../context/scope-storage.js";
import type { Run } from "./run.js";
import { type ScopeCarrier, scopeCarrier } from "./scope-carrier.js";
import type { RunHost } from "./verbs/run-host.js";

/** The tracker and the run that apply to a call. */
export interface Scope {
  /** Undefined means the default tracker, created when it is needed. */
  readonly host: RunHost | undefined;
  readonly run: Run | undefined;
  /**
   * Whether this is a call that is not tracked, because of `when` or because the program did not ask for a library's
   * tracking. Runs requested in it record nothing.
   */
  readonly untracked?: boolean | undefined;
  /** Whether the code was passed to `bind`, and keeps its run even after the run has ended. */
  readonly bound?: boolean | undefined;
}

/**
 * Returns the run that calls join or become children of. A run that has ended no longer counts: a server or timer
 * started in it outlives it, and its later work is not part of the run.
 */
export function runInForce(scope: Scope | undefined): Run | undefined {
  const run = scope?.run;
  return run?.ended === true && scope?.bound !== true ? undefined : run;
}

/** Returns a scope in which a given run is the parent. */
export const below = (parent: Run): Scope => ({ host: parent.host, run: parent, bound: true });

const carrier = scopeCarrier as ScopeCarrier<Scope>;

/**
 * The current scope of each call in the process. Callers use `storage` directly: a function in between would add a
 * frame to every stack trace.
 */
class Scopes {
  get(): Scope | undefined {
    return carrier.storage.get();
  }

  get storage(): CallStorage<Scope> {
    return carrier.storage;
  }
}

/** An instance of a class, since V8 does not inline the getters of object literals. */
export const scopes: Scopes = new Scopes();

/** Constructs an object; see `apply`. */
export const construct: (
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  newTarget: (...args: never[]) => unknown,
) => unknown = Reflect.construct;

/** Calls a function inside a storage. Being built in, it adds no frame to stack traces. */
export const apply: (fn: (...args: never[]) => unknown, self: unknown, args: readonly unknown[]) => unknown =
  Reflect.apply;

/**
 * Uses another context to carry scopes from now on. Without one, returns to the default unless a run is open.
 * @throws PulseError `INVALID_CONFIG` for another context while a run is open, since that run would be lost.
 */
export function carryBy(context: RunContext | undefined): void {
  if (context === carrier.context) return;
  if (runInForce(scopes.get())) {
    if (context === undefined) return;
    throw new PulseError(
      "INVALID_CONFIG",
      "configure.context: a run is open here, which another context would not know; set it before the first run.",
    );
  }
  carrier.context = context;
  carrier.storage = context ? callStorageOn(context as ScopeStorage<Scope>) : carrier.usual;
}
