import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";

/** S3 limits keys to 1,024 bytes, including the root before the path. */
const MAX_PATH = 800;
/** The limit of file systems, in bytes. */
const MAX_NAME = 255;
/** Maximum number of entries in a listing; MLflow's own limits are far lower. */
export const MAX_ENTRIES = 100_000;

/** A Windows drive. */
const DRIVE = /^[a-z]:/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x1f\x7f]/;

/** Matches almost all paths; they need no further checks. */
const PLAIN = /^(?:[\w-][\w.-]{0,99}\/){0,3}[\w-][\w.-]{0,99}$/;

/**
 * Checks the path of an artifact and returns it without duplicate and trailing slashes. It must be relative, with `/`,
 * at most 800 characters and 255 bytes per name, without segments `.` and `..` (also between backslashes), without `#`
 * (MLflow refuses to return such a file) and without control characters.
 * @throws PulseError `INVALID_VALUE` that says what is wrong.
 */
export function artifactPath(text: unknown): string {
  const wrong = (what: string): PulseError =>
    new PulseError("INVALID_VALUE", `Artifact path ${shownValue(text)} ${what}.`);
  if (typeof text !== "string") throw wrong("is not a string");
  if (PLAIN.test(text)) return text;
  if (text.length > MAX_PATH) throw wrong(`is longer than ${MAX_PATH} characters`);
  if (/^[\\/]/.test(text) || DRIVE.test(text)) throw wrong("is absolute; it must be relative to the run's artifacts");
  if (/^file:/i.test(text)) throw wrong("starts like a file: URI, which MLflow would take it for");
  if (CONTROL.test(text)) throw wrong("has a control character");
  if (text.includes("#")) throw wrong("has a #; MLflow would not return such a file");
  if (/\p{Surrogate}/u.test(text)) throw wrong("contains half a character (a lone surrogate)");
  const path = text.split("/").filter((segment) => segment !== "");
  if (path.length === 0) throw wrong("is empty");
  if (path.some((segment) => Buffer.byteLength(segment) > MAX_NAME))
    throw wrong(`has a name of more than ${MAX_NAME} bytes`);
  if (!isHarmless(path)) throw wrong('has a segment "." or ".."');
  return path.join("/");
}

/** Whether segments only lead down, even if backslashes are read as on Windows. */
function isHarmless(segments: readonly string[]): boolean {
  return segments.every((segment) => segment.split("\\").every((part) => part !== "." && part !== ".."));
}

/** Joins a folder and a path; either may be `""`, the root. */
export function below(folder: string, path: string): string {
  return folder === "" || path === "" ? folder || path : `${folder}/${path}`;
}

/** Splits a path into its folder and its name. */
export function parted(path: string): { folder: string; name: string } {
  const end = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

/** Percent-encodes a path except for its slashes, following RFC 3986, the form that signatures require. */
export function encoded(path: string): string {
  const byte = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(path)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, byte);
}

/** An unchecked entry of a listing. */
export interface ListedEntry {
  /** Its name in the folder. */
  readonly name: unknown;
  readonly isDir: boolean;
  readonly size?: unknown;
}

/**
 * Checks the listing of a folder from elsewhere; returns its entries sorted by name, without duplicates.
 * @throws PulseError `REJECTED` for more than 100,000 entries, or one that is not in the folder.
 */
export function checkedListing(where: string, folder: string, entries: Iterable<ListedEntry>): readonly ArtifactInfo[] {
  const found = new Map<string, ArtifactInfo>();
  for (const { name, isDir, size } of entries) {
    if (name === "") continue; // the marker of the folder itself
    if (typeof name !== "string" || !isName(name))
      throw new PulseError(
        "REJECTED",
        `The listing of ${shownValue(folder)} in ${where} contains ${shownValue(name)}, which is not in that folder.`,
      );
    if (found.size >= MAX_ENTRIES) throw tooMany(where, folder);
    found.set(name, { path: below(folder, name), isDir, size: isDir ? undefined : sizeOf(size) });
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Creates the error for a folder with too many entries. */
export function tooMany(where: string, folder: string): PulseError {
  return new PulseError(
    "REJECTED",
    `Folder ${shownValue(folder)} in ${where} holds more than ${MAX_ENTRIES} entries, too many to list.`,
  );
}

function isName(name: string): boolean {
  return name.length <= 1_024 && !name.includes("/") && !name.includes("\0") && !DRIVE.test(name) && isHarmless([name]);
}

function sizeOf(size: unknown): number | undefined {
  const bytes = typeof size === "string" && /^\d+$/.test(size) ? Number(size) : size;
  return typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}
