import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MlflowClient, type MlflowRun } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";

const program = join(process.cwd(), "build/examples/pulse-workflow/main.js");

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The program with these arguments, in a folder of its own; where a database was made, a client that reads it. */
function run(...args: string[]): Ended & { readonly client: MlflowClient } {
  const cwd = tempFolder("workflow");
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("MLFLOW_"));
  const ended = spawnSync(process.execPath, [program, ...args], {
    cwd,
    env: Object.fromEntries(kept),
    encoding: "utf8",
    timeout: 120_000,
  });
  return { ...ended, client: new MlflowClient({ trackingUri: `sqlite:///${join(cwd, "mlflow.db")}` }) };
}

/** The workflow's run, and those of its steps in their order. */
async function runsOf(client: MlflowClient): Promise<{ workflow: MlflowRun; steps: MlflowRun[] }> {
  const runs = await client.searchRuns({ orderBy: ["start_time"] }).toArray();
  const [workflow, ...roots] = runs.filter(({ tags }) => tags["mlflow.parentRunId"] === undefined);
  assert.ok(workflow && roots.length === 0);
  const steps = runs.filter((run) => run !== workflow);
  for (const { tags, experimentId } of steps)
    assert.deepEqual([tags["mlflow.parentRunId"], experimentId], [workflow.runId, workflow.experimentId]);
  return { workflow, steps };
}

const statuses = (runs: readonly MlflowRun[]): string[] => runs.map(({ runName, status }) => `${runName} ${status}`);
const lines = (text: string): string[] => text.trim().split("\n");

test("the steps are runs below the workflow's, and each stores what the next reads", async (t) => {
  const { status, stdout, stderr, client } = run("--meta-steps", "4");
  t.after(() => client.close());
  assert.deepEqual([status, stderr], [0, ""]);
  const { workflow, steps } = await runsOf(client);
  const [ingested, trained, evaluated, reported] = steps as [MlflowRun, MlflowRun, MlflowRun, MlflowRun];
  assert.deepEqual(statuses([workflow, ...steps]), [
    "workflow FINISHED",
    "ingest FINISHED",
    "meta-train FINISHED",
    "evaluate FINISHED",
    "report FINISHED",
  ]);
  const hyperparameters = { inner_lr: "0.2", shots: "5", inner_steps: "3", meta_steps: "4", seed: "42" };
  assert.deepEqual(workflow.params, { run_type: "meta-learning", ...hyperparameters });
  assert.deepEqual([trained.params, evaluated.params], [hyperparameters, hyperparameters]);
  assert.match(stdout, /^ingest\nmeta-train\nevaluate\nreport\n/);
  assert.ok(stdout.includes(`Accuracy ${workflow.metrics["accuracy"]?.toFixed(3)},`), stdout);
  assert.match(stdout, /See the runs with: {2}mlflow ui --backend-store-uri sqlite:\/\/\/mlflow\.db\n/);
  assert.ok(stdout.includes(`/#/experiments/${workflow.experimentId}/runs?`), stdout);

  assert.deepEqual(
    ingested.inputs.map(({ name, sourceType }) => [name, sourceType]),
    [["optdigits", "local"]],
  );
  for (const part of ["known", "unseen"]) {
    const csv = await client.loadText(ingested, `data/${part}.csv`);
    assert.equal(lines(csv).length, ingested.metrics[`pictures.${part}`]);
    for (const line of lines(csv)) assert.equal(Number(line.split(",")[64]) < 7, part === "known");
  }

  const loss = await client.getMetricHistory(trained, "loss");
  assert.deepEqual(
    loss.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  assert.equal(trained.metrics["final_loss"], loss.at(-1)?.value);
  const folder = await client.downloadArtifacts(trained, { path: "weights", to: tempFolder("weights") });
  const [before, after] = ["before.f32", "after.f32"].map((name) => readFileSync(join(folder, name)));
  assert.equal(before?.length, after?.length);
  assert.notDeepEqual(before, after);

  const [, ...predictions] = lines(await client.loadText(evaluated, "predictions.csv"));
  const right = predictions.filter((line) => line.split(",")[0] === line.split(",")[1]).length;
  assert.equal(evaluated.metrics["accuracy"], right / predictions.length);
  const confusion = await client.loadTable(evaluated, "confusion.json");
  assert.equal(
    confusion.reduce((sum, { times }) => sum + Number(times), 0),
    predictions.length,
  );
  const picture = await client.loadText(evaluated, "confusion.svg");
  for (const { times } of confusion) assert.ok(picture.includes(`>${times}</text>`), `${times}`);

  const { accuracy, accuracy_gain } = evaluated.metrics;
  assert.deepEqual(workflow.metrics, { accuracy, accuracy_gain });
  const report = await client.loadText(reported, "report.html");
  for (const [key, value] of [ingested, trained, evaluated].flatMap(({ metrics }) => Object.entries(metrics)))
    assert.ok(report.includes(`<td>${key}<td align="right">${value}`), `${key} ${value}`);
  assert.ok(report.includes(picture));
});

test("equal seeds give equal metrics, and others give other ones", async (t) => {
  const metrics = [];
  for (const seed of ["1", "1", "2"]) {
    const { status, client } = run("--meta-steps", "1", "--shots", "1", "--seed", seed);
    t.after(() => client.close());
    assert.equal(status, 0);
    const { steps } = await runsOf(client);
    metrics.push(steps.map((step) => step.metrics));
  }
  assert.deepEqual(metrics[0], metrics[1]);
  assert.notDeepEqual(metrics[0], metrics[2]);
});

for (const [name, shots, ends, message] of [
  ["meta-train", "200", ["ingest FINISHED", "meta-train FAILED"], /^cannot draw 200 shots and 10 queries/],
  // There are as many pictures of each digit to learn from, but not of those to be tested on.
  [
    "evaluate",
    "165",
    ["ingest FINISHED", "meta-train FINISHED", "evaluate FAILED"],
    /^cannot draw 165 shots .* of the digit 8/,
  ],
] as const)
  test(`when ${name} fails, so does the workflow, and the steps behind are not run`, async (t) => {
    const { status, stdout, stderr, client } = run("--shots", shots, "--meta-steps", "1");
    t.after(() => client.close());
    assert.equal(status, 1);
    assert.match(stderr, message);
    assert.match(stdout, /See the runs with:/);
    const { workflow, steps } = await runsOf(client);
    assert.deepEqual(statuses([workflow, ...steps]), ["workflow FAILED", ...ends]);
    for (const failed of [workflow, steps.at(-1)]) {
      assert.equal(failed?.tags["error.type"], "RangeError");
      assert.match(failed?.tags["error.message"] ?? "", message);
      assert.deepEqual(failed?.metrics, {});
    }
  });

test("training reads what ingest has stored: where nothing is kept, it fails", () => {
  const { status, stdout, stderr } = run("--tracking-uri", "null:");
  assert.equal(status, 1);
  assert.match(stderr, /null:/);
  assert.match(stdout, /^ingest\nmeta-train\n$/);
});

test("a wrong command line is said, and nothing is run", () => {
  for (const [args, message] of [
    [["--shots", "many"], /--shots needs a whole number from 1 on, got "many"/],
    [["--nonsense"], /nonsense/],
    [["--tracking-uri", "postgresql://localhost/x"], /PostgreSQL is reached through a server/],
  ] as const) {
    const { status, stdout, stderr } = run(...args);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.match(stderr, message);
  }
});
