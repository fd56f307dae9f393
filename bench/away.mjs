// Effects of a server that is up, slow, silent or down on a program: additional time of a tracked call, delays of the
// event loop, memory growth in an outage (of PULSE_OUTAGE_S seconds), and what is lost.
import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createTracker } from "pulse-mlflow";
import { mustEqual, percentile, report, slowestCalls, temporaryFolder } from "./lib.mjs";

const OUTAGE_S = Number(process.env.PULSE_OUTAGE_S ?? 30);
const STATE_MS = 6_000;
const WARMUP_MS = 1_500;
const TICK_MS = 5;
const METRICS_PER_MS = 1;
const CALLS_PER_MS = 0.1;
const STATES = {
  up: { set: {} },
  slow: { set: { delayMs: 2_000 } },
  silent: { set: { silent: true } },
  down: { down: true },
};
const CATCH_UP_MS = 600_000;
const FULL_BURSTS = 500;

const folder = temporaryFolder();
const server = await startFake();
const bare = async (n) => ({ loss: 1 / (n + 1), accuracy: n });

for (const durability of ["memory", "exit", "outbox"]) await full(durability);
for (const durability of ["exit", "outbox"]) {
  const seen = {};
  for (const [state, how] of Object.entries(STATES)) seen[state] = await feel(durability, how);
  for (const [what, bar, beside] of [
    ["call", 1, "bare"],
    ["loop", 10, "idle"],
  ]) {
    const worst = Math.max(...Object.values(seen).map((one) => one[what]));
    judge({
      measurement: `away: ${what === "call" ? "added to a call" : "loop delay"} p99, ${durability}`,
      unit: "ms",
      ours: worst,
      peer: seen.up[beside],
      beside,
      judged: worst,
      bar,
      atMost: true,
      note: Object.entries(seen)
        .map(([state, one]) => `${state} ${one[what].toFixed(3)} (at most ${one[`${what}Max`].toFixed(1)})`)
        .join(", "),
    });
  }
  await outage(durability);
}
server.stop();

/** Measures calls and the event loop in one state of the server, after a warm-up with a working server. */
async function feel(durability, { set = {}, down = false }) {
  const before = await server.ask("contents");
  const tracker = makeTracker(durability);
  const tracked = tracker.tracked(bare, { runName: "call", metrics: ["loss", "accuracy"] });
  const work = load(tracker, tracked);
  await work.go(WARMUP_MS);
  await server.ask("set", { delayMs: 0, silent: false, ...set });
  if (down) await server.ask("down");
  const idle = await loopDelay(() => sleep(1_000));
  const times = [];
  const busy = await loopDelay(() => work.go(STATE_MS, times));
  await server.ask("set", { delayMs: 0, silent: false });
  if (down) await server.ask("up");
  await end(tracker, work, before);
  const bares = times.map(({ bare }) => bare);
  const usual = percentile(bares, 50);
  const added = times.map(({ ours }) => ours - usual);
  return {
    call: percentile(added, 99),
    callMax: percentile(added, 100),
    bare: percentile(bares, 99),
    loop: busy.p99,
    loopMax: busy.max,
    idle: idle.p99,
  };
}

async function outage(durability) {
  const before = await server.ask("contents");
  const tracker = makeTracker(durability);
  const work = load(tracker, undefined);
  await work.go(3_000);
  await server.ask("down");
  await work.go(3_000); // the outbox is open and the code is warm
  const resident = [];
  const sampling = setInterval(() => resident.push(process.memoryUsage.rss() / 2 ** 20), 200);
  const first = process.memoryUsage.rss() / 2 ** 20;
  const delay = await loopDelay(() => work.go(OUTAGE_S * 1_000));
  await server.ask("up");
  const back = performance.now();
  const stored = await end(tracker, work, before);
  clearInterval(sampling);
  const growth = Math.max(...resident) - first;
  judge({
    measurement: `away: memory in an outage of ${OUTAGE_S} s, ${durability}`,
    unit: "MiB",
    ours: growth,
    peer: first,
    beside: "RSS before",
    judged: growth,
    bar: 64,
    atMost: true,
    note: `${stored} metrics, none lost; ${((performance.now() - back) / 1000).toFixed(1)} s to catch up; loop delay p99 ${delay.p99.toFixed(2)} ms, at most ${delay.max.toFixed(0)} ms`,
  });
}

