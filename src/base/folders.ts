import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { os } from "./builtins.js";
import { PulseError, type PulseErrorCode } from "./errors.js";

// The user's folders as the operating system reports them. Any of them may be missing: a container's user may have no
// entry, and a folder may have been removed.

/** Returns the user's home as an absolute path; undefined if there is none. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env["HOME"];
  // An empty or relative value would be resolved in the working folder.
  if (given !== undefined) return isAbsolute(given) ? given : undefined;
  try {
    const home = os().homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the working folder; undefined if it was removed. */
export function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/**
 * Makes a path absolute.
 * @throws PulseError with `code` if the path is relative and the working folder was removed.
 */
export function absolutePath(path: string, code: PulseErrorCode, what: string): string {
  if (!isAbsolute(path) && workingFolder() === undefined)
    throw new PulseError(code, `${what} is relative, and the working folder was removed; give an absolute path.`);
  return resolve(path);
}

/** Whether a path exists. A path hidden by Node's permission model does not. */
export function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/**
 * Whether a folder holds experiments of MLflow's file store. Uses MLflow's own test for its default: a folder whose
 * name is a number and that has a `meta.yaml`.
 */
export function holdsExperiments(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /^\d+$/.test(name) && existsSync(join(folder, name, "meta.yaml")));
  } catch {
    return false; // missing, or not readable
  }
}

/**
 * Creates a folder and its parents; does nothing if it exists. Does not use Node's recursive `mkdirSync`, which never
 * returns if the parent exists but nothing can be created in it, as in `/proc`.
 * @throws the error of the file system
 */
export function makeFolder(path: string, mode: number = 0o777): void {
  if (isMade(path, mode)) return;
  const parent = dirname(path);
  if (!existsSync(parent)) makeFolder(parent, mode);
  // Once more even if the parent exists: another process may have made it after the first attempt.
  if (!isMade(path, mode)) mkdirSync(path, { mode });
}

/** Tries to create a folder; `false` if that cannot be for now: its parent is missing, or it stands in `/proc`. */
function isMade(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return true;
    if (code === "ENOENT") return false;
    throw error;
  }
}
