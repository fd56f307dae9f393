import { activeHost, asks, OFF } from "../default-host.js";
import type { ErrorRules } from "../errors/error-rules.js";
import { forgettingRun, openRun, tagStart, unrecordedBelow } from "../open-run.js";
import { checkStartOptions } from "../option-checks.js";
import type { StartOptions } from "../options.js";
import type { Run } from "../run.js";
import { holdBack, type SampledPlan } from "../sampling/sampling.js";
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
  const prepared = prepare(options);
  if (OFF) return forgettingRun(options);
  const { experiment, runName = "run", params, tags, nest = "child", runId, parentRunId, library = false } = options;
  const { sampled, rules } = prepared;
  const unrecorded = options.parent && unrecordedBelow(options.parent);
  if (unrecorded) return unrecorded;
  const scope = options.parent ? below(options.parent) : scopes.get();
  if (!asks(library, scope)) return forgettingRun(options);
  const host = activeHost(scope);
  if (host.paused) return forgettingRun(options, paused());
  const apart = nest === "root" || runId !== undefined || parentRunId !== undefined;
  const parent = apart ? undefined : runInForce(scope);
  const thins = sampled.sample < 1 || sampled.maxRunsPerSecond !== undefined || host.sample < 1;
  const run = openRun(host, {
    experiment,
    fallbackExperiment: undefined,
    name: runName,
    parent,
    place: options,
    rules,
    held: thins ? holdBack(host, sampled, parent, NO_ARGS, { once: true, resumed: runId !== undefined }) : undefined,
  });
  if (parent === undefined && !apart) tagStart(run, scope);
  if (params) run.logParams(params);
  if (tags) run.setTags(tags);
  return run;
}

const NO_ARGS: readonly unknown[] = [];

/** What options mean for each run that they open. */
interface Prepared {
  readonly sampled: SampledPlan & { readonly sample: number };
  readonly rules: ErrorRules | undefined;
}

/** Of options that cannot change: those of a service are the same for each request. */
const known = new WeakMap<StartOptions, Prepared>();

function prepare(options: StartOptions): Prepared {
  const found = known.get(options);
  if (found !== undefined) return found;
  checkStartOptions(options);
  const { experiment, runName, foldKey, maxRunsPerSecond, sample = 1, ignore, aborted } = options;
  const prepared: Prepared = {
    // All that sampling and folding need to know of a plan, for a run without one.
    sampled: {
      experiment,
      runName,
      foldKey,
      maxRunsPerSecond,
      sample,
      className: undefined,
      defaultName: "run",
      family: undefined,
      params: [],
      tags: [],
    },
    rules: ignore || aborted ? { ignore, aborted } : undefined,
  };
  if (Object.isFrozen(options)) known.set(options, prepared);
  return prepared;
}
