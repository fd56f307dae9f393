import { type DeferredRuns, recordOnlyIfFailed } from "../../recorder/buffer/deferred-runs.js";
import { leftOut } from "../open-run.js";
import type { RunOptions } from "../options.js";
import type { Run } from "../run.js";
import { callUser } from "../verbs/call-user.js";
import type { RunHost } from "../verbs/run-host.js";
import { fold } from "./folds.js";

type Fields = Readonly<Record<string, unknown>> | ((...args: never[]) => unknown);

/** What sampling and folding need to know of a plan. */
export interface SampledPlan extends Pick<RunOptions, "sample" | "maxRunsPerSecond" | "foldKey" | "runName"> {
  readonly experiment: string | undefined;
  readonly className: string | undefined;
  readonly defaultName: string;
  /** Identifies the method when calls are counted. */
  readonly family: object | undefined;
  readonly params: readonly Fields[];
  readonly tags: readonly Fields[];
}

/**
 * Returns the deferral of a run about to be opened, if sampling (decided once per root run) or folding applies.
 * `once`: the plan belongs to this call alone (`withRun`, `startRun`), so calls are told apart by name. `resumed`: the
 * run is stored already.
 */
export function holdBack(
  host: RunHost,
  resolved: SampledPlan,
  parent: Run | undefined,
  args: readonly unknown[],
  { once, resumed }: { readonly once: boolean; readonly resumed: boolean },
): DeferredRuns | undefined {
  if (parent?.held?.undecided) return parent.held;
  const { sample, maxRunsPerSecond, foldKey, experiment, className, runName, defaultName } = resolved;
  if (parent === undefined) {
    const share = typeof sample === "function" ? callUser(host, `${defaultName}: sample`, () => sample(args)) : sample;
    if (share === false || leftOut(host, typeof share === "number" ? share : 1, resumed))
      return recordOnlyIfFailed(host.recorder);
  }
  if (maxRunsPerSecond === undefined) return undefined;
  const name = foldKey ?? (typeof runName === "string" && runName !== "" ? runName : defaultName);
  const key = foldKey ?? (once ? `${name}\0${defaultName}` : (resolved.family ?? resolved));
  // Fixed params and tags belong to a method. They are left out where calls are counted by name, since calls with
  // different ones may share a window.
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
