import { cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export type Package = Pick<typeof import("../../src/index.js"), "createTracker" | "startRun" | "withRun">;

/**
 * Loads the package once more, from files of its own, with a driver of its own: as a tree has it where two dependencies
 * do not agree.
 */
export async function secondCopy(folder: string): Promise<Package> {
  const built = fileURLToPath(new URL("../..", import.meta.url));
  const copy = join(folder, "copy");
  for (const part of ["src", "parts", "package.json"]) cpSync(join(built, part), join(copy, part), { recursive: true });
  const foreign = new RegExp(`prebuilds.(?!${process.platform}-)`);
  for (const name of ["@photostructure/sqlite", "node-gyp-build"]) {
    const [from, to] = [join(process.cwd(), "node_modules", name), join(copy, "node_modules", name)];
    mkdirSync(dirname(to), { recursive: true });
    cpSync(from, to, { recursive: true, filter: (path) => !foreign.test(path) });
  }
  return (await import(pathToFileURL(join(copy, "src/index.js")).href)) as Package;
}
