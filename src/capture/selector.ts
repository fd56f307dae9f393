/** What is not known when it is written: a decorator's functions are, before the method they are applied to. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Untyped = any;

/** A function as selector: gets the result (awaited, or one yielded value) and the call's arguments. */
export type SelectorFunction<Result = Untyped, Args = Untyped> = (result: Result, args: Args) => unknown;

/** What part of a result is taken, and under which keys. */
export type Selector<Result = Untyped, Args = Untyped> =
  | string
  | readonly string[]
  | { readonly [key: string]: string | SelectorFunction<Result, Args> }
  | SelectorFunction<Result, Args>;

/** Options of `@LogMetric`, second after the selector. */
export interface LogMetricOptions<Step = string | SelectorFunction> {
  /**
   * The step of each value: a path into the result or a function of it. @default the highest step so far of this run
   * and key, plus one
   */
  readonly step?: Step | undefined;
  /** Put before every key, verbatim, for instance `"train/"`. @default "" */
  readonly prefix?: string | undefined;
  /** When the value was measured, milliseconds since the epoch or a Date. @default the time of recording */
  readonly timestamp?: number | Date | SelectorFunction | undefined;
  /** Logs only results for which this returns true. @default every result */
  readonly when?: SelectorFunction | undefined;
  /** Logs the first of every `n` values of a run and key; the others count as steps. @default 1 */
  readonly everyN?: number | undefined;
  /**
   * Leaves out values that come sooner than this after the last one logged of a run and key, in milliseconds; they
   * count as steps. @default 0
   */
  readonly minIntervalMs?: number | undefined;
  /**
   * Logs no single values but, when the run ends, what they come to, under `<key>.<aggregate>`: `"mean"`, or a list
   * such as `["mean", "p95"]`. Percentiles are within 1 % of the true ones; values that are not finite are left out.
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
  /** What to do with NaN and ±Infinity: `"log"` them as MLflow's own, or `"skip"` them. @default "log" */
  readonly nonFinite?: "log" | "skip" | undefined;
}
