import type { MlflowRun } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { type Check, checkOptions, whatThereIs, wrongInput } from "../base/wrong-input.js";
import type { Checked, ResultCheck, ResultSeen, SelectorFor } from "../capture/check.js";
import { isRecord } from "../capture/params.js";
import type { LogMetricOptions, Selector, SelectorFunction, Untyped } from "../capture/selector.js";
import type { Scalar } from "../capture/type-paths.js";
import { MlflowClient } from "../client/mlflow-client.js";
import type { RunSearch } from "../client/run-search.js";
import type { AnyFunction } from "../run/call/plan.js";
import { startRun } from "../run/call/start-run.js";
import { withRun } from "../run/call/with-run.js";
import { currentRun } from "../run/current.js";
import { addSchema, describeExperiment, type MetricSchema } from "../run/metrics/schema.js";
import type { CallOptions, PathOptions, StartOptions, WithRunOptions } from "../run/options.js";
import type { Run } from "../run/run.js";
import type { MetricOptions } from "../run/verbs/metric-value.js";
import { isBare } from "./dialect.js";
import { LogMetric } from "./log-metric.js";
import { type ExperimentDecorator, TrackedExperiment } from "./tracked-experiment.js";
import type { Applied, LogMetricGoes, LogsMetrics, MemberDecorator, StepOption } from "./types.js";

/** The type of a param's values. */
export type ParamKind = "number" | "string" | "boolean";

type ParamValue<K extends ParamKind> = K extends "number" ? number | bigint : K extends "boolean" ? boolean : string;

/** What the runs of an experiment log: metrics with unit, goal and range, and params with their kind. */
export interface ExperimentSchema<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
  readonly name: string;
  /** The experiment's description in MLflow's UI, as Markdown. */
  readonly description?: string | undefined;
  /** Tags of the experiment. */
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  readonly metrics: M;
  readonly params?: P;
}

/** A selector whose metric keys belong to an experiment. */
type KeyedSelector<K extends string> =
  | K
  | `${K}?`
  | readonly (K | `${K}?`)[]
  | { readonly [key in K]?: string | SelectorFunction }
  | ((result: never, args: never) => { readonly [key in K]?: Scalar });

/**
 * Requires that all keys of a selector are among `K`; a constraint on the type parameter alone would let others pass.
 */
type OnlyKeys<S, K extends string> = S extends string | readonly string[]
  ? unknown
  : S extends (...args: never[]) => infer R
    ? [Exclude<keyof R, K>] extends [never]
      ? unknown
      : NoMetric<Exclude<keyof R, K>>
    : { readonly [key in Exclude<keyof S, K>]: never };

/** Shown by the compiler for a function whose result has other keys. */
interface NoMetric<Key> {
  readonly "the experiment has no such metric": Key;
}

/** A `Run` that accepts only the experiment's own metrics and params. */
export interface TypedRun<M extends string, P extends Record<string, ParamKind>>
  extends Omit<Run, "logMetric" | "logMetrics" | "logParam" | "logParams"> {
  logMetric(key: M, value: Scalar, options?: MetricOptions): void;
  logMetrics(metrics: { readonly [key in M]?: Scalar }, options?: MetricOptions): void;
  logParam<K extends keyof P & string>(key: K, value: ParamValue<P[K]>): void;
  logParams(params: { readonly [key in keyof P]?: ParamValue<P[key]> }): void;
}

/** Options of `bestRun`. */
export interface BestRunOptions {
  /** @default "last" */
  readonly by?: "last" | "min" | "max" | undefined;
  /** Where to search. @default the default tracker's store */
  readonly client?: MlflowClient | undefined;
}

/** The decorators and functions of one experiment, typed with its metrics and params. */
export interface DefinedExperiment<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
  readonly name: string;
  readonly metrics: M;
  /** `@TrackedExperiment` with this experiment's name, bare or called. */
  readonly TrackedExperiment: ExperimentDecorator<never, never> &
    (<const S extends Selector, A extends string>(
      options?: Omit<PathOptions<S, A>, "experiment">,
    ) => ExperimentDecorator<S, A>);
  /**
   * `@LogMetric` with this experiment's metrics as keys. A path that is not a key is written `{ loss: "final.loss"
   * }`. Bare, it logs all numbers, whatever their keys.
   */
  readonly LogMetric: MemberDecorator<LogMetricGoes, LogsMetrics<never, never>> & {
    (): Applied<LogMetricGoes, LogsMetrics<never, never>>;
    <const S extends KeyedSelector<keyof M & string>, const Step extends StepOption>(
      selector: S & OnlyKeys<S, keyof M & string>,
      options?: Omit<LogMetricOptions<Step>, "prefix">,
    ): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
  };
  /** `withRun` in this experiment. */
  withRun<
    R,
    Known = Untyped,
    const S extends SelectorFor<ResultSeen<Known>, Untyped> = Selector<ResultSeen<Known>, Untyped>,
    Metric extends Checked<S> = ResultCheck<S, R>,
  >(
    options: WithRunOptions<Known, S, NoInfer<Metric>> & { readonly experiment?: never },
    fn: (run: TypedRun<keyof M & string, P>) => R | Known,
  ): R;
  /** `startRun` in this experiment. */
  startRun(options?: Omit<StartOptions, "experiment">): TypedRun<keyof M & string, P>;
  /** The current run, if it belongs to this experiment. */
  currentRun(): TypedRun<keyof M & string, P> | undefined;
  /**
   * Searches the runs of this experiment, with its own keys.
   * @param client where to search. @default the default tracker's store
   */
  runs(client?: MlflowClient): RunSearch<{ metrics: keyof M & string; params: keyof P & string }>;
  /**
   * Returns the run with the best value of a metric by the goal of its schema; undefined if no run has it.
   * `by` says which value of each run counts: its last, or the lowest or highest it ever had, for which each run's
   * history is summed up.
   * @throws (rejects) PulseError `INVALID_OPTION` for a metric without a goal; and what a search rejects with
   */
  bestRun(metric: keyof M & string, options?: BestRunOptions): Promise<MlflowRun | undefined>;
}

