/** A value whose fields may be read: a plain object or a map. */
export type Fielded = Record<string, unknown> | ReadonlyMap<unknown, unknown>;

/** Reads an own field without running a getter. */
export function fieldOf(value: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
