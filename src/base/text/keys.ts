import { LIMITS } from "./limits.js";
import { redactText } from "./redact.js";
import { shortText } from "./text.js";

/** MLflow's rule: Unicode word characters and `_ - . space : /`, and the key equals its own normalised path. */
const FORBIDDEN = /[^\p{L}\p{N}_\-. :/]/gu;
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

const HASH_DIGITS = 8;
const known = new Map<string, string>();
const MAX_KNOWN = 10_000;
/** Most characters of a key that are looked at, and those at its end that are in any case. */
const [MAX_KEY, KEY_END] = [1_000, 250];

/** A short stable hash of a text, to keep cut values apart. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(HASH_DIGITS, "0");
}

/**
 * Turns any text into a key MLflow accepts: forbidden characters become `_`, path parts are normalised,
 * and what is too long is cut and ends in a hash. An accepted key comes back as it is.
 */
export function sanitizeKey(given: string): string {
  const key = given.length > MAX_KEY ? keyText(given) : given;
  const seen = known.get(key);
  if (seen !== undefined) return seen;
  const harmless = redactText(key); // data may become keys
  const clean = PLAIN.test(harmless) && harmless.length <= LIMITS.key ? harmless : normalise(harmless);
  if (known.size < MAX_KNOWN) known.set(key, clean);
  return clean;
}

/** Anything as a key; of a long one the beginning, the length and the end. */
export function keyText(key: unknown): string {
  if (typeof key !== "string") return shortText(key);
  return key.length > MAX_KEY ? `${key.slice(0, MAX_KEY - KEY_END)}...${key.length}...${key.slice(-KEY_END)}` : key;
}

function normalise(key: string): string {
  const parts = key
    .replace(FORBIDDEN, "_")
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .map((part) => (part === ".." ? "__" : part));
  // MLflow also refuses what begins with two dots.
  const path = parts.length === 0 ? "_" : parts.join("/").replace(/^\.\./, "__");
  const characters = [...path];
  if (characters.length <= LIMITS.key) return path;
  return `${characters.slice(0, LIMITS.key - HASH_DIGITS - 1).join("")}_${shortHash(key)}`;
}

/** Replaces the NUL characters of a text, which end a text in SQLite's drivers and are refused by PostgreSQL. */
export function withoutNul(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}

/** A text as UTF-8 can hold it: half a surrogate pair is no character. */
export function wellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}

/**
 * Cuts a text to `limit` characters; what is cut ends in `...#` and a hash of the whole, so that two long values stay
 * apart.
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const tail = `...#${shortHash(text)}`;
  const head = text.slice(0, limit - tail.length);
  // Half a surrogate pair would not survive UTF-8.
  const cut = (/[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head) + tail;
  // A slice holds on to the whole text it is of; one of a text made anew only to that.
  return ` ${cut}`.slice(1);
}