/**
 * Defines what the runs of an experiment log. Its keys become types, units and goals become tags of each run, and
 * values out of range are counted and warned of.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 * @example
 * ```ts
 * const Sweep = defineExperiment({
 *   name: "Sweep",
 *   metrics: { loss: { unit: "nats", goal: "minimize", range: [0, Infinity] }, accuracy: { goal: "maximize", range: [0, 1] } },
 *   params: { lr: "number" },
 * });
 * ;@Sweep.TrackedExperiment()
 * class Trainer {@Sweep.LogMetric({ loss: "final.loss" })
 *   train(lr: number) {
 *     Sweep.currentRun()?.logParam("lr", lr);
 *     return { final: { loss: 1 - lr } };
 *   }
 * }
 * new Trainer().train(0.1);
 * ```
 */
export function defineExperiment<
  const M extends Record<string, MetricSchema>,
  const P extends Record<string, ParamKind> = Record<never, ParamKind>,
>(schema: ExperimentSchema<M, P>): DefinedExperiment<M, P> {
  checkOptions("defineExperiment", schema, CHECKS);
  const { name, metrics, params = {}, description, tags } = schema;
  for (const [field, value] of Object.entries({ name, metrics, params })) {
    const [expected, holds] = CHECKS[field as keyof typeof CHECKS];
    if (!holds(value)) throw wrongInput("defineExperiment", field, expected, value);
  }
  for (const [key, kind] of Object.entries(params))
    if (!KINDS.includes(kind as ParamKind))
      throw wrongInput("defineExperiment", `params.${key}`, '"number", "string" or "boolean"', kind);
  addSchema(name, metrics);
  describeExperiment(name, description, tags);
  const within = (options: unknown): unknown =>
    isRecord(options ?? {}) ? { ...(options as object), experiment: name } : options;
  const typed = (run: Run): TypedRun<keyof M & string, P> => run as unknown as TypedRun<keyof M & string, P>;
  return {
    name,
    metrics,
    TrackedExperiment: ((...args: unknown[]) => {
      const isPlaced = isBare(args) || (args.length === 1 && typeof args[0] === "function");
      const placed = TrackedExperiment(name, isPlaced ? {} : (args[0] as CallOptions)) as unknown as AnyFunction;
      return isPlaced ? placed(...args) : placed;
    }) as never,
    LogMetric: ((...args: unknown[]) => {
      if (!isBare(args)) checkKeys(name, metrics, args[0]);
      return (LogMetric as AnyFunction)(...args);
    }) as never,
    withRun: (options, fn) =>
      withRun(
        within(options) as CallOptions,
        typeof fn === "function" ? (run) => fn(typed(run)) : (fn as never),
      ) as never,
    startRun: (options) => typed(startRun(within(options) as StartOptions)),
    currentRun: () => {
      const run = currentRun();
      return run?.experiment === name ? typed(run) : undefined;
    },
    runs: (client = new MlflowClient()) => client.runs(name),
    bestRun: (metric, options = {}) => bestRun(name, metric, metrics[metric]?.goal, options),
  };
}

async function bestRun(
  name: string,
  metric: string,
  goal: MetricSchema["goal"],
  options: BestRunOptions,
): Promise<MlflowRun | undefined> {
  checkOptions("bestRun", options, {
    by: ['"last", "min" or "max"', (value) => ["last", "min", "max"].includes(value as string)],
    client: ["an MlflowClient", isRecord],
  });
  if (goal === undefined) {
    const detail = `bestRun: metric ${JSON.stringify(metric)} of experiment ${JSON.stringify(name)} has no goal; give it one in defineExperiment().`;
    throw new PulseError("INVALID_OPTION", detail);
  }
  const { by = "last", client = new MlflowClient() } = options;
  // All numbers: runs that lack the metric and those whose value is NaN do not match.
  const runs = client.runs(name).where((run) => run.metric(metric).gte(-Number.MAX_VALUE));
  if (by !== "last") return client.bestOf(runs, metric, by, goal);
  return runs.orderBy((run) => (goal === "minimize" ? run.metric(metric).asc() : run.metric(metric).desc())).first();
}

const KINDS: readonly ParamKind[] = ["number", "string", "boolean"];
const CHECKS: Record<keyof ExperimentSchema<Record<never, never>, Record<never, never>>, Check> = {
  description: ["a string", (value) => typeof value === "string"],
  tags: ["a record", isRecord],
  name: ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""],
  metrics: ["an object of metrics, each with unit, goal and range, or {}", isRecord],
  params: ["an object of params and their kinds", isRecord],
};

/** Checks a selector's keys at run time, for plain JavaScript. */
function checkKeys(name: string, metrics: object, selector: unknown): void {
  const keys =
    typeof selector === "string"
      ? [selector]
      : Array.isArray(selector)
        ? selector
        : typeof selector === "object"
          ? Object.keys(selector ?? {})
          : [];
  // A trailing "?" marks a path that may be missing; the key is without it.
  const wrong = keys.find((key) => !Object.hasOwn(metrics, key) && !Object.hasOwn(metrics, key.replace(/\?$/, "")));
  if (wrong !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `LogMetric: ${JSON.stringify(wrong)} is not a metric of ${name}.${whatThereIs(String(wrong), Object.keys(metrics))}`,
    );
}
