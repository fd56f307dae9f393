import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const root = process.cwd();
/** The commit that is version 0.1.0. */
const FIRST_VERSION = "da8c4103093d7a20d4bbc28b170860323250df8b";

function run(command: string, args: readonly string[], cwd: string): Buffer {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error ?? stderr.toString()}`);
  return stdout;
}

/** Installs a built package into `folder` with a driver of its own, as npm does where versions differ; gives the folder of its builds. */
export function installCopy(folder: string, from = root): string {
  const modules = join(folder, "node_modules");
  for (const part of ["package.json", "dist"]) cpSync(join(from, part), join(modules, "pulse-mlflow", part), { recursive: true });
  // Not linked: the same file would be loaded once.
  const here = `${process.platform}-${process.arch}`;
  for (const name of ["@photostructure/sqlite", "node-gyp-build"])
    cpSync(join(root, "node_modules", name), join(modules, name), {
      recursive: true,
      filter: (path) => !/prebuilds[\\/]./.test(path) || path.includes(here),
    });
  return join(modules, "pulse-mlflow/dist");
}

/** Builds version 0.1.0 from this repository's history into `folder`; gives the folder of what was built. */
export function buildFirstVersion(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const archive = run("git", ["archive", FIRST_VERSION, "src", "scripts", "package.json", "tsconfig.json", "tsconfig.cjs.json"], root);
  const { status } = spawnSync("tar", ["-x", "-C", folder], { input: archive });
  if (status !== 0) throw new Error("tar could not unpack version 0.1.0.");
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  run(process.execPath, ["scripts/build.mjs"], folder);
  return folder;
}
