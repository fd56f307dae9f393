/** A value that can be bound to a column. */
export type SqlValue = string | number | bigint | Uint8Array | null;

/** A row of a result. */
export type SqlRow = Readonly<Record<string, unknown>>;
