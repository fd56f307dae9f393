import { types } from "node:util";
import type { Fielded } from "../base/text/fields.js";

/** Whether a value can be a metric. MLflow metrics are doubles; booleans count as 1 and 0. */
export function isNumeric(value: unknown): value is number | bigint | boolean {
  const type = typeof value;
  return type === "number" || type === "bigint" || type === "boolean";
}

/** Whether a value is a plain object (of any realm), not a class instance. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === null || proto === Object.prototype || Object.getPrototypeOf(proto) === null;
}

/** Whether a value is an array, a typed array or a set. */
export function isList(value: unknown): value is ArrayLike<unknown> | ReadonlySet<unknown> {
  return Array.isArray(value) || types.isSet(value) || types.isTypedArray(value);
}

/** How to read a value: as a list, by its properties, or (undefined) only with `readPath`. */
export function shapeOf(value: unknown): "list" | "object" | undefined {
  if (isList(value)) return "list";
  return typeof value === "object" && value !== null && !types.isMap(value) ? "object" : undefined;
}

/** Whether a value can be iterated more than once: its own iterator would be consumed. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const iterate = (value as Partial<Iterable<unknown>>)[Symbol.iterator];
  return typeof iterate === "function" && !("next" in value);
}

/** Parses a path as written; a trailing `?`, as in `"val.acc?"`, means that it may lead nowhere. */
export function writtenPath(written: string): { readonly path: string; readonly optional: boolean } {
  return written.length > 1 && written.endsWith("?")
    ? { path: written.slice(0, -1), optional: true }
    : { path: written, optional: false };
}

/** Turns a selector that is a path, a list of paths or a record into pairs of a key and its source. */
export function entriesOf<F>(
  selector: string | readonly string[] | { readonly [key: string]: string | F },
): (readonly [key: string, from: string | F])[] {
  // The `?` of an optional path (`"val.acc?"`) is not part of the key.
  if (typeof selector === "string") return [[writtenPath(selector).path, selector]];
  if (Array.isArray(selector))
    return (selector as readonly string[]).map((written) => [writtenPath(written).path, written]);
  return Object.entries(selector as { readonly [key: string]: string | F });
}

/** How many properties of an instance are looked at to see whether it only holds data. */
const MAX_DATA = 200;

/**
 * Whether a class instance only holds data, like a DTO: own fields with scalars, dates, lists and plain objects.
 * Services, models and requests hold functions, maps or other instances.
 */
export function isDataObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || types.isProxy(value) || isOfLanguage(value)) return false;
  const budget = { left: MAX_DATA };
  return Reflect.ownKeys(value).length > 0 && holdsData(value, budget, 1);
}

function holdsData(value: object, budget: { left: number }, depth: number): boolean {
  for (const key of Reflect.ownKeys(value)) {
    if (key === "length" && Array.isArray(value)) continue;
    const { enumerable, value: field, get } = Object.getOwnPropertyDescriptor(value, key) ?? {};
    if (
      budget.left-- <= 0 ||
      typeof key === "symbol" ||
      enumerable !== true ||
      get !== undefined ||
      typeof field === "function"
    )
      return false;
    if (typeof field !== "object" || field === null || types.isDate(field)) continue;
    if (depth > 3 || !(Array.isArray(field) || isPlainObject(field)) || !holdsData(field, budget, depth + 1))
      return false;
  }
  return true;
}

/** Whether a value is a built-in object, not an instance of a program's class. */
const isOfLanguage = (value: object): boolean =>
  Array.isArray(value) || ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isMap(value) || types.isSet(value) || types.isDate(value) || types.isPromise(value) || types.isRegExp(value) || types.isBoxedPrimitive(value) || types.isNativeError(value) || types.isWeakMap(value) || types.isWeakSet(value); // biome-ignore format: one list

export function isFielded(value: unknown): value is Fielded {
  return isPlainObject(value) || types.isMap(value);
}

/**
 * Objects with more fields than this have their names listed only once per capture, because that is the most expensive
 * part.
 */
const WIDE = 1_000;

/** Returns the names of an object's fields; `wide` is kept for one capture. */
export function fieldNames(
  value: object,
  wide: { names: Map<object, readonly string[]> | undefined },
): readonly string[] {
  const known = wide.names?.get(value);
  if (known) return known;
  const names = Object.keys(value);
  if (names.length > WIDE) {
    wide.names ??= new Map();
    wide.names.set(value, names);
  }
  return names;
}

/** Reads a dotted path; undefined if it leads nowhere. A field whose own name contains the dots takes precedence. */
export function readPath(root: unknown, path: string): unknown {
  if (root === null || (typeof root !== "object" && typeof root !== "function")) return undefined;
  if (!path.includes(".") || (types.isMap(root) ? root.has(path) : Object.hasOwn(root, path)))
    return readField(root, path);
  let value: unknown = root;
  for (const part of path.split(".")) {
    if (value === null || value === undefined) return undefined;
    value = readField(value, part);
  }
  return value;
}

function readField(from: unknown, name: string): unknown {
  if (!types.isMap(from)) return (from as Record<string, unknown>)[name];
  return from.has(name) ? from.get(name) : from.get(Number(name));
}
