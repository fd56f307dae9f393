import { type Aggregate, Aggregator } from "../capture/aggregate.js";
import type { Thinning } from "../capture/metrics.js";

/** Most keys that are summed up in one run: each may hold a sketch. */
const MOST_KEYS = 200;

/** What a run keeps in mind of the metrics of which not every value is logged. */
export class Series {
  readonly #thinned = new Map<string, { seen: number; loggedAt: number }>();
  /** By key, then by kinds: two decorators may sum up the same key, each in its own way. */
  readonly #sums = new Map<string, Map<readonly Aggregate[], Aggregator>>();

  /** Whether the next value of a key is one to log. */
  admits(key: string, { everyN, minIntervalMs }: Thinning, now: number): boolean {
    let kept = this.#thinned.get(key);
    if (kept === undefined) {
      kept = { seen: 0, loggedAt: Number.NEGATIVE_INFINITY };
      this.#thinned.set(key, kept);
    }
    // Time may be set back: then what follows is as good as late enough.
    const soon = now >= kept.loggedAt && now - kept.loggedAt < minIntervalMs;
    if (kept.seen++ % everyN !== 0 || soon) return false;
    kept.loggedAt = now;
    return true;
  }

  /** Takes a value into what all values of a key come to; false when there are too many keys. */
  sum(key: string, value: number, kinds: readonly Aggregate[]): boolean {
    let ofKey = this.#sums.get(key);
    if (ofKey === undefined) {
      if (this.#sums.size >= MOST_KEYS) return false;
      ofKey = new Map();
      this.#sums.set(key, ofKey);
    }
    let sums = ofKey.get(kinds);
    if (sums === undefined) {
      sums = new Aggregator(kinds);
      ofKey.set(kinds, sums);
    }
    sums.add(value);
    return true;
  }

  /** What the values come to, as metrics of their own. */
  results(): [key: string, value: number][] {
    return [...this.#sums].flatMap(([key, ofKey]) =>
      [...ofKey.values()].flatMap((sums) => sums.results().map(([kind, value]): [string, number] => [`${key}.${kind}`, value])),
    );
  }
}
