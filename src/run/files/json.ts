import { types } from "node:util";
import { isSecretKey, REDACTED } from "../../base/text/redact.js";
import type { RunHost } from "../verbs/run-host.js";

/** How deeply a value may be nested. */
const MAX_DEPTH = 100;

/**
 * Patterns that find secrets by their names: the first item of a pair, a flag before a value in a list of arguments,
 * and the keys of records that hold a name.
 */
const NAME = /^-{0,2}[A-Za-z][\w.-]{0,200}$/;
const FLAG = /^--?[A-Za-z][\w.-]{0,200}$/;
const NAMING = /^(?:name|key|header|field|variable)$/i;

/** The JSON form of a value. */
export interface Plain {
  readonly value: unknown;
  /** Whether a secret was redacted in it. */
  readonly redacted: boolean;
  /** The names under which promises were found. They are stored as null. */
  readonly promises: readonly string[];
}

/**
 * Converts a value to what JSON can represent, as MLflow's Python client does. Values that JSON lacks become text.
 * Values under names of secrets are redacted, unless `whole` is set. `key`: the name of the value itself. `numbers`:
 * keep NaN and infinities, for formats that have them.
 * @throws whatever getters and `toJSON` of the value throw; RangeError if it is nested too deeply.
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

/** Serializes such a value as MLflow's Python client does. */
export const jsonText = (plain: unknown): string => JSON.stringify(plain, undefined, 2);

/** Converts a value to what JSON can represent. */
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
    // The format of MLflow's Python client.
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

  /** Returns the name of a secret that precedes an item of a list: `["password", "…"]`, `["--password", "…"]`. */
  #nameIn(list: object, i: number): string | undefined {
    if (this.#whole || i === 0 || !Array.isArray(list)) return undefined;
    const before: unknown = list[i - 1];
    if (typeof before !== "string" || !(list.length === 2 ? NAME : FLAG).test(before)) return undefined;
    const name = before.replace(/^-+/, "");
    return typeof list[i] === "string" && isSecretKey(name, list[i]) ? name : undefined;
  }

  /**
   * Returns the name of a secret that is stored next to its value, as in lists of headers and variables: `{ name:
   * "password", value: "…" }`.
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
