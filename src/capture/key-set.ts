import { sanitizeKey } from "../base/text/keys.js";

/** Maximum number of sets that are kept, since the number of different keys is unlimited. */
const MAX_SETS = 10_000;
let count = 0;

/** An immutable list of metric keys. Results with the same keys in the same order share one. */
export class KeySet {
  readonly keys: readonly string[];
  /** The last set returned by `with`, which is mostly the only one. */
  #last: KeySet | undefined;
  #following: Map<string, KeySet> | undefined;

  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  /**
   * Returns the set with one more key; undefined if the key is invalid or already in it, or if there are too many sets.
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

/** The empty set, from which all others are derived. */
export const NO_KEYS: KeySet = new KeySet([]);
