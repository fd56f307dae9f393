// Canonical runs a second beside Python's own MLflow client, both into SQLite files of their own.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { configure, flush, shutdown, startRun, stats } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { median, mustEqual, report, seconds, temporaryFolder, turn } from "./lib.mjs";
import { contentsOf } from "./raw-sqlite.mjs";

const PYTHON_RUNS = 40;
const PYTHON_WARMUP = 5; // as in canonical.py
const RUNS = 2_000;
const ROUNDS = 3;

const measurement = "python: runs";
const made = await environments();
if (made === undefined) {
  report({ measurement, skipped: "no python3 of version 3.10 or newer" });
  process.exit();
}

const folder = temporaryFolder();
const script = fileURLToPath(new URL("canonical.py", import.meta.url));
const ours = [];
const theirs = [];
const file = join(folder, "ours.db");
configure({ trackingUri: `sqlite:///${file}`, experiment: "Bench" });
await ourRuns(100);
for (let round = 0; round < ROUNDS; round++) {
  theirs.push(PYTHON_RUNS / (await pythonSeconds(join(folder, `python-${round}.db`))));
  ours.push(RUNS / (await seconds(() => ourRuns(RUNS))));
}
mustEqual("what we lost", [stats().pending, stats().dropped, stats().warnings], [0, 0, {}]);
await shutdown();
await mustHold(file, 100 + ROUNDS * RUNS);

report({
  measurement,
  unit: "runs/s",
  ours: median(ours),
  peer: median(theirs),
  beside: `Python MLflow ${made.newest.version}`,
  judged: median(ours) / median(theirs),
  times: true,
  bar: 50,
  atMost: false,
});

async function ourRuns(count) {
  for (let i = 0; i < count; i++) {
    const run = startRun({ runName: "canonical" });
    run.logParam("lr", 0.1);
    run.logMetric("loss", i / 3);
    run.logMetric("accuracy", i / 7);
    run.end();
    if (i % 100 === 99) await turn();
  }
  await flush();
}

async function pythonSeconds(path) {
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...env } = process.env;
  const { stdout } = await promisify(execFile)(made.newest.python, [script, `sqlite:///${path}`, String(PYTHON_RUNS)], {
    cwd: folder,
    env: { ...env, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true" },
  });
  await mustHold(path, PYTHON_RUNS + PYTHON_WARMUP);
  return Number(stdout.trim().split("\n").at(-1));
}

/** Both clients write one param and two metrics a run. */
async function mustHold(path, expected) {
  const { runs, ended, params, metrics, latest_metrics } = await contentsOf(path);
  mustEqual(
    `rows of ${path}`,
    { runs, ended, params, metrics, latest_metrics },
    { runs: expected, ended: expected, params: expected, metrics: 2 * expected, latest_metrics: 2 * expected },
  );
}
