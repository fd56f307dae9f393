import { HeldRuns } from "../recorder/held-runs.js";
import { fold } from "./folds.js";
import type { RunHost } from "./host.js";
import type { ResolvedPlan } from "./resolve.js";
import type { Run } from "./run.js";
import { guard } from "./tracked-call.js";

/** Gives what a run about to be opened is held back by: sampling, which is decided at the root, or folding; `key` stands for the method. */
export function holdBack(
  host: RunHost,
  resolved: ResolvedPlan,
  parent: Run | undefined,
  args: readonly unknown[],
  key: unknown,
): HeldRuns | undefined {
  if (parent?.held) return parent.held;
  const { sample, maxRunsPerSecond } = resolved;
  if (parent === undefined && sample !== undefined) {
    const share = typeof sample === "function" ? guard(host, "sample", () => sample(args)) : sample;
    if (share === false || (typeof share === "number" && host.clock.random() >= share)) return holdUnlessFailed(host);
  }
  if (maxRunsPerSecond === undefined) return undefined;
  return fold(host, parent, key, maxRunsPerSecond, () => ({
    experiment: resolved.experiment,
    fallbackExperiment: resolved.className,
    name: typeof resolved.runName === "string" ? resolved.runName : resolved.defaultName,
    params: resolved.params.filter((fields) => typeof fields !== "function"),
    tags: resolved.tags.filter((fields) => typeof fields !== "function"),
  }));
}

/** Holds a run back until it fails. */
export function holdUnlessFailed(host: RunHost): HeldRuns {
  return new HeldRuns(host.recorder, (failed) => {
    if (failed) return "record";
    host.diagnostics.stats.unsampled++;
    return "drop";
  });
}
