import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { flush, shutdown, startRun, stats, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { tempFolder } from "../support/folders.js";

test("an installed tracker records what sockets and timers do, and no file appears", () => {
  const cwd = tempFolder("installs");
  const program = fileURLToPath(new URL("../fixtures/installs.js", import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program], { cwd, encoding: "utf8" });
  assert.equal(stderr, "");
  const runs = [
    ["handle", "FINISHED"],
    ["timer", "FINISHED"],
  ];
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [
      ['{"bytes":5}', runs, 2],
      [2, 1, true],
    ],
  );
  assert.deepEqual(readdirSync(cwd), []);
});

test("the last installed tracker counts, in whatever order they are uninstalled", () => {
  const [one, two] = [createTestTracker(), createTestTracker()];
  const record = (): unknown => withRun({}, () => undefined);
  const first = one.install();
  record();
  const second = two.install();
  record();
  first.uninstall();
  first.uninstall();
  record();
  const again = one.install();
  second[Symbol.dispose]();
  record();
  one.run(record);
  two.run(record);
  again.uninstall();
  assert.deepEqual([one.runs.length, two.runs.length], [3, 3]);
});

test("flush, stats and shutdown mean the installed tracker, which goes on", async () => {
  const tracker = createTestTracker();
  using _ = tracker.install();
  const run = startRun({ runName: "open" });
  await flush();
  assert.equal(stats().runs, 1);
  await shutdown();
  assert.ok(run.ended);
  withRun({ runName: "after" }, () => undefined);
  assert.deepEqual(
    tracker.runs.map(({ name, status }) => [name, status]),
    [
      ["open", "FINISHED"],
      ["after", "FINISHED"],
    ],
  );
});
