import type { ArtifactSelector } from "../capture/artifacts.js";
import type { ArgsOf, ResultKept, ResultKeptOf, ResultSeen, ResultSeenOf, Unless, Wrong } from "../capture/check.js";
import type { Selector, Untyped } from "../capture/selector.js";
import type { ErrorClass } from "./errors/error-rules.js";
import type { Run } from "./run.js";

/** What a call does when a run is already open: open a child run, log into the open run, or open a root run. */
export type Nest = "child" | "join" | "root";

/** Values of option `params`. */
type RunParams<Path extends string, Args> =
  | Readonly<Record<string, unknown>>
  | readonly Path[]
  | Told<[args: Args], Readonly<Record<string, unknown>>>;

/** Options of `withRun` and `startRun` that choose the run. `runId`, `parentRunId` and `parent` exclude each other. */
export interface RunPlace {
  /**
   * The id of an existing run in the store. That run is resumed in its own experiment and gets this run's status when
   * it ends. Its children are created in that experiment, too, unless they name another. Default steps start at 0
   * again.
   * @default a new run
   */
  readonly runId?: string | undefined;
  /**
   * The id of a run in the store that was created elsewhere: the new run becomes its child, in the same experiment
   * unless one is named. (MLflow only shows children within one experiment. If the store does not know the parent,
   * the child is created in the configured experiment.)
   * @default none
   */
  readonly parentRunId?: string | undefined;
  /**
   * A handle of the run that becomes the parent, wherever this is called and even if that run has ended.
   * @default the run open here
   */
  readonly parent?: Run | undefined;
  /** The run's description in MLflow's UI, as Markdown (tag `mlflow.note.content`). @default none */
  readonly description?: string | undefined;
}

/**
 * A function whose parameter types the compiler infers, and which may still be annotated with narrower types:
 * parameters of methods are compared bivariantly.
 */
type Told<Parameters extends readonly unknown[], Returned> = { told(...parameters: Parameters): Returned }["told"];

/** Option names that are wrong here; the compiler suggests the right ones. */
export interface Misnamed {
  /** @deprecated Write `runName`. */
  readonly name?: Wrong<"a run is named by runName, an experiment by experiment"> | undefined;
}

/** Options without those that take paths. */
interface PathlessOptions<Result, Args> extends Misnamed {
  /**
   * The experiment of the run.
   * @default the class's experiment, else the parent run's, else the configured one, else MLflow's "Default"
   */
  readonly experiment?: string | undefined;
  /**
   * The run's name, at most 250 characters. An empty name is replaced by a random one, as in MLflow.
   * @default runtime class `.` method, or the function's name
   */
  readonly runName?: string | Told<[args: Args], string> | undefined;
  /** Tags of the run. Tags of a base class are applied first. */
  readonly tags?: Readonly<Record<string, unknown>> | Told<[args: Args], Readonly<Record<string, unknown>>> | undefined;
  /** What to do when a run is already open. @default "child"; for `@Log…` methods of a tracked class "join" */
  readonly nest?: "child" | "join" | "root" | undefined;
  /**
   * Which calls are recorded: a share from 0 to 1, or a function that decides. Decided once per root run and
   * inherited by its children. Runs that are left out are held in memory (at most 1000 runs, and 1000 metrics, params
   * and tags each) and recorded after all if they fail.
   * @default 1
   */
  readonly sample?: number | Told<[args: Args], boolean | number> | undefined;
  /**
   * The number of calls of a method per second, wherever they are made, that become runs. Further calls in the same
   * second are folded into one run `<name> (folded)`, which has tag `pulse.folded` (the number of calls),
   * `<key>.count`, `.mean`, `.min`, `.max`, `.p50`, `.p95` and `.p99` of each metric, and metric `errors` (the number
   * of failed calls). It is a child of the run in which all of them were made, if it is the same. The first call that
   * fails becomes a run of its own. Runs below folded calls are folded by their names.
   * @default no limit
   */
  readonly maxRunsPerSecond?: number | undefined;
  /**
   * The key by which `maxRunsPerSecond` counts calls, which also names the folded run: calls with the same key are
   * counted together, whatever their names.
   * @default the method; for `withRun` the names of the run and the function, up to 100 names per experiment and
   * second, beyond which calls are counted together
   */
  readonly foldKey?: string | undefined;
  /**
   * Decides whether a result is a failure: if it returns true, or a reason as a text or error, the run ends FAILED.
   * For a generator it is called with each value.
   */
  readonly failOn?: Told<[result: Result, args: Args], boolean | string | Error | null | undefined> | undefined;
  /**
   * Errors that are not failures: classes, names (`"NotFoundError"`) or a function. The run ends FINISHED with tag
   * `pulse.ignored_error`; the error is still thrown.
   */
  readonly ignore?: readonly (ErrorClass | string)[] | Told<[error: Untyped, args: Args], boolean> | undefined;
  /**
   * Decides whether an error means that the call was aborted, so that the run ends KILLED. Asked about errors that are
   * not known as aborts: an `AbortError` (also as a cause), an `APIUserAbortError`, and any error while an
   * `AbortSignal` among the arguments (also as `signal` or `abortSignal` of one) is aborted. A `TimeoutError` is a
   * failure.
   */
  readonly aborted?: Told<[error: Untyped, args: Args], boolean> | undefined;
  /** Calls for which this returns false are not tracked at all. @default every call */
  readonly when?: Told<[args: Args], boolean> | undefined;
  /**
   * Whether this code belongs to a library. Its calls are then tracked only if the program asked for tracking: by
   * `configure()`, a configuration file, an active tracker or run, a variable such as MLFLOW_TRACKING_URI, or its own
   * decorators and functions without this option.
   * @default false
   */
  readonly library?: boolean | undefined;
}

