// Canonical runs per second compared with Python's own MLflow client, each into its own SQLite file.
import { join } from "node:path";
import { configure, shutdown, stats } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { ourRuns, PYTHON_WARMUP, pythonSeconds } from "./canonical.mjs";
import { median, mustEqual, report, seconds, temporaryFolder } from "./lib.mjs";
import { contentsOf } from "./raw-sqlite.mjs";

const PYTHON_RUNS = 40;
const RUNS = 2_000;
const ROUNDS = 3;
const OURS = { perTurn: 100 };

const measurement = "python: runs";
const made = await environments();
if (made === undefined) {
  report({ measurement, skipped: "no python3 of version 3.10 or newer" });
  process.exit();
}

const folder = temporaryFolder();
const ours = [];
const theirs = [];
const file = join(folder, "ours.db");
configure({ trackingUri: `sqlite:///${file}`, experiment: "Bench" });
await ourRuns(100, OURS);
for (let round = 0; round < ROUNDS; round++) {
  theirs.push(PYTHON_RUNS / (await inPython(join(folder, `python-${round}.db`))));
  ours.push(RUNS / (await seconds(() => ourRuns(RUNS, OURS))));
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

async function inPython(path) {
  const took = await pythonSeconds(made.newest.python, `sqlite:///${path}`, PYTHON_RUNS, folder);
  await mustHold(path, PYTHON_RUNS + PYTHON_WARMUP);
  return took;
}

/** Both clients write one param and two metrics per run. */
async function mustHold(path, expected) {
  const { runs, ended, params, metrics, latest_metrics } = await contentsOf(path);
  mustEqual(
    `rows of ${path}`,
    { runs, ended, params, metrics, latest_metrics },
    { runs: expected, ended: expected, params: expected, metrics: 2 * expected, latest_metrics: 2 * expected },
  );
}
