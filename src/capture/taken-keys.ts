import { keyText } from "../base/text/keys.js";

/** The position of a value in an object: a key, and the keys that lead to it. */
export interface Place {
  readonly up: Place | undefined;
  readonly key: unknown;
}

/** Writes a place the way people do: `["a"]["b"]`, or `[1]` for a number in a map. */
function textOf({ up, key }: Place): string {
  return `${up === undefined ? "" : textOf(up)}[${typeof key === "string" ? JSON.stringify(keyText(key)) : keyText(key)}]`;
}

/** Keys up to this length are stored unchanged. */
const SHORT = 250;

/** Whether a name is stored unchanged and cannot coincide with the dotted name of a nested value. */
export const isOwnText = (key: unknown): key is string =>
  typeof key === "string" && key.length <= SHORT && !key.includes(".");

/**
 * The keys in use by the values of one object. Two places may have the same key: `{ "a.b": 1, a: { b: 2 } }`, or a map
 * with 1 and "1". The first place gets the key, and the others are kept apart.
 */
export class TakenKeys {
  readonly #keys: string[] = [];
  readonly #ups: (Place | undefined)[] = [];
  readonly #own: unknown[] = [];
  #texts: Set<string> | undefined;
  #doubtful: boolean;

  /**
   * With `doubtful`, any two keys may coincide. Otherwise they can only once `met` has seen a key for which `isOwnText`
   * is false.
   */
  constructor(doubtful: boolean) {
    this.#doubtful = doubtful;
  }

  /** Notes a key on the way: one with a dot in it, for example, may coincide with a nested one. */
  met(key: unknown): void {
    if (!this.#doubtful && !isOwnText(key)) this.#doubtful = true;
  }

  /**
   * Takes a key for the place `own` in `up`. If another place has it, returns the name to use instead: the key and the
   * place.
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
    // Different objects as map keys may have the same text; a path that a list names twice is the same place.
    if (here === there && !isUntold(place)) return undefined;
    this.#texts ??= new Set();
    let text = `${key} at ${here}`;
    for (let n = 2; this.#texts.has(text); n++) text = `${key} at ${here} #${n}`;
    this.#texts.add(text);
    return text;
  }
}

/** Whether the place has a map key, at any level, whose text does not identify it. */
function isUntold(place: Place): boolean {
  for (let at: Place | undefined = place; at !== undefined; at = at.up)
    if (typeof at.key === "string" ? at.key.length > SHORT : typeof at.key === "object" || typeof at.key === "symbol")
      return at.key !== null;
  return false;
}
