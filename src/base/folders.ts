import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { os } from "./builtins.js";
import { PulseError, type PulseErrorCode } from "./errors.js";

// What the machine says of the user's folders. It may say nothing: a container's user without an entry, a folder that
// was removed.

/** The user's home, an absolute path; undefined where there is none. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env["HOME"];
  // What is empty or relative would lie in the working folder
  if (given !== undefined) return isAbsolute(given) ? given : undefined;
  try {
    const home = os().homedir();
    return isAbsolute(home) ? home : undefined;
  } catch {
    return undefined;
  }
}

/** The working folder; undefined when it was removed. */
export function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/**
 * A path as an absolute one.
 * @throws PulseError with `code` for a relative one where the working folder was removed.
 */
export function absolutePath(path: string, code: PulseErrorCode, what: string): string {
  if (!isAbsolute(path) && workingFolder() === undefined)
    throw new PulseError(code, `${what} is relative, and the working folder was removed; give an absolute path.`);
  return resolve(path);
}

/** Whether there is something at a path; what Node's permissions hide from a program is not there for it. */
export function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/**
 * Whether a folder holds experiments of MLflow's file store, as MLflow itself looks for its default: a number's folder
 * with a `meta.yaml`.
 */
export function holdsExperiments(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /^\d+$/.test(name) && existsSync(join(folder, name, "meta.yaml")));
  } catch {
    return false; // there is none, or it may not be looked at
  }
}

/**
 * Makes a folder and those it lies in; one that is there stays as it is. Not Node's recursive `mkdirSync`: that one
 * never returns where a folder is there and none can be made in it, as in `/proc`.
 * @throws the error of the file system
 */
export function makeFolder(path: string, mode: number = 0o777): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || existsSync(parent)) throw error;
    makeFolder(parent, mode);
    makeFolder(path, mode);
  }
}
