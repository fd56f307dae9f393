// A machine that says nothing of its user: no home, no name, no working folder.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("no-home");
const program = fileURLToPath(new URL("../fixtures/no-home.js", import.meta.url));
/** As for a container's user id without an entry: Node's `os` throws. */
const NOBODY = `data:text/javascript,${encodeURIComponent(`
  import os from "node:os";
  import { syncBuiltinESMExports } from "node:module";
  os.homedir = os.userInfo = () => { throw Object.assign(new Error("uv_os_homedir returned ENOENT"), { code: "ERR_SYSTEM_ERROR" }); };
  syncBuiltinESMExports();
`)}`;

function run(
  env: Record<string, string>,
  ...args: readonly string[]
): { status: number | null; stdout: string; stderr: string } {
  const cwd = join(folder, "work");
  mkdirSync(cwd, { recursive: true });
  const ran = spawnSync(process.execPath, ["--import", NOBODY, program, ...args], {
    cwd,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], ...env },
  });
  assert.deepEqual(readdirSync(cwd), []);
  return ran;
}

for (const [uri, durability] of [
  ["memory:"],
  ["null:"],
  ["sqlite:////"],
  ["http://127.0.0.1:1", "memory"],
  ["http://127.0.0.1:1"],
] as const)
  for (const env of [
    {},
    { HOME: "" },
    { HOME: "relative", XDG_STATE_HOME: "relative" },
    { XDG_STATE_HOME: join(folder, "state") },
  ])
    test(`a user without a home: ${uri} ${durability ?? ""} ${Object.keys(env)}`, () => {
      const place = uri === "sqlite:////" ? `${uri}${join(folder, "x.db").slice(1)}` : uri;
      const { status, stdout, stderr } = run(env, place, durability ?? "exit");
      assert.equal(status, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), { result: { loss: 3 }, user: "unknown", tested: 1 });
      const needsOutbox =
        uri.startsWith("http") &&
        durability === undefined &&
        !("XDG_STATE_HOME" in env && env.XDG_STATE_HOME !== "relative");
      assert.equal(/this user has no home folder.*\[OUTBOX_FAILED\]/.test(stderr), needsOutbox, stderr);
    });

test("after the working folder is removed, absolute places still work", () => {
  const gone = join(folder, "gone");
  mkdirSync(gone);
  const script = `cd ${gone} && rmdir ${gone} && exec ${process.execPath} ${program} sqlite:////${join(folder, "y.db").slice(1)} exit`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script], {
    encoding: "utf8",
    env: { ...process.env, HOME: folder },
  });
  assert.equal(status, 0, stderr);
  assert.equal((JSON.parse(stdout) as { tested: number }).tested, 1);
  assert.equal(stderr, "");
});
