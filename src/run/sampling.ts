import { type HeldRuns, holdUnlessFailed } from "../recorder/held-runs.js";
import { fold } from "./folds.js";
import { guard } from "./guard.js";
import type { RunHost } from "./host.js";
import type { ResolvedPlan } from "./resolve.js";
import type { Run } from "./run.js";

/** Gives what a run about to be opened is held back by: sampling, which is decided at the root, or folding; `name` stands for the method where each call has a plan of its own. */
export function holdBack(
  host: RunHost,
  resolved: ResolvedPlan,
  parent: Run | undefined,
  args: readonly unknown[],
  name: string | undefined,
): HeldRuns | undefined {
  if (parent?.held?.undecided) return parent.held;
  const { sample, maxRunsPerSecond } = resolved;
  if (parent === undefined && sample !== undefined) {
    const share = typeof sample === "function" ? guard(host, "sample", () => sample(args)) : sample;
    if (share === false || (typeof share === "number" && host.clock.random() >= share)) return holdUnlessFailed(host.recorder);
  }
  if (maxRunsPerSecond === undefined) return undefined;
  // What is fixed for a method is that of one call where each call has a plan of its own.
  const fixed = (fields: ResolvedPlan["params"]) => (name === undefined ? fields.filter((each) => typeof each !== "function") : []);
  return fold(host, parent, name ?? resolved.family ?? resolved, maxRunsPerSecond, () => ({
    experiment: resolved.experiment,
    fallbackExperiment: resolved.className,
    name: typeof resolved.runName === "string" ? resolved.runName : resolved.defaultName,
    params: fixed(resolved.params),
    tags: fixed(resolved.tags),
  }));
}
