import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { readRun, readRuns } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("examples");

function logExperiment(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(process.cwd(), "build/examples/log-experiment.js"), ...args], {
    cwd: folder,
    encoding: "utf8",
    timeout: 30_000,
  });
}

test("log-experiment logs its command line and prints where it is", () => {
  const { status, stdout, stderr } = logExperiment(
    ...[
      "--experiment",
      "PulseMetaLearning",
      "--run-name",
      "trial-1",
      "--param",
      "lr=0.1",
      "--param",
      "run_type=meta-learning",
    ],
    ...["--metric", "avg_confidence=0.85", "--metric", "avg_fragility=0.12", "--tag", "note=a=b"],
  );
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^Logged experiment to MLflow\.\n/);
  assert.match(stdout, /mlflow ui --backend-store-uri sqlite:\/\/\/mlflow\.db/);
  const run = readRun(join(folder, "mlflow.db"), /run +([0-9a-f]{32})/.exec(stdout)?.[1] ?? "");
  assert.deepEqual([run?.experiment, run?.name, run?.status], ["PulseMetaLearning", "trial-1", "FINISHED"]);
  assert.deepEqual(run?.params, { lr: "0.1", run_type: "meta-learning" });
  assert.equal(run?.metrics["avg_confidence"]?.[0]?.[2], 0.85);
  assert.equal(run?.metrics["avg_fragility"]?.[0]?.[2], 0.12);
  assert.equal(run?.tags["note"], "a=b");
});

test("log-experiment prints the run's page on a server", async () => {
  const server = await FakeMlflow.start();
  try {
    const program = join(process.cwd(), "build/examples/log-experiment.js");
    const child = spawn(process.execPath, [program, "--experiment", "X", "--tracking-uri", server.url], {
      cwd: folder,
    });
    const [lines] = await Promise.all([child.stdout.setEncoding("utf8").toArray(), once(child, "close")]);
    const [run] = server.runs.values();
    const stdout = lines.join("");
    assert.ok(
      stdout.endsWith(`         at:  ${server.url}/#/experiments/${run?.experimentId}/runs/${run?.id}\n`),
      stdout,
    );
    assert.doesNotMatch(stdout, /mlflow ui/);
  } finally {
    server.close();
  }
});

test("log-experiment ends with a clear error and exit code 1 on wrong input", () => {
  for (const [args, message] of [
    [["--tracking-uri", "postgresql://localhost/x"], /PostgreSQL is reached through a server/],
    [["--tracking-uri", `sqlite:///${folder}`], /NOT_WRITABLE|Make the folder and file writable/],
    [["--metric", "loss=high"], /--metric loss needs a number, got "high"/],
    [["--param", "lr"], /--param needs KEY=VALUE, got "lr"/],
    [["--nonsense"], /nonsense/],
  ] as const) {
    const { status, stdout, stderr } = logExperiment("--experiment", "X", ...args);
    assert.equal(status, 1);
    assert.match(stderr, message);
    assert.doesNotMatch(stdout, /Logged/);
  }
  assert.equal(logExperiment().status, 1);
  assert.match(logExperiment("--help").stdout, /Usage/);
});

test("from-mlflow-js: both steps away from mlflow-js store the same curve", () => {
  const program = join(process.cwd(), "build/examples/from-mlflow-js.js");
  const place = tempFolder("from", folder);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], {
    cwd: place,
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  assert.match(stdout, /2 runs with 4 params and 40 metric values\.\nAll \d+ changes are stored\./);
  const runs = readRuns(join(place, "mlflow.db"), "Line");
  assert.deepEqual(runs.map(({ name, params }) => [name, params]).sort(), [["Trainer.train", { lr: "0.1", epochs: "20" }], ["with an open run", { lr: "0.1", epochs: "20" }]]); // biome-ignore format: two runs
  const curves = runs.map(({ metrics }) => (metrics["loss"] ?? []).map(([step, , value]) => [step, value]));
  assert.deepEqual(curves[0], curves[1]);
});
