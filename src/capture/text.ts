import { BesideSecret, gradeOf, isSecretKey, nameOf, REDACTED, redactText } from "./redact.js";

/** How far an object is followed when it becomes a param's text. */
const MAX_DEPTH = 6;
/** How many characters one text may have before the rest of the object is left out. */
const MAX_TEXT = 100_000;
/** Most elements of one list, and most characters of one text in an object. */
const MAX_ITEMS = 10_000;

/**
 * Gives a value as a param's or tag's text: strings as they are, scalars by `String()`, objects by JSON
 * in which secret fields are replaced and cycles, depth and size are bounded. Never throws for the value's sake alone:
 * a getter or `toJSON` that throws is the caller's to report.
 */
export function valueText(key: string, value: unknown, redacts: boolean): string {
  if (typeof value === "string") return redacts && isSecretKey(key, value) ? REDACTED : bounded(value);
  if (typeof value !== "object" || value === null) return typeof value === "function" ? `[function ${value.name}]` : String(value);
  if (value instanceof BesideSecret) return redacts ? REDACTED : valueText(key, value.text, false);
  if (redacts && isSecretKey(key)) return REDACTED;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  const path: object[] = [];
  /** For each of them the name of it or of what it is in that may be a secret's: then what is in there may be one. */
  const names: string[] = [];
  let budget = MAX_TEXT;
  const text = JSON.stringify(value, function (this: object, name: string, item: unknown): unknown {
    while (path.length > 0 && path.at(-1) !== this) path.pop();
    const secretName = redacts ? nameOf(this, name, Array.isArray(path.at(-2))) : "";
    const outer = names[path.length - 1] ?? "";
    if (typeof item === "string") {
      if (isSecretKey(secretName, item) || isSecretKey(outer, item)) return REDACTED;
      const kept = bounded(item, Math.min(MAX_ITEMS, Math.max(0, budget)));
      budget -= kept.length;
      // Here, since in JSON a line break before a secret becomes a letter before it.
      return redacts ? redactText(kept) : kept;
    }
    budget -= 4;
    if (budget < 0 && path.length > 0) return undefined;
    if (typeof item === "bigint") return String(item);
    if (typeof item === "number" && !Number.isFinite(item)) return String(item);
    if (typeof item !== "object" || item === null) return item;
    if (isSecretKey(secretName)) return REDACTED;
    const plain = asPlain(item);
    if (typeof plain === "string") return plain;
    if (path.includes(item)) return "[circular]";
    budget -= 16;
    if (path.length >= MAX_DEPTH || budget < 0) return "[...]";
    names[path.push(plain) - 1] = !redacts ? "" : gradeOf(secretName) ? secretName : path.length === 1 ? key : outer;
    return plain;
  });
  // What JSON has as a text (a Date, a URL) is that text.
  return text?.startsWith('"') ? String(JSON.parse(text)) : (text ?? String(value));
}

/** A text of which nobody stores more than a part; its length keeps long ones apart. */
const bounded = (text: string, most: number = MAX_TEXT): string =>
  text.length > most ? `${text.slice(0, most)}... ${text.length} characters` : text;

/** A list of which nobody stores more than a part. */
function head(list: ArrayLike<unknown>): unknown[] {
  const items: unknown[] = Array.prototype.slice.call(list, 0, MAX_ITEMS);
  if (list.length > MAX_ITEMS) items.push(`... ${list.length} elements`);
  return items;
}

/** Gives what JSON would show as `{}` in a form it can show, and long lists cut. */
function asPlain(value: object): object | string {
  if (value instanceof Map)
    return Object.fromEntries(value.size > MAX_ITEMS ? head([...value.keys()]).map((key) => [key, value.get(key)]) : value);
  if (value instanceof Set) return head([...value]);
  if (value instanceof RegExp) return String(value);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return head(value as unknown as ArrayLike<unknown>);
  if (Array.isArray(value)) return value.length > MAX_ITEMS ? head(value) : value;
  const names = Object.keys(value);
  if (names.length > MAX_ITEMS)
    return Object.fromEntries(names.slice(0, MAX_ITEMS).map((name) => [name, (value as Record<string, unknown>)[name]]));
  return value;
}
