import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { Diagnostics } from "../../src/base/diagnostics.js";
import { Dispatcher } from "../../src/recorder/dispatch/dispatcher.js";
import type { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder, tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { OutboxRecovery } from "../../src/recorder/outbox-recovery.js";
import { away, problem } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { assertBalanced, values } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

test("changes that the store does not take are written down and go out from there", async () => {
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

test("a run skips the outbox again once nothing of it waits there", async () => {
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

test("the dispatcher is in nobody's async context", async () => {
  const { store, tracker } = kit();
  const users = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  store.fault = () => {
    seen.push(users.getStore());
    return seen.length === 1 ? away : undefined;
  };
  users.run("a request", () => tracker.withRun({}, (run) => run.logMetric("m", 1)));
  await users.run("another", () => tracker.flush({ timeoutMs: 5_000 }));
  assert.ok(seen.length >= 2);
  assert.deepEqual(new Set(seen), new Set([undefined]));
  await tracker.shutdown();
});

test("a later look finds the outbox of a tracker that has died since", async () => {
  const { store, tracker, files, folder } = kit();
  store.fault = () => away;
  tracker.startRun({ runName: "left" });
  await until("an outbox", () => files().length === 1);
  const next = new RemoteStore();
  const diagnostics = new Diagnostics();
  const dispatcher = new Dispatcher({ store: next, diagnostics, clock: systemClock });
  const heir = new OutboxRecovery(new OutboxFolder(folder, store.uri), dispatcher, diagnostics);
  heir.start();
  assert.deepEqual([heir.held, heir.done], [files(), true]);
  await tracker.shutdown({ timeoutMs: 1 });
  heir.start();
  await until("dispatcher", () => heir.done);
  assert.deepEqual([heir.held, next.named("left")?.status], [[], "FINISHED"]);
  await until("the file is gone", () => files().length === 0);
});

test("after a shutdown in an outage the next tracker delivers parents, then children", async () => {
  const folder = newFolder();
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

test('"outbox" writes everything by the end of the turn, "memory" writes nothing', async () => {
  const eager = kit({ durability: "outbox", flushIntervalMs: 60_000 });
  eager.store.fault = () => away;
  eager.tracker.startRun().logMetric("m", 1);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const [path] = eager.files();
  assert.ok(path);
  await eager.tracker.shutdown({ timeoutMs: 0 });
  const outbox = tryClaim(path) as Outbox;
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

test("refused changes and values are set aside alone, with the reason", async () => {
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
  const outbox = tryClaim(files()[0] as string) as Outbox;
  assert.deepEqual(
    outbox.summary().setAside.map(({ items, reason }) => [items, reason.includes("Restore it")]),
    [
      [1, true],
      [3, true],
    ],
  );
  outbox.close();
});

test("a change that keeps failing is set aside only after others were taken", async () => {
  const { store, tracker } = kit({ flushIntervalMs: 20 });
  store.fault = (change) =>
    change.create?.name === "poison" ? { kind: "retry", error: problem("SERVER_ERROR") } : undefined;
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

test("a param with another value in the store becomes a tag, also from the outbox", async () => {
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

test("several requests that fail at once delay the next try like one", async () => {
  const store = new RemoteStore();
  const { tracker } = kit({ durability: "memory" }, store);
  const tries: number[] = [];
  store.fault = () => {
    tries.push(performance.now());
    return away;
  };
  for (let i = 0; i < 4; i++) tracker.startRun({ runName: `run ${i}` }).end();
  await until("ten tries", () => tries.length >= 10);
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  // With a hundredth of each wait, six waits that double come to 63 ms; four steps for one interruption would take the
  // last ones into seconds.
  assert.ok((tries[9] ?? 0) - (tries[0] ?? 0) < 500, `${tries.map((at) => Math.round(at - (tries[0] ?? 0)))}`);
  assert.equal(tracker.stats().pending, 0);
  await tracker.shutdown();
});
