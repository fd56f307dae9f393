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
import { unfinishedIn } from "../../artifacts/unfinished.js";
import { systemClock } from "../../base/clock.js";
import { load } from "../../base/loading.js";
import { shortHash } from "../../base/text/keys.js";

/** The hash of a text in hex digits; loading node:crypto is dear. */
export function digest(algorithm: "md5" | "sha256", text: string): string {
  const { createHash } = load("node:crypto") as typeof import("node:crypto");
  return createHash(algorithm).update(text).digest("hex");
}

/** What an error of the file system is called. */
export const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | null)?.code);

/** Not through a link that somebody has put in a file's place, and not waiting for the other end of a pipe. */
export const PLAIN: number = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** What is in the way of a file: a folder of that name, or a file where a folder is to be. */
export const IN_THE_WAY: readonly string[] = ["EISDIR", "ENOTDIR", "EEXIST"];
/** What may not be looked at, or written. */
export const CLOSED: readonly string[] = ["EACCES", "EPERM"];
/** And what is no file, or can have none of that name. */
const ODD: readonly string[] = ["ELOOP", "ENXIO", "ENAMETOOLONG", "EILSEQ", ...IN_THE_WAY];

/** Whether an error of the file system is about one file, in whose place something else is. */
export const isAboutItem = (error: unknown): boolean => ODD.includes(codeOf(error));

/** How long a file that cannot be read is left to whoever may be writing it: MLflow writes it in its place. */
const SETTLING_MS = 2_000;

/** A `meta.yaml` that is no such file, or not yet. */
export class Unreadable extends Error {
  /** Whether somebody may be writing it just now. */
  readonly isNew: boolean;

  constructor(path: string, why: string, changedAt: number) {
    super(`${path} cannot be read: ${why}`);
    this.isNew = systemClock.now() - changedAt < SETTLING_MS;
  }
}

/** Most bytes of a file's name, and of a mended one: tag `pulse.key.<name>` has a file, too. */
const [NAME_BYTES, MENDED_BYTES] = [255, 200];

/** Whether MLflow has a file for such a key: it stays as it is when it is read as a path, and leads nowhere else. */
export function isKey(key: string): boolean {
  if (sep === "\\" && /[\\:]/.test(key)) return false;
  return (
    key !== "" && !key.includes("\0") && key.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}

/**
 * The name of a key's file: MLflow's own is the key. One whose parts are longer than names may be has another, always
 * the same.
 */
export function fileOf(key: string): string {
  if (key.length * 3 <= NAME_BYTES || key.split("/").every((part) => Buffer.byteLength(part) <= NAME_BYTES)) return key;
  return apartFrom(key);
}

/** The name of a key's file where its own is a folder, or a part of it is a file: `loss` beside `loss/train`. */
export function apartFrom(key: string): string {
  let name = "";
  for (const character of key.replaceAll("/", "_")) {
    if (Buffer.byteLength(name + character) > MENDED_BYTES) break;
    name += character;
  }
  return `${name}_${shortHash(key)}`;
}

/** Makes a folder below one that is there; false when it was there. */
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
 * Makes the folders of a path below `root`, which itself must be there: what was moved away meanwhile is not made anew.
 * @throws the error of the file system: ENOENT when `root` is gone, EEXIST or ENOTDIR when a file is in the way
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

/** What is at a path, or behind a link there; undefined when there is nothing, or no way to it. */
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

/** Whether something else than a folder is at a path; what may not be looked at is none. */
export function isNoFolder(path: string): boolean {
  try {
    return statOf(path)?.isDirectory() === false;
  } catch {
    return false;
  }
}

/** The text of a plain file; undefined when there is none. */
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
 * Writes a file whole: whoever reads it sees what was there or what is there now. It is written in `folder` first, on
 * the same disk.
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

/** The same for a file that must not be there; false when it is, and stays. */
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

/** What file systems without hard links answer. */
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

/** Writes a file in its place, for where nobody looks yet. */
export function writeFile(path: string, text: string, flags: number = constants.O_TRUNC): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_CREAT | flags | PLAIN);
  try {
    const written = writeSync(descriptor, text);
    const bytes = Buffer.byteLength(text);
    // A full disk takes a part first.
    for (let done = written; done < bytes; ) done += writeSync(descriptor, Buffer.from(text), done, bytes - done, null);
  } finally {
    closeSync(descriptor);
  }
}
