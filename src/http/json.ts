/** Returns a value from an answer if it is a non-empty string. */
export const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Returns a value from an answer if it is an object. */
export function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Returns the objects in a list from an answer. */
export function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? (value as unknown[]).map(record).filter((each) => each !== undefined) : [];
}

/** Parses a body as a JSON object; undefined if it is not one. */
export function objectIn(body: string): Record<string, unknown> | undefined {
  try {
    return record(JSON.parse(body));
  } catch {
    return undefined;
  }
}
