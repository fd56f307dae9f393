import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../../src/clock.js";
import type { PulseConfig } from "../../src/config/options.js";
import { Outbox } from "../../src/recorder/outbox.js";
import { adopt, OutboxFolder } from "../../src/recorder/outbox-folder.js";
import { openDatabase } from "../../src/stores/sql/driver.js";
import { type Tracker, trackerOn } from "../../src/tracker.js";
import { away, problem } from "../support/faulty-store.js";
import { sleep, values } from "../support/memory.js";
import { RemoteStore } from "../support/remote-store.js";

const root = mkdtempSync(join(tmpdir(), "pulse-outbox-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

interface Kit {
  readonly store: RemoteStore;
  readonly tracker: Tracker;
  readonly warnings: string[];
  readonly folder: string;
  files(): string[];
}

function kit(config: PulseConfig = {}, store = new RemoteStore(), folder = join(root, String(++folders))): Kit {
  const warnings: string[] = [];
  const tracker = trackerOn(
    store,
    {
      exitTimeoutMs: 200,
      flushIntervalMs: 40,
      durability: "exit",
      outbox: { folder },
      logger: { warn: (message) => warnings.push(message) },
      ...config,
    },
    { ...systemClock, random: () => 0.01 }, // short waits
  );
  const files = (): string[] => new OutboxFolder(folder, store.uri).files();
  return { store, tracker, warnings, folder, files };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !holds(); await sleep(5)) if (Date.now() > end) assert.fail(`not within 5 s: ${what}`);
}

/** Every item recorded is delivered, pending, dropped or rejected. */
function assertBalanced(tracker: Tracker, ends: number): void {
  const { runs, metrics, params, tags, delivered, pending, dropped, rejected } = tracker.stats();
  assert.equal(runs + ends + metrics + params + tags, delivered + pending + dropped + rejected, JSON.stringify(tracker.stats()));
}

test("what the store does not take within an interval is written down, goes on from there, and leaves nothing behind", async () => {
  const { store, tracker, files } = kit();
  store.fault = () => away;
  const run = tracker.startRun({ runName: "long" });
  for (let i = 0; i < 100; i++) {
    run.logMetric("m", i);
    if (i % 20 === 0) await sleep(20);
  }
  tracker.withRun({ runName: "short", params: { a: 1 } }, (short) => short.logMetric("n", Number.NaN));
  await until("an outbox", () => files().length === 1);
  await sleep(100);
  store.fault = undefined;
  run.logMetric("m", 100);
  run.end();
  await tracker.flush({ timeoutMs: 5_000 });
  assert.deepEqual(
    values(store.named("long") as never)["m"],
    Array.from({ length: 101 }, (_, i) => i),
  );
  assert.deepEqual([...(store.named("short")?.params ?? [])], [["a", "1"]]);
  assert.ok(Number.isNaN(values(store.named("short") as never)["n"]?.[0]));
  assert.deepEqual(
    store.runs.map(({ status }) => status),
    ["FINISHED", "FINISHED"],
  );
  assert.equal(tracker.stats().pending, 0);
  assertBalanced(tracker, 2);
  await tracker.shutdown();
  assert.deepEqual(files(), []);
});

test("a run that has gone through the outbox goes the short way again once nothing of it waits there", async () => {
  const { store, tracker, files } = kit();
  store.fault = () => away;
  const run = tracker.startRun();
  await until("an outbox", () => files().length === 1);
  await sleep(60);
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  assert.equal(await run.serverId(), `server-${run.id}`);
  for (let i = 0; i < 10; i++) {
    run.logMetric("m", i);
    await tracker.flush();
  }
  run.end();
  await tracker.shutdown();
  assert.equal(store.runs[0]?.metrics.get("m")?.length, 10);
  assert.equal(store.runs[0]?.status, "FINISHED");
  assertBalanced(tracker, 1);
});

test("a tracker that is shut down while the store is away leaves its runs to the next one, children behind their parents", async () => {
  const folder = join(root, String(++folders));
  const first = kit({}, new RemoteStore(), folder);
  first.store.fault = () => away;
  first.tracker.withRun({ runName: "parent" }, () => {
    first.tracker.withRun({ runName: "child" }, (child) => {
      child.logMetric("m", 1);
      first.tracker.withRun({ runName: "grandchild" }, () => 1);
    });
  });
  const open = first.tracker.startRun({ runName: "open" });
  const lost = open.serverId().then(
    () => "stored",
    (error: { code: string }) => error.code,
  );
  await first.tracker.shutdown({ timeoutMs: 0 });
  assert.equal(await lost, "KEPT_FOR_LATER");
  assert.equal(first.warnings.filter((warning) => warning.includes("KEPT_FOR_LATER")).length, 1);
  const second = kit({}, new RemoteStore(), folder);
  second.tracker.withRun({ runName: "heir" }, () => 1);
  await until("everything delivered", () => second.store.runs.length === 5 && second.files().length <= 1);
  await second.tracker.shutdown();
  const { store } = second;
  const parentOf = (name: string): string | undefined => store.named(name)?.tags.get("mlflow.parentRunId");
  assert.equal(parentOf("child"), store.named("parent")?.runId);
  assert.equal(parentOf("grandchild"), store.named("child")?.runId);
  assert.deepEqual(
    store.runs.map(({ status }) => status),
    Array(5).fill("FINISHED"),
  );
  assert.equal(store.named("open")?.tags.get("pulse.partial"), "true");
  assert.deepEqual(second.files(), []);
});

test('with durability "outbox" everything is on disk at the end of the turn; with "memory" nothing ever is', async () => {
  const eager = kit({ durability: "outbox", flushIntervalMs: 60_000 });
  eager.store.fault = () => away;
  eager.tracker.startRun().logMetric("m", 1);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const [path] = eager.files();
  assert.ok(path);
  await eager.tracker.shutdown({ timeoutMs: 0 });
  const outbox = adopt(path) as Outbox;
  assert.deepEqual([outbox.summary().items, outbox.summary().uri], [4, "remote:"]);
  outbox.close();
  const lazy = kit({ durability: "memory" });
  lazy.store.fault = () => away;
  lazy.tracker.startRun().logMetric("m", 1);
  await sleep(100);
  await lazy.tracker.shutdown({ timeoutMs: 0 });
  assert.ok(!existsSync(lazy.folder));
  assert.match(lazy.warnings.join(), /could not be stored in remote:.*LOST_AT_EXIT/);
  assertBalanced(lazy.tracker, 1);
});

test("what the store refuses is set aside with the reason and blocks nothing else; one bad value of many takes no good one along", async () => {
  const { store, tracker, files } = kit({ durability: "outbox" });
  store.fault = () => away;
  const run = tracker.startRun({ runName: "mixed" });
  for (let i = 0; i < 5; i++) {
    run.logMetric(i === 2 ? "bad" : "good", i);
    await sleep(5);
  }
  tracker.withRun({ runName: "refused" }, (refused) => refused.logMetric("m", 1));
  tracker.withRun({ runName: "fine" }, (fine) => fine.logMetric("m", 1));
  await sleep(30);
  store.fault = (change) =>
    change.create?.name === "refused" || change.metrics.some(({ key }) => key === "bad")
      ? { kind: "rejected", error: problem("EXPERIMENT_DELETED") }
      : undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  run.end();
  await tracker.flush({ timeoutMs: 5_000 });
  assert.deepEqual(values(store.named("mixed") as never), { good: [0, 1, 3, 4] });
  assert.equal(store.named("mixed")?.status, "FINISHED");
  assert.equal(store.named("fine")?.status, "FINISHED");
  assert.equal(store.named("refused"), undefined);
  assert.deepEqual([tracker.stats().rejected, tracker.stats().pending], [4, 0]);
  assertBalanced(tracker, 3);
  await tracker.shutdown();
  const outbox = adopt(files()[0] as string) as Outbox;
  assert.deepEqual(
    outbox.summary().setAside.map(({ items, reason }) => [items, reason.includes("Restore it")]),
    [
      [1, true],
      [3, true],
    ],
  );
  outbox.close();
});

test("a change the store keeps failing on is set aside once others were taken, and not before", async () => {
  const { store, tracker } = kit({ flushIntervalMs: 20 });
  store.fault = (change) => (change.create?.name === "poison" ? { kind: "retry", error: problem("SERVER_ERROR") } : undefined);
  tracker.withRun({ runName: "poison" }, () => 1);
  const flood = (async () => {
    for (let i = 0; tracker.stats().rejected === 0 && i < 4_000; i++) {
      tracker.withRun({ runName: `fine ${i}` }, () => 1);
      await sleep(5);
    }
  })();
  await flood;
  assert.equal(tracker.stats().rejected, 2);
  assert.equal(store.named("poison"), undefined);
  assert.ok(store.given.filter(({ create }) => create?.name === "poison").length >= 7);
  await tracker.shutdown();
});

test("a param that has another value in the store becomes a tag, also from the outbox", async () => {
  const { store, tracker } = kit({ durability: "outbox" });
  const run = tracker.startRun();
  await tracker.flush();
  store.runs[0]?.params.set("lr", "0.5");
  store.fault = () => away;
  run.logParam("lr", 0.1);
  run.logMetric("m", 1);
  await sleep(30);
  run.logParam("other", 2);
  await sleep(30);
  store.fault = undefined;
  run.end();
  await tracker.shutdown({ timeoutMs: 5_000 });
  const [stored] = store.runs;
  assert.deepEqual(Object.fromEntries(stored?.params ?? []), { lr: "0.5", other: "2" });
  assert.equal(stored?.tags.get("pulse.conflict.lr"), "0.1");
  assert.equal(stored?.status, "FINISHED");
});

test("an outbox is readable for its owner alone, and of one tracker at a time", async () => {
  const { store, tracker, files, folder } = kit({ durability: "outbox" }, new RemoteStore("remote:x"));
  store.fault = () => away;
  tracker.startRun().logMetric("m", 1);
  await until("an outbox", () => files().length === 1);
  const inside = join(folder, readdirSync(folder)[0] as string);
  assert.equal(statSync(inside).mode & 0o777, 0o700);
  for (const name of readdirSync(inside)) assert.equal(statSync(join(inside, name)).mode & 0o777, 0o600, name);
  assert.equal(adopt(files()[0] as string), "held");
  await tracker.shutdown({ timeoutMs: 0 });
  const own = adopt(files()[0] as string);
  assert.ok(own instanceof Outbox);
  assert.equal(adopt(files()[0] as string), "held");
  own.close();
});

test("a file of another version, and one that is no outbox, are left alone", async () => {
  const folder = new OutboxFolder(join(root, String(++folders)), "remote:");
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
    assert.equal(adopt(path), "foreign", path);
    assert.deepEqual(readFileSync(path), before);
  }
});

