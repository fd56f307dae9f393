// What delivery never does to the program: hold up a call, wait for ever, stop with fake timers, keep a tracker.
import assert from "node:assert/strict";
import { join } from "node:path";
import { mock, test } from "node:test";
import { configure, createTracker, shutdown, startRun } from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { createTestTracker } from "../../src/testing/index.js";
import { openDatabase } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { sleep, until } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

test("a call never waits for a lock, even when memory is full", async () => {
  const folder = tempFolder("lock");
  const path = join(folder, "mlflow.db");
  const tracker = createTracker({
    trackingUri: `sqlite:///${path}`,
    maxPendingBytes: 65_536,
    logger: { warn: () => undefined },
  });
  tracker.startRun().end();
  await tracker.flush();
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  const run = tracker.startRun();
  let longest = 0;
  for (let i = 0; i < 3_000; i++) {
    const began = performance.now();
    run.logMetric("m", i);
    longest = Math.max(longest, performance.now() - began);
  }
  assert.ok(longest < 500, `a call took ${longest} ms`);
  other.exec("ROLLBACK");
  other.close();
  run.end();
  await tracker.shutdown();
  assert.equal(tracker.stats().pending, 0);
});

test("shutdown leaves nobody waiting", async () => {
  const tracker = createTestTracker({ logger: { warn: () => undefined } });
  await tracker.shutdown();
  await assert.rejects(tracker.startRun().serverId(), { code: "CLOSED" });
});

test("a test's fake timers do not stop delivery", async () => {
  const store = new MemoryStore();
  const tracker = createTracker({ store });
  mock.timers.enable({ apis: ["setImmediate", "setTimeout"] });
  tracker.startRun({ runName: "under fake timers" }).end();
  mock.timers.reset();
  tracker.startRun({ runName: "after them" }).end();
  await tracker.flush();
  assert.equal(store.runs.size, 2);
});

test("a replaced default tracker is released when its last run ends", async () => {
  const memory = new MemoryStore();
  let closed = 0;
  const store = { apply: memory.apply.bind(memory), close: async () => void closed++ };
  const { logger, warnings } = collectWarnings();
  configure({ store, logger });
  const run = startRun();
  configure({ trackingUri: "memory:" });
  await sleep(50);
  assert.equal(closed, 0);
  run.end();
  await until("its store is closed", () => closed === 1);
  run.logMetric("late", 1);
  await sleep(1); // warnings are given behind the call
  assert.deepEqual(
    warnings.map((text) => /\[(\w+)\]$/.exec(text)?.[1]),
    ["CLOSED"],
  );
  await shutdown();
});
