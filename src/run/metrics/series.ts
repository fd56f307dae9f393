import type { Diagnostics } from "../../base/diagnostics.js";
import type { PulseError } from "../../base/errors.js";
import { type Aggregate, Aggregator } from "../../capture/aggregate.js";
import type { Throttle } from "../../capture/metrics.js";

/** Most keys that are summed up in one run: each may hold a sketch. */
const MAX_KEYS = 200;

const names = new WeakMap<readonly Aggregate[], string>();

/** The same text for the same kinds; looked up, since it is needed for each value. */
function nameOf(kinds: readonly Aggregate[]): string {
  let name = names.get(kinds);
  if (name === undefined) {
    name = [...kinds].sort().join();
    names.set(kinds, name);
  }
  return name;
}

/** What a run keeps in mind of the metrics of which not every value is logged. */
export class Series {
  readonly #throttled = new Map<string, { seen: number; loggedAt: number }>();
  /** By key, then by kinds: what asks for the same is summed up together, what asks for something else by itself. */
  readonly #sums = new Map<string, Map<string, Aggregator>>();

  /** Whether it knows of a key. */
  has(key: string): boolean {
    return this.#sums.has(key) || this.#throttled.has(key);
  }

  /** Whether the next value of a key is one to log. */
  admits(key: string, { everyN, minIntervalMs }: Throttle, now: number): boolean {
    let kept = this.#throttled.get(key);
    if (kept === undefined) {
      kept = { seen: 0, loggedAt: Number.NEGATIVE_INFINITY };
      this.#throttled.set(key, kept);
    }
    // Time may be set back: then what follows is as good as late enough.
    const soon = now >= kept.loggedAt && now - kept.loggedAt < minIntervalMs;
    if (kept.seen++ % everyN !== 0 || soon) return false;
    kept.loggedAt = now;
    return true;
  }

  /** Takes a value into what all values of a key come to; false when there are too many keys. */
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

  /** What the values come to, as metrics of their own. */
  results(): [key: string, value: number][] {
    return [...this.#sums].flatMap(([key, ofKey]) =>
      [...ofKey.values()].flatMap((sums) =>
        sums.results().map(([kind, value]): [string, number] => [`${key}.${kind}`, value]),
      ),
    );
  }
}
