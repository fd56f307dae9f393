import { PulseError } from "../base/errors.js";
import { recordOnlyIfFailed } from "../recorder/buffer/deferred-runs.js";
import { activeHost, asks, OFF } from "./default-host.js";
import { forgettingRun, leftOut, openRun, tagStart, unrecordedBelow } from "./open-run.js";
import { checkStartOptions, type StartOptions } from "./options.js";
import type { Run } from "./run.js";
import { below, runInForce, scopes } from "./scope.js";
import { paused } from "./verbs/unrecorded.js";

/**
 * Opens a run that you end yourself: with `run.end()`, or by leaving an `await using` block. It is a child of the run
 * that is open here, if any. It does not become the current run for the code around it, and leaving the block by an
 * error still ends it FINISHED; `withRun` does both.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * await using run = startRun({ experiment: "Sweep", runName: "by hand" });
 * run.logParam("lr", 0.1);
 * ```
 */
export function startRun(options: StartOptions = {}): Run {
  checkStartOptions(options);
  if (OFF) return forgettingRun(options);
  const {
    experiment,
    runName = "run",
    params,
    tags,
    nest = "child",
    sample = 1,
    runId,
    parentRunId,
    library = false,
  } = options;
  const unrecorded = options.parent && unrecordedBelow(options.parent);
  if (unrecorded) return unrecorded;
  const scope = options.parent ? below(options.parent) : scopes.get();
  if (!asks(library, scope)) return forgettingRun(options);
  const host = activeHost(scope);
  if (host.paused) return forgettingRun(options, paused());
  const apart = nest === "root" || runId !== undefined || parentRunId !== undefined;
  const parent = apart ? undefined : runInForce(scope);
  const run = openRun(host, {
    experiment,
    fallbackExperiment: undefined,
    name: runName,
    parent,
    place: options,
    held:
      parent === undefined && leftOut(host, sample, runId !== undefined)
        ? recordOnlyIfFailed(host.recorder)
        : undefined,
  });
  if (parent === undefined && !apart) tagStart(run, scope);
  if (params) run.logParams(params);
  if (tags) run.setTags(tags);
  return run;
}

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
