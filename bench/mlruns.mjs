// Runs and metrics per second into an `mlruns` folder, end to end, compared with plain node:fs calls that write the
// same lines into the same files, and with Python's own file store. Every round has its own folder, since MLflow's
// gets slower with each run. No folder is removed before the end: file systems create files slowly right after many
// were removed.
import { randomBytes } from "node:crypto";
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { configure, createTracker, flush, shutdown, startRun, stats } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { pythonSeconds } from "./canonical.mjs";
import { interleave, median, mustEqual, report, seconds, temporaryFolder, turn } from "./lib.mjs";

const RUNS = 1_000;
const METRICS = 100_000;
const KEYS = ["loss", "accuracy", "precision", "recall", "lr"];
const METRICS_PER_TURN = 1_000;
const [ROUNDS, WARMUP] = [6, 1];
const [PYTHON_RUNS, PYTHON_METRICS] = [40, 300];
const PYTHON_ROUNDS = 3;

const folder = temporaryFolder();
let places = 0;

function canonicalRun(start, i) {
  const run = start({ experiment: "Bench", runName: "canonical" });
  run.logParam("lr", 0.1);
  run.logMetric("loss", i / 3);
  run.logMetric("accuracy", i / 7);
  run.end();
}

// The template for all other folders: ours, with one run, whose experiment, tags and fields the plain calls repeat.
const model = join(folder, "model");
const tracker = createTracker({ trackingUri: pathToFileURL(model).href });
canonicalRun((options) => tracker.startRun(options), 1);
await tracker.shutdown();
const experiment = readdirSync(model).find((name) => /^\d{2,}$/.test(name));
const modelId = readdirSync(join(model, experiment)).find((name) => name.length === 32);
const modelRun = join(model, experiment, modelId);
const tags = readdirSync(join(modelRun, "tags")).map((name) => [
  name,
  readFileSync(join(modelRun, "tags", name), "utf8"),
]);
const meta = readFileSync(join(modelRun, "meta.yaml"), "utf8");

function rawStart(root, name) {
  const id = randomBytes(16).toString("hex");
  const run = join(root, experiment, id);
  mkdirSync(run);
  for (const each of ["metrics", "params", "artifacts", "tags"]) mkdirSync(join(run, each));
  for (const [key, value] of tags) writeFileSync(join(run, "tags", key), key === "mlflow.runName" ? name : value);
  return { id, run };
}

const rawMeta = ({ id, run }) => writeFileSync(join(run, "meta.yaml"), meta.replaceAll(modelId, id));

function rawRun(root, i) {
  const started = rawStart(root, "canonical");
  const now = Date.now();
  writeFileSync(join(started.run, "params", "lr"), "0.1");
  appendFileSync(join(started.run, "metrics", "loss"), `${now} ${i / 3} 0\n`);
  appendFileSync(join(started.run, "metrics", "accuracy"), `${now} ${i / 7} 0\n`);
  rawMeta(started);
}

async function ourRuns() {
  for (let i = 0; i < RUNS; i++) {
    canonicalRun(startRun, i);
    if (i % 100 === 99) await turn();
  }
}

function rawRuns(root) {
  for (let i = 0; i < RUNS; i++) rawRun(root, i);
}

async function ourMetrics() {
  const run = startRun({ experiment: "Bench", runName: "long" });
  for (let i = 0; i < METRICS; i++) {
    run.logMetric(KEYS[i % KEYS.length], i / 3);
    if (i % METRICS_PER_TURN === METRICS_PER_TURN - 1) await turn();
  }
  run.end();
}

function rawMetrics(root) {
  const started = rawStart(root, "long");
  for (let i = 0; i < METRICS; ) {
    const lines = Object.fromEntries(KEYS.map((key) => [key, ""]));
    for (const end = i + METRICS_PER_TURN; i < end; i++)
      lines[KEYS[i % KEYS.length]] += `${Date.now()} ${i / 3} ${Math.floor(i / KEYS.length)}\n`;
    for (const key of KEYS) appendFileSync(join(started.run, "metrics", key), lines[key]);
  }
  rawMeta(started);
}

/** Returns what must be equal in two folders with the same content. */
function contentsOf(root) {
  const contents = { files: 0, lines: 0, values: 0, bytes: 0 };
  for (const path of readdirSync(root, { recursive: true })) {
    if (!statSync(join(root, path)).isFile()) continue;
    contents.files++;
    if (!path.includes("/metrics/")) {
      if (!path.endsWith("meta.yaml")) contents.bytes += statSync(join(root, path)).size;
      continue;
    }
    for (const line of readFileSync(join(root, path), "utf8").split("\n").slice(0, -1)) {
      const [, value, step] = line.split(" ").map(Number);
      contents.lines++;
      contents.values += Math.round(value) + step;
    }
  }
  return contents;
}

const speeds = {
  runs: await compare("mlruns: runs", "runs/s", RUNS, ourRuns, rawRuns),
  metrics: await compare("mlruns: metrics", "metrics/s", METRICS, ourMetrics, rawMetrics),
};
await besidePython("runs", PYTHON_RUNS);
await besidePython("metrics", PYTHON_METRICS);

async function compare(measurement, unit, count, ours, raw) {
  const contents = { ours: [], peer: [] };
  const freshFolder = () => {
    const root = join(folder, String(places++));
    cpSync(model, root, { recursive: true });
    return root;
  };
  const contenders = {
    async ours() {
      const root = freshFolder();
      configure({ trackingUri: pathToFileURL(root).href });
      canonicalRun(startRun, 1); // reads the folder
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
      contents.ours.push(contentsOf(root));
      return time;
    },
    async peer() {
      const root = freshFolder();
      rawRun(root, 1);
      const time = await seconds(() => raw(root));
      contents.peer.push(contentsOf(root));
      return time;
    },
  };
  const times = await interleave(contenders, { rounds: ROUNDS, warmup: WARMUP });
  mustEqual(`${measurement}: what we wrote, beside plain calls`, contents.ours, contents.peer);
  report({
    measurement,
    unit,
    ours: count / median(times.ours),
    peer: count / median(times.peer),
    beside: "plain calls of node:fs",
    judged: median(times.ours.map((time, round) => times.peer[round] / time)),
    times: true,
    bar: 0.7,
    atMost: false,
  });
  return count / median(times.ours);
}

async function besidePython(what, count) {
  const measurement = `mlruns: ${what} beside Python`;
  const made = await environments();
  if (made === undefined) return report({ measurement, skipped: "no python3 of version 3.10 or newer" });
  const theirs = [];
  for (let round = 0; round < PYTHON_ROUNDS; round++) {
    const uri = pathToFileURL(join(folder, `python-${what}-${round}`)).href;
    theirs.push(count / (await pythonSeconds(made.newest.python, uri, count, folder, what)));
  }
  const ours = speeds[what];
  const beside = `Python MLflow ${made.newest.version}`;
  report({
    measurement,
    unit: `${what}/s`,
    ours,
    peer: median(theirs),
    beside,
    judged: ours / median(theirs),
    times: true,
    bar: 50,
    atMost: false,
  });
}
