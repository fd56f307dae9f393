import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("setup");

function setup(): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, "scripts/setup.mjs")], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

test("installing leaves the lock file as it is, whatever npm would change", () => {
  const dependencies = { a: "file:a" };
  const project = { name: "clone", version: "1.0.0" };
  // One that npm writes in another way when it writes it: in lines, and with what it finds in the packages.
  const packages = {
    "": { ...project, dependencies },
    a: { version: "1.0.0" },
    "node_modules/a": { resolved: "a", link: true },
  };
  const lock = JSON.stringify({ ...project, lockfileVersion: 3, requires: true, packages });
  for (const name of ["scripts", "a"]) mkdirSync(join(folder, name));
  copyFileSync("scripts/setup.mjs", join(folder, "scripts/setup.mjs"));
  writeFileSync(join(folder, "a/package.json"), JSON.stringify({ name: "a", version: "1.0.0", license: "MIT" }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...project, dependencies }));
  writeFileSync(join(folder, "package-lock.json"), lock);

  assert.match(setup(), /^Installing the pinned packages/);
  assert.ok(existsSync(join(folder, "node_modules/a/package.json")));
  assert.equal(readFileSync(join(folder, "package-lock.json"), "utf8"), lock);
  assert.equal(setup(), "", "what is installed is not installed again");
});
