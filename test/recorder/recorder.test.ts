import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { Diagnostics } from "../../src/base/diagnostics.js";
import { itemsOf, type RunChange } from "../../src/contracts/tracking-store.js";
import { currentRun, tracked } from "../../src/index.js";
import { RunBuffer } from "../../src/recorder/buffer/run-buffer.js";
import type { ChangeLog } from "../../src/recorder/dispatch/change-log.js";
import { Dispatcher } from "../../src/recorder/dispatch/dispatcher.js";
import type { PulseConfig } from "../../src/tracker.js";
import { type Tracker, trackerOn } from "../../src/tracker.js";
import { away, busy, FaultyStore, problem } from "../support/faulty-store.js";
import { assertBalanced, values } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

// Jitter without chance: the longest wait each time.
const clock = { ...systemClock, random: () => 0.99 };

function faulty(
  config: PulseConfig = {},
  batchItems?: number,
): { tracker: Tracker; store: FaultyStore; warnings: string[] } {
  const store = new FaultyStore(batchItems);
  const { logger, warnings } = collectWarnings();
  const tracker = trackerOn(store, { exitTimeoutMs: 300, logger, ...config }, clock);
  return { tracker, store, warnings };
}

test("a short run is one change, and many runs of a turn are one batch", async () => {
  const { tracker, store } = faulty();
  for (let i = 0; i < 10; i++) tracker.withRun({ params: { i } }, (run) => run.logMetrics({ a: 1, b: 2 }));
  assert.equal(store.batches.length, 0);
  await tracker.flush();
  assert.equal(store.batches.length, 1);
  assert.equal(store.batches[0]?.length, 10);
  assertBalanced(tracker, 10);
});

test("a long run's metrics are split in order, and its end comes last", async () => {
  const { tracker, store } = faulty({}, 100);
  tracker.withRun({}, (run) => {
    for (let i = 0; i < 1_000; i++) run.logMetric("m", i);
  });
  await tracker.flush();
  for (const batch of store.batches) assert.ok(batch.reduce((sum, change) => sum + itemsOf(change), 0) <= 100);
  const changes = store.batches.flat();
  assert.ok(changes[0]?.create);
  assert.deepEqual(
    changes.map(({ end }) => end !== undefined),
    changes.map((_, i) => i === changes.length - 1),
  );
  const [run] = [...store.runs.values()];
  assert.deepEqual(
    run && values(run)["m"],
    Array.from({ length: 1_000 }, (_, i) => i),
  );
  assertBalanced(tracker, 1);
});

test("a run whose store always lags keeps only what is still to be handed over", () => {
  const log = new RunBuffer(
    { admits: () => true, added: () => undefined, ending: () => undefined },
    { endUnfinished: () => undefined },
    "id",
    { name: "X" },
    undefined,
  );
  let seen = 0;
  for (let i = 0; i < 10_000; i++) {
    for (let n = 0; n < 3; n++) log.metric({ key: "m", value: i * 3 + n, timestamp: 0, step: 0 });
    const head = log.take(2);
    log.settleHead();
    for (const { value } of head?.metrics ?? []) assert.equal(value, seen++);
  }
  assert.equal(log.dropMetrics(), 30_000 - seen);
});

test("a child is created after its parent, even if the parent needs retries", async () => {
  const { tracker, store } = faulty();
  let refusals = 3;
  store.fault = (change) =>
    change.create && change.create.parentKey === undefined && refusals-- > 0 ? busy : undefined;
  await tracker.withRun({ runName: "parent" }, async () => {
    const inner = (name: string, body: () => void): void => tracker.withRun({ runName: name }, body);
    inner("child", () => inner("grandchild", () => currentRun()?.logMetric("m", 1)));
  });
  await tracker.flush();
  assert.deepEqual(
    [...store.runs.values()].map((run) => run.name),
    ["parent", "child", "grandchild"],
  );
  assertBalanced(tracker, 3);
});

test("a child of a refused parent stands alone and names it in a tag", async () => {
  const { tracker, store } = faulty();
  store.fault = (change) =>
    change.create?.name === "parent" ? { kind: "rejected", error: problem("EXPERIMENT_DELETED") } : undefined;
  const parentId = tracker.withRun({ runName: "parent" }, (parent) => {
    tracker.withRun({ runName: "child" }, () => 1);
    return parent.id;
  });
  await tracker.flush();
  const [child] = [...store.runs.values()];
  assert.equal(child?.name, "child");
  assert.equal(child?.tags.has("mlflow.parentRunId"), false);
  assert.equal(child?.tags.get("pulse.parent_key"), parentId);
  assert.equal(tracker.stats().rejected, 2);
});

