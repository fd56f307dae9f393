/** What has fields that may be looked into: a plain object or a map. */
export type Fielded = Record<string, unknown> | ReadonlyMap<unknown, unknown>;

/** A field as it lies there: a getter is never run. */
export function fieldOf(value: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
