// Where an outbox in trouble meets the rest: its bounds, the end of the process, and what is with the store meanwhile.
import assert from "node:assert/strict";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder, tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { SQLITE } from "../../src/stores/sql/driver.js";
import { away, problem } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { assertBalanced } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

type Method = "append" | "changes" | "dropOldestMetrics" | "holds" | "markAttempted" | "putRun" | "remove" | "touch";
const { append, changes, dropOldestMetrics, holds, markAttempted, putRun, remove, touch } = Outbox.prototype;
const whole = { append, changes, dropOldestMetrics, holds, markAttempted, putRun, remove, touch };
const { recreate } = OutboxFolder.prototype;
const mend = (): void => {
  Object.assign(Outbox.prototype, whole);
  OutboxFolder.prototype.recreate = recreate;
};
afterEach(mend);

const broken =
  (errcode: number): (() => never) =>
  () => {
    throw Object.assign(new Error("injected"), { code: "ERR_SQLITE_ERROR", errcode });
  };
const fail = (errcode: number, ...names: Method[]): void => {
  for (const name of names) Outbox.prototype[name] = broken(errcode);
};

test("a change on disk is not written twice because making room failed", async () => {
  const { store, tracker } = kit({
    durability: "outbox",
    exitTimeoutMs: 500,
    outbox: { folder: newFolder(), maxBytes: 65_536 },
  });
  store.fault = () => away;
  const run = tracker.startRun({ runName: "r" });
  await sleep(30);
  fail(SQLITE.FULL, "dropOldestMetrics");
  for (let i = 0; i < 2_500; i++) run.logMetric("m", i, { step: i });
  await sleep(100);
  mend();
  store.fault = undefined;
  const before = store.given.length; // to no avail
  run.end();
  await until("all is delivered or dropped", () => tracker.stats().pending === 0);
  assertBalanced(tracker, 1);
  const handedOver = store.given.slice(before).reduce((sum, { metrics }) => sum + metrics.length, 0);
  assert.equal(handedOver + tracker.stats().dropped, 2_500);
  await tracker.shutdown();
});

test("the end of a program tries a failed disk once more, without waiting", async () => {
  const { store, tracker, files } = kit({ durability: "outbox", exitTimeoutMs: 30 });
  store.fault = () => away;
  fail(SQLITE.FULL, "append", "touch");
  tracker.withRun({}, (run) => run.logMetric("m", 1));
  await sleep(900); // the waits have grown by now
  mend();
  await tracker.shutdown();
  assert.deepEqual([tracker.stats().dropped, tracker.stats().pending, files().length], [0, 3, 1]);
});

test("delivery from a removed outbox neither spins nor stands still", async () => {
  const { store, tracker, files, folder } = kit({ durability: "outbox", exitTimeoutMs: 2_000 });
  store.fault = () => away;
  for (let i = 0; i < 5; i++) tracker.withRun({ runName: `run ${i}` }, () => 1);
  await until("an outbox", () => files().length === 1);
  await sleep(40);
  rmSync(folder, { recursive: true });
  OutboxFolder.prototype.recreate = broken(SQLITE.FULL);
  fail(SQLITE.FULL, "markAttempted", "remove");
  let reads = 0;
  Outbox.prototype.changes = function (this: Outbox, ...args: Parameters<typeof changes>) {
    reads++;
    return changes.apply(this, args);
  };
  await sleep(500);
  assert.ok(reads < 200, `${reads} reads`);
  mend();
  store.fault = undefined;
  await until("all is delivered", () => tracker.stats().pending === 0);
  assert.deepEqual(new Set(store.runs.map(({ name }) => name)).size, 5);
  assertBalanced(tracker, 5);
  await tracker.shutdown();
});

test("an outbox that becomes unreadable during a delivery crashes no process", async () => {
  const subject = kit({ durability: "outbox", exitTimeoutMs: 1_000 });
  const { store, tracker } = subject;
  const apply = store.apply.bind(store);
  let isUnderWay = false;
  store.apply = async (changes) => {
    isUnderWay = true;
    await sleep(150);
    return apply(changes);
  };
  const run = tracker.startRun({ runName: "r" });
  await until("it is on its way, and written down", () => isUnderWay && subject.files().length === 1);
  run.logMetric("m", 1);
  await sleep(20);
  fail(SQLITE.CORRUPT, "append", "changes", "holds");
  run.logMetric("m", 2);
  await sleep(20);
  mend();
  run.end();
  await until("it is over", () => tracker.stats().pending === 0);
  assert.equal(store.named("r")?.status, "FINISHED");
  const { delivered, dropped, rejected } = tracker.stats();
  assert.equal(delivered + dropped + rejected, 4);
  await tracker.shutdown();
});

