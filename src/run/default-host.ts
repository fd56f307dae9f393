import { shared } from "../base/shared-state.js";
import { isOff } from "../config/off-switch.js";
import { hasConfigFile } from "../config/resolve.js";
import { runInForce, type Scope } from "./scope.js";
import type { RunHost } from "./verbs/run-host.js";

/** Whether tracking is switched off. Read once, when the package loads. */
export const OFF: boolean = shared("off", () => isOff(process.env));

/** Whether the program has asked for tracking; the use of decorators in libraries does not count. */
export const application: { asked: boolean } = shared("application", () => ({ asked: false }));

const ASKING = ["MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID"];

/**
 * Whether a call may be tracked: always in a program's own code, in a library's only if the program asked for
 * tracking. Only a positive answer is cached, since the program may ask later.
 */
export function asks(library: boolean, scope: Scope | undefined): boolean {
  if (!library) application.asked = true;
  else if (scope?.host === undefined && !application.asked)
    application.asked = ASKING.some((name) => process.env[name]?.trim()) || hasConfigFile();
  return !library || scope?.host !== undefined || application.asked;
}

interface Defaults {
  provide: (() => RunHost) | undefined;
  /** Returns the default host if it already exists. Copies of older versions do not set it. */
  made?: (() => RunHost | undefined) | undefined;
}

const defaults: Defaults = shared("default host", (): Defaults => ({ provide: undefined }));

/**
 * Registers how to create the default tracker, and how to get it if it already exists. The first loaded copy of the
 * package wins.
 */
export function provideDefaultHost(provide: () => RunHost, made: () => RunHost | undefined): void {
  defaults.made ??= made;
  defaults.provide ??= provide;
}

/** Returns the default tracker if it has been created. */
export const defaultHost = (): RunHost | undefined => defaults.made?.();

/**
 * Returns the active tracker: that of the enclosing run or `tracker.run`, otherwise the default one. A replaced
 * default tracker is no longer active once its run has ended.
 */
export function activeHost(scope: Scope | undefined): RunHost {
  const chosen = hostOf(scope);
  if (chosen) return chosen;
  if (defaults.provide === undefined)
    throw new Error("pulse-mlflow was loaded without its tracker module; import it from its entry.");
  return defaults.provide();
}

/** Returns the active tracker, but does not create the default one. */
export const activeHostIfMade = (scope: Scope | undefined): RunHost | undefined => hostOf(scope) ?? defaultHost();

/** Returns the tracker of the enclosing run or `tracker.run`, unless it was replaced and its run has ended. */
function hostOf(scope: Scope | undefined): RunHost | undefined {
  const host = scope?.host;
  return host?.replaced && runInForce(scope) === undefined ? undefined : host;
}
