import { PulseError } from "../base/errors.js";
import { recordOnlyIfFailed } from "../recorder/buffer/deferred-runs.js";
import { activeHost, asks, OFF } from "./default-host.js";
import { forgettingRun, leftOut, openRun, PAUSED, tagStart } from "./open-run.js";
import { checkStartOptions, type StartOptions } from "./options.js";
import type { Run } from "./run.js";
import { below, runInForce, scopes } from "./scope.js";

/**
 * Opens a run that ends when you say so: `run.end()`, or leaving an `await using` block. It is a child of the run open
 * here, if any; code around it does not see it as the current run, and leaving the block by an error ends it FINISHED
 * all the same (use `withRun` for both).
 * @throws PulseError `INVALID_OPTION` for an option that is not one.
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
  const scope = options.parent?.log ? below(options.parent) : scopes.get();
  if (!asks(library, scope)) return forgettingRun(options);
  const host = activeHost(scope);
  if (host.paused) return forgettingRun(options, PAUSED);
  const apart = nest === "root" || runId !== undefined || parentRunId !== undefined;
  const parent = apart ? undefined : runInForce(scope);
  const run = openRun(host, {
    experiment,
    fallbackExperiment: undefined,
    name: runName,
    parent,
    place: options,
    held: parent === undefined && leftOut(host, sample) ? recordOnlyIfFailed(host.recorder) : undefined,
  });
  if (parent === undefined && !apart) tagStart(run, scope);
  if (params) run.logParams(params);
  if (tags) run.setTags(tags);
  return run;
}

/**
 * The run in force here, or undefined outside any. A run that has ended is in force nowhere, but in what was given to
 * `bind` within it.
 */
export function currentRun(): Run | undefined {
  return runInForce(scopes.get());
}

/**
 * The run in force here; one that forgets while tracking is off, and in a call that is not tracked (`when`, or a
 * library's in a program that did not ask for tracking) outside any.
 * @throws PulseError `NO_ACTIVE_RUN` outside any.
 */
export function requireRun(): Run {
  const scope = scopes.get();
  const run = OFF ? forgettingRun({}) : (runInForce(scope) ?? (scope?.untracked ? forgettingRun({}) : undefined));
  if (run === undefined) {
    const over = scope?.run;
    const why = over
      ? `: run ${JSON.stringify(over.runName)}, in which this was started, is over. Await the work, use the run's handle, or bind()`
      : "";
    throw new PulseError("NO_ACTIVE_RUN", `No run is open here${why}.`);
  }
  return run;
}
