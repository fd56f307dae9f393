import { integerOf, type Place } from "../verbs/values.js";

/**
 * Keys kept in a chain; more go into a map. Most runs log a handful of metrics, and a map or growing list for each run
 * is dear.
 */
const FEW = 16;

interface Link {
  readonly key: string;
  highest: number;
  readonly next: Link | undefined;
}

/** No step is higher: beyond it numbers are no longer exact, and servers take others than were sent. */
const HIGHEST = Number.MAX_SAFE_INTEGER;

/** The highest step so far of each key of one run. */
export class Steps {
  #chain: Link | undefined;
  #length = 0;
  #map: Map<string, Link> | undefined;

  /** `keys`: those that have taken steps already, up to `highest`. */
  constructor(keys: readonly string[] = [], highest = 0) {
    for (const key of keys) this.took(key, highest);
  }

  /** Whether a key has taken a step. */
  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  /**
   * Gives the step of the next value: the highest so far plus one, from 0; there it stays when there is no higher one.
   */
  next(key: string): number {
    return Math.min((this.#find(key)?.highest ?? -1) + 1, HIGHEST);
  }

  /** Takes the next step of a key. */
  take(key: string): number {
    const known = this.#find(key);
    if (known) return known.highest < HIGHEST ? ++known.highest : HIGHEST;
    this.took(key, 0);
    return 0;
  }

  /** Takes the given step of a key; the next one when it is none. */
  given(place: Place, step: unknown, key: string, method: string | undefined): number {
    const at = integerOf(place, step, "step", key, this.next(key), method);
    this.took(key, at);
    return at;
  }

  /** Notes that a step was taken. */
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
