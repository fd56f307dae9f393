import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("detached");
const fixture = fileURLToPath(new URL("../fixtures/forgets-contexts.js", import.meta.url));
const outbox = { folder: join(folder, "state") };

for (const [kind, config] of Object.entries({
  memory: { trackingUri: "memory:" },
  sqlite: { trackingUri: `sqlite:///${join(folder, "runs.db")}`, outbox },
  http: { trackingUri: "http://127.0.0.1:9", outbox, exitTimeoutMs: 100, flushIntervalMs: 20 }, // nobody listens there
  own: { durability: "memory" },
}))
  test(`nothing outliving a call keeps its async context: ${kind}`, () => {
    const child = spawnSync(process.execPath, ["--expose-gc", fixture, JSON.stringify({ kind, config })], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.equal(child.status, 0, child.stderr);
    assert.deepEqual(JSON.parse(child.stdout), { collected: true, seen: [] }, child.stderr);
  });
