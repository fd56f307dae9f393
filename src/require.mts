/**
 * The file this is in, as stacks name it, and where modules are looked for first; undefined in a bundle in CommonJS
 * format. The ES module half.
 */
export const home: string | undefined = import.meta.url as string | undefined;
