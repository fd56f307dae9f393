// Stores over other people's clients: doubles of theirs, or the clients themselves where `PULSE_MLFLOW_JS` and
// `PULSE_MLFLOW_NPM` say where they are (`PULSE_FAULT_SEEDS=1-100` for the long version of the schedules).
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { createTracker, MlflowClient } from "../../src/index.js";
import {
  type MlflowJs,
  type MlflowNpmClient,
  mlflowJsStore,
  mlflowNpmStore,
} from "../../src/integrations/mlflow-js/index.js";
import type { StoreSubject } from "../../src/testing/index.js";
import { storeContract } from "../contract/store-contract.js";
import { tempFolder } from "../support/folders.js";
import { readRun } from "../support/rest.js";
import { collectWarnings } from "../support/warnings.js";
import { startServer, type Which } from "./peer.js";
import { uriOf } from "./support.js";

/**
 * What a schedule may have beside everyday faults: what neither TLS, nor the text of a refusal, nor files of ours are
 * in.
 */
process.env["PULSE_FAULT_KINDS"] ??= "maintenance,upgrade,refused,disk,copies,awaits,tight";
const { kindsOf } = await import("./fault-draw.js");
const { play } = await import("./fault-run.js");
const { startStage } = await import("./fault-stage.js");

const [FIRST = 1, LAST = FIRST] = (process.env["PULSE_FAULT_SEEDS"] ?? "1-10").split("-").map(Number);
const WIDTH = 4;

const given = (name: string, double: string): URL => {
  const path = process.env[name];
  return path === undefined ? new URL(double, import.meta.url) : pathToFileURL(path);
};
const CLIENT = given("PULSE_MLFLOW_JS", "../support/mlflow-js-double.js");
const { default: Mlflow } = (await import(CLIENT.href)) as {
  default: new (uri: string) => MlflowJs;
};
const npm = (await import(given("PULSE_MLFLOW_NPM", "../support/mlflow-npm-double.js").href)) as { default: unknown };
type Npm = new (options: { endpoint: string }) => MlflowNpmClient;
// Of a CommonJS module the default is all of it.
const MLflow = (typeof npm.default === "function" ? npm.default : (npm.default as { default: unknown }).default) as Npm;

