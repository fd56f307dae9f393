/** Modules of Node's own that are loaded when they are first needed: importing them costs a program milliseconds. */

/** `node:stream`. */
export const streams = (): typeof import("node:stream") => process.getBuiltinModule("node:stream");
/** `node:fs/promises`. */
export const asyncFiles = (): typeof import("node:fs/promises") => process.getBuiltinModule("node:fs/promises");
/** `node:os`. */
export const os = (): typeof import("node:os") => process.getBuiltinModule("node:os");
