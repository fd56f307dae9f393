import { sanitizeKey } from "../base/text/keys.js";

/** Most sets that are kept: keys can be made up without end. */
const MAX_SETS = 10_000;
let count = 0;

/** An immutable list of metric keys; results with the same keys in the same order share one. */
export class KeySet {
  readonly keys: readonly string[];
  /** What followed last: mostly the only one that ever does. */
  #last: KeySet | undefined;
  #following: Map<string, KeySet> | undefined;

  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  /**
   * Gives the set with one key more; undefined for a key that has to be mended or is in it already, and when there are
   * too many sets.
   */
  with(key: string): KeySet | undefined {
    const last = this.#last;
    if (last !== undefined && last.keys[this.keys.length] === key) return last;
    const next = this.#following?.get(key) ?? this.#make(key);
    if (next !== undefined) this.#last = next;
    return next;
  }

  #make(key: string): KeySet | undefined {
    if (count === MAX_SETS || sanitizeKey(key) !== key || this.keys.includes(key)) return undefined;
    count++;
    const made = new KeySet([...this.keys, key]);
    this.#following ??= new Map();
    this.#following.set(key, made);
    return made;
  }
}

/** No keys: what every other set is made from. */
export const NO_KEYS: KeySet = new KeySet([]);
