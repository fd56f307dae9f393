import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";

/** S3 takes keys of 1,024 bytes, with the root before the path. */
const MAX_PATH = 800;
/** File systems take no longer names, in bytes. */
const MAX_NAME = 255;
/** What a listing may hold at most; MLflow's own pages stop far earlier. */
export const MAX_ENTRIES = 100_000;

/** A drive of Windows. */
const DRIVE = /^[a-z]:/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x1f\x7f]/;

/** What nearly all are: nothing in it needs a closer look. */
const PLAIN = /^(?:[\w-][\w.-]{0,99}\/){0,3}[\w-][\w.-]{0,99}$/;

/**
 * Checks the path of an artifact and gives it without doubled and closing slashes: relative, with `/`, at most 800
 * characters and 255 bytes for each name, no segments `.` and `..` (also between backslashes), no `#` (MLflow refuses
 * to give such a file back), no control characters.
 * @throws PulseError `INVALID_VALUE` that says what is wrong.
 */
export function artifactPath(text: unknown): string {
  const wrong = (what: string): PulseError =>
    new PulseError("INVALID_VALUE", `Artifact path ${shownValue(text)} ${what}.`);
  if (typeof text !== "string") throw wrong("is no text");
  if (PLAIN.test(text)) return text;
  if (text.length > MAX_PATH) throw wrong(`is longer than ${MAX_PATH} characters`);
  if (/^[\\/]/.test(text) || DRIVE.test(text)) throw wrong("is absolute; it must be relative to the run's artifacts");
  if (/^file:/i.test(text)) throw wrong("begins as a file: URI, for which MLflow would take it");
  if (CONTROL.test(text)) throw wrong("has a control character");
  if (text.includes("#")) throw wrong("has a #, which MLflow cannot give back");
  if (/\p{Surrogate}/u.test(text)) throw wrong("has half a character in it");
  const path = text.split("/").filter((segment) => segment !== "");
  if (path.length === 0) throw wrong("is empty");
  if (path.some((segment) => Buffer.byteLength(segment) > MAX_NAME))
    throw wrong(`has a name of more than ${MAX_NAME} bytes`);
  if (!isHarmless(path)) throw wrong('has a segment "." or ".."');
  return path.join("/");
}

/** Whether segments lead nowhere but down, with backslashes read as Windows reads them, too. */
function isHarmless(segments: readonly string[]): boolean {
  return segments.every((segment) => segment.split("\\").every((part) => part !== "." && part !== ".."));
}

/** A path below a folder; the root is `""`, on either side. */
export function below(folder: string, path: string): string {
  return folder === "" || path === "" ? folder || path : `${folder}/${path}`;
}

/** The folder a path lies in, and its name there. */
export function parted(path: string): { folder: string; name: string } {
  const end = path.lastIndexOf("/");
  return { folder: path.slice(0, Math.max(0, end)), name: path.slice(end + 1) };
}

/** Encodes what stands between the slashes of a path, as RFC 3986 has it: signatures are made of this form. */
export function encoded(path: string): string {
  const byte = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(path)
    .replaceAll("%2F", "/")
    .replace(/[!'()*]/g, byte);
}

/** An entry of a listing as it came. */
export interface ListedEntry {
  /** Its name in the folder. */
  readonly name: unknown;
  readonly isDir: boolean;
  readonly size?: unknown;
}

/**
 * What somebody else says a folder holds, in the order of names, each once.
 * @throws PulseError `REJECTED` for more than 100,000 entries, and for one that does not lie in the folder.
 */
export function checkedListing(where: string, folder: string, entries: Iterable<ListedEntry>): readonly ArtifactInfo[] {
  const found = new Map<string, ArtifactInfo>();
  for (const { name, isDir, size } of entries) {
    if (name === "") continue; // a folder's own marker
    if (typeof name !== "string" || !isName(name))
      throw new PulseError(
        "REJECTED",
        `The listing of ${shownValue(folder)} in ${where} names ${shownValue(name)}, which does not lie in it.`,
      );
    if (found.size >= MAX_ENTRIES) throw tooMany(where, folder);
    found.set(name, { path: below(folder, name), isDir, size: isDir ? undefined : sizeOf(size) });
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The error for a folder that holds too much. */
export function tooMany(where: string, folder: string): PulseError {
  return new PulseError(
    "REJECTED",
    `Folder ${shownValue(folder)} in ${where} holds more than ${MAX_ENTRIES} entries, which are not listed.`,
  );
}

function isName(name: string): boolean {
  return name.length <= 1_024 && !name.includes("/") && !name.includes("\0") && !DRIVE.test(name) && isHarmless([name]);
}

function sizeOf(size: unknown): number | undefined {
  const bytes = typeof size === "string" && /^\d+$/.test(size) ? Number(size) : size;
  return typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}
