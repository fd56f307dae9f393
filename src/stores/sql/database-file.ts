import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../../base/clock.js";
import { PulseError } from "../../base/errors.js";
import { absolutePath, makeFolder, workingFolder } from "../../base/folders.js";
import { shownUri } from "../../base/text/redact.js";
import { wrongUri } from "../../base/uri.js";

/** How long an empty file created by another program is left alone. */
const MAKING_MS = 1_000;

/**
 * Parses a tracking URI as the path of a database file.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function databasePath(uri: string, origin?: string): string {
  const path = /^sqlite:\/\/\/(.+)$/i.exec(uri)?.[1];
  if (path !== undefined && !path.startsWith(":memory:") && !path.includes("?"))
    return absolutePath(path, "INVALID_TRACKING_URI", `The path in tracking URI ${JSON.stringify(shownUri(uri))}`);
  if (path?.includes("?")) throw wrongUri(uri, " has options after a ?, which are not supported", origin);
  if (/^sqlite:\/*:memory:$/i.test(uri)) throw wrongUri(uri, " names no database file", origin, "memory:");
  const [, slashes = "", rest] = /^sqlite:(\/{0,2})(?=[^/])(.+)$/i.exec(uri) ?? [];
  throw wrongUri(uri, " names no database file", origin, rest && `sqlite:///${slashes === "/" ? "/" : ""}${rest}`);
}

/** Returns a hint if a relative path was probably meant to be absolute: `sqlite:///tmp/x.db` is `./tmp/x.db`. */
export function likelyAbsolute(uri: string): string | undefined {
  const [, path = "", first] = /^sqlite:\/\/\/(([^/\\:]+)\/.+)$/i.exec(uri) ?? [];
  if (workingFolder() === undefined) return undefined;
  const [here, there] = [resolve(path), resolve("/", path)];
  if (first === undefined || first === "." || first === ".." || here === there || !isFolder(`/${first}`))
    return undefined;
  const shown = shownUri(`sqlite:///${path}`);
  return `Tracking URI "${shown}" with three slashes is the relative path ${here}, though there is a folder /${first}. Write "${shownUri(`sqlite:///${there}`)}" with four slashes for ${there}, or "${shownUri(`sqlite:///./${path}`)}" if the relative one is meant.`;
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // missing, or not readable
  }
}

/** The mode SQLite uses, and thus MLflow: others may read the file as far as the umask allows. */
const MODE = 0o644;

/** Creates the file before SQLite opens it; returns false, and leaves it alone, if it exists. */
export function createFile(path: string): boolean {
  makeFolder(dirname(path));
  try {
    closeSync(openSync(path, "wx", MODE));
    return true;
  } catch (error) {
    if (fsCode(error) !== "EEXIST") throw error;
    if (isFolder(path)) throw new PulseError("NOT_WRITABLE", `${path} is a folder; name a file in it.`);
    return false;
  }
}

/**
 * Whether another program has created the file but not filled it yet: MLflow fails if its tables suddenly exist. If the
 * file's time is in the future (a clock that was set back, or another machine's), the wait is measured from `first`,
 * when it was first seen.
 */
export function isBeingMade(path: string, first: number): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return (
    stat !== undefined &&
    stat.size === 0 &&
    systemClock.now() - stat.mtimeMs < MAKING_MS &&
    performance.now() - first < MAKING_MS
  );
}

/** The first bytes of every database file. */
const BEGINNING = "SQLite format 3\0";

/** Whether a path holds something that is not a database file; an empty file may become one. */
export function isOtherFile(path: string): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    if (!fstatSync(descriptor).isFile()) return true;
    const found = Buffer.alloc(BEGINNING.length);
    const length = readSync(descriptor, found, 0, found.length, 0);
    return length > 0 && found.toString("latin1", 0, length) !== BEGINNING;
  } catch {
    return false; // missing, or not readable
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Identifies the file at a path; empty if there is none. */
export function fileIdentity(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.dev}:${stat.ino}` : "";
}

/** Returns the code of a file system error, or of a denial by Node's permission model. */
export function fsCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(E[A-Z]+|ERR_ACCESS_DENIED)$/.test(code) ? code : undefined;
}
