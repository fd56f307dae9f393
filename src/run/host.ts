import { isOff } from "../config/off.js";
import { hasConfigFile } from "../config/resolve.js";
import { asyncLocalScopes, type CallStorage, callStorageOn, type RunContext, type ScopeStorage } from "../context/scope-storage.js";
import { PulseError } from "../errors.js";
import { shared } from "../registry.js";
import type { Run } from "./run.js";
import type { RunHost } from "./run-host.js";

/** What is in force along a call: the tracker, and the run if one is open. */
export interface Scope {
  /** Undefined: the default one, should anybody need it. */
  readonly host: RunHost | undefined;
  readonly run: Run | undefined;
  /** The code in it is a call that is not tracked, since nobody asked for it or `when` left it out: what it asks for in the way of a run forgets. */
  readonly untracked?: boolean | undefined;
  /** The code in it was given to `bind`, and keeps its run also when that is over. */
  readonly bound?: boolean | undefined;
}

/**
 * The run that calls join or open theirs below. One that is over is none, also a millisecond later: a server or a timer that was started in a run
 * outlives it, and what it does is no part of it.
 */
export function runInForce(scope: Scope | undefined): Run | undefined {
  const run = scope?.run;
  return run?.ended === true && scope?.bound !== true ? undefined : run;
}

/** The one storage that all loaded copies of the package use. */
const carrier: { storage: CallStorage<Scope>; context: RunContext | undefined; readonly usual: CallStorage<Scope> } = shared(
  "scopes",
  () => {
    const usual = asyncLocalScopes<Scope>();
    return { storage: usual, context: undefined, usual };
  },
);

/** What is in force along the calls of the whole process. `storage` runs what is called, itself: a function in between would be a frame in every stack. */
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
export const construct: (fn: (...args: never[]) => unknown, args: readonly unknown[], newTarget: (...args: never[]) => unknown) => unknown =
  Reflect.construct;

/** Calls a function, as what a storage is given to run: built in, and so without a frame. */
export const apply: (fn: (...args: never[]) => unknown, self: unknown, args: readonly unknown[]) => unknown = Reflect.apply;

/**
 * Has scopes carried in another way from now on; without one in the usual way, unless a run is open, which keeps its own.
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

/** Whether tracking is switched off, read once when the package loads. */
export const OFF: boolean = shared("off", () => isOff(process.env));

/** Whether the program has asked for tracking; libraries that track do not. */
export const application: { asked: boolean } = shared("application", () => ({ asked: false }));

const ASKING = ["MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"];

/**
 * Whether a call is to be tracked as far as that depends on who asks for it: one of a library only where the program does. That may come later, so
 * nothing but a yes is kept.
 */
export function asks(library: boolean, scope: Scope | undefined): boolean {
  if (!library) application.asked = true;
  else if (scope?.host === undefined && !application.asked)
    application.asked = ASKING.some((name) => process.env[name]?.trim()) || hasConfigFile();
  return !library || scope?.host !== undefined || application.asked;
}

interface Defaults {
  provide: (() => RunHost) | undefined;
  /** Gives it only where it is made already; another version's copy may not know. */
  made?: (() => RunHost | undefined) | undefined;
}

const defaults: Defaults = shared("default host", (): Defaults => ({ provide: undefined }));

/** Registers how the default tracker is made, and how to get the one that is made; the first copy of the package wins. */
export function provideDefaultHost(provide: () => RunHost, made: () => RunHost | undefined): void {
  defaults.made ??= made;
  defaults.provide ??= provide;
}

/** The default tracker, where anybody has needed it. */
export const defaultHost = (): RunHost | undefined => defaults.made?.();

/** The tracker in force here: that of the enclosing run or `tracker.run`, else the default one; also where that has taken the place of one whose run is over. */
export function activeHost(scope: Scope | undefined): RunHost {
  if (scope?.host && !(scope.host.replaced && runInForce(scope) === undefined)) return scope.host;
  if (defaults.provide === undefined) throw new Error("pulse-mlflow was loaded without its tracker module; import it from its entry.");
  return defaults.provide();
}