test("a full outbox drops the oldest metrics, counted and said once, never a run's creation, params or end", async () => {
  const { store, tracker, warnings } = kit({ durability: "outbox", outbox: { folder: join(root, String(++folders)), maxBytes: 65_536 } });
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

test("without a folder that can be written recording goes on in memory, with one warning", async () => {
  const file = join(root, "a file");
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

test("an outbox that fails in the middle loses nothing that is in memory", async () => {
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
  const folder = join(root, String(++folders));
  const warnings: string[] = [];
  const { createTracker } = await import("../../src/index.js");
  const tracker = createTracker({
    trackingUri: "http://someone:hunter2-secret@127.0.0.1:1",
    auth: { token: "token-very-secret" },
    headers: { "x-api-key": "header-very-secret" },
    durability: "outbox",
    exitTimeoutMs: 100,
    outbox: { folder },
    logger: { warn: (message) => warnings.push(message) },
  });
  tracker.withRun({ params: { password: "param-very-secret" } }, (run) => run.setTag("url", "http://a:tag-very-secret@host"));
  await tracker.shutdown();
  chmodSync(folder, 0o700);
  const names = readdirSync(folder, { recursive: true }).map(String);
  const texts = names.filter((name) => statSync(join(folder, name)).isFile()).map((name) => readFileSync(join(folder, name), "latin1"));
  assert.ok(texts.some((text) => text.includes("http://127.0.0.1:1")));
  assert.ok(![...texts, ...names, ...warnings, process.title].some((text) => /hunter2|very-secret/.test(text)));
});
