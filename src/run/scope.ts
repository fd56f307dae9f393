import { PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import {
  asyncLocalScopes,
  type CallStorage,
  callStorageOn,
  type RunContext,
  type ScopeStorage,
} from "../context/scope-storage.js";
import type { Run } from "./run.js";
import type { RunHost } from "./verbs/run-host.js";

/** What is in force along a call: the tracker, and the run if one is open. */
export interface Scope {
  /** Undefined: the default one, should anybody need it. */
  readonly host: RunHost | undefined;
  readonly run: Run | undefined;
  /**
   * The code in it is a call that is not tracked, since nobody asked for it or `when` left it out: what it asks for in
   * the way of a run forgets.
   */
  readonly untracked?: boolean | undefined;
  /** The code in it was given to `bind`, and keeps its run also when that is over. */
  readonly bound?: boolean | undefined;
}

/**
 * The run that calls join or open theirs below. One that is over is none, also a millisecond later: a server or a timer
 * that was started in a run outlives it, and what it does is no part of it.
 */
export function runInForce(scope: Scope | undefined): Run | undefined {
  const run = scope?.run;
  return run?.ended === true && scope?.bound !== true ? undefined : run;
}

/** What is in force where a run is named as the parent of another one. */
export const below = (parent: Run): Scope => ({ host: parent.host, run: parent, bound: true });

/** The one storage that all loaded copies of the package use. */
const carrier: { storage: CallStorage<Scope>; context: RunContext | undefined; readonly usual: CallStorage<Scope> } =
  shared("scopes", () => {
    const usual = asyncLocalScopes<Scope>();
    return { storage: usual, context: undefined, usual };
  });

/**
 * What is in force along the calls of the whole process. `storage` runs what is called, itself: a function in between
 * would be a frame in every stack.
 */
class Scopes {
  get(): Scope | undefined {
    return carrier.storage.get();
  }

  get storage(): CallStorage<Scope> {
    return carrier.storage;
  }
}

/** Of a class: V8 does not inline the getter of an object literal. */
export const scopes: Scopes = new Scopes();

/** Makes an object, likewise. */
export const construct: (
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
  newTarget: (...args: never[]) => unknown,
) => unknown = Reflect.construct;

/** Calls a function, as what a storage is given to run: built in, and so without a frame. */
export const apply: (fn: (...args: never[]) => unknown, self: unknown, args: readonly unknown[]) => unknown =
  Reflect.apply;

/**
 * Has scopes carried in another way from now on; without one in the usual way, unless a run is open, which keeps its
 * own.
 * @throws PulseError `INVALID_CONFIG` for another context where a run is open, which would be lost.
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
