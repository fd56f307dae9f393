/** What a column can be given. */
export type SqlValue = string | number | bigint | Uint8Array | null;

/** A row of an answer. */
export type SqlRow = Readonly<Record<string, unknown>>;
