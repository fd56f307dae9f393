/** Loads a module synchronously from this package's place; this is the CommonJS half of `#require`. */
export const load: NodeJS.Require = require;
