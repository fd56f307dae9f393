// Runs and metrics per second into a real MLflow server, end to end, compared with the fastest of several bare
// clients that send as few requests as possible; and runs compared with Python's own client. What arrived is counted
// by asking the server.
import { configure, flush, shutdown, startRun, stats } from "pulse-mlflow";
import { environments } from "../scripts/python.mjs";
import { ourRuns, PYTHON_WARMUP, pythonSeconds } from "./canonical.mjs";
import { interleave, median, mustEqual, report, seconds, temporaryFolder, turn } from "./lib.mjs";
import { contentsOf, createExperiment, rawClient, rawMetrics, rawRuns, startServer } from "./raw-http.mjs";

const RUNS = 100;
const METRICS = { runs: 8, values: 5_000, keys: ["loss", "accuracy", "precision", "recall", "lr"] };
const PYTHON_RUNS = 12;
const ROUNDS = 7;
const WARMUP = 1;
const FLUSH = { timeoutMs: 120_000 };
const OURS = { perTurn: 10, flushOptions: FLUSH };
// Which one is fastest depends on the machine, and on how the server's answers are split into packets.
const CANDIDATES = [
  { keepAlive: false, width: 2 },
  { keepAlive: false, width: 4 },
  { keepAlive: false, width: 8 },
  { keepAlive: true, width: 4 },
  { keepAlive: true, width: 8 },
];
const TRIALS = 3;

const made = await environments();
if (made === undefined) {
  for (const name of ["runs", "metrics", "runs, Python"]) {
    report({ measurement: `http: ${name}`, skipped: "no python3 of version 3.10 or newer" });
  }
  process.exit();
}

const folder = temporaryFolder();
const server = await startServer(made.newest.python, folder);
configure({ trackingUri: server.url, experiment: "Ours" });
const experiments = rawClient(server.url, { keepAlive: false, width: 1 });
try {
  await compareRuns();
  await compareMetrics();
} finally {
  await shutdown();
  await server.stop();
}

async function compareRuns() {
  const client = await fastest("runs", (candidate, experiment) => rawRuns(candidate, experiment, 24));
  const experiment = await createExperiment(experiments, "Raw");
  const counts = { ours: RUNS, raw: RUNS, python: PYTHON_RUNS };
  await ourRuns(1, OURS); // creates the experiment
  const times = await interleave(
    {
      ours: () => seconds(() => ourRuns(RUNS, OURS)),
      raw: () => seconds(() => rawRuns(client, experiment, RUNS)),
      python: () => pythonSeconds(made.newest.python, server.url, PYTHON_RUNS, folder),
    },
    { rounds: ROUNDS, warmup: WARMUP },
  );
  mustHaveLostNothing();
  const rounds = ROUNDS + WARMUP;
  await mustHold("Ours", canonical(1 + rounds * RUNS));
  await mustHold("Raw", canonical(rounds * RUNS));
  await mustHold("Bench", canonical(rounds * (PYTHON_RUNS + PYTHON_WARMUP)));
  const rates = ratesOf(times, counts);
  judge("http: runs", "runs/s", rates.ours, rates.raw, { beside: client.name, bar: 0.9 });
  judge("http: runs, Python", "runs/s", rates.ours, rates.python, {
    beside: `Python MLflow ${made.newest.version}`,
    bar: 6,
  });
}

async function compareMetrics() {
  const client = await fastest("metrics", (candidate, experiment) =>
    rawMetrics(candidate, experiment, { ...METRICS, values: 1_000 }),
  );
  const experiment = await createExperiment(experiments, "Raw metrics");
  const count = METRICS.runs * METRICS.values;
  const times = await interleave(
    { ours: () => seconds(ourMetrics), raw: () => seconds(() => rawMetrics(client, experiment, METRICS)) },
    { rounds: ROUNDS, warmup: WARMUP },
  );
  mustHaveLostNothing();
  const runs = (ROUNDS + WARMUP) * METRICS.runs;
  const expected = { runs, ended: runs, params: 0, metrics: runs * METRICS.values };
  await mustHold("Our metrics", expected, true);
  await mustHold("Raw metrics", expected, true);
  const rates = ratesOf(times, { ours: count, raw: count });
  judge("http: metrics", "metrics/s", rates.ours, rates.raw, { beside: client.name, bar: 0.9 });
}

/** Returns the candidate that is fastest at a small part of the work. */
async function fastest(what, work) {
  const clients = CANDIDATES.map((options) => rawClient(server.url, options));
  const experiment = await createExperiment(experiments, `Trials of ${what}`);
  const trials = Object.fromEntries(
    clients.map((client) => [client.name, () => seconds(() => work(client, experiment))]),
  );
  const times = await interleave(trials, { rounds: TRIALS, warmup: 1 });
  const [best, ...others] = clients.toSorted((a, b) => median(times[a.name]) - median(times[b.name]));
  for (const client of others) client.close();
  return best;
}

async function ourMetrics() {
  const runs = Array.from({ length: METRICS.runs }, () => startRun({ experiment: "Our metrics", runName: "long" }));
  for (let i = 0; i < METRICS.values; i++) {
    for (const run of runs) run.logMetric(METRICS.keys[i % METRICS.keys.length], i / 3);
    if (i % 100 === 99) await turn();
  }
  for (const run of runs) run.end();
  await flush(FLUSH);
}

function mustHaveLostNothing() {
  const { pending, dropped, rejected, warnings } = stats();
  mustEqual(
    "not stored",
    { pending, dropped, rejected, warnings },
    { pending: 0, dropped: 0, rejected: 0, warnings: {} },
  );
}

function canonical(runs) {
  return { runs, ended: runs, params: runs, metrics: 2 * runs };
}

async function mustHold(experiment, expected, history = false) {
  mustEqual(`stored in "${experiment}"`, await contentsOf(server.url, experiment, history), expected);
}

function ratesOf(times, counts) {
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, all.map((time) => counts[name] / time)]));
}

function judge(measurement, unit, ours, peer, { beside, bar }) {
  const judged = median(ours.map((rate, round) => rate / peer[round]));
  report({
    measurement,
    unit,
    ours: median(ours),
    peer: median(peer),
    beside,
    judged,
    times: true,
    bar,
    atMost: false,
  });
}
