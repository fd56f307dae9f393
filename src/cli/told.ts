import type { PulseError } from "../base/errors.js";
import { advised } from "../contracts/finding.js";

/** An error and what somebody at a command can do about it; `uri` is the tracking URI, which all advice is about. */
export function told(error: PulseError, uri: string): string {
  const { detail, todo } = advised(error);
  // Where the files of runs are is not in the tracking URI.
  const helps = error.code !== "STORE_UNAVAILABLE" || detail.startsWith(uri.split("?")[0] ?? "");
  return helps ? `${detail} ${todo}`.trim() : detail;
}
