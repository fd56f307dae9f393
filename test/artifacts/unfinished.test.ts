// What killed programs leave unfinished in a folder of artifacts is taken away; what others are writing is not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { isUnfinished, sweepUnfinished, unfinishedBeside } from "../../src/artifacts/temporary-names.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("unfinished");
const DAY_MS = 24 * 60 * 60 * 1_000;

test("unfinished files of dead processes here go, those of other machines after a day", () => {
  const mine = basename(unfinishedBeside(join(folder, "a.bin")));
  assert.ok(isUnfinished(mine) && basename(unfinishedBeside(join(folder, "a.bin"))) !== mine);
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const hex = (number: number): string => number.toString(16).padStart(8, "0");
  const dead = mine.replace(/.{8}\.tmp$/, `${hex(pid)}.tmp`);
  const elsewhere = mine.replace(/.{16}\.tmp$/, `0badcafe${hex(pid)}.tmp`);
  const others = [".pulse-note.tmp", "a.bin"];
  for (const name of [mine, dead, elsewhere, ...others]) writeFileSync(join(folder, name), "x");
  sweepUnfinished(folder);
  assert.deepEqual(readdirSync(folder).sort(), [mine, elsewhere, ...others].sort());
  sweepUnfinished(folder, Date.now() + DAY_MS - 60_000);
  assert.ok(readdirSync(folder).includes(elsewhere));
  sweepUnfinished(folder, Date.now() + DAY_MS + 60_000);
  assert.deepEqual(readdirSync(folder).sort(), others.sort());
  sweepUnfinished(join(folder, "none"));
});
