/** Gives a text that is not empty, of what a server sent. */
export const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Gives an object, of what a server sent. */
export function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Gives the objects of a list, of what a server sent. */
export function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? (value as unknown[]).map(record).filter((each) => each !== undefined) : [];
}

/** Gives the object a body holds as JSON. */
export function objectIn(body: string): Record<string, unknown> | undefined {
  try {
    return record(JSON.parse(body));
  } catch {
    return undefined;
  }
}
