import { amount } from "../../base/amounts.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import { PulseError } from "../../base/errors.js";
import { fileFacts, type OutboxFolder, outboxFolders, removeFiles, tryClaim } from "./outbox-folder.js";

/** Bounds of all outboxes of a state folder together. */
export interface OutboxLimits {
  /** The maximum size of all files, in bytes. */
  readonly maxTotalBytes: number;
  /** How long outboxes of dead trackers are kept after the last write, in milliseconds. */
  readonly maxAgeMs: number;
}

/** Earlier times are from a machine whose clock was not set. */
const CLOCKS_SET = Date.UTC(2020);

interface Found {
  readonly path: string;
  readonly bytes: number;
  readonly changed: number;
}

/**
 * Removes outboxes of dead trackers that are too old, and then the oldest ones until the rest is small enough; warns
 * with what was in them. Outboxes of living trackers, like `own`, are not touched. Returns how many bytes are left
 * beside `own`.
 */
export function removeExpired(
  root: string,
  own: string | undefined,
  now: number,
  limits: OutboxLimits,
  diagnostics: Diagnostics,
): number {
  const files = outboxFolders(root)
    .flatMap((folder: OutboxFolder) => folder.files())
    .filter((path) => path !== own)
    .map((path): Found => ({ path, ...fileFacts(path) }))
    .sort((a, b) => a.changed - b.changed);
  let left = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const room = limits.maxTotalBytes - (own === undefined ? 0 : fileFacts(own).bytes);
  for (const { path, bytes, changed } of files) {
    const old = now - changed > limits.maxAgeMs && changed > CLOCKS_SET;
    if (!old && left <= room) break; // the following files are younger
    const removed = remove(path);
    if (removed === undefined) continue;
    left -= bytes;
    if (removed === "") continue;
    const why = old
      ? `were last written more than ${limits.maxAgeMs} ms ago`
      : `with others filled more than ${limits.maxTotalBytes} bytes`;
    const detail = `${removed} of an earlier program in ${path} ${why}; they were removed.`;
    diagnostics.warnAsync(new PulseError(old ? "OUTBOX_EXPIRED" : "OUTBOX_FULL", detail), path);
  }
  return left;
}

/**
 * Removes an outbox whose tracker is dead, and returns how much was in it, or an empty string. Returns undefined if
 * the tracker is alive or the file is not an outbox.
 */
function remove(path: string): string | undefined {
  const outbox = tryClaim(path);
  if (typeof outbox === "string") return undefined;
  try {
    const { files, bytes: artifactBytes } = outbox.files.count;
    const what = outbox.empty ? "" : amount(outbox.items, undefined, { artifacts: files, artifactBytes });
    removeFiles(path);
    return what;
  } catch {
    return undefined; // left for the next attempt
  } finally {
    outbox.close();
  }
}