// What the clients print is theirs.
const { log } = console;
console.log = (...values: unknown[]): void => {
  if (!/^(\{"|Set tag to experiment|Experiment ID)/.test(String(values[0]))) log(...values);
};

const folder = tempFolder("mlflow-js");
const [newest, old] = await Promise.all([
  startServer("newest", uriOf(`${folder}/newest.db`), folder),
  startServer("old", uriOf(`${folder}/old.db`), folder),
]);
after(() => Promise.all([newest.stop(), old.stop()]));

for (const [which, { url }] of Object.entries({ newest, old } satisfies Record<Which, { url: string }>)) {
  const reader = { readRun: (runId: string) => readRun(url, runId) };
  storeContract(`mlflow-js on MLflow (${which})`, async (): Promise<StoreSubject> => {
    const open = () => mlflowJsStore(new Mlflow(url));
    return { store: open(), keepsEndTime: true, reader, reopen: open, dispose: () => undefined };
  });
}

test("MlflowClient reads through mlflow-js what its calls can answer", async () => {
  const tracker = createTracker({ store: mlflowJsStore(new Mlflow(newest.url)), experiment: "Read" });
  for (const [runName, loss] of [
    ["a", 3],
    ["b", 1],
    ["c", 2],
  ] as const)
    tracker.withRun({ runName }, (run) => run.logMetrics({ loss }));
  await using client = new MlflowClient({ tracker });
  const names = async (filter: string): Promise<string> =>
    (await client.searchRuns({ experimentNames: ["Read"], filter, orderBy: ["metrics.loss DESC"] }).toArray())
      .map(({ runName }) => runName)
      .join("");
  assert.equal(await names(""), "acb");
  assert.equal(await names("metrics.loss > 2 OR run_name = 'b'"), "ab");
  const run = await client.runs("Read").first();
  assert.ok(run);
  assert.equal((await client.getRun(run)).runName, run.runName);
  assert.deepEqual(
    (await client.getMetricHistory(run, "loss")).map(({ value }) => value),
    [run.metrics["loss"]],
  );
  await assert.rejects(client.restoreRun(run), { code: "UNSUPPORTED", message: /has no call runs\/restore/ });
  await tracker.shutdown();
});

test("the script that the example starts from logs the same curve with its own client", async () => {
  const program = pathToFileURL(join(process.cwd(), "build/examples/from-mlflow-js.js")).href;
  const script = `const { before } = await import(${JSON.stringify(program)});
    const { default: Mlflow } = await import(${JSON.stringify(CLIENT.href)});
    await before(new Mlflow(${JSON.stringify(newest.url)}), 0.1, 20);`;
  const args = ["--input-type=module", "-e", script];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout: 60_000 });
  assert.equal(status, 0, stderr);
  const headers = { "content-type": "application/json" };
  const found = await fetch(`${newest.url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Line`);
  const { experiment } = (await found.json()) as { experiment: { experiment_id: string } };
  const body = JSON.stringify({ experiment_ids: [experiment.experiment_id] });
  const answer = await fetch(`${newest.url}/api/2.0/mlflow/runs/search`, { method: "POST", headers, body });
  const { runs } = (await answer.json()) as { runs: { info: { run_id: string } }[] };
  assert.equal(runs.length, 1);
  const run = await readRun(newest.url, runs[0]?.info.run_id ?? "");
  assert.deepEqual(
    [run?.name, run?.status, run?.params, run?.metrics["loss"]?.length],
    ["before", "FINISHED", { lr: "0.1", epochs: "20" }, 20],
  );
});

test("runs through the npm client lack only the experiment's name and datasets", async () => {
  const { url } = newest;
  const headers = { "content-type": "application/json" };
  const created = await fetch(`${url}/api/2.0/mlflow/experiments/create`, {
    method: "POST",
    headers,
    body: JSON.stringify({ name: "for npm" }),
  });
  const { experiment_id: experimentId } = (await created.json()) as { experiment_id: string };
  const { logger, warnings: said } = collectWarnings();
  const store = mlflowNpmStore(new MLflow({ endpoint: url }), { experimentId });
  const tracker = createTracker({
    store,
    experiment: "whatever",
    durability: "memory",
    logger,
  });
  const run = tracker.startRun({ runName: "é", params: { lr: 0.1 }, tags: { t: "x" } });
  run.logMetric("loss", Number.NaN);
  run.logMetric("loss", 0.5);
  run.logInput({ name: "train", digest: "d", source: { uri: "a.csv" }, sourceType: "local" });
  const child = tracker.withRun({ runName: "child" }, (each) => each);
  run.logText("kept by requests of ours", "notes.txt");
  run.end("FAILED");
  const [id, childId] = [await run.serverId(), await child.serverId()];
  await tracker.shutdown();
  const stored = await readRun(url, id);
  assert.deepEqual(
    [
      stored?.experiment,
      stored?.name,
      stored?.status,
      stored?.params,
      stored?.tags["t"],
      stored?.metrics["loss"]?.map(([step, , value]) => [step, value]),
    ],
    ["for npm", "é", "FAILED", { lr: "0.1" }, "x", [[0, Number.NaN], [1, 0.5]]], // biome-ignore format: one row
  );
  assert.equal((await readRun(url, childId))?.status, "FINISHED");
  assert.match(said.join("\n"), /Dataset "train" is not stored.*npm mlflow has no call runs\/log-inputs/);
  const { pending, dropped, rejected } = tracker.stats();
  assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 1 });
});

const stage = await startStage(LAST - FIRST + 1, tempFolder("mlflow-js-faults"), {
  MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: "100",
});
after(() => stage.close());

describe("Whatever happens between mlflow-js and a server, everything arrives, once", {
  concurrency: WIDTH,
}, () => {
  let [requests, faults, runs] = [0, 0, 0];
  for (let seed = FIRST; seed <= LAST; seed++)
    test(`schedule ${seed}: ${[...kindsOf(seed)].join(", ")}`, async () => {
      const played = await play(seed, stage, (url, requestTimeoutMs) =>
        mlflowJsStore(new Mlflow(url), { requestTimeoutMs }),
      );
      requests += played.requests;
      faults += played.faults.length;
      runs += played.runs;
      const { lost, doubled, running, wrong, unbalanced, heldUp } = played;
      const found = Object.entries({ lost, doubled, running, wrong, unbalanced, heldUp }).flatMap(([what, list]) =>
        list.map((each) => `${what}: ${each}`),
      );
      const story = [...found, ...played.warnings].join("\n");
      assert.equal(found.length, 0, `PULSE_FAULT_SEEDS=${seed}, ${played.schedule}\n${story}`);
    });
  after(() => log(`${LAST - FIRST + 1} schedules by mlflow-js: ${runs} runs, ${requests} requests, ${faults} faults`));
});
