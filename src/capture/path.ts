import { types } from "node:util";

/** Whether a value can be a metric: MLflow metrics are doubles; booleans are 1 and 0. */
export function isNumeric(value: unknown): value is number | bigint | boolean {
  const type = typeof value;
  return type === "number" || type === "bigint" || type === "boolean";
}

/** Whether a value is an object written as `{ … }` (also one from another realm), not a class instance. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === null || proto === Object.prototype || Object.getPrototypeOf(proto) === null;
}

/** Whether a value is a list of numbers or the like: an array, a typed array or a set. */
export function isList(value: unknown): value is ArrayLike<unknown> | ReadonlySet<unknown> {
  return Array.isArray(value) || types.isSet(value) || types.isTypedArray(value);
}

/** Whether a value can be walked along more than once: what is its own iterator would be used up. */
export function isIterable(value: unknown): value is Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const iterate = (value as Partial<Iterable<unknown>>)[Symbol.iterator];
  return typeof iterate === "function" && !("next" in value);
}

/** Reads a selector that is a path, a list of paths or a record: each key with what it is taken from. */
export function entriesOf<F>(
  selector: string | readonly string[] | { readonly [key: string]: string | F },
): (readonly [key: string, from: string | F])[] {
  if (typeof selector === "string") return [[selector, selector]];
  if (Array.isArray(selector)) return (selector as readonly string[]).map((path) => [path, path]);
  return Object.entries(selector as { readonly [key: string]: string | F });
}

/** What has fields that may be looked into: a plain object or a map. */
export type Fielded = Record<string, unknown> | ReadonlyMap<unknown, unknown>;

export function isFielded(value: unknown): value is Fielded {
  return isPlainObject(value) || types.isMap(value);
}

/** From so many fields on the names of an object are listed once in a capture, however often it is met: nothing else about it costs as much. */
const WIDE = 1_000;

/** The names of an object's fields; `wide` is kept for one capture. */
export function fieldNames(value: Fielded, wide: { names?: Map<object, readonly string[]> }): Iterable<unknown> {
  if (types.isMap(value)) return value.keys();
  const known = wide.names?.get(value);
  if (known) return known;
  const names = Object.keys(value);
  if (names.length > WIDE) {
    wide.names ??= new Map();
    wide.names.set(value, names);
  }
  return names;
}

/** A field as it lies there: a getter is never run. */
export function fieldOf(value: Fielded, name: unknown): unknown {
  return types.isMap(value) ? value.get(name) : Object.getOwnPropertyDescriptor(value, name as string)?.value;
}

/** Reads a dotted path. A field that itself has dots in its name wins over the path. Absent is undefined. */
export function readPath(root: unknown, path: string): unknown {
  if (root === null || (typeof root !== "object" && typeof root !== "function")) return undefined;
  if (!path.includes(".") || (types.isMap(root) ? root.has(path) : Object.hasOwn(root, path))) return readField(root, path);
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
