import { PulseError } from "../base/errors.js";
import { type Check, checkOptions as check, shownValue, wrongInput } from "../base/wrong-input.js";
import type { ArtifactSelector } from "../capture/artifacts.js";
import type { ArgsOf, ResultSeen, ResultSeenOf, Unless, Wrong } from "../capture/check.js";
import { isRecord } from "../capture/params.js";
import type { Selector, Untyped } from "../capture/selector.js";
import { artifactFault, metricsFault } from "../capture/selector-faults.js";
import type { Run } from "./run.js";

/**
 * What a call does when a run is open already: open a child of it, log into it, or open a run of its own at the top.
 */
export type Nest = "child" | "join" | "root";

/** A class of errors, also one whose constructor is not public. */
// biome-ignore lint/suspicious/noExplicitAny: whatever its constructor takes
export type ErrorClass = abstract new (...args: any[]) => unknown;

/** What the option `params` may be. */
type RunParams<Path extends string, Args> =
  | Readonly<Record<string, unknown>>
  | readonly Path[]
  | Told<[args: Args], Readonly<Record<string, unknown>>>;

/** Options of `withRun` and `startRun` that say which run it is. At most one of `runId`, `parentRunId` and `parent`. */
export interface RunPlace {
  /**
   * The id of a run that the store has: it is resumed, in the experiment it is in, and ends as this one ends; its
   * children that name no experiment are created there, too. Its default steps begin at 0 again. @default a new run
   */
  readonly runId?: string | undefined;
  /**
   * The id, in the store, of a run that was made elsewhere: the new one is a child of it, in its experiment if none is
   * named. (MLflow shows children only there; a run that the store does not know has the child in the configured
   * experiment.) @default none
   */
  readonly parentRunId?: string | undefined;
  /**
   * A handle of the run that the new one is to be a child of, wherever it is called and whether that run is over or
   * not. @default the run open here
   */
  readonly parent?: Run | undefined;
  /** What MLflow shows as the run's description, as Markdown (tag `mlflow.note.content`). @default none */
  readonly description?: string | undefined;
}

/**
 * A function that the compiler knows the parameters of, and that may be annotated otherwise by whoever knows better (a
 * narrower result): parameters of methods are compared both ways.
 */
type Told<Parameters extends readonly unknown[], Returned> = { told(...parameters: Parameters): Returned }["told"];

/** What runs and experiments are not named by here: the compiler says so. */
interface Misnamed {
  /** @deprecated Write `runName`. */
  readonly name?: Wrong<"a run is named by runName, an experiment by experiment"> | undefined;
}

/** Options without those that hold paths. */
interface PathlessOptions<Result, Args> extends Misnamed {
  /**
   * @default the class's experiment, else the one the parent run is in, else the configured one, else MLflow's
   * "Default"
   */
  readonly experiment?: string | undefined;
  /**
   * At most 250 characters; an empty one becomes a made-up name, as in MLflow. @default runtime class `.` method, or
   * the function's name
   */
  readonly runName?: string | Told<[args: Args], string> | undefined;
  /** Tags of the run. Those of a base class come first. */
  readonly tags?: Readonly<Record<string, unknown>> | Told<[args: Args], Readonly<Record<string, unknown>>> | undefined;
  /** @default "child"; for `@Log…` methods of a tracked class "join" */
  readonly nest?: "child" | "join" | "root" | undefined;
  /**
   * Which calls are recorded: a share from 0 to 1, or a function that says so. Decided at the root and good for all
   * runs below it; what is left out is held back in memory (at most 1000 runs, and of metrics, params and tags each)
   * and recorded after all when it fails. @default 1
   */
  readonly sample?: number | Told<[args: Args], boolean | number> | undefined;
  /**
   * The first so many calls of a method in a second, wherever they are made, are runs; the others become one run
   * `<name> (folded)` (below the run they were all made in, if it is one) with tag `pulse.folded` (how many calls),
   * `<key>.count`, `.mean`, `.min`, `.max`, `.p50`, `.p95`, `.p99` of each metric, and metric `errors` (how many of
   * them failed). The first of them that fails is a run of its own instead. @default no limit
   */
  readonly maxRunsPerSecond?: number | undefined;
  /**
   * What counts as one for `maxRunsPerSecond`, and how the folded run is named: calls with the same key are counted
   * together, whatever they are called.
   * @default the method; of `withRun` the run's name and the function's, of the first 100 names of an experiment and
   * second: the others are counted as one
   */
  readonly foldKey?: string | undefined;
  /**
   * Results that are failures: a call for which this returns true, or the reason as a text or error, ends FAILED. Of a
   * generator each value is asked about.
   */
  readonly failOn?: Told<[result: Result, args: Args], boolean | string | Error | null | undefined> | undefined;
  /**
   * Errors that are none: classes, names (`"NotFoundError"`) or a function. The run ends FINISHED, with tag
   * `pulse.ignored_error`; the error is thrown all the same.
   */
  readonly ignore?: readonly (ErrorClass | string)[] | Told<[error: Untyped, args: Args], boolean> | undefined;
  /** Calls for which this returns false are not tracked at all. @default every call */
  readonly when?: Told<[args: Args], boolean> | undefined;
  /**
   * The code is a library's: its calls are tracked only where the program it is used in has asked for tracking, by
   * `configure()`, a configuration file, a tracker or run in force, MLFLOW_TRACKING_URI and the like, or decorators and
   * functions of its own without this option. @default false
   */
  readonly library?: boolean | undefined;
}

