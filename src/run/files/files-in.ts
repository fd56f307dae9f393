import { type Dirent, readdirSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../../base/amounts.js";
import { PulseError } from "../../base/errors.js";
import { part } from "../../base/loading.js";
import { MAX_SHOWN } from "../verbs/verb-arguments.js";

/** Selects files of a folder. */
export interface FolderOptions {
  /**
   * Only files that match one of these patterns: `*` within a name, `**` across folders, as in `.gitignore`.
   * @default all files
   */
  readonly include?: readonly string[] | undefined;
  /** Leaves out files that match one of these patterns. @default none */
  readonly exclude?: readonly string[] | undefined;
  /** Whether to follow symbolic links to files and folders. @default false */
  readonly followSymlinks?: boolean | undefined;
}

/** The number of files that one call may log. */
const MAX_FILES = 100_000;

type Matcher = (path: string) => boolean;

/**
 * @internal Returns the files of a folder and its subfolders, sorted by name and with `/` as separator, and the
 * entries that cannot be logged.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is not a folder, cannot be read, or holds more than 100,000 files.
 */
export function filesIn(root: string, options: FolderOptions): { files: string[]; skipped: string[] } {
  try {
    return walk(root, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === "ENOENT"
        ? "does not exist"
        : code === "ENOTDIR"
          ? "is a file: logArtifact() logs those"
          : `cannot be read: ${message}`;
    throw new PulseError("ARTIFACT_UNREADABLE", `${root} ${why}.`, error);
  }
}

function walk(
  root: string,
  { include, exclude, followSymlinks = false }: FolderOptions,
): { files: string[]; skipped: string[] } {
  const matches = (patterns: readonly string[] | undefined, otherwise: boolean): Matcher => {
    if (patterns === undefined) return () => otherwise;
    const make = part("picomatch") as (patterns: readonly string[], options: { dot: boolean }) => Matcher;
    return make(patterns, { dot: true });
  };
  const [wanted, unwanted] = [matches(include, true), matches(exclude, false)];
  const files: string[] = [];
  const skipped: string[] = [];
  const visit = (folder: string, seen: readonly string[]): void => {
    const entries = readdirSync(join(root, folder), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      const kind = kindOf(entry, join(root, path), followSymlinks);
      if (kind === "folder") {
        const real = followSymlinks ? realpathSync(join(root, path)) : path;
        if (!seen.includes(real)) visit(path, [...seen, real]);
      } else if (!wanted(path) || unwanted(path)) continue;
      else if (kind === "other") skipped.push(path);
      else {
        files.push(path);
        if (files.length > MAX_FILES) throw new Error(`it holds more than ${MAX_FILES} files`);
      }
    }
  };
  visit("", followSymlinks ? [realpathSync(root)] : []);
  return { files, skipped };
}

function kindOf(entry: Dirent, path: string, followSymlinks: boolean): "file" | "folder" | "other" {
  let stats: Pick<Dirent, "isFile" | "isDirectory"> = entry;
  if (entry.isSymbolicLink()) {
    if (!followSymlinks) return "other";
    try {
      stats = statSync(path);
    } catch {
      return "other"; // a dangling link
    }
  }
  return stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other";
}

/** @internal Returns what is left out of a folder, for messages; undefined if nothing is. */
export function leftOut(
  { include, exclude }: FolderOptions,
  files: readonly string[],
  skipped: readonly string[],
): string | undefined {
  if (skipped.length > 0) {
    const shown = `${skipped.slice(0, MAX_SHOWN).join(", ")}${skipped.length > MAX_SHOWN ? " and more" : ""}`;
    return `${counted(skipped.length, "link or special file is", "links and special files are")} left out: ${shown}; links are followed with { followSymlinks: true }`;
  }
  if (files.length > 0) return undefined;
  return include || exclude ? "no file in it matches include and exclude" : "there is no file in it";
}
