import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { logExperiment } from "../../src/index.js";
import { closeOutbox, OutboxFolder, tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { change, start } from "../contract/store-contract.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("descriptors");

/** Garbage is not collected in time for anybody: what is closed must be closed. */
const TIMES = 60;

/** How many more files are open after doing it often. */
async function leaked(body: (i: number) => unknown): Promise<number> {
  const open = (): number => readdirSync("/dev/fd").length;
  await body(-1); // loads what is loaded once
  const before = open();
  for (let i = 0; i < TIMES; i++) await body(i);
  return open() - before;
}

test("logExperiment into a database in a loop keeps no file open", async () => {
  const path = join(folder, "loop.db");
  assert.equal(
    await leaked(() => logExperiment({ experiment: "Loop", metrics: { m: 1 }, trackingUri: `sqlite:///${path}` })),
    0,
  );
  assert.equal(query(path, "SELECT count(*) AS n FROM runs")[0]?.["n"], TIMES + 1);
});

test("a closed store keeps no file open, whatever became of its changes", async () => {
  for (const [name, runKey] of Object.entries({ done: "a".repeat(32), refused: "missing" })) {
    const count = await leaked(async (i) => {
      const store = new SqliteStore(join(folder, `${name} it's ${i}.db`), { clock: systemClock });
      await store.apply([change(runKey, name === "done" ? { create: start() } : {})]);
      await store.close();
    });
    assert.equal(count, 0, name);
  }
});

test("a closed, adopted or refused outbox keeps no file open", async () => {
  const outboxes = new OutboxFolder(join(folder, "outboxes"), "remote:");
  const count = await leaked(async () => {
    const outbox = outboxes.create(Date.now(), systemClock.id());
    assert.equal(tryClaim(outbox.path), "held");
    outbox.putRun(
      { key: "k", experiment: { name: "e" }, parent: undefined, parentId: undefined, ids: undefined, ended: false },
      1,
    );
    closeOutbox(outbox);
    const heir = tryClaim(outbox.path);
    assert.ok(typeof heir === "object");
    heir.ended("k");
    closeOutbox(heir);
  });
  assert.equal(count, 0);
  assert.deepEqual(outboxes.files(), []);
});
