/** Loads a module synchronously from this package's place; this is the CommonJS half of `#require`. */
export const load = (name: string): unknown => require(name);

/** The file this is in, as stacks name it. */
export const home: string | undefined = __filename;

/** Where a module lies, seen from this package's place. */
export const locate = (name: string): string => require.resolve(name);
