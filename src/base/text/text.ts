import { types } from "node:util";
import { BesideSecret, gradeOf, isSecretKey, nameOf, REDACTED, redactText } from "./redact.js";

/**
 * How values become text. Whatever a value is, this costs no more than a bounded text does: nothing is looked at beyond
 * what may be kept, a field of an object that was met before is not read again, and nobody's `toJSON` is called twice.
 */

/** How far an object is followed when it becomes a param's text. */
const MAX_DEPTH = 6;
/**
 * Most characters of one text; the rest is left out. More than a param or tag holds, so that a secret is not cut in two
 * where it would be kept.
 */
export const MAX_TEXT = 32_000;
/** Most elements of one list, and most characters of one text in an object. */
const MAX_ITEMS = 10_000;
/** Most characters of a field's name. */
const MAX_NAME = 1_000;
/**
 * What a field that gives no text, an object, and a bigint that is not written out take of the characters of the whole:
 * they cost as much.
 */
const [IDLE, OBJECT, NUMBER] = [50, 32, 2_000];
/** From here on the digits of a bigint are not written out: that costs more than any other text. */
const HUGE = 1n << 20_000n;

/**
 * Gives a value as a param's or tag's text: strings as they are, scalars by `String()`, objects by JSON in which secret
 * fields are replaced and cycles, depth and size are bounded. Never throws for the value's sake alone: a getter or
 * `toJSON` that throws is the caller's to report. `get` reads the object's own fields, for who has read some of them
 * already; `most`: of what is a text already.
 */
export function valueText(
  key: string,
  value: unknown,
  redacts: boolean,
  get?: (field: string) => unknown,
  most: number = MAX_TEXT,
): string {
  if (typeof value === "string") return hidden(key, bounded(value, most), redacts);
  if (typeof value === "symbol") return hidden(key, bounded(value.description ?? ""), redacts, scalarText(value));
  if (typeof value !== "object" || value === null) return scalarText(value);
  if (value instanceof BesideSecret) return redacts ? REDACTED : valueText(key, value.text, false);
  if (isError(value)) return hidden(key, errorText(value), redacts);
  const text = new JsonText(key, redacts, get).of("", value);
  // What JSON has as a text (a Date, a URL) is that text.
  return text?.startsWith('"') ? String(JSON.parse(text)) : bounded(text ?? String(value));
}

/** A text, unless it is a secret under that name; the start of it tells. */
const hidden = (key: string, text: string, redacts: boolean, shown = text): string =>
  redacts && isSecretKey(key, text.slice(0, MAX_NAME)) ? REDACTED : shown;

/** A text of which nobody stores more than a part; its length keeps long ones apart. */
export const bounded = (text: string, most: number = MAX_TEXT): string =>
  text.length > most ? `${text.slice(0, most)}... ${text.length} characters` : text;

const errorText = ({ name, message }: Error): string => `${bounded(String(name))}: ${bounded(String(message))}`;

/** What `String()` gives, bounded; a list as JSON, since its elements may be without number. */
export function shortText(value: unknown): string {
  if (typeof value === "string") return bounded(value);
  if (typeof value !== "object" || value === null) return scalarText(value);
  if (isError(value)) return errorText(value);
  return isArrayLike(value) ? valueText("", value, true) : bounded(String(value));
}

function scalarText(value: unknown): string {
  if (typeof value === "bigint") return digits(value);
  if (typeof value === "symbol") return `Symbol(${bounded(value.description ?? "")})`;
  return typeof value === "function" ? `[function ${bounded(ownName(value))}]` : String(value);
}

/**
 * The name of a function or class as it lies there: it is somebody's, which may be a proxy or have a name that is none.
 */
