/** Loads a module synchronously from this package's place; this is the CommonJS half of `#require`. */
export const load = (name: string): unknown => require(name);
