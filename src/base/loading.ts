import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parts } from "#parts";
import { home } from "#require";
import { realm } from "./realm.js";

let requires: readonly NodeJS.Require[] | undefined;
let froms: readonly string[] = [];

/**
 * Returns the path of this file, read from a stack trace: a bundle may not know its own path, or only the one it had on
 * the machine that built it.
 */
function ownFile(): string | undefined {
  const stack: unknown = new Error().stack; // not a string if somebody replaced how stacks are formatted
  const [, frame = ""] = typeof stack === "string" ? stack.split("\n") : [];
  return /(?:\(|at )((?:file:|[A-Za-z]:[\\/]|\/).*):\d+:\d+\)?$/.exec(frame)?.[1];
}

/** Makes a path absolute; undefined if the working folder was removed. */
function inWorkingFolder(path: string): string | undefined {
  try {
    return resolve(path);
  } catch {
    return undefined;
  }
}

/** Returns the existing folders in which modules are looked up, for messages. */
export const searched = (): readonly string[] => [
  ...new Set(froms.filter(isThere).map((from) => dirname(pathOf(from)))),
];

const pathOf = (from: string): string => (from.startsWith("file:") ? fileURLToPath(from) : from);

function isThere(from: string): boolean {
  try {
    return existsSync(pathOf(from));
  } catch {
    return false; // not a path on this machine, or hidden by Node's permission model
  }
}

/**
 * Returns the places to look up modules from: this package, the bundle, then the program. (Some bundlers replace the
 * first by its path on the build machine.) The working folder is only used if none of these exists. A bundler's or test
 * runner's `require` is not used: it does not know about modules outside.
 */
function places(): readonly NodeJS.Require[] {
  if (requires === undefined) {
    const { createRequire } = realm.process.getBuiltinModule("node:module");
    // A single executable application
    const application = process.getBuiltinModule("node:sea")?.isSea() ? process.execPath : undefined;
    const [given] = process.argv.slice(1, 2);
    const program = given === undefined ? undefined : inWorkingFolder(given);
    const known = [...new Set([home, ownFile(), application, program].flatMap((from) => from ?? []))];
    froms = known.some(isThere) ? known : [...known, ...[inWorkingFolder("index.js")].flatMap((from) => from ?? [])];
    requires = froms.flatMap((from) => {
      try {
        return createRequire(from);
      } catch {
        return []; // not a path: the program was passed as text
      }
    });
  }
  return requires;
}

function first<R>(look: (require: NodeJS.Require) => R): R {
  let missing: unknown;
  for (const require of places())
    try {
      return look(require);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
      missing ??= error;
    }
  throw missing;
}

/** Loads another package's module synchronously. @throws the error of Node's loader */
export const load = (name: string): unknown => first((require) => require(name));

/** The path of `home` in the installed package; in a bundle it differs. */
const OWN_FILE = /[\\/]dist[\\/](?:cjs[\\/]pulse-mlflow\.js|esm[\\/]pulse-mlflow-\w+\.js)$/;

/**
 * Loads a dependency shipped with this package. In Jest it is loaded by Node itself, because Jest's `require` refuses
 * to work once the test is over; but not from a bundle, next to which a file of that name may be anyone's.
 */
export function part(name: keyof typeof parts): unknown {
  if (process.env["JEST_WORKER_ID"] === undefined || !OWN_FILE.test(home ?? "")) return parts[name]();
  return load(join(dirname(pathOf(home ?? "")), `../parts/${name}.cjs`));
}

/** Returns the path of another package's module. @throws the error of Node's loader */
export const locate = (name: string): string => first((require) => require.resolve(name));
