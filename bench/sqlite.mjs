// Runs and metrics a second into an SQLite file, end to end, beside bare prepared statements of the same driver that
// write the same rows into a file of the same schema.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { configure, createTracker, flush, shutdown, startRun, stats } from "pulse-mlflow";
import { interleave, median, mustEqual, report, temporaryFolder, turn } from "./lib.mjs";
import { openRaw, rawWriter } from "./raw-sqlite.mjs";

const RUNS = 4_000;
const METRICS = 100_000;
const KEYS = ["loss", "accuracy", "precision", "recall", "lr"];
const ROUNDS = 6;
const WARMUP = 1;
const RUNS_PER_TRANSACTION = 100;
const METRICS_PER_TRANSACTION = 500;

const folder = temporaryFolder();
const files = { ours: join(folder, "ours.db"), raw: join(folder, "raw.db") };

function canonicalRun(start, i) {
  const run = start({ experiment: "Bench", runName: "canonical" });
  run.logParam("lr", 0.1);
  run.logMetric("loss", i / 3);
  run.logMetric("accuracy", i / 7);
  run.end();
}

// Both files are ours, with one run in each: the raw statements take user, tags and experiment from it.
for (const file of Object.values(files)) {
  const tracker = createTracker({ trackingUri: `sqlite:///${file}` });
  canonicalRun((options) => tracker.startRun(options), 1);
  await tracker.shutdown();
}
configure({ trackingUri: `sqlite:///${files.ours}` });
const db = await openRaw(files.raw);
const raw = rawWriter(db);

const runTimes = await interleave(
  {
    async ours() {
      for (let i = 0; i < RUNS; i++) {
        canonicalRun(startRun, i);
        if (i % 100 === 99) await turn();
      }
      await flush();
    },
    peer() {
      for (let i = 0; i < RUNS; ) {
        raw.begin();
        for (const end = Math.min(i + RUNS_PER_TRANSACTION, RUNS); i < end; i++) {
          const id = randomUUID().replaceAll("-", "");
          raw.start(id, "canonical", Date.now());
          raw.param(id, "lr", "0.1");
          const [loss, accuracy, now] = [i / 3, i / 7, Date.now()];
          raw.metric(id, "loss", loss, now, 0);
          raw.metric(id, "accuracy", accuracy, now, 0);
          raw.latest(id, "loss", loss, now, 0);
          raw.latest(id, "accuracy", accuracy, now, 0);
          raw.end(id, Date.now());
        }
        raw.commit();
      }
    },
  },
  { rounds: ROUNDS, warmup: WARMUP },
);

const metricTimes = await interleave(
  {
    async ours() {
      const run = startRun({ experiment: "Bench", runName: "long" });
      for (let i = 0; i < METRICS; i++) {
        run.logMetric(KEYS[i % KEYS.length], i / 3);
        if (i % 1_000 === 999) await turn();
      }
      run.end();
      await flush();
    },
    peer() {
      const id = randomUUID().replaceAll("-", "");
      for (let i = 0; i < METRICS; ) {
        raw.begin();
        if (i === 0) raw.start(id, "long", Date.now());
        const latest = new Map(); // one upsert a key and transaction is enough, for us too
        for (const end = Math.min(i + METRICS_PER_TRANSACTION, METRICS); i < end; i++) {
          const key = KEYS[i % KEYS.length];
          const [value, now, step] = [i / 3, Date.now(), Math.floor(i / KEYS.length)];
          raw.metric(id, key, value, now, step);
          latest.set(key, [value, now, step]);
        }
        for (const [key, [value, now, step]] of latest) raw.latest(id, key, value, now, step);
        if (i === METRICS) raw.end(id, Date.now());
        raw.commit();
      }
    },
  },
  { rounds: ROUNDS, warmup: WARMUP },
);

const { dropped, rejected, warnings } = stats();
mustEqual("what we lost", { dropped, rejected, warnings }, { dropped: 0, rejected: 0, warnings: {} });
await shutdown();
const written = await openRaw(files.ours);
const [ours, theirs] = [contents(written), contents(db)];
mustEqual("rows we wrote, beside the raw ones", ours, theirs);
mustEqual("runs", ours.runs, 1 + (RUNS + 1) * (ROUNDS + WARMUP) );
for (const each of [written, db]) each.close();

judge("sqlite: runs", "runs/s", RUNS, runTimes);
judge("sqlite: metrics", "metrics/s", METRICS, metricTimes);

function contents(file) {
  const one = (sql) => Object.values(file.prepare(sql).get())[0];
  const tables = ["experiments", "runs", "tags", "params", "metrics", "latest_metrics"];
  return {
    ...Object.fromEntries(tables.map((table) => [table, one(`SELECT count(*) FROM ${table}`)])),
    ended: one("SELECT count(*) FROM runs WHERE status = 'FINISHED' AND end_time IS NOT NULL"),
    steps: one("SELECT sum(step) FROM metrics"),
    latestSteps: one("SELECT sum(step) FROM latest_metrics"),
    latestValues: Math.round(one("SELECT total(value) FROM latest_metrics")),
  };
}

function judge(measurement, unit, count, times) {
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
