import { createRequire } from "node:module";

/** Loads a module synchronously from this package's place; this is the ES module half of `#require`. */
export const load: NodeJS.Require = createRequire(import.meta.url);
