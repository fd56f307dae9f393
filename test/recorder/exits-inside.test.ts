import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ExitsInside } from "../fixtures/exits-inside.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { inherit } from "../support/inherit.js";

const root = tempFolder("exits");
const program = fileURLToPath(new URL("../fixtures/exits-inside.js", import.meta.url));
const RUNS = 6;
const NAMES = [0, 1].flatMap((n) => Array.from({ length: RUNS }, (_, i) => `${n} ${i}`));
let folders = 0;

async function exits(from: ExitsInside["from"], trackingUri: string): Promise<{ code: unknown; folder: string }> {
  const folder = join(root, String(++folders));
  const given: ExitsInside = { from, trackingUri, folder, runs: RUNS };
  const child = spawn(process.execPath, [program, JSON.stringify(given)], { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(child, "exit");
  return { code, folder };
}

for (const [from, expected] of [
  ["logger", 7],
  ["logger at exit", 7],
  ["throwing logger", 0],
  ["recording logger", 0],
  ["token", 7],
  ["outbox", 7],
] as const) {
  test(`exiting from the ${from} while the server is away keeps every run whole and once`, async () => {
    const server = await FakeMlflow.start();
    server.down();
    const { code, folder } = await exits(from, server.url);
    assert.equal(code, expected);
    await server.up();
    const { left, warnings } = await inherit(folder, server.url);
    assert.deepEqual({ left, warnings }, { left: [], warnings: [] });
    const runs = [...server.runs.values()].filter(({ deleted, name }) => !deleted && !name.startsWith("extra"));
    assert.deepEqual(runs.map(({ name }) => name).sort(), NAMES);
    assert.ok(runs.every(({ status, metrics }) => status === "FINISHED" && metrics.size === 1));
    if (from === "recording logger")
      assert.ok([...server.runs.values()].some(({ name, metrics }) => name === "extra 0" && metrics.size === 1));
    server.close();
  });
}

test("exiting inside a database transaction stores every run, whole and once", async () => {
  const path = join(root, "store.db");
  const { code, folder } = await exits("store", `sqlite:///${path}`);
  assert.equal(code, 7);
  assert.deepEqual((await inherit(folder, `sqlite:///${path}`)).left, []);
  const rows = query(
    path,
    "SELECT name, status, (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid) AS n FROM runs r ORDER BY name",
  );
  assert.deepEqual(
    rows,
    NAMES.map((name) => ({ name, status: "FINISHED", n: 1 })),
  );
});