export function ownName(value: object): string {
  try {
    const name: unknown = Object.getOwnPropertyDescriptor(value, "name")?.value;
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

const isWritable = (value: bigint): boolean => value < HUGE && value > -HUGE;

/** A bigint's digits; a huge one's first few, and its last 32 bits, so that two of them stay apart. */
function digits(value: bigint): string {
  if (isWritable(value)) return String(value);
  const size = value < 0n ? -value : value;
  let bits = 0n;
  for (let step = 1n << 30n; step > 0n; step >>= 1n) if (size >> (bits + step) > 0n) bits += step;
  const exponent = (Number(bits) - 60 + Math.log2(Number(size >> (bits - 60n)))) * Math.LOG10E * Math.LN2;
  const whole = Math.floor(exponent);
  return `${value < 0n ? "-" : ""}${(10 ** (exponent - whole)).toFixed(6)}e+${whole}...#${BigInt.asUintN(32, value).toString(16)}`;
}

/** Whether a value is an error, also of another realm. */
export const isError = (value: unknown): value is Error => types.isNativeError(value) || value instanceof Error;

const isArrayLike = (value: object): value is ArrayLike<unknown> => Array.isArray(value) || types.isTypedArray(value);

const UNBOXED = [
  [types.isNumberObject, Number],
  [types.isStringObject, String],
  [types.isBooleanObject, Boolean],
  [types.isBigIntObject, BigInt],
] as const;

/** Writes one value as JSON does, but no more of it than is kept. */
class JsonText {
  #left = MAX_TEXT;
  readonly #key: string;
  readonly #redacts: boolean;
  readonly #get: ((field: string) => unknown) | undefined;
  readonly #path: object[] = [];
  /** What is being written: for the names beside a value. */
  readonly #holders: object[] = [];
  /** For each object on the path its name and those of what it is in, as far as they may be a secret's. */
  readonly #outer: string[] = [];
  /** What was written of each object: one that is met again is written as it was. */
  readonly #written = new Map<object, string>();

  constructor(key: string, redacts: boolean, get: ((field: string) => unknown) | undefined) {
    this.#key = key;
    this.#redacts = redacts;
    this.#get = get;
  }

  /** The text of a field or element, or undefined where JSON has none. */
  of(name: string | number, value: unknown): string | undefined {
    return typeof value === "object" && value !== null ? this.#object(name, value) : this.#scalar(name, value);
  }

  #taken(text: string | undefined): string | undefined {
    this.#left -= text === undefined ? IDLE : text.length + 1;
    return text;
  }

  /** The name a field stands under, as far as it may be a secret's. */
  #nameOf(field: string | number): string {
    const holder = this.#holders.at(-1);
    if (!this.#redacts || holder === undefined) return "";
    const name = nameOf(holder, String(field), Array.isArray(this.#holders.at(-2)));
    return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)} ${name.slice(-MAX_NAME)}` : name;
  }

  /**
   * The name a value stands under, and that of what it is in as far as that may be a secret's: then what is in there
   * may be one.
   */
  #pathOf(name: string): string {
    const outer = this.#outer.at(-1) ?? "";
    return outer === "" ? name : `${outer}.${name}`;
  }

  #scalar(name: string | number, value: unknown): string | undefined {
    if (typeof value === "string") {
      if (this.#redacts && isSecretKey(this.#pathOf(this.#nameOf(name)), value.slice(0, MAX_NAME)))
        return this.#taken(JSON.stringify(REDACTED));
      const kept = bounded(value, Math.min(MAX_ITEMS, Math.max(0, this.#left)));
      // Here, since in JSON a line break before a secret becomes a letter before it.
      return this.#taken(JSON.stringify(this.#redacts ? redactText(kept) : kept));
    }
    if (typeof value === "bigint" && !isWritable(value)) this.#left -= NUMBER;
    if (typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value)))
      return this.#taken(`"${scalarText(value)}"`);
    return this.#taken(
      typeof value === "number" || typeof value === "boolean" || value === null ? String(value) : undefined,
    );
  }

  #object(field: string | number, object: object): string | undefined {
    const name = this.#path.length === 0 ? this.#key : this.#pathOf(this.#nameOf(field));
    // Below the name of a secret the same object may read otherwise, and bytes are one.
    const isPlain = !this.#redacts || gradeOf(name) === undefined;
    if (!isPlain && types.isUint8Array(object)) return this.#taken(JSON.stringify(REDACTED));
    const known = isPlain ? this.#written.get(object) : undefined;
    if (known !== undefined) return this.#taken(known.length > this.#left ? '"[...]"' : known);
    if (this.#path.includes(object)) return this.#taken('"[circular]"');
    const { toJSON } = object as { toJSON?: unknown };
    const buffer = types.isTypedArray(object) && toJSON === Buffer.prototype.toJSON;
    const value: unknown =
      typeof toJSON === "function" && !buffer ? Reflect.apply(toJSON, object, [String(field)]) : object;
    this.#path.push(object);
    this.#outer.push(isPlain ? "" : name);
    const text =
      typeof value === "object" && value !== null ? this.#contents(field, value) : this.#scalar(field, value);
    this.#outer.pop();
    this.#path.pop();
    const whole = buffer ? `{"type":"Buffer","data":${text}}` : text;
    if (whole !== undefined && isPlain) this.#written.set(object, whole);
    return whole;
  }

  #contents(name: string | number, value: object): string | undefined {
    if (types.isRegExp(value)) return this.#scalar(name, String(value));
    if (types.isBoxedPrimitive(value))
      for (const [is, made] of UNBOXED)
        if (is(value)) return this.#scalar(name, Reflect.apply(made.prototype.valueOf, value, []));
    this.#left -= OBJECT;
    if (this.#path.length > MAX_DEPTH || this.#left < 0) return '"[...]"';
    this.#holders.push(value);
    const text = isArrayLike(value)
      ? this.#list(value.length, Array.prototype.values.call(value))
      : types.isSet(value)
        ? this.#list(value.size, value)
        : this.#record(value);
    this.#holders.pop();
    return text;
  }

  #list(length: number, elements: Iterable<unknown>): string {
    const items: string[] = [];
    const most = Math.min(length, MAX_ITEMS);
    for (const element of most > 0 ? elements : []) {
      if (typeof element === "number" && Number.isFinite(element)) {
        const text = String(element); // most lists are long because they are of numbers
        this.#left -= text.length + 1;
        items.push(text);
      } else items.push(this.of(items.length, element) ?? "null");
      if (items.length >= most || this.#left <= 0) break;
    }
    if (items.length < length) items.push(`"... ${length} elements"`);
    return `[${items.join()}]`;
  }

  #record(value: object): string {
    const fields: string[] = [];
    const add = (name: string, item: unknown): void => {
      const text = this.of(name, item);
      if (text === undefined) return;
      const shown = JSON.stringify(bounded(name, MAX_NAME));
      this.#left -= shown.length + 1;
      fields.push(`${shown}:${text}`);
    };
    if (types.isMap(value)) {
      for (const [key, item] of value) {
        if (this.#left <= 0) break;
        add(shortText(key), item);
      }
    } else {
      const get = this.#path.length === 1 ? this.#get : undefined;
      for (const name of Object.keys(value)) {
        if (this.#left <= 0) break;
        add(name, get ? get(name) : (value as Record<string, unknown>)[name]);
      }
    }
    return `{${fields.join()}}`;
  }
}
