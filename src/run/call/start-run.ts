import { activeHost, asks, OFF } from "../default-host.js";
import { forgettingRun, openRun, tagStart, unrecordedBelow } from "../open-run.js";
import { checkStartOptions } from "../option-checks.js";
import type { StartOptions } from "../options.js";
import type { Run } from "../run.js";
import { holdBack } from "../sampling/sampling.js";
import { below, runInForce, scopes } from "../scope.js";
import { paused } from "../verbs/unrecorded.js";

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
  const { experiment, runName = "run", params, tags, nest = "child", runId, parentRunId, library = false } = options;
  const { sample = 1, maxRunsPerSecond, ignore, aborted } = options;
  const unrecorded = options.parent && unrecordedBelow(options.parent);
  if (unrecorded) return unrecorded;
  const scope = options.parent ? below(options.parent) : scopes.get();
  if (!asks(library, scope)) return forgettingRun(options);
  const host = activeHost(scope);
  if (host.paused) return forgettingRun(options, paused());
  const apart = nest === "root" || runId !== undefined || parentRunId !== undefined;
  const parent = apart ? undefined : runInForce(scope);
  const thins = sample < 1 || maxRunsPerSecond !== undefined || host.sample < 1;
  const run = openRun(host, {
    experiment,
    fallbackExperiment: undefined,
    name: runName,
    parent,
    place: options,
    rules: ignore || aborted ? { ignore, aborted } : undefined,
    held: thins
      ? holdBack(host, { ...SAMPLED, ...options, params: [], tags: [] }, parent, [], {
          once: true,
          resumed: runId !== undefined,
        })
      : undefined,
  });
  if (parent === undefined && !apart) tagStart(run, scope);
  if (params) run.logParams(params);
  if (tags) run.setTags(tags);
  return run;
}

/** What sampling and folding need to know of a plan, for a run without one. */
const SAMPLED = { experiment: undefined, className: undefined, defaultName: "run", family: undefined };
