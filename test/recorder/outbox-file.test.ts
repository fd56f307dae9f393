import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createTracker } from "../../src/index.js";
import { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder, removeFiles, tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { change } from "../contract/store-contract.js";
import { openDatabase } from "../support/database.js";
import { away } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { assertBalanced } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

test("an outbox belongs to one tracker at a time and only its owner can read it", async () => {
  const { store, tracker, files, folder } = kit({ durability: "outbox" }, new RemoteStore("remote:x"));
  store.fault = () => away;
  tracker.startRun().logMetric("m", 1);
  await until("an outbox", () => files().length === 1);
  const inside = join(folder, readdirSync(folder)[0] as string);
  assert.equal(statSync(inside).mode & 0o777, 0o700);
  for (const name of readdirSync(inside)) assert.equal(statSync(join(inside, name)).mode & 0o777, 0o600, name);
  assert.equal(tryClaim(files()[0] as string), "held");
  await tracker.shutdown({ timeoutMs: 0 });
  const own = tryClaim(files()[0] as string);
  assert.ok(own instanceof Outbox);
  assert.equal(tryClaim(files()[0] as string), "held");
  own.close();
});

test("a file of another version, or that is no outbox, is left alone", async () => {
  const folder = new OutboxFolder(newFolder(), "remote:");
  const outbox = folder.create(Date.now(), "1".repeat(32));
  outbox.close();
  const db = openDatabase(outbox.path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  const text = join(folder.path, "text.db");
  writeFileSync(text, "no database ".repeat(500));
  const empty = join(folder.path, "empty.db");
  writeFileSync(empty, "");
  for (const path of [outbox.path, text, empty]) {
    const before = readFileSync(path);
    assert.equal(tryClaim(path), path === empty ? "held" : "foreign", path); // an empty one is just being made
    assert.deepEqual(readFileSync(path), before);
  }
});

for (const [title, make] of [
  ["an empty file", () => undefined],
  [
    "a file without tables",
    (path: string) => {
      const db = openDatabase(path);
      db.exec("PRAGMA journal_mode = WAL");
      db.close();
    },
  ],
] as const)
  test(`${title}, left by a killed program instead of an outbox, is removed silently`, async () => {
    const { store, tracker, warnings, folder, files } = kit();
    const outbox = new OutboxFolder(folder, store.uri).create(Date.now(), "2".repeat(32));
    outbox.close();
    const lone = outbox.path.replace("222222222222", "333333333333");
    writeFileSync(lone, "");
    make(lone);
    removeFiles(outbox.path);
    const before = new Date(Date.now() - 60_000);
    utimesSync(lone, before, before);
    assert.deepEqual(files(), [lone]);
    tracker.startRun().end();
    await until("it is gone", () => !existsSync(lone));
    await tracker.shutdown();
    assert.deepEqual(warnings, []);
  });

test("a full outbox drops the oldest metrics, but no creation, param or end", async () => {
  const { store, tracker, warnings } = kit({ durability: "outbox", outbox: { folder: newFolder(), maxBytes: 65_536 } });
  store.fault = () => away;
  for (let i = 0; i < 60; i++) {
    tracker.withRun({ runName: `run ${i}`, params: { i } }, (run) => {
      for (let n = 0; n < 60; n++) run.logMetric("m", n);
    });
    await sleep(1);
  }
  const { dropped } = tracker.stats();
  assert.ok(dropped > 500, String(dropped));
  assert.equal(warnings.filter((warning) => warning.includes("OUTBOX_FULL")).length, 1);
  store.fault = undefined;
  await tracker.shutdown({ timeoutMs: 10_000 });
  assert.equal(store.runs.length, 60);
  assert.ok(store.runs.every(({ status, params }) => status === "FINISHED" && params.size === 1));
  assert.equal(
    store.runs.reduce((sum, { metrics }) => sum + (metrics.get("m")?.length ?? 0), 0),
    3_600 - tracker.stats().dropped,
  );
  assertBalanced(tracker, 60);
});

test("without a writable folder recording goes on in memory, with one warning", async () => {
  const file = newFolder();
  writeFileSync(file, "");
  const { store, tracker, warnings } = kit({ durability: "outbox", outbox: { folder: join(file, "below") } });
  store.fault = () => away;
  for (let i = 0; i < 5; i++) {
    tracker.withRun({}, () => 1);
    await sleep(20);
  }
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  assert.equal(store.runs.length, 5);
  assert.equal(warnings.filter((warning) => warning.includes("OUTBOX_FAILED")).length, 1);
  await tracker.shutdown();
});

test("an outbox that fails midway loses nothing that is in memory", async () => {
  const { store, tracker, files, warnings } = kit({ durability: "outbox" });
  store.fault = () => away;
  const run = tracker.startRun();
  await until("an outbox", () => files().length === 1);
  // Another table of that name makes every further write fail, as a full disk would.
  const original = Outbox.prototype.append;
  Outbox.prototype.append = () => {
    throw new Error("disk full");
  };
  try {
    for (let i = 0; i < 5; i++) {
      tracker.withRun({ runName: `later ${i}` }, (later) => later.logMetric("m", i));
      await sleep(10);
    }
  } finally {
    Outbox.prototype.append = original;
  }
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 3_000 });
  assert.equal(store.runs.filter(({ name }) => name.startsWith("later")).length, 5);
  assert.match(warnings.join("\n"), /disk full.*OUTBOX_FAILED/);
  run.end();
  await tracker.shutdown({ timeoutMs: 1_000 });
});

test("no credential of the tracking URI is written down", async () => {
  const folder = newFolder();
  const { logger, warnings } = collectWarnings();
  const tracker = createTracker({
    trackingUri: "http://someone:hunter2-secret@127.0.0.1:1",
    auth: { token: "token-very-secret" },
    headers: { "x-api-key": "header-very-secret" },
    durability: "outbox",
    exitTimeoutMs: 100,
    outbox: { folder },
    logger,
  });
  tracker.withRun({ params: { password: "param-very-secret" } }, (run) =>
    run.setTag("url", "http://a:tag-very-secret@host"),
  );
  await tracker.shutdown();
  const names = readdirSync(folder, { recursive: true }).map(String);
  const texts = names
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => readFileSync(join(folder, name), "latin1"));
  assert.ok(texts.some((text) => text.includes("http://127.0.0.1:1")));
  assert.ok(![...texts, ...names, ...warnings, process.title].some((text) => /hunter2|very-secret/.test(text)));
});

test("the write-ahead log stays bounded while the event loop does not turn", () => {
  const outbox = new OutboxFolder(newFolder(), "remote:").create(Date.now(), "1".repeat(32));
  const key = "k".repeat(32);
  outbox.putRun(
    { key, experiment: { name: "e" }, parent: undefined, parentId: undefined, ids: undefined, ended: false },
    1,
  );
  const params = Array.from({ length: 1_000 }, (_, i) => ({ key: `p${i}`, value: "v".repeat(500) }));
  let largest = 0;
  for (let i = 0; i < 300; i++) {
    outbox.transaction(() => outbox.append({ ...change(key, { params }), attempted: false }, 1_000, false));
    largest = Math.max(largest, statSync(`${outbox.path}-wal`).size);
  }
  assert.ok(largest > 15 * 2 ** 20 && largest < 40 * 2 ** 20, String(largest));
  outbox.close();
});
