import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";
import { parts } from "#parts";
import { home } from "#require";

/**
 * Node's own process object. Jest gives tests another one, whose loader refuses everything as soon as the test is over, while what was recorded
 * still has to be written.
 */
function realProcess(): NodeJS.Process {
  return process.env["JEST_WORKER_ID"] === undefined ? process : (runInThisContext("process") as NodeJS.Process);
}

let requires: readonly NodeJS.Require[] | undefined;
let froms: readonly string[] = [];

/** A file in the working folder, which may have been removed. */
function workingFolder(): string[] {
  try {
    return [join(process.cwd(), "index.js")];
  } catch {
    return [];
  }
}

/** The folders from which modules are looked for, as far as they are there: for people. */
export const searched = (): readonly string[] => [...new Set(froms.filter(isThere).map((from) => dirname(pathOf(from))))];

const pathOf = (from: string): string => (from.startsWith("file:") ? fileURLToPath(from) : from);

function isThere(from: string): boolean {
  try {
    return existsSync(pathOf(from));
  } catch {
    return false; // no path of this machine, or Node's permissions hide it
  }
}

/**
 * Where modules are looked for: from this package's place, then from the program's, for a bundle is another program's file. (Some bundlers write
 * the path of the machine that built it into it.) The working folder is one only where neither is known. What a bundler or test runner has in the
 * place of `require` is not asked: it does not know what is outside.
 */
function places(): readonly NodeJS.Require[] {
  if (requires === undefined) {
    const { createRequire } = realProcess().getBuiltinModule("node:module");
    const [program] = process.argv.slice(1, 2);
    const known = [home, program].flatMap((from) => from ?? []);
    froms = known.some(isThere) ? known : [...known, ...workingFolder()];
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

/** What the file is called that knows where this package lies; in a bundle it is the bundle's. */
const OWN_FILE = /[\\/]dist[\\/](?:cjs[\\/]require\.cjs|esm[\\/]pulse-mlflow-\w+\.js)$/;

/**
 * What this package needs of others, and brings along. In Jest it is loaded by Node itself, for Jest's `require` refuses when the test is over; not
 * in a bundle, beside which there may be anybody's file of that name.
 */
export function part(name: keyof typeof parts): unknown {
  if (process.env["JEST_WORKER_ID"] === undefined || !OWN_FILE.test(home ?? "")) return parts[name]();
  return load(join(dirname(pathOf(home ?? "")), `../parts/${name}.cjs`));
}

/** Where a module of somebody else's lies. @throws the error of Node's loader */
export const locate = (name: string): string => first((require) => require.resolve(name));
