/** A type that is not known yet: a decorator's functions are written before the method they are applied to. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Untyped = any;

/** A function as selector; it is passed the result (awaited, or one yielded value) and the call's arguments. */
export type SelectorFunction<Result = Untyped, Args = Untyped> = (result: Result, args: Args) => unknown;

/** Which parts of a result are logged, and under which keys. */
export type Selector<Result = Untyped, Args = Untyped> =
  | string
  | readonly string[]
  | { readonly [key: string]: string | SelectorFunction<Result, Args> }
  | SelectorFunction<Result, Args>;

/** The options of `@LogMetric`, its second argument. */
export interface LogMetricOptions<Step = string | SelectorFunction> {
  /**
   * The step of each value: a path into the result or a function of it. @default one more than the highest step of this
   * run and key so far
   */
  readonly step?: Step | undefined;
  /** Prepended to every key as it is, for example `"train/"`. @default "" */
  readonly prefix?: string | undefined;
  /** When the value was measured: milliseconds since the epoch or a Date. @default the time of recording */
  readonly timestamp?: number | Date | SelectorFunction | undefined;
  /** Only logs results for which this returns true. @default every result */
  readonly when?: SelectorFunction | undefined;
  /** Logs the first of every `n` values of a run and key; the others still count as steps. @default 1 */
  readonly everyN?: number | undefined;
  /**
   * Minimum time between two logged values of a run and key, in milliseconds. Values in between are left out but count
   * as steps. @default 0
   */
  readonly minIntervalMs?: number | undefined;
  /**
   * Logs summaries under `<key>.<aggregate>` when the run ends, instead of single values: `"mean"`, or a list such as
   * `["mean", "p95"]`. Percentiles are within 1 % of the true ones; values that are not finite are ignored.
   */
  readonly aggregate?:
    | "last"
    | "mean"
    | "min"
    | "max"
    | "sum"
    | "count"
    | "p50"
    | "p95"
    | "p99"
    | readonly ("last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99")[]
    | undefined;
  /** What to do with NaN and ±Infinity: `"log"` them the way MLflow does, or `"skip"` them. @default "log" */
  readonly nonFinite?: "log" | "skip" | undefined;
}
