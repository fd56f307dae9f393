import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parts } from "#parts";
import { home } from "#require";
import { realm } from "./realm.js";

let requires: readonly NodeJS.Require[] | undefined;
let froms: readonly string[] = [];

/**
 * The file that this code is in, read from a stack: a bundle may not know its own path, or have that of the machine
 * that built it.
 */
function ownFile(): string | undefined {
  const stack: unknown = new Error().stack; // a text, unless somebody has replaced how it is made
  const [, frame = ""] = typeof stack === "string" ? stack.split("\n") : [];
  return /(?:\(|at )((?:file:|[A-Za-z]:[\\/]|\/).*):\d+:\d+\)?$/.exec(frame)?.[1];
}

/** A path as an absolute one; undefined where the working folder was removed. */
function inWorkingFolder(path: string): string | undefined {
  try {
    return resolve(path);
  } catch {
    return undefined;
  }
}

/** The folders from which modules are looked for, as far as they are there: for people. */
export const searched = (): readonly string[] => [
  ...new Set(froms.filter(isThere).map((from) => dirname(pathOf(from)))),
];

const pathOf = (from: string): string => (from.startsWith("file:") ? fileURLToPath(from) : from);

function isThere(from: string): boolean {
  try {
    return existsSync(pathOf(from));
  } catch {
    return false; // no path of this machine, or Node's permissions hide it
  }
}

/**
 * Where modules are looked for: from this package's place, from the bundle's, then from the program's. (Some bundlers
 * write the path of the machine that built it in the place of the first.) The working folder is one only where neither
 * is known. What a bundler or test runner has in the place of `require` is not asked: it does not know what is outside.
 */
function places(): readonly NodeJS.Require[] {
  if (requires === undefined) {
    const { createRequire } = realm.process.getBuiltinModule("node:module");
    // A single executable
    const application = process.getBuiltinModule("node:sea")?.isSea() ? process.execPath : undefined;
    const [given] = process.argv.slice(1, 2);
    const program = given === undefined ? undefined : inWorkingFolder(given);
    const known = [...new Set([home, ownFile(), application, program].flatMap((from) => from ?? []))];
    froms = known.some(isThere) ? known : [...known, ...[inWorkingFolder("index.js")].flatMap((from) => from ?? [])];
    requires = froms.flatMap((from) => {
      try {
        return createRequire(from);
      } catch {
        return []; // no path: a program that was given as text
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

/** Loads a module of somebody else's before it returns. @throws the error of Node's loader */
export const load = (name: string): unknown => first((require) => require(name));

/** The path that `home` has in the installed package; in a bundle it has another. */
const OWN_FILE = /[\\/]dist[\\/](?:cjs[\\/]pulse-mlflow\.js|esm[\\/]pulse-mlflow-\w+\.js)$/;

/**
 * What this package needs of others, and brings along. In Jest it is loaded by Node itself, for Jest's `require`
 * refuses when the test is over; not in a bundle, beside which there may be anybody's file of that name.
 */
export function part(name: keyof typeof parts): unknown {
  if (process.env["JEST_WORKER_ID"] === undefined || !OWN_FILE.test(home ?? "")) return parts[name]();
  return load(join(dirname(pathOf(home ?? "")), `../parts/${name}.cjs`));
}

/** Where a module of somebody else's lies. @throws the error of Node's loader */
export const locate = (name: string): string => first((require) => require.resolve(name));
