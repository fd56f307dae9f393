import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";

const root = process.cwd();

/**
 * Installs a built package into `folder` with a driver of its own, as npm does where versions differ; gives the folder
 * of its builds.
 */
export function installCopy(folder: string, from = root): string {
  const modules = join(folder, "node_modules");
  for (const part of ["package.json", "dist"])
    cpSync(join(from, part), join(modules, "pulse-mlflow", part), { recursive: true });
  // Not linked: the same file would be loaded once.
  const here = `${process.platform}-${process.arch}`;
  for (const name of ["@photostructure/sqlite", "node-gyp-build"])
    cpSync(join(root, "node_modules", name), join(modules, name), {
      recursive: true,
      filter: (path) => !/prebuilds[\\/]./.test(path) || path.includes(here),
    });
  return join(modules, "pulse-mlflow/dist");
}

/** Unpacks the ES modules of version 0.1.0 into `folder`, and gives it. */
export function unpackFirstVersion(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const tarball = join(root, "test/fixtures/0.1.0/pulse-mlflow-0.1.0.tar.gz");
  const { status, stderr, error } = spawnSync("tar", ["-xzf", tarball, "-C", folder], { encoding: "utf8" });
  if (status !== 0) throw new Error(`tar could not unpack ${tarball}: ${error ?? stderr}`);
  return folder;
}
