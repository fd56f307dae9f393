import assert from "node:assert/strict";
import { once } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { createTracker, type Tracker } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { Peer } from "./peer.js";
import { assertSound, uriOf, valuesOf } from "./support.js";

const LOCKED_SECONDS = 2;
/** The longest gap and call on a machine that does nothing else, in milliseconds: a tenth of the lock. */
const MAX_GAP_MS = 200;
const DELIVERED_WITHIN_MS = 30_000;

const peer = await Peer.start("newest");
after(() => peer.close());

interface Measured {
  readonly values: number[];
  /** The longest time between two turns of the event loop that should come every few milliseconds. */
  longestGap: number;
  longestCall: number;
}

/**
 * A thread that does nothing: how long its timer is kept waiting is due to the machine. Gives its longest gap when it
 * is ended.
 */
const IDLE = `const { parentPort } = require("node:worker_threads");
let [last, longest] = [performance.now(), 0];
setInterval(() => {
  const now = performance.now();
  longest = Math.max(longest, now - last);
  last = now;
}, 5);
parentPort.once("message", () => { parentPort.postMessage(longest); process.exit(); });`;

async function idling(): Promise<() => Promise<number>> {
  const worker = new Worker(IDLE, { eval: true });
  await once(worker, "online");
  return async () => {
    worker.postMessage("end");
    const [longest] = await once(worker, "message");
    return longest as number;
  };
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
  const idle = await idling();
  await peer.lock(path, LOCKED_SECONDS);
  const locked = performance.now();
  const run = tracker.startRun({ experiment: "locked", runName: "through the lock", params: { a: 1 } });
  const { values, longestGap, longestCall } = await logFor(LOCKED_SECONDS * 900, (value) => {
    run.logMetric("value", value);
    tracker.withRun({ experiment: "locked", runName: "short" }, (short) => short.logMetric("value", value));
  });
  const { delivered: deliveredUnderLock } = tracker.stats();
  const allowed = MAX_GAP_MS + 3 * (await idle());
  run.end();
  while (tracker.stats().pending > 0 && performance.now() - locked < LOCKED_SECONDS * 1_000 + DELIVERED_WITHIN_MS)
    await sleep(10);
  const { pending, dropped, rejected, warnings } = tracker.stats();
  await tracker.shutdown();

  const { STORE_BUSY: _slow, ...others } = warnings; // where everything takes long, a lock does
  assert.deepEqual({ pending, dropped, rejected, others }, { pending: 0, dropped: 0, rejected: 0, others: {} });
  assert.ok(deliveredUnderLock <= 3, `${deliveredUnderLock} items were delivered, so there was no lock`);
  assert.ok(values.length > 0);
  assert.ok(longestGap < allowed, `the event loop stood still for ${longestGap} ms, ${allowed} were allowed`);
  assert.ok(longestCall < allowed, `a call took ${longestCall} ms, ${allowed} were allowed`);
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

test("while Python locks our file, calls go on and everything is stored afterwards", async () => {
  const path = join(tempFolder("lock"), "mlflow.db");
  const tracker = newTracker(path);
  tracker.withRun({ experiment: "before" }, (run) => run.logMetric("m", 1));
  await tracker.flush();
  await throughLock(path, tracker);
});

test("while Python locks MLflow's file, calls go on and everything is stored later", async () => {
  const path = join(tempFolder("lock"), "mlflow.db");
  await peer.create(uriOf(path), "theirs");
  const tracker = newTracker(path);
  tracker.withRun({ experiment: "before" }, (run) => run.logMetric("m", 1));
  await tracker.flush();
  await throughLock(path, tracker);
});

test("a tracker that finds a file locked by Python waits without blocking anybody", async () => {
  const path = join(tempFolder("lock"), "mlflow.db");
  await peer.create(uriOf(path), "theirs");
  await throughLock(path, newTracker(path));
});
