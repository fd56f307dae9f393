import type { Logger } from "../../src/index.js";

/** A logger that keeps what it is given. */
export function collectWarnings(): { readonly logger: Logger; readonly warnings: string[] } {
  const warnings: string[] = [];
  return { logger: { warn: (message) => void warnings.push(message) }, warnings };
}
