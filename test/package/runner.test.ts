import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "pulse-runner-"));
after(() => rmSync(folder, { recursive: true }));

for (const name of ["scripts", "node_modules/typescript/bin"]) mkdirSync(join(folder, name), { recursive: true });
for (const name of ["test.mjs", "python.mjs", "needs.mjs"])
  copyFileSync(join("scripts", name), join(folder, "scripts", name));
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

function script(name: string, ...args: string[]): { status: number | null; stdout: string } {
  // No Python here, and no sign that this is a test itself.
  const { NODE_TEST_CONTEXT: _context, CI: _ci, ...env } = process.env;
  return spawnSync(process.execPath, [join(folder, "scripts", name), ...args], {
    encoding: "utf8",
    env: { ...env, PATH: folder },
  });
}

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
