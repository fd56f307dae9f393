import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createTracker, type Tracker } from "../../src/index.js";
import { Peer } from "./peer.js";
import { assertSound, temporaryFolder, uriOf, valuesOf } from "./support.js";

const LOCKED_SECONDS = 2;
const LONGEST_GAP_MS = 200;
const DELIVERED_WITHIN_MS = 2_000;

const peer = await Peer.start("newest");
after(() => peer.close());

interface Measured {
  readonly values: number[];
  /** The longest time between two turns of the event loop that should come every few milliseconds. */
  longestGap: number;
  longestCall: number;
}

/** Logs in the midst of everything else for some time, and measures how it goes. */
async function logFor(ms: number, log: (value: number) => void): Promise<Measured> {
  const measured: Measured = { values: [], longestGap: 0, longestCall: 0 };
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    measured.longestGap = Math.max(measured.longestGap, now - last);
    last = now;
    const value = measured.values.length;
    log(value);
    measured.values.push(value);
    measured.longestCall = Math.max(measured.longestCall, performance.now() - now);
  }, 5);
  await sleep(ms);
  clearInterval(timer);
  return measured;
}

/** Logs through a lock of two seconds that Python holds; then everything is there, and nobody was disturbed. */
async function throughLock(path: string, tracker: Tracker): Promise<void> {
  await peer.lock(path, LOCKED_SECONDS);
  const locked = performance.now();
  const run = tracker.startRun({ experiment: "locked", runName: "through the lock", params: { a: 1 } });
  const { values, longestGap, longestCall } = await logFor(LOCKED_SECONDS * 900, (value) => {
    run.logMetric("value", value);
    tracker.withRun({ experiment: "locked", runName: "short" }, (short) => short.logMetric("value", value));
  });
  const { delivered: deliveredUnderLock } = tracker.stats();
  run.end();
  while (tracker.stats().pending > 0 && performance.now() - locked < LOCKED_SECONDS * 1_000 + DELIVERED_WITHIN_MS) await sleep(10);
  const { pending, dropped, rejected, warnings } = tracker.stats();
  await tracker.shutdown();

  assert.deepEqual({ pending, dropped, rejected, warnings }, { pending: 0, dropped: 0, rejected: 0, warnings: {} });
  assert.ok(deliveredUnderLock <= 3, `${deliveredUnderLock} items were delivered, so there was no lock`);
  assert.ok(values.length > 100);
  assert.ok(longestGap < LONGEST_GAP_MS, `the event loop stood still for ${longestGap} ms`);
  assert.ok(longestCall < LONGEST_GAP_MS, `a call took ${longestCall} ms`);
  const { runs } = await peer.dump(uriOf(path), { experiment: "locked" });
  const through = runs.find(({ run_id }) => run_id === run.id);
  assert.equal(through?.status, "FINISHED");
  assert.deepEqual(valuesOf(through, "value"), values);
  const short = runs.filter(({ run_name }) => run_name === "short");
  assert.deepEqual(
    short.map((each) => Number(each.metrics["value"])).sort((a, b) => a - b),
    values,
  );
  assertSound(await peer.integrity(path));
}

const newTracker = (path: string): Tracker => createTracker({ trackingUri: uriOf(path), logger: { warn: () => {} } });

test("while Python locks a file of ours, calls and the event loop go on, and everything is stored afterwards", async () => {
  const path = join(temporaryFolder("lock"), "mlflow.db");
  const tracker = newTracker(path);
  tracker.withRun({ experiment: "before" }, (run) => run.logMetric("m", 1));
  await tracker.flush();
  await throughLock(path, tracker);
});

test("while Python locks a file that MLflow made, calls and the event loop go on, and everything is stored afterwards", async () => {
  const path = join(temporaryFolder("lock"), "mlflow.db");
  await peer.create(uriOf(path), "theirs");
  const tracker = newTracker(path);
  tracker.withRun({ experiment: "before" }, (run) => run.logMetric("m", 1));
  await tracker.flush();
  await throughLock(path, tracker);
});

test("a tracker that comes to a file while Python locks it waits without holding anybody up", async () => {
  const path = join(temporaryFolder("lock"), "mlflow.db");
  await peer.create(uriOf(path), "theirs");
  await throughLock(path, newTracker(path));
});
