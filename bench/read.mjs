// Searches and histories from an SQLite file with 100,000 runs, compared with MLflow's own store in Python on the same
// file; and MLflow's sort by a metric on a file of ours with and without our statistics.
import { spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createTracker, MlflowClient } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { median, mustEqual, report, seconds, temporaryFolder } from "./lib.mjs";
import { openRaw } from "./raw-sqlite.mjs";

const RUNS = 100_000;
const UI_RUNS = 20_000;
const POINTS = 1_000_000;
const SHARED = 1_000;
const ROUNDS = 7;
const LONG_RUN = "f".repeat(32);
const FILTERS = "metrics.acc > 0.5 AND params.opt = 'adam' AND tags.stage = 'prod'";

const made = await environments();
if (made === undefined) {
  report({ measurement: "read", skipped: "no python3 of version 3.10 or newer" });
  process.exit();
}
const folder = temporaryFolder();
const beside = `Python MLflow ${made.newest.version}`;

const file = await filled("many.db", RUNS, true);
const theirs = { ...(await inPython(file, "search")), ...(await inPython(file, "history")) };
const client = new MlflowClient({ trackingUri: `sqlite:///${file}` });
const searches = {
  filters: { filter: FILTERS, orderBy: ["metrics.loss ASC"] },
  metric: { orderBy: ["metrics.acc DESC"] },
  time: {},
};
const bars = { filters: 3, metric: 6, time: 20 };
for (const [name, query] of Object.entries(searches)) {
  const times = [];
  let page;
  for (let round = 0; round < ROUNDS; round++)
    times.push(
      await seconds(async () => {
        page = await client.searchRuns({ experimentIds: ["1"], ...query }).page({ maxResults: 1_000 });
      }),
    );
  mustEqual(
    `the first runs by ${name}`,
    page.items.slice(0, 20).map(({ runId }) => runId),
    theirs[name].first,
  );
  compared(`read: 1,000 of ${RUNS.toLocaleString("en")} runs by ${name}`, times, theirs[name].seconds, bars[name]);
}

const times = [];
for (let round = 0; round < ROUNDS; round++) {
  let points;
  times.push(
    await seconds(async () => {
      points = await client.getMetricHistory(LONG_RUN, "curve", { maxPoints: 500 });
    }),
  );
  mustEqual("enough points", points.length > 250 && points.length <= 500, true);
}
mustEqual("points in Python", theirs.history.points, POINTS);
compared(`read: ${POINTS.toLocaleString("en")} points to 500`, times, theirs.history.seconds, 30);

const ids = await client.searchRuns({ experimentIds: ["1"], orderBy: ["start_time"] }).toArray(SHARED);
const many = await seconds(async () => {
  const histories = await client.getMetricHistories(ids, "shared", { maxPoints: 100 });
  mustEqual("histories", histories.size, SHARED);
});
let all = 0;
const before = process.memoryUsage().rss;
let highest = before;
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
for await (const _ of client.searchRuns({ experimentIds: ["1"] }))
  if (++all % 1_000 === 0) highest = Math.max(highest, process.memoryUsage().rss);
delay.disable();
mustEqual("all runs", all, RUNS);
await client.close();
report({
  measurement: "read: growth of memory while iterating all runs",
  unit: "MB",
  ours: (highest - before) / 1e6,
  peer: before / 1e6,
  beside: "before it",
  judged: (highest - before) / 1e6,
  bar: 200,
  atMost: true,
  note: `1,000 histories of 1,000 points of one key: ${many.toFixed(1)} s; longest turn of the loop ${(delay.max / 1e6).toFixed(0)} ms, p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`,
});

const ours = await filled("ui.db", UI_RUNS, false);
const plain = join(folder, "plain.db");
copyFileSync(ours, plain);
const db = await openRaw(plain);
db.exec("DELETE FROM sqlite_stat1");
db.close();
const [fast, slow] = [await inPython(ours, "ui"), await inPython(plain, "ui")];
mustEqual("the first runs in MLflow's UI", fast.metric.first, slow.metric.first);
report({
  measurement: `read: MLflow's own sort of ${UI_RUNS.toLocaleString("en")} runs by a metric`,
  unit: "s",
  ours: fast.metric.seconds,
  peer: slow.metric.seconds,
  beside: "without our statistics",
  judged: slow.metric.seconds / fast.metric.seconds,
  times: true,
  bar: 20,
  atMost: false,
});

