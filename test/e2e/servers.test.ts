import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { createTracker, logExperiment, type Tracker } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { collectWarnings } from "../support/warnings.js";
import { assertSweep, rowsOf } from "./main-job-check.js";
import { type Dump, type DumpRun, startServer } from "./peer.js";
import { startStack } from "./stack.js";
import { startPeers, startProgram, uriOf } from "./support.js";
import { assertWide } from "./wide-check.js";
import type { Model } from "./wide-model.js";
import { logWidely } from "./wide-program.js";

const ROUNDS = 3;
const OPEN_RUNS = 3;

const folder = tempFolder("servers");
const program = resolve("build/examples/pulse-meta-learning/main.js");
const [peers, newest, old, stack] = await Promise.all([
  startPeers(),
  startServer("newest", uriOf(join(folder, "newest.db")), folder),
  startServer("old", uriOf(join(folder, "old.db")), folder),
  startStack(),
]);
after(() => Promise.all([newest.stop(), old.stop(), stack.stop()]));

/** What the server has, with each run under our own id instead of the server's. */
function ours(dump: Dump, model?: Model): Dump {
  // (What logExperiment has logged is known by the server's id.)
  const keyOf = ({ run_id, tags }: DumpRun): string =>
    model?.has(run_id) ? run_id : (tags["pulse.run_key"] ?? run_id);
  const keys = new Map(dump.runs.map((run) => [run.run_id, keyOf(run)]));
  return {
    experiments: dump.experiments,
    runs: dump.runs.map((run) => {
      const { "pulse.run_key": _key, "mlflow.parentRunId": parent, ...tags } = run.tags;
      const parentTag = parent === undefined ? {} : { "mlflow.parentRunId": keys.get(parent) ?? parent };
      return { ...run, run_id: keys.get(run.run_id) ?? "", tags: { ...tags, ...parentTag } };
    }),
  };
}

for (const [name, peer, url, credentials] of [
  ["the newest MLflow on SQLite", peers.newest, newest.url, {}],
  ["MLflow 2.22 on SQLite", peers.old, old.url, {}],
  ["the newest MLflow on PostgreSQL and S3 with basic auth", peers.newest, stack.url, stack],
] as const) {
  const {
    username = "",
    password = "",
    peerUri = url,
  } = credentials as { username?: string; password?: string; peerUri?: string };
  const env: Record<string, string> =
    username === "" ? {} : { MLFLOW_TRACKING_USERNAME: username, MLFLOW_TRACKING_PASSWORD: password };

  test(`${name} has the example's sweep as it was printed`, async () => {
    const ended = await startProgram(program, [], folder, { MLFLOW_TRACKING_URI: url, ...env }).ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.equal(ended.stderr, "");
    const dump = await peer.dump(peerUri);
    const sweep = dump.experiments.filter(({ name: experiment }) =>
      ["Default", "PulseMetaLearning"].includes(experiment),
    );
    const ids = sweep.map(({ experiment_id }) => experiment_id);
    const runs = dump.runs.filter((run) => ids.includes(run.experiment_id));
    assertSweep(ours({ experiments: sweep, runs }), rowsOf(ended.stdout), program);
  });

  test(`${name} has the whole wide program as it was logged`, async () => {
    const auth = username === "" ? undefined : { username, password };
    const tracker = createTracker({ trackingUri: url, auth, logger: { warn: () => {} } });
    const known = new Set((await peer.dump(peerUri, { history: false })).runs.map((run) => run.run_id));
    // logExperiment makes trackers of its own, which know the server's credentials from its URI.
    const model = await logWidely(tracker, peerUri, ROUNDS, OPEN_RUNS);
    await tracker.shutdown({ timeoutMs: 60_000 });
    const { pending, dropped, rejected, warnings } = tracker.stats();
    assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 }, JSON.stringify(warnings));
    for (const expected of model.values()) expected.until = Math.min(expected.until, Date.now());
    const dump = ours(await peer.dump(peerUri), model);
    const runs = dump.runs.filter((run) => !known.has(run.run_id) && model.has(run.run_id));
    assert.equal(runs.length, model.size);
    const names = new Set(["Default", ...[...model.values()].map(({ experiment }) => experiment)]);
    assertWide({ experiments: dump.experiments.filter(({ name: experiment }) => names.has(experiment)), runs }, model);
  });

  test(`${name}: logExperiment gives the run's page`, async () => {
    const {
      runId,
      experimentId,
      url: page,
    } = await logExperiment({ experiment: "Page", metrics: { m: 1 }, trackingUri: peerUri });
    assert.equal(page, `${url}/#/experiments/${experimentId}/runs/${runId}`);
    const { runs } = await peer.dump(peerUri, { experiment: "Page" });
    assert.deepEqual(
      runs.map((run) => [run.run_id, run.status, run.metrics]),
      [[runId, "FINISHED", { m: 1 }]],
    );
  });

  test(`${name} reads datasets back as first used and finds runs by them`, async () => {
    const { logger, warnings } = collectWarnings();
    const tracker = createTracker({ trackingUri: peerUri, logger });
    const id = await assertInputs(tracker, warnings);
    assert.deepEqual(await peer.inputs(peerUri, id), INPUTS);
    if (peer === peers.newest) assert.deepEqual(await peer.search(peerUri, "Datasets", "dataset.name = 'iris'"), [id]);
  });
}

test("MLflow reads datasets back from our file", async () => {
  const uri = uriOf(join(folder, "datasets.db"));
  const { logger, warnings } = collectWarnings();
  const id = await assertInputs(createTracker({ trackingUri: uri, logger }), warnings);
  // (The newest migrates the file, which the old one then does not read.)
  for (const peer of [peers.old, peers.newest]) {
    assert.deepEqual(await peer.inputs(uri, id), INPUTS);
    if (peer === peers.newest) assert.deepEqual(await peer.search(uri, "Datasets", "dataset.name = 'iris'"), [id]);
  }
});

const SCHEMA = { mlflow_colspec: [{ type: "double", name: "x", required: true }] };
const INPUTS = [
  {
    name: "iris",
    digest: "f3a1c2d4",
    source_type: "http",
    source: '{"url":"https://example.com/iris.csv"}',
    schema: JSON.stringify(SCHEMA),
    profile: '{"num_rows":150}',
    tags: { "mlflow.data.context": "training", split: "a" },
  },
];

/** Logs a dataset, the same again, and the same for something else; gives the run's id in the store. */
async function assertInputs(tracker: Tracker, warnings: readonly string[]): Promise<string> {
  const iris = {
    name: "iris",
    digest: "f3a1c2d4",
    sourceType: "http",
    source: { url: "https://example.com/iris.csv" },
  };
  const run = tracker.startRun({ experiment: "Datasets" });
  run.logInput({ ...iris, schema: SCHEMA, profile: { num_rows: 150 } }, { context: "training", tags: { split: "a" } });
  run.logInput({ ...iris, schema: SCHEMA, profile: { num_rows: 150 } }, { context: "training", tags: { split: "a" } });
  run.logInput(iris, { context: "validation" });
  const id = await run.serverId();
  run.end();
  await tracker.shutdown({ timeoutMs: 60_000 });
  const { inputs, pending, dropped, rejected } = tracker.stats();
  assert.deepEqual({ inputs, pending, dropped, rejected }, { inputs: 1, pending: 0, dropped: 0, rejected: 0 });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /already has dataset "iris".*INPUT_REPEATED/);
  return id;
}
