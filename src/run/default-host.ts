import { shared } from "../base/shared-state.js";
import { isOff } from "../config/off.js";
import { hasConfigFile } from "../config/resolve.js";
import { runInForce, type Scope } from "./scope.js";
import type { RunHost } from "./verbs/run-host.js";

/** Whether tracking is switched off, read once when the package loads. */
export const OFF: boolean = shared("off", () => isOff(process.env));

/** Whether the program has asked for tracking; libraries that track do not. */
export const application: { asked: boolean } = shared("application", () => ({ asked: false }));

const ASKING = ["MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"];

/**
 * Whether a call is to be tracked as far as that depends on who asks for it: one of a library only where the program
 * does. That may come later, so nothing but a yes is kept.
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

/**
 * Registers how the default tracker is made, and how to get the one that is made; the first copy of the package wins.
 */
export function provideDefaultHost(provide: () => RunHost, made: () => RunHost | undefined): void {
  defaults.made ??= made;
  defaults.provide ??= provide;
}

/** The default tracker, where anybody has needed it. */
export const defaultHost = (): RunHost | undefined => defaults.made?.();

/**
 * The tracker in force here: that of the enclosing run or `tracker.run`, else the default one; also where that has
 * taken the place of one whose run is over.
 */
export function activeHost(scope: Scope | undefined): RunHost {
  if (scope?.host && !(scope.host.replaced && runInForce(scope) === undefined)) return scope.host;
  if (defaults.provide === undefined)
    throw new Error("pulse-mlflow was loaded without its tracker module; import it from its entry.");
  return defaults.provide();
}
