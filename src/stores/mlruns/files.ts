import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, sep } from "node:path";
import { unfinishedIn } from "../../artifacts/temporary-names.js";
import { systemClock } from "../../base/clock.js";
import { load } from "../../base/loading.js";
import { shortHash } from "../../base/text/keys.js";

/** Hashes a text, in hex digits. Loads node:crypto only when needed, because that is slow. */
export function digest(algorithm: "md5" | "sha256", text: string): string {
  const { createHash } = load("node:crypto") as typeof import("node:crypto");
  return createHash(algorithm).update(text).digest("hex");
}

/** Returns the code of a file system error. */
export const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | null)?.code);

/** Open flags: do not follow a link in a file's place, and do not wait for the other end of a pipe. */
export const PLAIN: number = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Codes for something in the way: a folder with the file's name, or a file where a folder is needed. */
export const IN_THE_WAY: readonly string[] = ["EISDIR", "ENOTDIR", "EEXIST"];
/** Codes for missing permissions. */
export const CLOSED: readonly string[] = ["EACCES", "EPERM"];
/** Codes for something that is not a regular file, or a name that is impossible. */
const ODD: readonly string[] = ["ELOOP", "ENXIO", "ENAMETOOLONG", "EILSEQ", ...IN_THE_WAY];

/** Whether an error concerns a single file that something else is in the place of. */
export const isAboutItem = (error: unknown): boolean => ODD.includes(codeOf(error));

/** How long an unreadable file is left to a program that may still be writing it: MLflow writes files in place. */
const SETTLING_MS = 2_000;

/** A `meta.yaml` that is invalid, or not complete yet. */
export class Unreadable extends Error {
  /** Whether another program may be writing it right now. */
  readonly isNew: boolean;

  constructor(path: string, why: string, changedAt: number) {
    super(`${path} cannot be read: ${why}`);
    this.isNew = systemClock.now() - changedAt < SETTLING_MS;
  }
}

/** Maximum bytes of a file's name, and of a shortened one: the tag `pulse.key.<name>` needs a file, too. */
const [NAME_BYTES, MENDED_BYTES] = [255, 200];

/** Whether MLflow can store such a key as a file: it must be a normalised path that stays in the folder. */
export function isKey(key: string): boolean {
  if (sep === "\\" && /[\\:]/.test(key)) return false;
  return (
    key !== "" && !key.includes("\0") && key.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/**
 * Returns the file name of a key: the key itself, as in MLflow. If a part is too long for a file name, a shortened
 * name, always the same.
 */
export function fileOf(key: string): string {
  if (key.length * 3 <= NAME_BYTES || key.split("/").every((part) => Buffer.byteLength(part) <= NAME_BYTES)) return key;
  return apartFrom(key);
}

/**
 * Returns the file name of a key whose own name is taken by a folder, or part of it by a file: `loss` beside
 * `loss/train`.
 */
export function apartFrom(key: string): string {
  let name = "";
  for (const character of key.replaceAll("/", "_")) {
    if (Buffer.byteLength(name + character) > MENDED_BYTES) break;
    name += character;
  }
  return `${name}_${shortHash(key)}`;
}

/** Creates a folder in an existing one; returns false if it exists. */
export function addFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * Creates the folders of a path below `root`, which must exist: one that was moved away is not recreated.
 * @throws the error of the file system: ENOENT if `root` is gone, EEXIST or ENOTDIR if a file is in the way
 */
export function makeFolders(root: string, path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) === "EEXIST" && isFolder(path)) return;
    if (codeOf(error) !== "ENOENT" || dirname(path) === root || path === root) throw error;
    makeFolders(root, dirname(path));
    makeFolders(root, path);
  }
}

/** Returns the status of a path, following links; undefined if there is nothing or it cannot be reached. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (codeOf(error) === "ENOTDIR" || codeOf(error) === "ELOOP") return undefined;
    throw error;
  }
}

export const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
export const isFolder = (path: string): boolean => statOf(path)?.isDirectory() === true;

/** Whether something other than a folder is at a path. A path without access counts as absent. */
export function isNoFolder(path: string): boolean {
  try {
    return statOf(path)?.isDirectory() === false;
  } catch {
    return false;
  }
}

/** Reads a regular file; undefined if there is none. */
export function textOf(path: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | PLAIN);
    if (!fstatSync(descriptor).isFile()) return undefined;
    return readFileSync(descriptor, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR" || codeOf(error) === "EISDIR") return undefined;
    throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Replaces a file atomically: readers see either the old or the new content. The new file is first written in `folder`,
 * on the same disk.
 */
export function replaceFile(path: string, text: string, folder: string): void {
  const temporary = writeBeside(text, folder);
  try {
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Does the same for a file that must not exist yet; returns false, and keeps the file, if it does. */
export function addFile(path: string, text: string, folder: string): boolean {
  const temporary = writeBeside(text, folder);
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST" && !isFolder(path)) return false;
    if (!NO_LINKS.includes(codeOf(error))) throw error;
    if (statOf(path)) return false;
    renameSync(temporary, path);
    return true;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Codes from file systems without hard links. */
const NO_LINKS: readonly string[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

function writeBeside(text: string, folder: string): string {
  const temporary = unfinishedIn(folder);
  try {
    writeFile(temporary, text, constants.O_EXCL);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") rmSync(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** Writes a file in place; only for files that nobody reads yet. */
export function writeFile(path: string, text: string, flags: number = constants.O_TRUNC): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | flags | PLAIN);
  try {
    const written = writeSync(descriptor, text);
    const bytes = Buffer.byteLength(text);
    // A nearly full disk first writes only a part.
    for (let done = written; done < bytes; ) done += writeSync(descriptor, Buffer.from(text), done, bytes - done, null);
  } finally {
    closeSync(descriptor);
  }
}
