import { keyText, shortHash } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { redactText } from "../../base/text/redact.js";

/** Each kind has its own keys. */
export type Keyed = "metric" | "param" | "tag";

/** The key as it is stored. `fresh`: it was assigned just now. */
export interface StoredKey {
  readonly key: string;
  readonly fresh: boolean;
}

/** The keys of one run that were changed, so that different keys are never stored under the same one. */
export class MendedKeys {
  /** The stored key of each original, by kind. Keyed by the original itself, since a key may be huge. */
  readonly #stored = {
    metric: new Map<string, string>(),
    param: new Map<string, string>(),
    tag: new Map<string, string>(),
  };
  /** Stored keys that are taken, with their kind. */
  readonly #given = new Set<string>();
  /** The original of each stored key. */
  readonly #originals = new Map<string, string>();

  /**
   * Returns the key under which a key is stored. The first original gets the cleaned form, later ones a hash
   * appended. A valid key is only changed if its name is taken. `isTaken`: whether a key of that kind was stored
   * unchanged under this name.
   */
  take(kind: Keyed, original: string, clean: string, isTaken: (key: string) => boolean): StoredKey {
    const known = this.#stored[kind].get(original);
    if (known !== undefined) return { key: known, fresh: false };
    const plain = clean === original;
    if (plain && !this.#given.has(`${kind} ${clean}`)) return { key: clean, fresh: false };
    const isFree = (key: string): boolean => (this.#originals.get(key) ?? original) === original && !isTaken(key);
    let key = plain ? apart(clean, original) : clean;
    for (let again = 0; !isFree(key); again++) key = apart(clean, hashed(original, again));
    this.#stored[kind].set(original, key);
    this.#given.add(`${kind} ${key}`);
    this.#originals.set(key, original);
    return { key, fresh: true };
  }
}

/**
 * Returns the text to hash: the key itself, or for a key with secrets or a repeated collision, its redacted form and
 * a number.
 */
function hashed(original: string, again: number): string {
  const shown = redactText(keyText(original));
  return again === 0 && shown === original ? original : `${shown}#${again}`;
}

/** Appends a hash that makes the key unique. */
function apart(clean: string, text: string): string {
  const hash = `_${shortHash(text)}`;
  return `${[...clean].slice(0, LIMITS.key - hash.length).join("")}${hash}`;
}
