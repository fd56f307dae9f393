import { type DeferredRuns, recordOnlyIfFailed } from "../../recorder/buffer/deferred-runs.js";
import { callUser } from "../call-user.js";
import { leftOut } from "../open-run.js";
import type { RunOptions } from "../options.js";
import type { Run } from "../run.js";
import type { RunHost } from "../verbs/run-host.js";
import { fold } from "./folds.js";

type Fields = Readonly<Record<string, unknown>> | ((...args: never[]) => unknown);

/** What sampling and folding need to know of a call's plan. */
interface SampledPlan extends Pick<RunOptions, "sample" | "maxRunsPerSecond" | "foldKey" | "runName"> {
  readonly experiment: string | undefined;
  readonly className: string | undefined;
  readonly defaultName: string;
  /** What stands for the method, where calls are counted. */
  readonly family: object | undefined;
  readonly params: readonly Fields[];
  readonly tags: readonly Fields[];
}

/**
 * Gives what a run about to be opened is held back by: sampling, which is decided at the root, or folding; `once`: the
 * plan is of this call alone, which is told from others by names.
 */
export function holdBack(
  host: RunHost,
  resolved: SampledPlan,
  parent: Run | undefined,
  args: readonly unknown[],
  once: boolean,
): DeferredRuns | undefined {
  if (parent?.held?.undecided) return parent.held;
  const { sample, maxRunsPerSecond, foldKey, experiment, className, runName, defaultName } = resolved;
  if (parent === undefined) {
    const share = typeof sample === "function" ? callUser(host, `${defaultName}: sample`, () => sample(args)) : sample;
    if (share === false || leftOut(host, typeof share === "number" ? share : 1))
      return recordOnlyIfFailed(host.recorder);
  }
  if (maxRunsPerSecond === undefined) return undefined;
  const name = foldKey ?? (typeof runName === "string" && runName !== "" ? runName : defaultName);
  const key = foldKey ?? (once ? `${name}\0${defaultName}` : (resolved.family ?? resolved));
  // What is fixed for a method is that of one call where each call has a plan of its own, and of one method where
  // several are counted together.
  const fixed = (fields: readonly Fields[]) =>
    typeof key === "string" ? [] : fields.filter((each) => typeof each !== "function");
  return fold(host, parent, { experiment, key }, maxRunsPerSecond, (others) => ({
    experiment,
    fallbackExperiment: className,
    name: others ?? name,
    params: others === undefined ? fixed(resolved.params) : [],
    tags: others === undefined ? fixed(resolved.tags) : [],
  }));
}
