import { types } from "node:util";
import { BesideSecret, gradeOf, isSecretKey, nameOf, REDACTED, redactText } from "./redact.js";

/**
 * Turns values into text. The cost is bounded for any value: nothing beyond the limits is looked at, the fields of an
 * object met before are not read again, and each `toJSON` is called once.
 */

/** How deep objects are followed. */
const MAX_DEPTH = 6;
/**
 * Maximum length of one text; the rest is cut. Longer than a param or tag may be, so that a secret is not cut in half
 * where it would still be stored.
 */
export const MAX_TEXT = 32_000;
/** Maximum number of elements of a list, and of characters of a text inside an object. */
const MAX_ITEMS = 10_000;
/** Maximum length of a field's name. */
const MAX_NAME = 1_000;
/**
 * What is charged to the length limit for a field without text, an object, and a bigint too large to write out: they
 * cost about as much.
 */
const [IDLE, OBJECT, NUMBER] = [50, 32, 2_000];
/** Bigints from here on are not written out, which would cost more than any other text. */
const HUGE = 1n << 20_000n;

/**
 * Turns a value into the text of a param or tag: strings as they are, scalars with `String()`, objects as JSON with
 * secret fields redacted and with bounded depth, cycles and size. Only throws what a getter or `toJSON` throws. `get`
 * reads the object's own fields, for callers that have already read some; `most` limits the length of strings.
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
  // Values that JSON writes as a string (a Date, a URL) become that string.
  return text?.startsWith('"') ? String(JSON.parse(text)) : bounded(text ?? String(value));
}

/** Redacts a text if it is a secret under its name, judged by its start. */
const hidden = (key: string, text: string, redacts: boolean, shown = text): string =>
  redacts && isSecretKey(key, text.slice(0, MAX_NAME)) ? REDACTED : shown;

/** Cuts a long text; the appended length keeps long texts distinct. */
export const bounded = (text: string, most: number = MAX_TEXT): string =>
  text.length > most ? `${text.slice(0, most)}... ${text.length} characters` : text;

const errorText = ({ name, message }: Error): string => `${bounded(String(name))}: ${bounded(String(message))}`;

/** Converts with `String()`, bounded. A list becomes JSON, because it may have any number of elements. */
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

/** Returns the own name of a function or class; it may be a proxy or have a name that is not a string. */
export function ownName(value: object): string {
  try {
    const name: unknown = Object.getOwnPropertyDescriptor(value, "name")?.value;
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

const isWritable = (value: bigint): boolean => value < HUGE && value > -HUGE;

/** Writes a bigint; of a huge one, the first digits and the last 32 bits, which keep different ones distinct. */
function digits(value: bigint): string {
  if (isWritable(value)) return String(value);
  const size = value < 0n ? -value : value;
  let bits = 0n;
  for (let step = 1n << 30n; step > 0n; step >>= 1n) if (size >> (bits + step) > 0n) bits += step;
  const exponent = (Number(bits) - 60 + Math.log2(Number(size >> (bits - 60n)))) * Math.LOG10E * Math.LN2;
  const whole = Math.floor(exponent);
  return `${value < 0n ? "-" : ""}${(10 ** (exponent - whole)).toFixed(6)}e+${whole}...#${BigInt.asUintN(32, value).toString(16)}`;
}

/** Whether a value is an error, of any realm. */
export const isError = (value: unknown): value is Error => types.isNativeError(value) || value instanceof Error;

const isArrayLike = (value: object): value is ArrayLike<unknown> => Array.isArray(value) || types.isTypedArray(value);

const UNBOXED = [
  [types.isNumberObject, Number],
  [types.isStringObject, String],
  [types.isBooleanObject, Boolean],
  [types.isBigIntObject, BigInt],
] as const;

/** Writes one value as JSON, but no more than is kept. */
class JsonText {
  #left = MAX_TEXT;
  readonly #key: string;
  readonly #redacts: boolean;
  readonly #get: ((field: string) => unknown) | undefined;
  readonly #path: object[] = [];
  /** The objects being written, to find the names next to a value. */
  readonly #holders: object[] = [];
  /** For each object on the path, its dotted name if it may belong to a secret. */
  readonly #outer: string[] = [];
  /** The text of each object written so far, reused if it is met again. */
  readonly #written = new Map<object, string>();

  constructor(key: string, redacts: boolean, get: ((field: string) => unknown) | undefined) {
    this.#key = key;
    this.#redacts = redacts;
    this.#get = get;
  }

  /** Returns the text of a field or element; undefined if JSON omits it. */
  of(name: string | number, value: unknown): string | undefined {
    return typeof value === "object" && value !== null ? this.#object(name, value) : this.#scalar(name, value);
  }

  #taken(text: string | undefined): string | undefined {
    this.#left -= text === undefined ? IDLE : text.length + 1;
    return text;
  }

  /** Returns the name of a field if it may belong to a secret. */
  #nameOf(field: string | number): string {
    const holder = this.#holders.at(-1);
    if (!this.#redacts || holder === undefined) return "";
    const name = nameOf(holder, String(field), Array.isArray(this.#holders.at(-2)));
    return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)} ${name.slice(-MAX_NAME)}` : name;
  }

  /**
   * Prefixes a name with that of the enclosing object if that may belong to a secret, since its contents may then be
   * secrets, too.
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
      // Before stringifying, because JSON turns a line break before a secret into a letter.
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
    // Below a secret's name, the same object may be written differently, and bytes are secret.
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
        const text = String(element); // long lists mostly hold numbers
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