/** Measures single calls in an outage with full memory, when each call has to drop or spool something. */
async function full(durability) {
  await server.ask("down");
  const tracker = createTracker({
    trackingUri: server.url,
    experiment: "Full",
    durability,
    maxPendingBytes: 8 * 2 ** 20,
    flushIntervalMs: 60_000, // so that spooling only happens because memory is full
    outbox: { folder: join(folder, `full-${durability}`), maxBytes: 32 * 2 ** 20 },
    exitTimeoutMs: 1,
    logger: { warn: () => {} },
  });
  const tracked = tracker.tracked(bare, { runName: "call", metrics: ["loss", "accuracy"], nest: "root" });
  const run = tracker.startRun({ runName: "long" });
  await sleep(100);
  const times = [];
  for (let burst = 0; burst < FULL_BURSTS; burst++) {
    for (let i = 0; i < 400; i++) {
      const began = performance.now();
      if (i % 2 === 0) run.logMetric("loss", i);
      else await tracked(i);
      times.push(performance.now() - began);
    }
    await sleep(1);
  }
  judge({
    measurement: `away: call with full memory p99.9, ${durability}`,
    ...slowestCalls(times),
    note: `${times.length} calls, at most ${percentile(times, 100).toFixed(1)} ms; ${tracker.stats().dropped} items dropped`,
  });
  run.end();
  await tracker.shutdown({ timeoutMs: 1 });
  await server.ask("up");
}

/** Run alone, without run.mjs, the exit code says whether the bars are met. */
function judge(row) {
  report(row);
  if (row.judged > row.bar && process.env.PULSE_OUTAGE_S) process.exitCode = 1;
}

function makeTracker(durability) {
  return createTracker({
    trackingUri: server.url,
    experiment: "Away",
    durability,
    outbox: { folder: join(folder, "outbox") },
    requestTimeoutMs: 4_000, // requests to an unreachable server end within the measurement
    exitTimeoutMs: 60_000,
    logger: { warn: () => {} },
  });
}

/**
 * Records a thousand metrics per second into one run, and calls, each next to an untracked one, between calls of
 * `go`.
 */
function load(tracker, tracked) {
  const run = tracker.startRun({ runName: "long" });
  const all = { metrics: 0, calls: 0 };
  const go = async (ms, times) => {
    const [start, metrics, calls] = [performance.now(), all.metrics, all.calls];
    for (let elapsed = 0; elapsed < ms; await sleep(TICK_MS)) {
      elapsed = Math.min(ms, performance.now() - start);
      for (const upTo = metrics + Math.floor(elapsed * METRICS_PER_MS); all.metrics < upTo; all.metrics++)
        run.logMetric("loss", all.metrics / 3);
      for (const upTo = calls + Math.floor(elapsed * CALLS_PER_MS); tracked && all.calls < upTo; all.calls++) {
        const began = performance.now();
        await bare(all.calls);
        const between = performance.now();
        await tracked(all.calls);
        times?.push({ bare: between - began, ours: performance.now() - between });
      }
    }
  };
  return { go, run, all };
}

/** Delivers everything and checks that the server has it exactly once. */
async function end(tracker, { run, all }, before) {
  run.end();
  await tracker.flush({ timeoutMs: CATCH_UP_MS });
  const { pending, dropped, rejected } = tracker.stats();
  mustEqual("not stored", { pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
  await tracker.shutdown();
  const after = await server.ask("contents");
  const metrics = all.metrics + 2 * all.calls;
  const expected = { runs: before.runs + 1 + all.calls, twins: 0, running: 0, metrics: before.metrics + metrics };
  mustEqual("stored", after, expected);
  return metrics;
}

async function loopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
}

/** Compiles the tests' server and starts it in another process. */
async function startFake() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const options = [
    "--ignoreConfig",
    "--target",
    "es2023",
    "--module",
    "nodenext",
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules/@types"),
  ];
  const source = join(root, "test/support/fake-mlflow.ts");
  execFileSync(
    process.execPath,
    [join(root, "node_modules/typescript/bin/tsc"), ...options, "--outDir", folder, source],
    {
      stdio: "inherit",
    },
  );
  const child = fork(fileURLToPath(new URL("fake-server.mjs", import.meta.url)), [join(folder, "fake-mlflow.js")]);
  const [{ answer: url }] = await once(child, "message");
  const ask = async (deed, argument) => {
    child.send({ deed, argument });
    const [{ answer }] = await once(child, "message");
    return answer;
  };
  return { url, ask, stop: () => child.disconnect() };
}
