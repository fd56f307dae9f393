import { createRequire } from "node:module";
import { join } from "node:path";

/** The file this is in, as stacks name it; undefined in a bundle in CommonJS format. */
export const home: string | undefined = import.meta.url as string | undefined;

let requires: NodeJS.Require | undefined;

// A bundle in CommonJS format has no `import.meta.url`: there it is looked for from the working folder.
const made = (): NodeJS.Require => (requires ??= createRequire(home ?? join(process.cwd(), "index.js")));

/** Loads a module synchronously from this package's place; this is the ES module half of `#require`. */
export const load = (name: string): unknown => made()(name);

/** Where a module lies, seen from there. */
export const locate = (name: string): string => made().resolve(name);
