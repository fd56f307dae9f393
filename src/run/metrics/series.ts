import type { Diagnostics } from "../../base/diagnostics.js";
import type { PulseError } from "../../base/errors.js";
import { type Aggregate, Aggregator } from "../../capture/aggregate.js";
import type { Throttle } from "../../capture/metrics.js";

/** The number of keys aggregated per run: each may hold a quantile sketch. */
const MAX_KEYS = 200;

const names = new WeakMap<readonly Aggregate[], string>();

/** Returns the same text for the same kinds. Cached, since it is needed for each value. */
function nameOf(kinds: readonly Aggregate[]): string {
  let name = names.get(kinds);
  if (name === undefined) {
    name = [...kinds].sort().join();
    names.set(kinds, name);
  }
  return name;
}

/** The state of a run's metrics that are throttled or aggregated. */
export class Series {
  readonly #throttled = new Map<string, { seen: number; loggedAt: number }>();
  /** By key, then by kinds: selectors that ask for the same kinds share an aggregate. */
  readonly #sums = new Map<string, Map<string, Aggregator>>();

  /** Whether a key is throttled or aggregated. */
  has(key: string): boolean {
    return this.#sums.has(key) || this.#throttled.has(key);
  }

  /** Whether the throttle lets the next value of a key through. */
  admits(key: string, { everyN, minIntervalMs }: Throttle, now: number): boolean {
    let kept = this.#throttled.get(key);
    if (kept === undefined) {
      kept = { seen: 0, loggedAt: Number.NEGATIVE_INFINITY };
      this.#throttled.set(key, kept);
    }
    // If the clock was set back, the value is let through.
    const soon = now >= kept.loggedAt && now - kept.loggedAt < minIntervalMs;
    if (kept.seen++ % everyN !== 0 || soon) return false;
    kept.loggedAt = now;
    return true;
  }

  /** Adds a value to the key's aggregate; false when there are too many keys. */
  sum(key: string, value: number, kinds: readonly Aggregate[], diagnostics: Diagnostics): boolean {
    let ofKey = this.#sums.get(key);
    if (ofKey === undefined) {
      if (this.#sums.size >= MAX_KEYS) return false;
      ofKey = new Map();
      this.#sums.set(key, ofKey);
    }
    const name = nameOf(kinds);
    let sums = ofKey.get(name);
    if (sums === undefined) {
      sums = new Aggregator(kinds, (error) => diagnostics.warnAsync(error as PulseError));
      ofKey.set(name, sums);
    }
    sums.add(value);
    return true;
  }

  /** Returns the aggregates as metrics. */
  results(): [key: string, value: number][] {
    return [...this.#sums].flatMap(([key, ofKey]) =>
      [...ofKey.values()].flatMap((sums) =>
        sums.results().map(([kind, value]): [string, number] => [`${key}.${kind}`, value]),
      ),
    );
  }
}
