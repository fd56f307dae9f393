// Runs and metrics per second into an SQLite file, end to end, compared with bare prepared statements of the same
// driver that write the same rows into a file with the same schema. Every round has its own files, so that they stay
// small.
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { configure, createTracker, flush, shutdown, startRun, stats } from "pulse-mlflow";
import {
  interleave,
  median,
  mustEqual,
  percentile,
  report,
  seconds,
  slowestCalls,
  temporaryFolder,
  turn,
} from "./lib.mjs";
import { contentsOf, openRaw, rawWriter } from "./raw-sqlite.mjs";

const RUNS = 3_000;
const METRICS = 100_000;
const KEYS = ["loss", "accuracy", "precision", "recall", "lr"];
const ROUNDS = 6;
const WARMUP = 1;
const RUNS_PER_TRANSACTION = 100;
const METRICS_PER_TRANSACTION = 1_000;
const BURSTS = 5;
/** A call that takes this long has done more than record. */
const PAYING_MS = 0.5;

const folder = temporaryFolder();
let files = 0;

function canonicalRun(start, i) {
  const run = start({ experiment: "Bench", runName: "canonical" });
  run.logParam("lr", 0.1);
  run.logMetric("loss", i / 3);
  run.logMetric("accuracy", i / 7);
  run.end();
}

// The template for all other files: ours, with one run, from which the raw statements take user, tags and experiment.
const model = join(folder, "model.db");
const tracker = createTracker({ trackingUri: `sqlite:///${model}` });
canonicalRun((options) => tracker.startRun(options), 1);
await tracker.shutdown();

async function ourRuns() {
  for (let i = 0; i < RUNS; i++) {
    canonicalRun(startRun, i);
    if (i % 100 === 99) await turn();
  }
}

function rawRun(raw, i) {
  const id = raw.start("canonical");
  raw.param(id, "lr", "0.1");
  const [loss, accuracy, now] = [i / 3, i / 7, Date.now()];
  raw.metric(id, "loss", loss, now, 0);
  raw.metric(id, "accuracy", accuracy, now, 0);
  raw.latest(id, "loss", loss, now, 0);
  raw.latest(id, "accuracy", accuracy, now, 0);
  raw.end(id);
}

function rawRuns(raw) {
  for (let i = 0; i < RUNS; ) {
    raw.begin();
    for (const end = Math.min(i + RUNS_PER_TRANSACTION, RUNS); i < end; i++) rawRun(raw, i);
    raw.commit();
  }
}

async function ourMetrics() {
  const run = startRun({ experiment: "Bench", runName: "long" });
  for (let i = 0; i < METRICS; i++) {
    run.logMetric(KEYS[i % KEYS.length], i / 3);
    if (i % 1_000 === 999) await turn();
  }
  run.end();
}

function rawMetrics(raw) {
  let id;
  for (let i = 0; i < METRICS; ) {
    raw.begin();
    id ??= raw.start("long");
    const latest = new Map(); // one upsert per key and transaction is enough, as in the package
    for (const end = Math.min(i + METRICS_PER_TRANSACTION, METRICS); i < end; i++) {
      const key = KEYS[i % KEYS.length];
      const [value, now, step] = [i / 3, Date.now(), Math.floor(i / KEYS.length)];
      raw.metric(id, key, value, now, step);
      latest.set(key, [value, now, step]);
    }
    for (const [key, [value, now, step]] of latest) raw.latest(id, key, value, now, step);
    if (i === METRICS) raw.end(id);
    raw.commit();
  }
}

await compare("sqlite: runs", "runs/s", RUNS, ourRuns, rawRuns);
await compare("sqlite: metrics", "metrics/s", METRICS, ourMetrics, rawMetrics);

await inOneTurn();

/** Measures calls that write a batch, in a burst in which the event loop never turns. */
async function inOneTurn() {
  const path = join(folder, "burst.db");
  copyFileSync(model, path);
  configure({ trackingUri: `sqlite:///${path}` });
  const run = startRun({ experiment: "Bench", runName: "burst" });
  const times = [];
  for (let burst = 0; burst < BURSTS; burst++) {
    for (let i = 0; i < METRICS; i++) {
      const began = performance.now();
      run.logMetric(KEYS[i % KEYS.length], i / 3);
      times.push(performance.now() - began);
    }
    await turn();
  }
  run.end();
  await shutdown();
  const paying = times.filter((time) => time > PAYING_MS);
  report({
    measurement: "sqlite: call in a burst p99.9",
    ...slowestCalls(times),
    note: `${paying.length} of ${times.length} calls paid for a batch: median ${percentile(paying, 50).toFixed(1)} ms, p99 ${percentile(paying, 99).toFixed(1)} ms, at most ${percentile(paying, 100).toFixed(1)} ms`,
  });
}

async function compare(measurement, unit, count, ours, raw) {
  const contents = { ours: [], peer: [] };
  const freshFile = () => {
    const path = join(folder, `${files++}.db`);
    copyFileSync(model, path);
    return path;
  };
  const contenders = {
    async ours() {
      const path = freshFile();
      configure({ trackingUri: `sqlite:///${path}` });
      canonicalRun(startRun, 1); // opens the file
      await flush();
      const time = await seconds(async () => {
        await ours();
        await flush();
      });
      const { pending, dropped, rejected, warnings } = stats();
      mustEqual(
        "not stored",
        { pending, dropped, rejected, warnings },
        { pending: 0, dropped: 0, rejected: 0, warnings: {} },
      );
      await shutdown();
      contents.ours.push(await contentsOf(path));
      rmSync(path);
      return time;
    },
    async peer() {
      const path = freshFile();
      const db = await openRaw(path);
      const writer = rawWriter(db);
      writer.begin();
      rawRun(writer, 1);
      writer.commit();
      const time = await seconds(() => raw(writer));
      db.close();
      contents.peer.push(await contentsOf(path));
      rmSync(path);
      return time;
    },
  };
  const times = await interleave(contenders, { rounds: ROUNDS, warmup: WARMUP });
  mustEqual(`${measurement}: rows we wrote, beside the raw ones`, contents.ours, contents.peer);
  report({
    measurement,
    unit,
    ours: count / median(times.ours),
    peer: count / median(times.peer),
    beside: "raw statements",
    judged: median(times.ours.map((time, round) => times.peer[round] / time)),
    times: true,
    bar: 0.7,
    goal: 0.9,
    atMost: false,
  });
}
