// Files through a real MLflow server's proxy, beside bare PUTs of the same bytes: many small ones, one large one, and what a call that logs a
// text adds beside one that logs a metric. What arrived is counted by listing it.
import { createReadStream, statSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createTracker } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { interleave, median, mustEqual, report, seconds, temporaryFolder } from "./lib.mjs";
import { startServer } from "./raw-http.mjs";

const SMALL = { count: 1_000, bytes: 1_000 };
/** `LARGE_MB` takes a larger one. */
const LARGE_MB = Number(process.env.LARGE_MB ?? 256);
const CALLS = 5_000;
const WIDTH = 8;
const ROUNDS = 3;
const FLUSH = { timeoutMs: 600_000 };

const made = await environments();
if (made === undefined) {
  for (const name of ["text", "small", "large"]) report({ measurement: `files: ${name}`, skipped: "no python3 of version 3.10 or newer" });
  process.exit();
}
const folder = temporaryFolder();
const server = await startServer(made.newest.python, folder);
const tracker = createTracker({
  trackingUri: server.url,
  experiment: "Files",
  exitTimeoutMs: 60_000,
  outbox: { folder: join(folder, "outbox") },
});
const agent = new Agent({ keepAlive: true, maxSockets: WIDTH, timeout: 4_000 });
let number = 0;
try {
  await compareCalls();
  await compareSmall();
  await compareLarge();
} finally {
  await tracker.shutdown(FLUSH);
  agent.destroy();
  await server.stop();
}

/** Puts a body where MLflow's proxy keeps the artifacts of a run. */
function put(path, length, body) {
  return new Promise((resolve, reject) => {
    const call = request(`${server.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method: "PUT",
      // A large file takes a new connection: the server may just have closed the one that was kept.
      agent: body instanceof Uint8Array ? agent : false,
      headers: { "content-length": length },
    });
    call.on("response", (response) => {
      response.resume().on("end", () => (response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))));
    });
    call.on("error", reject);
    if (body instanceof Uint8Array) call.end(body);
    else body.on("error", reject).pipe(call);
  });
}

async function listed(run, path = "") {
  const answer = await fetch(`${server.url}/api/2.0/mlflow/artifacts/list?run_id=${run}&path=${path}`);
  return (await answer.json()).files ?? [];
}

/** What the calls themselves take, each a run of its own, as in `overhead`; storing goes on behind them. */
async function compareCalls() {
  const tracker = createTracker({ trackingUri: "null:" });
  const text = "x".repeat(1_000);
  const contenders = {
    text: tracker.tracked(() => text, { runName: "text", artifacts: "report.md" }),
    metric: tracker.tracked(() => 0.5, { runName: "metric", metrics: "loss" }),
  };
  const times = { text: [], metric: [] };
  for (let round = -5; round < ROUNDS; round++)
    for (const [who, call] of Object.entries(contenders)) {
      const before = performance.now();
      for (let i = 0; i < CALLS; i++) call();
      if (round >= 0) times[who].push(((performance.now() - before) * 1_000) / CALLS);
      await tracker.flush(FLUSH);
    }
  await tracker.shutdown();
  const [ours, peer] = [median(times.text), median(times.metric)];
  report({
    measurement: "files: a call that logs 1 kB",
    unit: "µs",
    ours,
    peer,
    beside: "one that logs a metric",
    judged: ours / peer,
    times: true,
    bar: 3,
    atMost: true,
  });
}

async function compareSmall() {
  const bytes = Buffer.alloc(SMALL.bytes, "x");
  const ours = async () => {
    const run = tracker.startRun();
    for (let i = 0; i < SMALL.count; i++) run.logBytes(bytes, `f${i}.bin`);
    const id = await run.serverId();
    run.end();
    await tracker.flush(FLUSH);
    mustEqual("small files", (await listed(id)).length, SMALL.count);
  };
  const raw = async () => {
    const folder = `raw${number++}`;
    let next = 0;
    const lane = async () => {
      while (next < SMALL.count) await put(`${folder}/f${next++}.bin`, bytes.length, bytes);
    };
    await Promise.all(Array.from({ length: WIDTH }, lane));
  };
  const times = await interleave({ ours: () => seconds(ours), raw: () => seconds(raw) }, { rounds: ROUNDS, warmup: 1 });
  const [mine, peer] = [times.ours, times.raw].map((each) => SMALL.count / median(each));
  report({
    measurement: `files: ${SMALL.count} of 1 kB`,
    unit: "/s",
    ours: mine,
    peer,
    beside: `bare PUTs, ${WIDTH} at a time`,
    judged: mine / peer,
    times: true,
    bar: 0.8,
  });
}

async function compareLarge() {
  const path = join(folder, "large.bin");
  writeFileSync(path, "");
  const part = Buffer.alloc(1 << 20, "x");
  for (let i = 0; i < LARGE_MB; i++) writeFileSync(path, part, { flag: "a" });
  const { size } = statSync(path);
  const delays = { ours: [], raw: [] };
  let most = 0;
  const watched = (who, work) => async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const before = process.memoryUsage().rss;
    const timer = setInterval(() => {
      if (who === "ours") most = Math.max(most, process.memoryUsage().rss - before);
    }, 50);
    delay.enable();
    const took = await seconds(work);
    delay.disable();
    clearInterval(timer);
    delays[who].push(delay.percentile(99) / 1e6);
    return took;
  };
  const ours = async () => {
    const run = tracker.startRun();
    run.logArtifact(path);
    const id = await run.serverId();
    run.end();
    await tracker.flush(FLUSH);
    mustEqual("the large file", (await listed(id))[0]?.file_size, size);
  };
  const raw = () => put(`raw${number++}/large.bin`, size, createReadStream(path, { highWaterMark: 256 * 1024 }));
  const times = await interleave({ ours: watched("ours", ours), raw: watched("raw", raw) }, { rounds: ROUNDS, warmup: 1 });
  const [mine, peer] = [times.ours, times.raw].map((each) => LARGE_MB / median(each));
  const beside = "a bare PUT";
  report({
    measurement: `files: one of ${LARGE_MB} MB`,
    unit: "MB/s",
    ours: mine,
    peer,
    beside,
    judged: mine / peer,
    times: true,
    bar: 0.8,
  });
  const [late, lateRaw] = [delays.ours, delays.raw].map(median);
  report({
    measurement: "files: loop delay p99",
    unit: "ms",
    ours: late,
    peer: lateRaw,
    beside,
    judged: late / lateRaw,
    times: true,
    bar: 2,
    atMost: true,
  });
  report({
    measurement: "files: growth of memory",
    unit: "MiB",
    ours: most / 2 ** 20,
    peer: LARGE_MB,
    beside: "the file",
    judged: most / 2 ** 20,
    bar: 100,
    atMost: true,
  });
}
