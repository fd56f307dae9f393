import type { Checked, ResultCheck, ResultSeen } from "../capture/check.js";
import type { LogMetricOptions, Selector, SelectorFunction, Untyped } from "../capture/metrics.js";
import type { Scalar } from "../capture/type-paths.js";
import { PulseError } from "../errors.js";
import { currentRun, startRun, withRun } from "../run/current.js";
import type { CallOptions, PathOptions, StartOptions, WithRunOptions } from "../run/options.js";
import type { MetricOptions, Run } from "../run/run.js";
import { addSchema, type MetricSchema } from "../run/schema.js";
import { LogMetric } from "./log-metric.js";
import { type ExperimentDecorator, TrackedExperiment } from "./tracked-experiment.js";
import type { Applied, LogMetricGoes, LogsMetrics, StepOption } from "./types.js";

/** What a param's values are. */
export type ParamKind = "number" | "string" | "boolean";

type ParamValue<K extends ParamKind> = K extends "number" ? number | bigint : K extends "boolean" ? boolean : string;

/** What an experiment's runs log: its metrics with unit, goal and range, its params with their kind. */
export interface ExperimentSchema<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
  readonly name: string;
  readonly metrics: M;
  readonly params?: P;
}

/** A selector whose metric keys are those of an experiment. */
type KeyedSelector<K extends string> =
  | K
  | `${K}?`
  | readonly (K | `${K}?`)[]
  | { readonly [key in K]?: string | SelectorFunction }
  | ((result: never, args: never) => { readonly [key in K]?: Scalar });

/** Nothing more when a selector's keys are all among `K`; a type parameter alone would let others pass. */
type OnlyKeys<S, K extends string> = S extends string | readonly string[]
  ? unknown
  : S extends (...args: never[]) => infer R
    ? [Exclude<keyof R, K>] extends [never]
      ? unknown
      : NoMetric<Exclude<keyof R, K>>
    : { readonly [key in Exclude<keyof S, K>]: never };

/** Shown by the compiler in place of a function whose result has other keys. */
interface NoMetric<Key> {
  readonly "the experiment has no such metric": Key;
}

/** A `Run` that takes the experiment's own metrics and params. */
export interface TypedRun<M extends string, P extends Record<string, ParamKind>>
  extends Omit<Run, "logMetric" | "logMetrics" | "logParam" | "logParams"> {
  logMetric(key: M, value: Scalar, options?: MetricOptions): void;
  logMetrics(metrics: { readonly [key in M]?: Scalar }, options?: MetricOptions): void;
  logParam<K extends keyof P & string>(key: K, value: ParamValue<P[K]>): void;
  logParams(params: { readonly [key in keyof P]?: ParamValue<P[key]> }): void;
}

/** The decorators and functions of one experiment, with its own metrics and params as types. */
export interface DefinedExperiment<M extends Record<string, MetricSchema>, P extends Record<string, ParamKind>> {
  readonly name: string;
  readonly metrics: M;
  /** `@TrackedExperiment` with this experiment's name. */
  TrackedExperiment<const S extends Selector, A extends string>(options?: Omit<PathOptions<S, A>, "experiment">): ExperimentDecorator<S, A>;
  /** `@LogMetric` whose keys are this experiment's metrics; a path that is no key is written `{ loss: "final.loss" }`. */
  LogMetric<const S extends KeyedSelector<keyof M & string>, const Step extends StepOption>(
    selector: S & OnlyKeys<S, keyof M & string>,
    options?: Omit<LogMetricOptions<Step>, "prefix">,
  ): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
  /** `withRun` in this experiment. */
  withRun<
    R,
    Known = Untyped,
    const S extends Selector<ResultSeen<Known>, readonly []> = Selector<ResultSeen<Known>, readonly []>,
    Metric extends Checked<S> = ResultCheck<S, R>,
  >(
    options: WithRunOptions<Known, S, NoInfer<Metric>> & { readonly experiment?: never },
    fn: (run: TypedRun<keyof M & string, P>) => R | Known,
  ): R;
  /** `startRun` in this experiment. */
  startRun(options?: Omit<StartOptions, "experiment">): TypedRun<keyof M & string, P>;
  /** The run in force here, when it is one of this experiment. */
  currentRun(): TypedRun<keyof M & string, P> | undefined;
}

/**
 * Says once what an experiment's runs log: its keys become types, units and goals are stored as tags of each run, values out of range are counted and warned of.
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
  const { name, metrics, params = {} } = schema ?? {};
  if (typeof name !== "string" || name.trim() === "")
    throw new PulseError("INVALID_OPTION", "defineExperiment: name must be a non-empty string.");
  if (typeof metrics !== "object" || metrics === null)
    throw new PulseError("INVALID_OPTION", "defineExperiment: metrics must be an object.");
  const odd = Object.entries(params).find(([, kind]) => !["number", "string", "boolean"].includes(kind as string));
  if (odd) throw new PulseError("INVALID_OPTION", `defineExperiment: params.${odd[0]} must be "number", "string" or "boolean".`);
  addSchema(name, metrics);
  const typed = (run: Run): TypedRun<keyof M & string, P> => run as unknown as TypedRun<keyof M & string, P>;
  return {
    name,
    metrics,
    TrackedExperiment: (options) => TrackedExperiment(name, options as CallOptions) as never,
    LogMetric: (selector: unknown, options?: unknown) => {
      checkKeys(name, metrics, selector);
      return LogMetric(selector as never, options as LogMetricOptions) as never;
    },
    withRun: (options, fn) => withRun({ ...(options as CallOptions), experiment: name }, (run) => fn(typed(run))) as never,
    startRun: (options) => typed(startRun({ ...options, experiment: name })),
    currentRun: () => {
      const run = currentRun();
      return run?.experiment === name ? typed(run) : undefined;
    },
  };
}

/** For plain JavaScript, which no compiler checks. */
function checkKeys(name: string, metrics: object, selector: unknown): void {
  const keys =
    typeof selector === "string"
      ? [selector]
      : Array.isArray(selector)
        ? selector
        : typeof selector === "object"
          ? Object.keys(selector ?? {})
          : [];
  // A path with "?" is one that may be absent; its key is without.
  const wrong = keys.find((key) => !Object.hasOwn(metrics, key) && !Object.hasOwn(metrics, key.replace(/\?$/, "")));
  if (wrong !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `LogMetric: ${JSON.stringify(wrong)} is no metric of ${name}; there are ${Object.keys(metrics).join(", ")}.`,
    );
}
