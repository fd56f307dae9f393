// A service method at 10,000 calls per second for PULSE_SERVICE_S seconds with `maxRunsPerSecond: 5`, into SQLite:
// the additional cost of a call, whether memory stays flat, and whether every call is in the database exactly once,
// with the exact figures. Needs --expose-gc.
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { configure, flush, LogMetric, LogParam, shutdown, stats, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { interleave, median, mustEqual, report, seconds, temporaryFolder, turn } from "./lib.mjs";
import { openRaw } from "./raw-sqlite.mjs";

const SECONDS = Number(process.env.PULSE_SERVICE_S ?? 60);
const PER_MS = 10;
const TICK_MS = 5;
const WARMUP_MS = 10_000;
const OWN_RUNS = 5;
const CALLS = 20_000;
const CALLS_PER_TURN = 100;
const ROUNDS = 12;
const WARMUP_ROUNDS = 4;
const SPREAD = 2_654_435_769; // 2 ** 32 / golden ratio: consecutive numbers are spread out
const ALLOWED_MEAN_ERROR = 1e-9;

/**
 * Returns the duration of call `n` in simulated milliseconds: from 1 to 500, mostly short. Computed again from `n`
 * for the check.
 */
const took = (n) => 500 ** ((Math.imul(n, SPREAD) >>> 0) / 2 ** 32);

class Plain {
  async handle(n) {
    await turn();
    return { ms: took(n) };
  }
}

class Service {
  async handle(n) {
    await turn();
    return { ms: took(n) };
  }
}
decorate("handle", [LogMetric("ms"), LogParam(["n"]), TrackedRun({ maxRunsPerSecond: OWN_RUNS })]);
TrackedExperiment("Bench")(Service);

const path = join(temporaryFolder(), "service.db");
configure({ trackingUri: `sqlite:///${path}` });
const plain = new Plain();
const service = new Service();
let calls = 0;
let answered = 0;

await load(WARMUP_MS);
const before = await memory();
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
const first = calls;
let busy = 0;
const lasted = await seconds(async () => {
  busy = await cpuSeconds(() => load(SECONDS * 1_000));
});
loop.disable();
const after = await memory();
const rate = (calls - first) / lasted;
const growth = { heap: after.heap - before.heap, rss: after.rss - before.rss };

const times = await interleave(
  { bare: () => cpuSeconds(() => burst(plain)), ours: () => cpuSeconds(() => burst(service)) },
  { rounds: ROUNDS, warmup: WARMUP_ROUNDS },
);

await shutdown();
const { folded, pending, dropped, rejected, warnings } = stats();
mustEqual(
  "what we lost",
  { pending, dropped, rejected, warnings },
  { pending: 0, dropped: 0, rejected: 0, warnings: {} },
);
mustEqual("calls answered", answered, calls);
const checked = await check(path);
mustEqual("calls in the database", { own: checked.own, folded: checked.folded }, { own: calls - folded, folded });

const [bare, ours] = [times.bare, times.ours].map((each) => (median(each) / CALLS) * 1e6);
report({
  measurement: "service: calls reached",
  unit: "/s",
  ours: rate,
  peer: PER_MS * 1_000,
  beside: "asked for",
  judged: rate / (PER_MS * 1_000),
  times: true,
  bar: 0.99,
  atMost: false,
  note: `${calls.toLocaleString("en")} calls in all: ${checked.own} runs of their own, ${folded.toLocaleString("en")} in ${checked.windows} folded runs; the process used ${Math.round((busy / lasted) * 100)} % of a core; loop delay p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms`,
});
report({
  measurement: "service: added per folded call",
  unit: "µs CPU",
  ours: ours - bare,
  peer: bare,
  beside: "bare call",
  judged: ours - bare,
  bar: 8,
  goal: 4,
  atMost: true,
});
report({
  measurement: `service: growth of memory in ${SECONDS} s`,
  unit: "MiB",
  ours: Math.max(growth.heap, growth.rss),
  peer: before.rss,
  beside: "RSS before",
  judged: Math.max(growth.heap, growth.rss),
  bar: 16,
  atMost: true,
  note: `heap ${before.heap.toFixed(1)} MiB before, ${after.heap.toFixed(1)} after; RSS ${before.rss.toFixed(0)} and ${after.rss.toFixed(0)}`,
});
report({
  measurement: "service: percentiles are off by",
  unit: "%",
  ours: checked.worst * 100,
  peer: 0,
  beside: "exact",
  judged: checked.worst * 100,
  bar: 1,
  atMost: true,
  note: `of p50, p95 and p99 of ${checked.windows} seconds; counts, means, smallest and largest are the exact ones`,
});

/** Makes ten calls per millisecond, each answered while others are in flight; resolves when all are answered. */
async function load(ms) {
  const [start, from] = [performance.now(), calls];
  for (let elapsed = 0; elapsed < ms; await sleep(TICK_MS)) {
    elapsed = Math.min(ms, performance.now() - start);
    for (const upTo = from + Math.floor(elapsed * PER_MS); calls < upTo; calls++)
      void service.handle(calls).then(count);
  }
  while (answered < calls) await turn();
}

function count() {
  answered++;
}

/** An untracked call gets the numbers of the tracked one that follows, which are checked like all others. */
async function burst(target) {
  for (let i = 0; i < CALLS; i += CALLS_PER_TURN) {
    const together = [];
    for (let n = calls + i; n < calls + i + CALLS_PER_TURN; n++) together.push(target.handle(n));
    await Promise.all(together);
  }
  if (target === plain) return;
  calls += CALLS;
  answered += CALLS;
  await flush();
}

/**
 * Compares the database with the exact figures. Calls end in the order in which they were made: the numbers without a
 * run of their own, split into pieces as long as `pulse.folded` says, are the calls of the folded runs.
 */
async function check(file) {
  const db = await openRaw(file);
  const rows = (sql) => db.prepare(sql).all();
  mustEqual("runs not finished", rows("SELECT name FROM runs WHERE status <> 'FINISHED'"), []);
  const own = new Set(
    rows(
      "SELECT p.value FROM params p JOIN runs r USING (run_uuid) WHERE p.key = 'n' AND r.name = 'Service.handle'",
    ).map(({ value }) => Number(value)),
  );
  const windows = rows(
    `SELECT run_uuid AS id, value AS calls FROM tags JOIN runs r USING (run_uuid)
     WHERE key = 'pulse.folded' AND r.name = 'Service.handle (folded)' ORDER BY r.start_time`,
  );
  let next = 0;
  let folded = 0;
  let worst = 0;
  for (const { id, calls } of windows) {
    const values = new Float64Array(Number(calls));
    for (let i = 0; i < values.length; next++) if (!own.has(next)) values[i++] = took(next);
    const metrics = db.prepare("SELECT key, value FROM metrics WHERE run_uuid = ?").all(id);
    worst = Math.max(worst, compare(Object.fromEntries(metrics.map(({ key, value }) => [key, value])), values));
    folded += values.length;
  }
  db.close();
  return { own: own.size, folded, windows: windows.length, worst };
}

/** Stops if figures that must be exact are not. Returns the deviation of the percentiles. */
function compare(metrics, values) {
  const exact = { count: values.length, min: values[0], max: values[0], mean: 0 };
  for (const value of values) {
    exact.min = Math.min(exact.min, value);
    exact.max = Math.max(exact.max, value);
  }
  values.sort(); // smallest first, for the least rounding error in the sum
  exact.mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const { "ms.count": count, "ms.min": min, "ms.max": max, "ms.mean": mean, errors } = metrics;
  mustEqual(
    "aggregates",
    { count, min, max, errors },
    { count: exact.count, min: exact.min, max: exact.max, errors: 0 },
  );
  if (!(Math.abs(mean / exact.mean - 1) <= ALLOWED_MEAN_ERROR))
    throw new Error(`mean: got ${mean}, expected ${exact.mean}.`);
  const offs = [50, 95, 99].map((percent) =>
    Math.abs(metrics[`ms.p${percent}`] / values[Math.floor((percent / 100) * (values.length - 1))] - 1),
  );
  return Math.max(...offs);
}

/** CPU time, not elapsed time, which includes whatever else the machine does. */
async function cpuSeconds(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function memory() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await turn();
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 };
}

/** Decorates a method as compilers of the legacy dialect do. */
function decorate(name, decorators) {
  const method = Object.getOwnPropertyDescriptor(Service.prototype, name);
  const decorated = decorators.reduce((so, decorator) => decorator(Service.prototype, name, so) ?? so, method);
  Object.defineProperty(Service.prototype, name, decorated);
}
