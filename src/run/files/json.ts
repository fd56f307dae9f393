import { types } from "node:util";
import { isSecretKey, REDACTED } from "../../base/text/redact.js";
import type { RunHost } from "../verbs/run-host.js";

/** How deep a value may be nested. */
const MAX_DEPTH = 100;

/**
 * What may be the name of a secret at the head of a pair, before it in a list of arguments, and under which key names
 * stand in records.
 */
const NAME = /^-{0,2}[A-Za-z][\w.-]{0,200}$/;
const FLAG = /^--?[A-Za-z][\w.-]{0,200}$/;
const NAMING = /^(?:name|key|header|field|variable)$/i;

/** What JSON can hold of a value. */
export interface Plain {
  readonly value: unknown;
  /** Something in it was taken for a secret, and replaced. */
  readonly redacted: boolean;
  /** Under which names promises stood, which are null in it. */
  readonly promises: readonly string[];
}

/**
 * Gives of a value what JSON can hold, as Python's client writes it: what JSON lacks by its text. Keys that name
 * secrets lose their values, unless `whole`. `key`: the name it stands under. `numbers`: NaN and the infinities stay,
 * for who can write them.
 * @throws what the value's own getters and `toJSON` throw; RangeError for one that is nested too deep.
 */
export function plainOf(
  host: RunHost,
  value: unknown,
  options: { key?: string; whole?: boolean; numbers?: boolean } = {},
): Plain {
  const { key = "", whole = false, numbers = false } = options;
  const plain = new PlainValue(host, whole || host.config.redact === false, numbers);
  const made = plain.of(key, value, []) ?? null;
  return { value: made, redacted: plain.redacted, promises: plain.promises };
}

/** Such a value as text, as Python's client writes it. */
export const jsonText = (plain: unknown): string => JSON.stringify(plain, undefined, 2);

/** Makes what JSON can hold of a value. */
class PlainValue {
  redacted = false;
  readonly promises: string[] = [];
  readonly #host: RunHost;
  readonly #whole: boolean;
  readonly #numbers: boolean;

  constructor(host: RunHost, whole: boolean, numbers: boolean) {
    this.#host = host;
    this.#whole = whole;
    this.#numbers = numbers;
  }

  of(key: string, value: unknown, above: readonly object[]): unknown {
    switch (typeof value) {
      case "string":
        return this.#text(key, value);
      case "bigint":
        return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
      case "number":
        return this.#numbers || Number.isFinite(value) ? value : null;
      case "symbol":
        return String(value);
      case "object":
        return value === null ? null : this.#object(key, value, above);
      default:
        return typeof value === "boolean" ? value : undefined;
    }
  }

  #text(key: string, value: string): string {
    if (this.#whole) return value;
    const clean = isSecretKey(key, value) ? REDACTED : this.#host.redact(key, value);
    if (clean !== value) this.redacted = true;
    return clean;
  }

  #object(key: string, value: object, above: readonly object[]): unknown {
    if (above.includes(value)) return "[circular]";
    if (types.isPromise(value)) {
      this.promises.push(key);
      return null;
    }
    if (above.length > MAX_DEPTH) throw new RangeError(`it is nested more than ${MAX_DEPTH} deep`);
    // As Python's client shows one.
    if (types.isDate(value))
      return Number.isNaN(value.getTime())
        ? "NaT"
        : value
            .toISOString()
            .replace("T", " ")
            .replace(/\.000Z$|Z$/, "");
    const { toJSON } = value as { toJSON?: unknown };
    const inside = [...above, value];
    if (typeof toJSON === "function") return this.of(key, toJSON.call(value, key), inside);
    if (types.isMap(value)) return this.#entries(value, inside);
    if (Array.isArray(value) || types.isSet(value) || isNumbers(value))
      return Array.from(
        value as Iterable<unknown>,
        (each, i) => this.of(this.#nameIn(value, i) ?? key, each, inside) ?? null,
      );
    return this.#entries(Object.entries(value), inside);
  }

  /** The name of a secret that stands before an item of a list: `["password", "…"]`, `["--password", "…"]`. */
  #nameIn(list: object, i: number): string | undefined {
    if (this.#whole || i === 0 || !Array.isArray(list)) return undefined;
    const before: unknown = list[i - 1];
    if (typeof before !== "string" || !(list.length === 2 ? NAME : FLAG).test(before)) return undefined;
    const name = before.replace(/^-+/, "");
    return typeof list[i] === "string" && isSecretKey(name, list[i]) ? name : undefined;
  }

  /**
   * The name of a secret that stands beside its value: `{ name: "password", value: "…" }`, as in lists of headers and
   * variables.
   */
  #nameBeside(entries: readonly [unknown, unknown][], value: unknown): string | undefined {
    if (this.#whole || typeof value !== "string") return undefined;
    const name = entries.find(([key, named]) => typeof named === "string" && NAMING.test(String(key)))?.[1] as
      | string
      | undefined;
    return name !== undefined && isSecretKey(name, value) ? name : undefined;
  }

  #entries(entries: Iterable<[unknown, unknown]>, inside: readonly object[]): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    const all = [...entries];
    for (const [key, value] of all)
      Object.defineProperty(found, String(key), {
        value: this.of((key === "value" && this.#nameBeside(all, value)) || String(key), value, inside),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    return found;
  }
}

const isNumbers = (value: object): value is Float64Array => ArrayBuffer.isView(value) && !types.isDataView(value);
