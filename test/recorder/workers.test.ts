import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { inherit } from "../support/inherit.js";
import { newFolder } from "../support/outbox-kit.js";

const program = fileURLToPath(new URL("../fixtures/busy-worker.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Runs recorded when the main thread ended. */
  readonly recorded: number;
  readonly stderr: string;
}

function play(config: object, how: string): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, JSON.stringify(config), how]);
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (out[name] += data));
    child.on("close", (code, signal) => resolve({ code, signal, recorded: Number(out.stdout), stderr: out.stderr }));
  });
}

for (const [how, code, signal] of [
  ["exits", 3, null],
  ["throws", 1, null],
  ["is told to end", null, "SIGTERM"],
] as const)
  for (const what of ["a database", "a server that is away"])
    test(`a busy worker's records are stored when the main thread ${how}: ${what}`, async () => {
      const folder = newFolder();
      const path = join(newFolder(), "mlflow.db");
      const server = await FakeMlflow.start();
      server.down();
      const uri = what === "a database" ? `sqlite:///${path}` : server.url;
      const ended = await play({ trackingUri: uri, exitTimeoutMs: 300, outbox: { folder } }, how);
      assert.deepEqual([ended.code, ended.signal], [code, signal], ended.stderr);
      assert.doesNotMatch(ended.stderr, /terminate called/);
      if (what === "a database") assert.deepEqual(query(path, "SELECT name FROM runs WHERE status = 'RUNNING'"), []);
      await server.up();
      const { held, left } = await inherit(folder, uri, 120_000);
      assert.deepEqual({ held, left }, { held: [], left: [] });
      const runs =
        what === "a database"
          ? query(path, "SELECT status FROM runs WHERE name = 'of the worker'").map(({ status }) => status)
          : server.named("of the worker").map(({ status }) => status);
      server.close();
      // A signal gives no listener of the program a word before ours.
      assert.ok(runs.length >= (signal ? 500 : ended.recorded), `${runs.length} of ${ended.recorded} are stored`);
      assert.ok(!runs.includes("RUNNING"));
    });
