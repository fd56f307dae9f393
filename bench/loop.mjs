// Delays of the event loop while 20,000 metrics per second go into SQLite for ten seconds.
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { configure, flush, shutdown, startRun, stats } from "pulse-mlflow";
import { mustEqual, report, temporaryFolder } from "./lib.mjs";
import { contentsOf } from "./raw-sqlite.mjs";

const PER_MS = 20;
const LOAD_MS = 10_000;
const IDLE_MS = 2_000;
const TICK_MS = 5;
const RUNS = 50;
const KEYS = ["loss", "accuracy", "precision", "recall"];

const path = join(temporaryFolder(), "loop.db");
configure({ trackingUri: `sqlite:///${path}`, experiment: "Bench" });
const runs = Array.from({ length: RUNS }, (_, i) => startRun({ runName: `run ${i}` }));
let logged = 0;
logTo(2_000);
await flush(); // the file is open and the code is warm

const idle = await delays(() => sleep(IDLE_MS));
const load = await delays(async () => {
  const [first, start] = [logged, performance.now()];
  const timer = setInterval(() => {
    logTo(first + Math.floor(PER_MS * Math.min(LOAD_MS, performance.now() - start)));
  }, TICK_MS);
  await sleep(LOAD_MS);
  clearInterval(timer);
  logTo(first + PER_MS * LOAD_MS);
});
const { pending } = stats();
for (const run of runs) run.end();
await flush();
const { dropped, rejected, warnings } = stats();
mustEqual("what we lost", { dropped, rejected, warnings }, { dropped: 0, rejected: 0, warnings: {} });
await shutdown();
mustEqual("metrics stored", (await contentsOf(path)).metrics, logged);

report({
  measurement: "loop: delay p99 at 20,000 metrics/s",
  unit: "ms",
  ours: load.p99,
  peer: idle.p99,
  beside: "idle",
  judged: load.p99,
  bar: 10,
  atMost: true,
  note: `delay mean ${load.mean.toFixed(2)} ms, largest ${load.max.toFixed(1)} ms; ${pending} items were waiting at the end`,
});

/** Logs until `count` metrics are logged in total, each into the next run. */
function logTo(count) {
  for (; logged < count; logged++) {
    const round = Math.floor(logged / RUNS);
    runs[logged % RUNS].logMetric(KEYS[round % KEYS.length], logged / 3);
  }
}

async function delays(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return { p99: histogram.percentile(99) / 1e6, mean: histogram.mean / 1e6, max: histogram.max / 1e6 };
}
