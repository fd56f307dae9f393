import { LIMITS } from "./limits.js";
import { redactText } from "./redact.js";
import { shortText } from "./value-text.js";

/** MLflow's rule: Unicode word characters and `_ - . space : /`, and a key must equal its own normalised path. */
const FORBIDDEN = /[^\p{L}\p{N}_\-. :/]/gu;
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_-]*$/;

const HASH_DIGITS = 8;
const known = new Map<string, string>();
const MAX_KNOWN = 10_000;
/** How many characters of a key are looked at, and how many of these are taken from its end. */
const [MAX_KEY, KEY_END] = [1_000, 250];

/** Returns a short, stable hash of a text, which keeps shortened values distinct. */
export function shortHash(text: string): string {
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(HASH_DIGITS, "0");
}

/**
 * Turns any text into a key that MLflow accepts. Forbidden characters become `_`, paths are normalised, and long keys
 * are cut and end in a hash. Valid keys are returned unchanged.
 */
export function sanitizeKey(given: string): string {
  const key = given.length > MAX_KEY ? keyText(given) : given;
  const seen = known.get(key);
  if (seen !== undefined) return seen;
  const harmless = redactText(key); // keys may come from data
  const clean = PLAIN.test(harmless) && harmless.length <= LIMITS.key ? harmless : normalise(harmless);
  if (known.size < MAX_KNOWN) known.set(key, clean);
  return clean;
}

/** Turns any value into a key; a long one is reduced to its start, length and end. */
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
  // MLflow also refuses keys that start with two dots.
  const path = parts.length === 0 ? "_" : parts.join("/").replace(/^\.\./, "__");
  const characters = [...path];
  if (characters.length <= LIMITS.key) return path;
  return `${characters.slice(0, LIMITS.key - HASH_DIGITS - 1).join("")}_${shortHash(key)}`;
}

/** Replaces NUL characters: they end a text in SQLite's drivers, and PostgreSQL refuses them. */
export function withoutNul(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\uFFFD") : text;
}

/** Replaces lone surrogates, which UTF-8 cannot encode. */
export function wellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}

/**
 * Cuts a text to `limit` characters. A cut text ends in `...#` and a hash of the whole, so that different values stay
 * distinct.
 */
export function cutText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const tail = `...#${shortHash(text)}`;
  const head = text.slice(0, limit - tail.length);
  // Half a surrogate pair cannot be encoded in UTF-8.
  const cut = (/[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head) + tail;
  // A slice keeps the whole original text in memory; this copy does not.
  return ` ${cut}`.slice(1);
}
