import { keyText } from "../base/text/keys.js";

/** Where in an object something lies: a key, and those that lead there. */
export interface Place {
  readonly up: Place | undefined;
  readonly key: unknown;
}

/** A place as people write it: `["a"]["b"]`, of a map with numbers `[1]`. */
function textOf({ up, key }: Place): string {
  return `${up === undefined ? "" : textOf(up)}[${typeof key === "string" ? JSON.stringify(keyText(key)) : keyText(key)}]`;
}

/** Characters up to which a key is its own text. */
const SHORT = 250;

/**
 * Whether a name of an object or a map is stored as it is, and could not be the names of two that lie in each other.
 */
export const isOwnText = (key: unknown): key is string =>
  typeof key === "string" && key.length <= SHORT && !key.includes(".");

/**
 * The keys that what lies in one object is stored under. The text of a key may be that of another place, too: `{ "a.b":
 * 1, a: { b: 2 } }`, or a map with 1 and "1". A key belongs to the place that came first, and what lies in another one
 * is told apart.
 */
export class TakenKeys {
  readonly #keys: string[] = [];
  readonly #ups: (Place | undefined)[] = [];
  readonly #own: unknown[] = [];
  #texts: Set<string> | undefined;
  #doubtful: boolean;

  /**
   * `doubtful`: any two keys may be the same, whatever they are; else they may be once `met` has met one of which
   * `isOwnText` is false.
   */
  constructor(doubtful: boolean) {
    this.#doubtful = doubtful;
  }

  /**
   * Takes note of a key of an object or a map on the way: one with a dot in it, say, may be what two others come to.
   */
  met(key: unknown): void {
    if (!this.#doubtful && !isOwnText(key)) this.#doubtful = true;
  }

  /**
   * Takes a key for the place `own` in `up`; where another place has it, gives what is said in its stead: the key and
   * the place.
   */
  take(key: string, up: Place | undefined, own: unknown): string | undefined {
    const first = this.#doubtful ? this.#keys.indexOf(key) : -1;
    if (first < 0) {
      this.#keys.push(key);
      this.#ups.push(up);
      this.#own.push(own);
      return undefined;
    }
    const place = { up, key: own };
    const here = textOf(place);
    const there = textOf({ up: this.#ups[first], key: this.#own[first] });
    // Two objects as keys of a map may be the same text all the same; what a list of paths names twice is one place.
    if (here === there && !isUntold(place)) return undefined;
    this.#texts ??= new Set();
    let text = `${key} at ${here}`;
    for (let n = 2; this.#texts.has(text); n++) text = `${key} at ${here} #${n}`;
    this.#texts.add(text);
    return text;
  }
}

/** Whether a key of a map, here or further up, is one that its text does not tell from others. */
function isUntold(place: Place): boolean {
  for (let at: Place | undefined = place; at !== undefined; at = at.up)
    if (typeof at.key === "string" ? at.key.length > SHORT : typeof at.key === "object" || typeof at.key === "symbol")
      return at.key !== null;
  return false;
}