/**
 * Options of the class and method decorators, `tracked`, `withRun` and `startRun`. Functions of `args` get the list of
 * the call's arguments.
 */
export interface RunOptions<Result = Untyped, Args = Untyped> extends PathlessOptions<Result, Args> {
  /**
   * Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. Those of a base
   * class come first.
   */
  readonly params?: RunParams<string, Args> | undefined;
}

/**
 * Options of what has a result to take metrics from: `tracked`, `withRun`, `@TrackedRun` and `@TrackedExperiment` on a
 * method.
 */
export interface CallOptions<Result = Untyped, Args = Untyped> extends RunOptions<Result, Args> {
  /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
  readonly metrics?: Selector<Result, Args> | undefined;
  /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
  readonly artifacts?: ArtifactSelector<Result, Args> | undefined;
}

/** `CallOptions` of a decorator, whose paths the compiler knows. */
export interface PathOptions<Metrics, Param extends string> extends PathlessOptions<Untyped, Untyped[]> {
  /** Files to make of what the method returns, as `@LogArtifact` does. @default none */
  readonly artifacts?: ArtifactSelector | undefined;
  /** Metrics to take from what the method returns, as `@LogMetric` does. @default none */
  readonly metrics?: Metrics | undefined;
  /**
   * Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. Those of a base
   * class come first.
   */
  readonly params?: RunParams<Param, Untyped[]> | undefined;
}

/** Options of `tracked`, whose functions know the result and the arguments of the function. */
interface FunctionOptions<F, Metrics, Param extends string, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
  /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
  readonly artifacts?: ArtifactSelector<ResultSeenOf<F>, Args> | undefined;
  /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
  readonly metrics?: Metrics | undefined;
  /** Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. */
  readonly params?: RunParams<Param, Args> | undefined;
}

/** The same where something is wrong with paths: what, stands in their place. */
interface WrongFunctionOptions<F, BadMetric, BadParam, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
  readonly artifacts?: ArtifactSelector<ResultSeenOf<F>, Args> | undefined;
  readonly metrics?: Unless<BadMetric, Untyped>;
  readonly params?: Unless<BadParam, Untyped>;
}

/**
 * Options of `tracked`: paths are checked against the function. `BadMetric` and `BadParam` are what is wrong with them.
 */
export type CheckedOptions<F, Metrics, Param extends string, BadMetric, BadParam, Args = ArgsOf<F>> =
  Unless<BadMetric, Unless<BadParam, true>> extends true
    ? FunctionOptions<F, Metrics, Param, Args>
    : WrongFunctionOptions<F, BadMetric, BadParam, Args>;

/**
 * Options of `withRun`, whose function has no arguments to take; its functions know the result where it is known before
 * them.
 */
interface BlockOptions<Result, Metrics> extends PathlessOptions<ResultSeen<Result>, Untyped>, RunPlace {
  /** Files to make of what the function returns, as `@LogArtifact` does. @default none */
  readonly artifacts?: ArtifactSelector<ResultSeen<Result>> | undefined;
  /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
  readonly metrics?: Metrics | undefined;
  /** Fixed params, or a function. */
  readonly params?: RunParams<string, Untyped> | undefined;
}

interface WrongBlockOptions<Result, BadMetric> extends BlockOptions<Result, Untyped> {
  readonly metrics?: Unless<BadMetric, Untyped>;
}

/** Options of `withRun`, likewise. */
export type WithRunOptions<Result, Metrics, BadMetric> =
  Unless<BadMetric, true> extends true ? BlockOptions<Result, Metrics> : WrongBlockOptions<Result, BadMetric>;

/** Options of `startRun`, which has no call: nothing to take arguments from, and no run of somebody else's to end. */
export interface StartOptions extends RunPlace, Misnamed {
  /** @default the parent run's experiment, else the configured one, else MLflow's "Default" */
  readonly experiment?: string | undefined;
  /** At most 250 characters; an empty one becomes a made-up name, as in MLflow. @default "run" */
  readonly runName?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  /** @default "child" */
  readonly nest?: "child" | "root" | undefined;
  /** The share of runs that are recorded, from 0 to 1, and those that end FAILED or KILLED. @default 1 */
  readonly sample?: number | undefined;
  /** As for the decorators. @default false */
  readonly library?: boolean | undefined;
}

