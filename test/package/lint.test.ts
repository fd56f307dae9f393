import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

for (const [name, command] of [
  ["biome", ["node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off", "."]],
  ["knip", ["node_modules/knip/bin/knip.js"]],
] as const) {
  test(`${name} finds nothing`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, command, {
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
    });
    assert.equal(status, 0, stdout + stderr);
  });
}
