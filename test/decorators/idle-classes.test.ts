// A tracked class none of whose methods is decorated opens no run: that is said when the process ends.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../fixtures/idle-classes.js", import.meta.url));

test("tracked classes without decorated methods are named, but no others", () => {
  const { status, stderr } = spawnSync(process.execPath, [program], { encoding: "utf8" });
  assert.equal(status, 0);
  const said = stderr.trim().split("\n");
  assert.deepEqual(
    said.map(
      (line) =>
        /^pulse-mlflow: (\w+) is tracked, but none of its methods is decorated: .* \[NOTHING_FOUND\]$/.exec(line)?.[1],
    ),
    ["Idle", "IdleBase"],
    stderr,
  );
});

test("with tracking off, nothing is reported", () => {
  const { status, stderr } = spawnSync(process.execPath, [program], {
    encoding: "utf8",
    env: { ...process.env, PULSE_MLFLOW: "off" },
  });
  assert.deepEqual([status, stderr], [0, ""]);
});
