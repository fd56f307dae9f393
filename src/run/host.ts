import { isOff } from "../config/off.js";
import { asyncLocalScopes, type CallStorage, callStorageOn, type RunContext, type ScopeStorage } from "../context/scope-storage.js";
import { PulseError } from "../errors.js";
import { shared } from "../registry.js";
import type { Run } from "./run.js";
import type { RunHost } from "./run-host.js";

/** What is in force along a call: the tracker, and the run if one is open. */
export interface Scope {
  readonly host: RunHost;
  readonly run: Run | undefined;
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
export const scopes: { get(): Scope | undefined; readonly storage: CallStorage<Scope> } = {
  get: () => carrier.storage.get(),
  get storage() {
    return carrier.storage;
  },
};

/** Calls a function, as what a storage is given to run: built in, and so without a frame. */
export const apply: (fn: (...args: never[]) => unknown, self: unknown, args: readonly unknown[]) => unknown = Reflect.apply;

/**
 * Has scopes carried in another way from now on; without one in the usual way, unless a run is open, which keeps its own.
 * @throws PulseError `INVALID_CONFIG` for another context where a run is open, which would be lost.
 */
export function carryBy(context: RunContext | undefined): void {
  if (context === carrier.context) return;
  if (scopes.get()?.run) {
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

const defaults: { provide: (() => RunHost) | undefined } = shared("default host", () => ({ provide: undefined }));

/** Registers how the default tracker is made; the first copy of the package wins. */
export function provideDefaultHost(provide: () => RunHost): void {
  defaults.provide ??= provide;
}

/** The tracker in force here: that of the enclosing run or `tracker.run`, else the default one. */
export function activeHost(scope: Scope | undefined): RunHost {
  if (scope) return scope.host;
  if (defaults.provide === undefined) throw new Error("pulse-mlflow was loaded without its tracker module; import it from its entry.");
  return defaults.provide();
}
