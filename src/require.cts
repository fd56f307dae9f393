/** The file this is in, as stacks name it, and where modules are looked for first. The CommonJS half. */
export const home: string | undefined = __filename;