const NESTS: ReadonlySet<unknown> = new Set<Nest>(["child", "join", "root"]);

const isFunction = (value: unknown): boolean => typeof value === "function";
const isClass = (value: unknown): boolean => typeof value === "function" && typeof value.prototype === "object";
const isShare = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 1;

const CHECKS: Record<Exclude<keyof CallOptions, keyof Misnamed>, Check> = {
  experiment: ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""],
  runName: ["a string or a function", (value) => typeof value === "string" || typeof value === "function"],
  params: [
    "a record, a list of argument names or a function",
    (value) =>
      typeof value === "function" ||
      isRecord(value) ||
      (Array.isArray(value) && value.every((name) => typeof name === "string")),
  ],
  tags: ["a record or a function", (value) => typeof value === "function" || isRecord(value)],
  nest: ['"child", "join" or "root"', (value) => NESTS.has(value)],
  when: ["a function", isFunction],
  sample: ["a number from 0 to 1, or a function", (value) => isFunction(value) || isShare(value)],
  maxRunsPerSecond: ["a whole number, 0 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 0],
  foldKey: ["a non-empty string", (value) => typeof value === "string" && value !== ""],
  failOn: ["a function", isFunction],
  ignore: [
    "a list of error classes and names, or a function",
    (value) =>
      isFunction(value) || (Array.isArray(value) && value.every((each) => typeof each === "string" || isClass(each))),
  ],
  metrics: [
    "a selector (path, list of paths, record or function)",
    (value) =>
      typeof value === "string" ||
      typeof value === "function" ||
      (typeof value === "object" && metricsFault(value) === undefined),
    metricsFault,
  ],
  artifacts: [
    "the name of a file, or a record of names with paths and functions",
    (value) => artifactFault(value) === undefined,
    artifactFault,
  ],
  library: ["true or false", (value) => typeof value === "boolean"],
};

const isId = (value: unknown): boolean => typeof value === "string" && value.trim() !== "";

const PLACE_CHECKS: Record<keyof RunPlace, Check> = {
  runId: ["the id of a run", isId],
  parentRunId: ["the id of a run", isId],
  // Of another copy of the package, too.
  parent: [
    "a run, as startRun() and currentRun() give it",
    (value) => typeof (value as Partial<Run> | null)?.logMetric === "function",
  ],
  description: ["a string", (value) => typeof value === "string"],
};

/** The options of which one call may have only one. */
const PLACES = ["runId", "parentRunId", "parent"] as const;

function checkPlace(user: string, options: Partial<RunPlace>): void {
  const given = PLACES.filter((name) => options[name] !== undefined);
  if (given.length > 1)
    throw new PulseError("INVALID_OPTION", `${user}: ${given.join(" and ")} exclude each other; give one of them.`);
}

/**
 * @internal
 * Checks the options given to `user` (a decorator's or function's name).
 * @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was got.
 */
export function checkOptions(user: string, options: unknown): void {
  needNoText(user, options, user === "TrackedRun" ? "@TrackedRun({ runName: … })" : "tracked(fn, { experiment: … })");
  check(user, options, CHECKS);
}

/** @throws PulseError `INVALID_OPTION` for a text in place of options, with what it may be meant as. */
function needNoText(user: string, options: unknown, example: string): void {
  if (typeof options === "string")
    throw wrongInput(user, "options", `an object, as in ${example.replace("…", shownValue(options))}`, options);
}

const BLOCK_CHECKS: Record<Exclude<keyof CallOptions, keyof Misnamed> | keyof RunPlace, Check> = {
  ...CHECKS,
  ...PLACE_CHECKS,
  params: [
    "a record or a function: the function of withRun has no arguments to take",
    (value) => isFunction(value) || isRecord(value),
  ],
};

/** @internal Checks the options of `withRun`, likewise. */
export function checkBlockOptions(options: unknown): asserts options is CallOptions & RunPlace {
  needNoText("withRun", options, "withRun({ experiment: … }, fn)");
  check("withRun", options, BLOCK_CHECKS);
  checkPlace("withRun", options as RunPlace);
}

const START_CHECKS: Record<Exclude<keyof StartOptions, keyof Misnamed>, Check> = {
  ...PLACE_CHECKS,
  library: CHECKS.library,
  experiment: CHECKS.experiment,
  runName: ["a string", (value) => typeof value === "string"],
  params: ["a record", isRecord],
  tags: ["a record", isRecord],
  nest: [
    '"child" or "root" (a run that is joined is not yours to end: use withRun)',
    (value) => value === "child" || value === "root",
  ],
  sample: ["a number from 0 to 1", isShare],
};

/** @internal Checks the options of `startRun`, likewise. */
export function checkStartOptions(options: unknown): void {
  needNoText("startRun", options, "startRun({ experiment: … })");
  check("startRun", options, START_CHECKS);
  checkPlace("startRun", options as RunPlace);
}
