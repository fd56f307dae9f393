// The growth of a process after a million metrics into SQLite, and the memory of a run that waits for an unresponsive
// server. Needs --expose-gc.
import { createServer } from "node:net";
import { join } from "node:path";
import { configure, createTracker, flush, shutdown, startRun, stats, tracked } from "pulse-mlflow";
import { mustEqual, report, temporaryFolder, turn } from "./lib.mjs";
import { contentsOf } from "./raw-sqlite.mjs";

const WARMUP = 200_000;
const METRICS = 1_000_000;
const SLICE = 10_000;
const WAITING = 50_000;
const KEYS = Array.from({ length: 20 }, (_, i) => `metric_${i}`);

const path = join(temporaryFolder(), "memory.db");
configure({ trackingUri: `sqlite:///${path}`, experiment: "Bench" });
const run = startRun({ runName: "long" });
let logged = 0;
let largest = 0;

await log(WARMUP);
const before = await resident();
largest = 0;
await log(METRICS);
const after = await resident();

run.end();
await shutdown();
const { dropped, rejected, warnings } = stats();
mustEqual("what we lost", { dropped, rejected, warnings }, { dropped: 0, rejected: 0, warnings: {} });
mustEqual("metrics stored", (await contentsOf(path)).metrics, WARMUP + METRICS);

report({
  measurement: "memory: growth by 1,000,000 metrics",
  unit: "MiB",
  ours: after - before,
  peer: before,
  beside: "RSS before",
  judged: after - before,
  bar: 32,
  atMost: true,
  note: `RSS ${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after, ${largest.toFixed(0)} MiB at most`,
});

await waiting();

/** Each run is one call with two metrics, as in overhead.mjs. */
async function waiting() {
  const silent = createServer(() => undefined);
  await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const trackingUri = `http://127.0.0.1:${silent.address().port}`;
  const tracker = createTracker({ trackingUri, durability: "memory", logger: { warn: () => undefined } });
  const evaluate = tracked(async (i) => ({ loss: i / 3, accuracy: i / 7 }), { metrics: ["loss", "accuracy"] });
  const call = (count) =>
    tracker.run(async () => {
      for (let i = 0; i < count; i++) await evaluate(i);
    });
  await call(1_000);
  await resident();
  const [begun, { pending }] = [process.memoryUsage().heapUsed, tracker.stats()];
  await call(WAITING);
  await resident();
  const bytes = (process.memoryUsage().heapUsed - begun) / WAITING;
  mustEqual("what waits", tracker.stats().pending - pending, 4 * WAITING);
  report({
    measurement: "memory: a waiting run with two metrics",
    unit: "bytes",
    ours: bytes,
    peer: 512 + 96 + 2 * 128,
    beside: "by our own count",
    judged: bytes,
    bar: 800,
    goal: 500,
    atMost: true,
  });
  await tracker.shutdown({ timeoutMs: 1 });
  silent.close();
}

async function log(count) {
  for (const end = logged + count; logged < end; ) {
    for (const stop = logged + SLICE; logged < stop; logged++) run.logMetric(KEYS[logged % KEYS.length], logged / 3);
    await flush();
    largest = Math.max(largest, rss());
  }
}

async function resident() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await turn();
  }
  return rss();
}

function rss() {
  return process.memoryUsage.rss() / 2 ** 20;
}
