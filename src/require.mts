import { createRequire } from "node:module";
import { join } from "node:path";

/** The file this is in, as stacks name it; undefined in a bundle in CommonJS format. */
export const home: string | undefined = import.meta.url as string | undefined;

let made: NodeJS.Require | undefined;

/** Loads a module synchronously from this package's place; this is the ES module half of `#require`. */
export const load = (name: string): unknown => {
  // A bundle in CommonJS format has no `import.meta.url`: there it is looked for from the working folder.
  made ??= createRequire(home ?? join(process.cwd(), "index.js"));
  return made(name);
};
