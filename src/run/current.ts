import { PulseError } from "../base/errors.js";
import { OFF } from "./default-host.js";
import { forgettingRun } from "./open-run.js";
import type { Run } from "./run.js";
import { runInForce, scopes } from "./scope.js";

/**
 * Returns the current run, or undefined when no run is open here. A run that has ended is no longer current, except
 * in a function that was passed to `bind` inside it.
 */
export function currentRun(): Run | undefined {
  return runInForce(scopes.get());
}

/**
 * Returns the current run. While tracking is off, and outside any run in a call that is not tracked (because of
 * `when`, or in a library whose host program did not ask for tracking), returns a run that records nothing.
 * @throws PulseError `NO_ACTIVE_RUN` when no run is open here.
 */
export function requireRun(): Run {
  const scope = scopes.get();
  const run = OFF ? forgettingRun({}) : (runInForce(scope) ?? (scope?.untracked ? forgettingRun({}) : undefined));
  if (run === undefined) {
    const over = scope?.run;
    const why = over
      ? `: this code was started in run ${JSON.stringify(over.runName)}, which has ended. Await the work, use the run's handle, or bind()`
      : "";
    throw new PulseError("NO_ACTIVE_RUN", `No run is open here${why}.`);
  }
  return run;
}
