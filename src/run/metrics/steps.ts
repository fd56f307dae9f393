import { integerOf, type Place } from "../verbs/values.js";

/**
 * The number of keys kept in a linked list before a map is used. Most runs log few metrics, and a map or growing list
 * for each run is expensive.
 */
const FEW = 16;

interface Link {
  readonly key: string;
  highest: number;
  readonly next: Link | undefined;
}

/** The highest step: beyond it numbers are not exact, and servers would store other steps than were sent. */
const HIGHEST = Number.MAX_SAFE_INTEGER;

/** The highest step so far of each key of a run. */
export class Steps {
  #chain: Link | undefined;
  #length = 0;
  #map: Map<string, Link> | undefined;

  /** `keys`: keys that already have steps, up to `highest`. */
  constructor(keys: readonly string[] = [], highest = 0) {
    for (const key of keys) this.took(key, highest);
  }

  /** Whether a key has taken a step. */
  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  /**
   * Returns the step for the next value without taking it: the highest so far plus one, starting at 0 and capped at
   * the highest step.
   */
  next(key: string): number {
    return Math.min((this.#find(key)?.highest ?? -1) + 1, HIGHEST);
  }

  /** Takes and returns the next step of a key. */
  take(key: string): number {
    const known = this.#find(key);
    if (known) return known.highest < HIGHEST ? ++known.highest : HIGHEST;
    this.took(key, 0);
    return 0;
  }

  /** Takes the given step of a key, or the next one if it is invalid. */
  given(place: Place, step: unknown, key: string, method: string | undefined): number {
    const at = integerOf(place, step, "step", key, this.next(key), method);
    this.took(key, at);
    return at;
  }

  /** Records that a step was taken. */
  took(key: string, step: number): void {
    const known = this.#find(key);
    if (known) {
      if (step > known.highest) known.highest = step;
      return;
    }
    const link: Link = { key, highest: Math.max(step, -1), next: this.#chain };
    if (this.#map) this.#map.set(key, link);
    else {
      this.#chain = link;
      if (++this.#length > FEW) this.#intoMap();
    }
  }

  #find(key: string): Link | undefined {
    if (this.#map) return this.#map.get(key);
    let link = this.#chain;
    while (link !== undefined && link.key !== key) link = link.next;
    return link;
  }

  #intoMap(): void {
    this.#map = new Map();
    for (let link = this.#chain; link; link = link.next) this.#map.set(link.key, link);
    this.#chain = undefined;
  }
}