test("runs opened while the disk failed reach the outbox once it is well", async () => {
  let outbox: Outbox | undefined;
  Outbox.prototype.putRun = function (this: Outbox, ...args: Parameters<typeof putRun>) {
    outbox = this;
    putRun.apply(this, args);
  };
  const { store, tracker } = kit({ durability: "exit", exitTimeoutMs: 300 });
  tracker.startRun({ runName: "a" });
  await until("a", () => store.runs.length === 1 && outbox?.summary().openRuns === 1);
  fail(SQLITE.FULL, "putRun", "touch", "append");
  tracker.startRun({ runName: "b" });
  await until("b", () => store.runs.length === 2);
  mend();
  await until("both are known", () => outbox?.summary().openRuns === 2);
  await tracker.shutdown();
});

for (const durability of ["memory", "outbox"] as const) {
  test(`flush and shutdown end while only some runs are denied (${durability})`, async () => {
    const { store, tracker } = kit({ durability, exitTimeoutMs: 300 });
    store.fault = ({ experiment }) =>
      "name" in experiment && experiment.name === "theirs"
        ? { kind: "denied", error: problem("FORBIDDEN") }
        : undefined;
    tracker.withRun({ experiment: "theirs" }, () => 1);
    const traffic = setInterval(() => tracker.withRun({ experiment: "ours" }, () => 1), 5);
    try {
      await until("it is denied", () => tracker.stats().warnings.FORBIDDEN !== undefined);
      await tracker.flush();
      await tracker.shutdown();
    } finally {
      clearInterval(traffic);
    }
    assert.ok(store.runs.length > 0);
  });
}

test("a run is not dropped once its creation may be on the server", async () => {
  const { store, tracker } = kit({ durability: "memory", exitTimeoutMs: 20, maxPendingBytes: 65_536 });
  const asked = new Set<string>();
  store.fault = ({ runKey }) => {
    asked.add(runKey);
    return away;
  };
  const lost: string[] = [];
  for (let i = 0; i < 400; i++) {
    tracker.withRun({}, (run) => {
      run.logParam("p", "x".repeat(300));
      run.serverId().catch(() => lost.push(run.id));
    });
    if (i % 4 === 0) await sleep(1);
  }
  assert.ok(tracker.stats().dropped > 100, JSON.stringify(tracker.stats()));
  await sleep(1);
  assert.deepEqual(
    lost.filter((id) => asked.has(id)),
    [],
  );
  store.fault = undefined;
  await until("the rest is delivered", () => tracker.stats().pending === 0);
  assert.equal(store.runs.length + lost.length, 400);
  await tracker.shutdown();
});

test("records of an exit listener after ours lose nothing that is on disk", async () => {
  const { store, tracker, files } = kit({ durability: "outbox", exitTimeoutMs: 50 });
  store.fault = () => away;
  const run = tracker.startRun();
  run.logMetric("m", 1);
  await sleep(40);
  tracker.recorder.drainSync({ status: "FINISHED", partial: true }); // as at the process's end
  const { pending } = tracker.stats();
  run.logMetric("m", 2);
  assert.deepEqual([tracker.stats().pending, tracker.stats().dropped], [pending + 1, 0]);
  // It stays open for what else may come; the process's end lets it go.
  assert.equal(tryClaim(files()[0] as string), "held");
  await tracker.shutdown();
  const outbox = tryClaim(files()[0] as string);
  assert.ok(typeof outbox === "object");
  assert.equal(outbox.items, pending + 1);
  outbox.close();
});

test("an outbox that could not be made leaves no file behind", async () => {
  const { store, tracker, folder } = kit({ durability: "outbox", exitTimeoutMs: 50 });
  store.fault = () => away;
  const { create } = OutboxFolder.prototype;
  const { prototype } = Object.getPrototypeOf(Outbox) as { prototype: { get: (...args: unknown[]) => unknown } };
  const { get } = prototype;
  prototype.get = broken(SQLITE.IOERR);
  try {
    tracker.withRun({}, () => 1);
    await sleep(400);
    const left = readdirSync(folder, { recursive: true }).map(String);
    assert.deepEqual(
      left.filter((name) => /\.outbox/.test(name)),
      [],
    );
  } finally {
    prototype.get = get;
    OutboxFolder.prototype.create = create;
  }
  await tracker.shutdown({ timeoutMs: 1 });
});

test("a refused change is counted once when the outbox cannot be written", async () => {
  const folder = newFolder();
  writeFileSync(folder, "in the way");
  const { store, tracker } = kit({ durability: "outbox", exitTimeoutMs: 300, outbox: { folder } });
  store.fault = ({ metrics }) => (metrics.length > 0 ? { kind: "rejected", error: problem("REJECTED") } : undefined);
  const run = tracker.startRun();
  await until("created", () => store.runs.length === 1);
  for (let i = 0; i < 20; i++) {
    run.logMetric("m", i);
    await sleep(2);
  }
  // Else the end may go with the last of them
  await until("all metrics are refused", () => tracker.stats().pending === 0);
  run.end();
  await until("all is booked", () => tracker.stats().pending === 0);
  assert.equal(tracker.stats().rejected, 20);
  assertBalanced(tracker, 1);
  await tracker.shutdown();
});
