import { keyText, shortHash } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { redactText } from "../../base/text/redact.js";

/** What has keys: each kind has its own. */
export type Keyed = "metric" | "param" | "tag";

/** A key as it is stored. `fresh`: nothing was said of it yet. */
export interface StoredKey {
  readonly key: string;
  readonly fresh: boolean;
}

/** The keys of one run that could not stay as they were: two different ones are never stored under one name. */
export class MendedKeys {
  /** What each became; by kind, and then by the very key, since one may be huge. */
  readonly #stored = {
    metric: new Map<string, string>(),
    param: new Map<string, string>(),
    tag: new Map<string, string>(),
  };
  /** The names that were given away, with their kind. */
  readonly #given = new Set<string>();
  /** What each was. */
  readonly #originals = new Map<string, string>();

  /**
   * Gives the name under which a key is stored. The first to come has the mended form, further ones a hash behind it; a
   * key that needs no mending has one only where its name was given away. `isTaken`: whether a key of that kind that
   * needed none has it.
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

/** What a hash is of: the key; where it may hold a secret or is long, what is shown of it and a number. */
function hashed(original: string, again: number): string {
  const shown = redactText(keyText(original));
  return again === 0 && shown === original ? original : `${shown}#${again}`;
}

/** A key with a hash that keeps it apart. */
function apart(clean: string, text: string): string {
  const hash = `_${shortHash(text)}`;
  return `${[...clean].slice(0, LIMITS.key - hash.length).join("")}${hash}`;
}
