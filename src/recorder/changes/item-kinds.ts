/** The kinds of items that are recorded of a run. */
export type ItemKind = "runs" | "metrics" | "params" | "tags" | "ends";
