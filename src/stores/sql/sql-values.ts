/** What a column can be given. */
export type SqlValue = string | number | bigint | null;

/** A row of an answer. */
export type SqlRow = Readonly<Record<string, unknown>>;
