import { closeSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { shownUri } from "../../capture/redact.js";
import { absolutePath } from "../../config/folders.js";
import { PulseError } from "../../errors.js";
import { makeFolder } from "../../make-folder.js";

/** How long an empty file that somebody else made is left to them. */
const MAKING_MS = 1_000;

/**
 * Reads a tracking URI as the path of a database file.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function databasePath(uri: string): string {
  const path = /^sqlite:\/\/\/(.+)$/i.exec(uri)?.[1];
  if (path !== undefined && !path.startsWith(":memory:") && !path.includes("?"))
    return absolutePath(path, "INVALID_TRACKING_URI", `The path in tracking URI ${JSON.stringify(shownUri(uri))}`);
  const what = path?.includes("?") ? "has options behind a ?, which are not known here" : "names no database file";
  throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${JSON.stringify(shownUri(uri))} ${what}.`);
}

/** Makes the file readable for its owner alone, before SQLite opens it; false when there is one, which stays as it is. */
export function createFile(path: string): boolean {
  makeFolder(dirname(path));
  try {
    closeSync(openSync(path, "wx", 0o600));
    return true;
  } catch (error) {
    if (fsCode(error) !== "EEXIST") throw error;
    return false;
  }
}

/** Whether another program has opened a file that was absent, and has not filled it yet: MLflow fails when its tables are suddenly there. */
export function isBeingMade(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.size === 0 && Date.now() - stat.mtimeMs < MAKING_MS;
}

/** Which file lies at a path; empty when none does. */
export function fileIdentity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.dev}:${stat.ino}` : "";
}

/** The code of a file system's error, or of Node's permissions that deny it. */
export function fsCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(E[A-Z]+|ERR_ACCESS_DENIED)$/.test(code) ? code : undefined;
}
