import { pathToFileURL } from "node:url";

interface Installer {
  installCompilers(): Promise<Record<string, string>>;
}

/**
 * The folder of each supported version of TypeScript; those that do not build the project are installed into `.cache/`
 * once.
 */
export async function compilers(): Promise<ReadonlyMap<string, string>> {
  const { installCompilers } = (await import(pathToFileURL("test/toolchains/install.mjs").href)) as Installer;
  return new Map([["7", `${process.cwd()}/node_modules/typescript`], ...Object.entries(await installCompilers())]);
}
