import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../../base/clock.js";
import { PulseError } from "../../base/errors.js";
import { absolutePath, makeFolder, workingFolder } from "../../base/folders.js";
import { shownUri } from "../../base/text/redact.js";
import { wrongUri } from "../../base/uri.js";

/** How long an empty file that somebody else made is left to them. */
const MAKING_MS = 1_000;

/**
 * Reads a tracking URI as the path of a database file.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function databasePath(uri: string, origin?: string): string {
  const path = /^sqlite:\/\/\/(.+)$/i.exec(uri)?.[1];
  if (path !== undefined && !path.startsWith(":memory:") && !path.includes("?"))
    return absolutePath(path, "INVALID_TRACKING_URI", `The path in tracking URI ${JSON.stringify(shownUri(uri))}`);
  if (path?.includes("?")) throw wrongUri(uri, " has options behind a ?, which are not known here", origin);
  if (/^sqlite:\/*:memory:$/i.test(uri)) throw wrongUri(uri, " names no database file", origin, "memory:");
  const [, slashes = "", rest] = /^sqlite:(\/{0,2})(?=[^/])(.+)$/i.exec(uri) ?? [];
  throw wrongUri(uri, " names no database file", origin, rest && `sqlite:///${slashes === "/" ? "/" : ""}${rest}`);
}

/**
 * What is to be said of a relative path that may have been meant as an absolute one: `sqlite:///tmp/x.db` is
 * `./tmp/x.db`.
 */
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
    return false; // there is none, or it may not be looked at
  }
}

/** As SQLite makes a file, and so MLflow: others may read it as far as the umask lets them. */
const MODE = 0o644;

/** Makes the file before SQLite opens it; false when there is one, which stays as it is. */
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
 * Whether another program has opened a file that was absent, and has not filled it yet: MLflow fails when its tables
 * are suddenly there. One whose time lies in the future, by a clock that was put back or another machine's, is waited
 * for as long, from when it was `first` seen.
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

/** What every database file begins with. */
const BEGINNING = "SQLite format 3\0";

/** Whether there is something at a path that is no database file; an empty file becomes one. */
export function isOtherFile(path: string): boolean {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "r");
    if (!fstatSync(descriptor).isFile()) return true;
    const found = Buffer.alloc(BEGINNING.length);
    const length = readSync(descriptor, found, 0, found.length, 0);
    return length > 0 && found.toString("latin1", 0, length) !== BEGINNING;
  } catch {
    return false; // there is none, or it may not be looked at
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
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
