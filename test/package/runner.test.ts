import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("runner");

for (const name of [".ci", "bin", "scripts", "node_modules/typescript/bin"])
  mkdirSync(join(folder, name), { recursive: true });
for (const name of [".ci/run", "scripts/test.mjs", "scripts/minutes.mjs", "scripts/python.mjs", "scripts/needs.mjs"])
  copyFileSync(name, join(folder, name));
writeFileSync(
  join(folder, "scripts/toolchains.mjs"),
  "export const toolchains = async () => ({ passed: 10, failed: 0 });",
);
writeFileSync(
  join(folder, "scripts/parts.mjs"),
  `import { writeFileSync } from "node:fs";
   export const writeImports = async (folder) => writeFileSync(folder + "/package.json", '{ "type": "module" }');`,
);
// Two files "compiled" in each dialect: one with two tests, one whose only test fails.
writeFileSync(
  join(folder, "node_modules/typescript/bin/tsc"),
  `const { mkdirSync, writeFileSync } = require("node:fs");
   const [, project] = process.argv.slice(2);
   if (!project.startsWith("test/")) process.exit();
   const folder = project.includes("legacy") ? "build/legacy/test" : "build/standard/test";
   mkdirSync(folder, { recursive: true });
   const file = (body) => 'import { test } from "node:test";' + body;
   writeFileSync(folder + "/good.test.js", file('test("one", () => {}); test("two", () => {});'));
   writeFileSync(folder + "/bad.test.js", file('test("three", () => { throw new Error("no"); });'));`,
);

// No Python here, and no sign that this is a test itself.
const {
  NODE_TEST_CONTEXT: _context,
  CI: _ci,
  PULSE_CI_BEGAN: _began,
  PULSE_CI_MOST_MINUTES: _most,
  ...env
} = process.env;

function script(
  name: string,
  args: readonly string[] = [],
  ci: Record<string, string> = {},
): { status: number | null; stdout: string } {
  return spawnSync(process.execPath, [join(folder, "scripts", name), ...args], {
    encoding: "utf8",
    env: { ...env, ...ci, PATH: folder },
  });
}

const minutesAgo = (minutes: number): string => String(Math.round(Date.now() / 1_000) - minutes * 60);

test("the runner names each file that has ended, also without a terminal", () => {
  const { status, stdout } = script("test.mjs");
  assert.equal(status, 1, stdout);
  const lines = stdout.split("\n").filter((line) => /^\d\/4 /.test(line));
  assert.deepEqual(
    lines.map((line) => line.slice(0, 3)),
    ["1/4", "2/4", "3/4", "4/4"],
  );
  const files = lines.map((line) => line.slice(3).replace(/\d+\.\d s/, "N s"));
  assert.deepEqual(files.toSorted(), [
    "  legacy/test/bad.test.js  N s  FAILED",
    "  legacy/test/good.test.js  N s",
    "  standard/test/bad.test.js  N s  FAILED",
    "  standard/test/good.test.js  N s",
  ]);
  assert.match(stdout, /4 passed, 2 failed, 0 skipped/);
});

test("npm test says first what it needs", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  assert.match(scripts["test"] ?? "", /^node scripts\/needs\.mjs && /);
  const { stdout } = script("needs.mjs");
  assert.match(stdout, /15 to 40 minutes .*\n.*2\.5 GB of disk .*\(\d+ GB are free\)/);
  assert.match(stdout, /Python 3\.10 or newer.*there is none on the PATH, so they will be SKIPPED/);
});

test("the runner ends with the minutes of each part", () => {
  const { stdout } = script("test.mjs", ["--toolchains"]);
  const table = stdout.slice(stdout.indexOf("\npart "));
  assert.match(
    table,
    /^\npart +minutes\ncompile +\d+\.\d\ntests, two files at a time +\d+\.\d\n {2}test +\d+\.\d\ntoolchains +\d+\.\d\nall +\d+\.\d\n/,
  );
  assert.match(table, /\n14 passed, 2 failed, 0 skipped\n$/);
});

test("in continuous integration too many minutes are a failure, and fewer are none", () => {
  const ended = (minutes: number): ReturnType<typeof script> =>
    script("test.mjs", ["good"], { PULSE_CI_BEGAN: minutesAgo(minutes), PULSE_CI_MOST_MINUTES: "75" });
  const late = ended(80);
  assert.equal(late.status, 1, late.stdout);
  for (const part of ["install and build", "all"]) assert.match(late.stdout, new RegExp(`\\n${part} +80\\.\\d\\n`));
  assert.match(
    late.stdout,
    /4 passed, 0 failed, 0 skipped\nFAILED: it took 80\.\d minutes in all, and may take 75\.\n$/,
  );
  const early = ended(70);
  assert.equal(early.status, 0, early.stdout);
  assert.match(early.stdout, /\nall +70\.\d\n\n4 passed, 0 failed, 0 skipped\n$/);
});

test("continuous integration counts from its beginning and allows 75 minutes", () => {
  const npm = join(folder, "bin/npm");
  writeFileSync(npm, '#!/bin/sh\necho "$* $PULSE_CI_BEGAN $PULSE_CI_MOST_MINUTES"', { mode: 0o755 });
  const { stdout, stderr } = spawnSync("bash", [join(folder, ".ci/run")], {
    encoding: "utf8",
    env: { ...env, PATH: `${join(folder, "bin")}:${env["PATH"]}` },
  });
  const [, began = "", most] = /^test -- --toolchains (\d+) (\d+)\n$/.exec(stdout) ?? [stderr];
  assert.equal(most, "75", stdout + stderr);
  assert.ok(Math.abs(Number(began) * 1_000 - Date.now()) < 60_000, began);
});