test("an absent store is retried with growing waits and one warning, without loss", async () => {
  const { tracker, store, warnings } = faulty({ exitTimeoutMs: 2_000 });
  let refusals = 4;
  store.fault = () => (refusals-- > 0 ? away : undefined);
  tracker.withRun({}, (run) => run.logMetric("m", 1));
  await tracker.flush();
  assert.equal(store.batches.length, 5);
  assert.equal(warnings.length, 1);
  assert.equal(tracker.stats().warnings.STORE_UNAVAILABLE, 4);
  assert.equal(tracker.stats().pending, 0);
  assertBalanced(tracker, 1);
});

test("what is kept on disk goes out beside new records", async () => {
  const dispatcher = new Dispatcher({ store: new FaultyStore(), diagnostics: new Diagnostics(), clock });
  const taken = { memory: 0, outbox: 0 };
  const endless = (name: keyof typeof taken): ChangeLog<RunChange> => ({
    ready: true,
    reopen: () => undefined,
    take() {
      taken[name]++;
      return { work: [], recalled: false, divisible: () => false, conclude: () => undefined };
    },
  });
  dispatcher.add(endless("memory"));
  dispatcher.add(endless("outbox"));
  dispatcher.schedule();
  await until("ten are taken", () => taken.memory >= 10, { everyMs: 1 });
  dispatcher.stop();
  assert.ok(Math.abs(taken.memory - taken.outbox) <= 1, JSON.stringify(taken));
});

test("flush gives up exitTimeoutMs after the last acceptance and keeps the rest", async () => {
  const { tracker, store } = faulty({ exitTimeoutMs: 100 });
  store.fault = () => away;
  tracker.withRun({}, () => 1);
  const began = performance.now();
  await tracker.flush();
  assert.ok(performance.now() - began < 2_000);
  assert.equal(tracker.stats().pending, 2);
  store.fault = undefined;
  await tracker.flush();
  assert.equal(tracker.stats().pending, 0);
});

test("flush says that it gave up on a slow store that has refused nothing", async () => {
  const { tracker, store, warnings } = faulty({ exitTimeoutMs: 50 });
  let answer: () => void = () => undefined;
  const apply = store.apply.bind(store);
  store.apply = async (changes) => {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return apply(changes);
  };
  tracker.withRun({}, (run) => run.logMetric("m", 1));
  await tracker.flush();
  assert.match(
    warnings.join("\n"),
    /flush\(\) gave up: .* has accepted nothing for \d+ ms \(exitTimeoutMs\), and 3 changes wait\..*\[STORE_UNAVAILABLE\]/,
  );
  answer();
  await tracker.shutdown();
  assertBalanced(tracker, 1);
});

test("flush waits for what was recorded before it, not for later records", async () => {
  const { tracker, store } = faulty();
  store.delayMs = 2;
  const run = tracker.startRun();
  let going = true;
  const chatter = (async () => {
    while (going) {
      run.logMetric("m", 1);
      await sleep(0);
    }
  })();
  await tracker.flush();
  assert.equal(store.runs.size, 1);
  going = false;
  await chatter;
});

test("a poisoned change is set aside with its reason and blocks nobody else", async () => {
  const { tracker, store, warnings } = faulty();
  store.fault = (change) =>
    change.metrics.some(({ key }) => key === "poison") ? { kind: "rejected", error: problem("REJECTED") } : undefined;
  for (const key of ["a", "poison", "b"]) tracker.withRun({}, (run) => run.logMetric(key, 1));
  await tracker.flush();
  assert.equal(store.runs.size, 2);
  assert.equal(tracker.stats().rejected, 3);
  assert.match(warnings.join(), /REJECTED/);
  assertBalanced(tracker, 3);
});

test("a param conflict becomes a tag, and the rest of the change is stored", async () => {
  const { tracker, store, warnings } = faulty();
  const run = tracker.startRun();
  await tracker.flush();
  [...store.runs.values()][0]?.params.set("lr", "0.5"); // somebody else was first
  run.logParam("lr", 0.1);
  run.logParam("other", 1);
  await tracker.flush();
  const [stored] = [...store.runs.values()];
  assert.deepEqual(
    [...(stored?.params ?? [])],
    [
      ["lr", "0.5"],
      ["other", "1"],
    ],
  );
  assert.equal(stored?.tags.get("pulse.conflict.lr"), "0.1");
  assert.match(warnings.join(), /PARAM_CONFLICT/);
  run.logParam("other", 2);
  await tracker.flush();
  assert.equal(stored?.tags.get("pulse.conflict.other"), "2");
});

