import { newSketch, type Sketch } from "./sketch.js";

/**
 * A summary of all values of a metric. Percentiles (nearest rank) are within 1 % of the true ones, everything else is
 * exact.
 */
export type Aggregate = "last" | "mean" | "min" | "max" | "sum" | "count" | "p50" | "p95" | "p99";

/** @internal All of them. */
export const AGGREGATES: readonly Aggregate[] = ["last", "mean", "min", "max", "sum", "count", "p50", "p95", "p99"];

/** Keeps a rank from falling to the one before it through rounding. */
const ROUNDING = 1e-6;
const QUANTILES: Partial<Record<Aggregate, number>> = { p50: 0.5, p95: 0.95, p99: 0.99 };

/** @internal Sums up the values of one metric as they arrive, in constant memory. */
export class Aggregator {
  #last = Number.NaN;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #sum = 0;
  /** The rounding error of the sum (Neumaier), so that a million small values add up. */
  #lost = 0;
  #count = 0;
  readonly #kinds: readonly Aggregate[];
  readonly #sketch: Sketch | undefined;

  /** `failed` is called if percentiles are unavailable; all other aggregates still work. */
  constructor(kinds: readonly Aggregate[], failed: (error: unknown) => void) {
    this.#kinds = kinds;
    try {
      if (kinds.some((kind) => QUANTILES[kind] !== undefined)) this.#sketch = newSketch();
    } catch (error) {
      this.#kinds = kinds.filter((kind) => QUANTILES[kind] === undefined);
      failed(error);
    }
  }

  /** Adds one finite value. */
  add(value: number): void {
    this.#last = value;
    this.#count++;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
    this.#sketch?.accept(value);
  }

  /** Returns the requested aggregates; empty while there are no values. */
  results(): [Aggregate, number][] {
    if (this.#count === 0) return [];
    const sum = this.#sum + this.#lost;
    const exact: Partial<Record<Aggregate, number>> = {
      last: this.#last,
      min: this.#min,
      max: this.#max,
      sum,
      count: this.#count,
      mean: sum / this.#count,
    };
    return this.#kinds.map((kind) => [kind, exact[kind] ?? this.#percentile(QUANTILES[kind] ?? 0)]);
  }

  #percentile(quantile: number): number {
    // The nearest rank, from 0. The sketch takes a share of the ranks and rounds down.
    const rank = Math.ceil(quantile * this.#count) - 1;
    const share = this.#count === 1 ? 0 : Math.min(1, (rank + ROUNDING) / (this.#count - 1));
    // The sketch returns the middle of a bucket, which may lie outside the actual range.
    return Math.min(this.#max, Math.max(this.#min, this.#sketch?.getValueAtQuantile(share) ?? Number.NaN));
  }
}
