import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { PulseConfig } from "../../src/index.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { inherit } from "../support/inherit.js";
import { newFolder } from "../support/outbox-kit.js";

const program = fileURLToPath(new URL("../fixtures/late-listeners.js", import.meta.url));
const server = await FakeMlflow.start();
after(() => server.close());

function play(config: PulseConfig, how: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, JSON.stringify({ exitTimeoutMs: 500, ...config }), how]);
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (out[name] += data));
    child.on("close", (code) => resolve({ code, ...out }));
  });
}

/** After `process.exit()` no promise settles any more. */
const expected = (how: string): unknown[] => [
  ["never over", how === "exits" ? "FAILED" : "FINISHED", 0],
  ["service", "FINISHED", 11],
  ["summary", "FINISHED", 1],
];

for (const how of ["returns", "exits"])
  for (const what of ["a server", "a server that is away", "a database"])
    test(`when a program ${how}, an exit listener's records are stored: ${what}`, async () => {
      const folder = newFolder();
      const path = join(newFolder(), "mlflow.db");
      server.runs.clear();
      if (what === "a server that is away") server.down();
      const uri = what === "a database" ? `sqlite:///${path}` : server.url;
      const ended = await play({ trackingUri: uri, outbox: { folder } }, how);
      if (what === "a server that is away") await server.up();
      assert.equal(ended.code, 0, ended.stderr);
      const {
        recorded,
        delivered = 0,
        pending = 0,
        dropped,
        rejected,
      } = JSON.parse(ended.stdout) as Record<string, number>;
      assert.deepEqual([delivered + pending, dropped, rejected], [recorded, 0, 0], ended.stdout);
      const { left } = await inherit(folder, uri);
      assert.deepEqual(left, []);
      const seen =
        what === "a database"
          ? query(
              path,
              "SELECT name, status, (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid) AS n FROM runs r ORDER BY name",
            ).map(({ name, status, n }) => [name, status, n])
          : [...server.runs.values()]
              .filter(({ deleted }) => !deleted)
              .map(({ name, status, metrics }) => [name, status, metrics.size])
              .sort();
      assert.deepEqual(seen, expected(how));
    });

for (const what of ["a server", "a server that is away"])
  test(`a top level that waits for ever exits with 13 and fails its open run: ${what}`, async () => {
    const folder = newFolder();
    server.runs.clear();
    if (what === "a server that is away") server.down();
    const ended = await play({ trackingUri: server.url, outbox: { folder } }, "waits for ever");
    if (what === "a server that is away") await server.up();
    assert.equal(ended.code, 13);
    await inherit(folder, server.url);
    assert.deepEqual(
      server.named("service").map(({ status }) => status),
      ["FAILED"],
    );
  });
