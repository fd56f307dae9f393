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

/** Whether a value is a list of numbers or the like: an array or a typed array. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Reads a dotted path. A field that itself has dots in its name wins over the path. Absent is undefined. */
export function readPath(root: unknown, path: string): unknown {
  if (root === null || (typeof root !== "object" && typeof root !== "function")) return undefined;
  if (Object.hasOwn(root, path) || !path.includes(".")) return (root as Record<string, unknown>)[path];
  let value: unknown = root;
  for (const part of path.split(".")) {
    if (value === null || value === undefined) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