/**
 * Options of the class and method decorators, `tracked`, `withRun` and `startRun`. Functions of `args` receive the
 * call's arguments as a list.
 */
export interface RunOptions<Result = Untyped, Args = Untyped> extends PathlessOptions<Result, Args> {
  /**
   * Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. Params of a base
   * class are applied first.
   */
  readonly params?: RunParams<string, Args> | undefined;
}

/**
 * Options of everything that has a result: `tracked`, `withRun`, and `@TrackedRun` and `@TrackedExperiment` on a
 * method.
 */
export interface CallOptions<Result = Untyped, Args = Untyped> extends RunOptions<Result, Args> {
  /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
  readonly metrics?: Selector<Result, Args> | undefined;
  /** Files to log from the function's result, as with `@LogArtifact`. @default none */
  readonly artifacts?: ArtifactSelector<Result, Args> | undefined;
}

/** `CallOptions` for a decorator, with paths checked by the compiler. */
export interface PathOptions<Metrics, Param extends string> extends PathlessOptions<Untyped, Untyped[]> {
  /** Files to log from the method's result, as with `@LogArtifact`. @default none */
  readonly artifacts?: ArtifactSelector | undefined;
  /** Metrics to log from the method's result, as with `@LogMetric`. @default none */
  readonly metrics?: Metrics | undefined;
  /**
   * Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. Params of a base
   * class are applied first.
   */
  readonly params?: RunParams<Param, Untyped[]> | undefined;
}

/** Options of `tracked`, typed with the function's result and arguments. */
interface FunctionOptions<F, Metrics, Param extends string, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
  /** Files to log from the function's result, as with `@LogArtifact`. @default none */
  readonly artifacts?: ArtifactSelector<ResultKeptOf<F>, Args> | undefined;
  /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
  readonly metrics?: Metrics | undefined;
  /** Fixed params, the arguments to log (names, or index paths such as `"1.lr"`), or a function. */
  readonly params?: RunParams<Param, Args> | undefined;
}

/** The same options when a path is wrong: the type of the option describes the mistake. */
interface WrongFunctionOptions<F, BadMetric, BadParam, Args> extends PathlessOptions<ResultSeenOf<F>, Args> {
  readonly artifacts?: ArtifactSelector<ResultKeptOf<F>, Args> | undefined;
  readonly metrics?: Unless<BadMetric, Untyped>;
  readonly params?: Unless<BadParam, Untyped>;
}

/**
 * Options of `tracked`, with paths checked against the function. `BadMetric` and `BadParam` describe what is wrong
 * with them.
 */
export type CheckedOptions<F, Metrics, Param extends string, BadMetric, BadParam, Args = ArgsOf<F>> =
  Unless<BadMetric, Unless<BadParam, true>> extends true
    ? FunctionOptions<F, Metrics, Param, Args>
    : WrongFunctionOptions<F, BadMetric, BadParam, Args>;

/**
 * Options of `withRun`, whose function takes no arguments to log. Its option functions know the result if its type is
 * known before them.
 */
interface BlockOptions<Result, Metrics> extends PathlessOptions<ResultSeen<Result>, Untyped>, RunPlace {
  /** Files to log from the function's result, as with `@LogArtifact`. @default none */
  readonly artifacts?: ArtifactSelector<ResultKept<Result>> | undefined;
  /** Metrics to log from the function's result, as with `@LogMetric`. @default none */
  readonly metrics?: Metrics | undefined;
  /** Fixed params, or a function. */
  readonly params?: RunParams<string, Untyped> | undefined;
}

interface WrongBlockOptions<Result, BadMetric> extends BlockOptions<Result, Untyped> {
  readonly metrics?: Unless<BadMetric, Untyped>;
}

/** Options of `withRun`, with paths checked against the result. */
export type WithRunOptions<Result, Metrics, BadMetric> =
  Unless<BadMetric, true> extends true ? BlockOptions<Result, Metrics> : WrongBlockOptions<Result, BadMetric>;

/** Options of `startRun`. It has no call to take arguments from, and cannot join a run. */
export interface StartOptions extends RunPlace, Misnamed {
  /** The experiment of the run. @default the parent run's, else the configured one, else MLflow's "Default" */
  readonly experiment?: string | undefined;
  /** The run's name, at most 250 characters. An empty name is replaced by a random one, as in MLflow. @default "run" */
  readonly runName?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  /** What to do when a run is already open. @default "child" */
  readonly nest?: "child" | "root" | undefined;
  /**
   * The share of runs that are recorded, from 0 to 1. Runs that end FAILED or KILLED are always recorded. @default 1
   */
  readonly sample?: number | undefined;
  /**
   * The number of runs per second, with the same `foldKey`, that are recorded. Further ones are folded into one run
   * `<foldKey> (folded)`, as calls are: see the option of the decorators. @default no limit
   */
  readonly maxRunsPerSecond?: number | undefined;
  /** What `maxRunsPerSecond` counts, which also names the folded run. @default the run's name at its start */
  readonly foldKey?: string | undefined;
  /** Errors given to `fail` that are not failures; see the option of the decorators. */
  readonly ignore?: readonly (ErrorClass | string)[] | ((error: Untyped) => boolean) | undefined;
  /** Whether an error given to `fail` means that the work was aborted; see the option of the decorators. */
  readonly aborted?: ((error: Untyped) => boolean) | undefined;
  /** Whether this code belongs to a library; see the option of the decorators. @default false */
  readonly library?: boolean | undefined;
}