test("memory is bounded: a full queue is written at once", async () => {
  const { tracker, store } = faulty({ maxPendingBytes: 65_536 });
  const run = tracker.startRun();
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    run.logMetric("m", i);
    most = Math.max(most, tracker.stats().pending);
  }
  assert.ok(most < 2_000, `${most} items waited`);
  await tracker.flush();
  assert.equal([...store.runs.values()][0]?.metrics.get("m")?.length, 20_000);
  assert.deepEqual(tracker.stats().warnings, {});
});

test("memory is bounded: in an outage the oldest metrics go, but nothing else", async () => {
  const { tracker, store, warnings } = faulty({ maxPendingBytes: 65_536, exitTimeoutMs: 20 });
  store.fault = () => away;
  const run = tracker.startRun({ params: { lr: 1 } });
  await sleep(50); // the store has been away for longer than the exit timeout
  run.logMetric("warm", 1);
  await sleep(50);
  for (let i = 0; i < 5_000; i++) run.logMetric("m", i);
  run.end();
  assert.ok(tracker.stats().pending < 1_000);
  await sleep(0); // warnings are said behind our own work
  await null; // what is wrong is said behind the call
  assert.match(warnings.join(), /MEMORY_FULL/);
  store.fault = undefined;
  await tracker.flush();
  const [stored] = [...store.runs.values()];
  assert.equal(stored?.status, "FINISHED");
  assert.equal(stored?.params.get("lr"), "1");
  const kept = stored ? (values(stored)["m"] ?? []) : [];
  assert.equal(kept.at(-1), 4_999);
  assertBalanced(tracker, 1);
  assert.ok(tracker.stats().dropped > 4_000);
});

test("serverId resolves once the run exists, and rejects if it is refused or lost", async () => {
  const { tracker, store } = faulty();
  const run = tracker.startRun();
  assert.equal(await Promise.all([run.serverId(), tracker.flush()]).then(([id]) => id), run.id);
  store.fault = () => ({ kind: "rejected", error: problem("EXPERIMENT_DELETED") });
  const refused = tracker.startRun();
  const answer = assert.rejects(refused.serverId(), { code: "EXPERIMENT_DELETED" });
  await tracker.flush();
  await answer;
  await assert.rejects(refused.serverId(), { code: "EXPERIMENT_DELETED" });
  store.fault = () => away;
  const dropped = assert.rejects(tracker.startRun().serverId(), { code: "LOST_AT_EXIT" });
  await tracker.shutdown();
  await dropped;
});

test("strict: a call throws its own problem, flush throws one of delivery", async () => {
  const { tracker, store } = faulty({ strict: true });
  const run = tracker.startRun();
  assert.throws(() => run.logMetric("bad@key", 1), { code: "INVALID_KEY" });
  assert.throws(() => run.logMetric("m", "x" as unknown as number), { code: "INVALID_VALUE" });
  store.fault = () => ({ kind: "rejected", error: problem("REJECTED") });
  run.logMetric("m", 1);
  await assert.rejects(tracker.flush(), { code: "REJECTED" });
});

test("a store that throws counts as away", async () => {
  const { tracker, store } = faulty({ exitTimeoutMs: 2_000 });
  let throws = 1;
  store.fault = () => {
    if (throws-- > 0) throw new TypeError("a bug");
    return undefined;
  };
  tracker.withRun({}, () => 1);
  await tracker.flush();
  assert.equal(tracker.stats().pending, 0);
  assert.equal(tracker.stats().warnings.STORE_UNAVAILABLE, 1);
});

test("a failure inside recording never touches the call and is reported once", async (t) => {
  const { tracker, store, warnings } = faulty();
  const failing = t.mock.method(Dispatcher.prototype, "schedule", () => {
    throw new TypeError("setImmediate is not a function");
  });
  const result = tracker.run(() => tracked(() => ({ loss: 1 }), { metrics: "loss" })());
  assert.deepEqual(result, { loss: 1 });
  failing.mock.restore();
  await tracker.flush();
  assert.equal(store.runs.size, 1);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /setImmediate is not a function.*please report it\. \[INTERNAL\]$/);
  assertBalanced(tracker, 1);
});
