/**
 * The file this is in, as stacks name it, and where modules are looked for first; undefined in a bundle in the format
 * of ES modules. The CommonJS half.
 */
export const home: string | undefined = typeof __filename === "string" ? __filename : undefined;
