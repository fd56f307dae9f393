import type { PulseError } from "../base/errors.js";
import { advised } from "../contracts/finding.js";

/** Formats an error with advice. `uri` is the tracking URI, which the advice is about. */
export function told(error: PulseError, uri: string): string {
  const { detail, todo } = advised(error);
  // Advice about the tracking URI does not help if the run's files are elsewhere.
  const helps = error.code !== "STORE_UNAVAILABLE" || detail.startsWith(uri.split("?")[0] ?? "");
  return helps ? `${detail} ${todo}`.trim() : detail;
}
