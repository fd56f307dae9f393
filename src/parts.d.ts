/**
 * What this package needs of others, as `scripts/parts.mjs` writes it: each is run at its first need, and found by
 * bundlers.
 */
export const parts: Readonly<Record<"aws4fetch" | "picomatch" | "sketches" | "yaml", () => unknown>>;