function compared(measurement, times, peer, bar) {
  const took = median(times);
  report({
    measurement,
    unit: "ms",
    ours: took * 1_000,
    peer: peer * 1_000,
    beside,
    judged: peer / took,
    times: true,
    bar,
    atMost: false,
  });
}

/** Makes a file of ours, migrated to the newest MLflow's schema, with runs written by bare statements. */
async function filled(name, runs, isLong) {
  const path = join(folder, name);
  const tracker = createTracker({ trackingUri: `sqlite:///${path}` });
  await tracker.withRun({ experiment: "Sweep" }, () => undefined);
  await tracker.shutdown();
  const db = await openRaw(path);
  db.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; BEGIN");
  db.exec("DELETE FROM tags; DELETE FROM params; DELETE FROM runs");
  const put = {
    run: db.prepare(
      `INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
         source_version, lifecycle_stage, artifact_uri, experiment_id)
       VALUES (?, ?, 'LOCAL', '', '', 'me', 'FINISHED', ?, ?, '', 'active', 'file:///x', 1)`,
    ),
    param: db.prepare("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)"),
    tag: db.prepare("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)"),
    latest: db.prepare(
      "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, 0, 0, ?)",
    ),
    point: db.prepare("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)"),
  };
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed + 0.5) / 2 ** 32;
  };
  const pick = (...from) => from[Math.floor(random() * from.length)];
  const start = 1_790_000_000_000;
  const id = () =>
    Array.from({ length: 4 }, () =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, "0"),
    ).join("");
  for (let i = 0; i < runs; i++) {
    const run = id();
    const at = start + i * 1_000;
    put.run.run(run, `run-${i}`, at, at + 5_000);
    const params = {
      lr: String(random()),
      batch: pick("16", "32"),
      opt: pick("adam", "sgd"),
      seed: String(i),
      depth: "3",
    };
    for (const [key, value] of Object.entries(params)) put.param.run(key, value, run);
    const tags = {
      "mlflow.runName": `run-${i}`,
      "mlflow.user": "me",
      "mlflow.source.name": "x.js",
      "mlflow.source.type": "LOCAL",
      stage: pick("prod", "dev"),
      team: pick("a", "b", "c"),
    };
    for (const [key, value] of Object.entries(tags)) put.tag.run(key, value, run);
    for (const key of ["loss", "acc", "val_loss", "val_acc", "rate", "grad", "time", "memory"]) {
      const value = random();
      put.latest.run(key, value, at, run);
      put.point.run(key, value, at, run, 0);
    }
    if (isLong && i < SHARED)
      for (let step = 0; step < 1_000; step++) put.point.run("shared", random(), at + step, run, step);
  }
  if (isLong) {
    put.run.run(LONG_RUN, "long", 1, 2);
    for (let step = 0; step < POINTS; step++) put.point.run("curve", random(), start + step, LONG_RUN, step);
    put.latest.run("curve", 0.5, start + POINTS, LONG_RUN);
  }
  db.exec(`UPDATE runs SET experiment_id = 0 WHERE run_uuid = '${LONG_RUN}'`);
  db.exec("COMMIT");
  db.close();
  await spawned(["-m", "mlflow", "db", "upgrade", `sqlite:///${path}`]);
  const whole = await openRaw(path);
  whole.exec("PRAGMA wal_checkpoint(TRUNCATE)"); // it may be copied
  whole.close();
  return path;
}

async function inPython(path, what) {
  return JSON.parse(
    (await spawned([new URL("read.py", import.meta.url).pathname, path, what])).trim().split("\n").at(-1),
  );
}

function spawned(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(made.newest.python, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(out) : reject(new Error(err.slice(-2_000)))));
  });
}
