import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRun, LogMetric, LogParam, TrackedExperiment, tracked } from "../../src/index.js";
import {
  assertLoggedMetric,
  assertRun,
  createTestTracker,
  pulseMatchers,
  recordMlflowCalls,
} from "../../src/testing/index.js";
import { unhandled } from "../support/unhandled.js";
import { sleep } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

@TrackedExperiment("PulseMetaLearning", { params: { run_type: "meta-learning" } })
class MetaLearner {
  @LogParam
  @LogMetric
  async evaluate(lr: number): Promise<{ avg_confidence: number; avg_fragility: number }> {
    await sleep(1);
    return { avg_confidence: 1 - lr, avg_fragility: lr };
  }

  @LogMetric("loss")
  *train(): Generator<{ loss: number }> {
    for (const loss of [0.5, 0.25]) yield { loss };
    throw new Error("diverged");
  }
}

test("a test tracker shows at once what was recorded, with its own ids and times", async () => {
  const tracker = createTestTracker();
  await tracker.run(() => new MetaLearner().evaluate(0.25));
  tracker.now += 1_000;
  assert.throws(() => tracker.run(() => [...new MetaLearner().train()]), /diverged/);
  assert.equal(tracker.runs.length, 2);
  const [evaluated, trained] = tracker.runs;
  assert.deepEqual(evaluated, {
    id: "00000000000000000000000000000001",
    name: "MetaLearner.evaluate",
    experiment: "PulseMetaLearning",
    status: "FINISHED",
    parentId: undefined,
    startTime: 1_700_000_000_000,
    endTime: 1_700_000_000_000,
    params: { run_type: "meta-learning", lr: "0.25" },
    description: undefined,
    tags: {},
    metrics: {
      avg_confidence: [{ value: 0.75, step: 0, timestamp: 1_700_000_000_000 }],
      avg_fragility: [{ value: 0.25, step: 0, timestamp: 1_700_000_000_000 }],
    },
    inputs: [],
    artifacts: {},
  });
  assert.deepEqual(
    [trained?.startTime, trained?.status, trained?.tags["error.message"]],
    [1_700_000_001_000, "FAILED", "diverged"],
  );
  assert.throws(() => tracker.onlyRun, /expected one run, found 2: MetaLearner\.evaluate, MetaLearner\.train/);
  assert.deepEqual(tracker.stats().pending, 0);
});

test("tests side by side do not see each other's runs", async () => {
  const work = tracked(async (n: number) => {
    await sleep(n % 3);
    currentRun()?.logMetric("n", n);
  });
  const trackers = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const tracker = createTestTracker();
      await tracker.run(() => work(n));
      return tracker;
    }),
  );
  for (const [n, tracker] of trackers.entries()) assertLoggedMetric(tracker.onlyRun, "n", { near: [n], steps: [0] });
});

test("a snapshot has no ids and no times, and children are inside their parents", () => {
  const tracker = createTestTracker();
  const leaf = tracked((n: number) => n, { runName: "leaf", metrics: "n", params: ["n"] });
  tracker.run(() => tracked(() => [leaf(1), leaf(2)], { runName: "root", tags: { stage: "test" } })());
  const child = (n: number) => ({
    name: "leaf",
    experiment: "Default",
    status: "FINISHED",
    params: { n: String(n) },
    tags: {},
    metrics: { n: [[0, n]] },
    children: [],
  });
  assert.deepEqual(tracker.snapshot(), [
    {
      name: "root",
      experiment: "Default",
      status: "FINISHED",
      params: {},
      tags: { stage: "test" },
      metrics: {},
      children: [child(1), child(2)],
    },
  ]);
});

test("matchers say what is there instead", () => {
  const tracker = createTestTracker();
  const trial = tracked((lr: number) => [1 - lr, 1 - lr / 2], {
    runName: "trial",
    params: ["lr"],
    metrics: { loss: (r: number[]) => r },
  });
  tracker.run(() => [trial(0.1), trial(0.2)]);
  const { toHaveLoggedMetric, toHaveRun } = pulseMatchers;
  for (const [result, pass] of [
    [toHaveLoggedMetric(tracker, "loss"), true],
    [toHaveLoggedMetric(tracker, "loss", { near: 0.95, steps: 2 }), true],
    [toHaveLoggedMetric(tracker, "loss", { near: [0.8, 0.9], steps: [0, 1] }), true],
    [toHaveLoggedMetric(tracker.runs, "loss", { near: 0.94, within: 0.02 }), true],
    [toHaveLoggedMetric(tracker, "loss", { near: [0.8] }), false],
    [toHaveLoggedMetric(tracker, "accuracy"), false],
    [
      toHaveRun(tracker, {
        status: "FINISHED",
        params: { lr: 0.2 },
        metrics: { loss: 0.9 },
        name: "trial",
        experiment: "Default",
      }),
      true,
    ],
    [toHaveRun(tracker, { status: "FAILED" }), false],
    [toHaveRun(tracker, { tags: { stage: "x" } }), false],
    [toHaveRun(createTestTracker()), false],
  ] as const)
    assert.equal(result.pass, pass, result.message());
  assert.equal(
    toHaveRun(tracker, { status: "FAILED", params: { lr: 0.2 } }).message(),
    `expected a run { status: 'FAILED', params: { lr: 0.2 } }
  trial (FINISHED): status is 'FINISHED'; params.lr is '0.1'
  trial (FINISHED): status is 'FINISHED'`,
  );
  assert.match(toHaveRun(createTestTracker(), {}).message(), /nothing was recorded/);
  assert.match(
    toHaveLoggedMetric(tracker, "loss").message(),
    /expected no metric 'loss' \{\}, but there is trial \(0+1\), trial/,
  );
  assertRun(tracker, { params: { lr: 0.1 } });
  assert.throws(() => assertRun(tracker, { name: "other" }), { name: "AssertionError", message: /name is 'trial'/ });
});

test("records the exact sequence of MLflow calls with their arguments", async () => {
  const mlflow = recordMlflowCalls();
  await mlflow.tracker.run(() => new MetaLearner().evaluate(0.25));
  assert.deepEqual(mlflow.calls, [
    ["setExperiment", "PulseMetaLearning"],
    ["startRun", "MetaLearner.evaluate"],
    ["logParam", "run_type", "meta-learning"],
    ["logParam", "lr", "0.25"],
    ["logMetric", "avg_confidence", 0.75, 0],
    ["logMetric", "avg_fragility", 0.25, 0],
    ["endRun", "FINISHED"],
  ]);
});

test("without a server nothing is called or fails, and all comes once it is back", async () => {
  const mlflow = recordMlflowCalls();
  const run = mlflow.tracker.startRun({ runName: "long" });
  run.logMetric("a", 1);
  mlflow.goAway();
  run.logMetric("a", 2);
  await mlflow.tracker.run(() => new MetaLearner().evaluate(0.5));
  run.end();
  await sleep(20);
  assert.deepEqual(mlflow.callsOf("long"), [
    ["setExperiment", "Default"],
    ["startRun", "long"],
    ["logMetric", "a", 1, 0],
  ]);
  assert.equal(mlflow.tracker.runs.length, 1);
  assert.equal(mlflow.tracker.stats().warnings.STORE_UNAVAILABLE !== undefined, true);
  await mlflow.comeBack();
  assert.deepEqual(mlflow.callsOf("long").slice(3), [
    ["logMetric", "a", 2, 1],
    ["endRun", "FINISHED"],
  ]);
  assertRun(mlflow.tracker, { name: "MetaLearner.evaluate", status: "FINISHED", params: { lr: 0.5 } });
  assert.equal(mlflow.tracker.stats().pending, 0);
});

test("folded runs can be looked at once their second is over", () => {
  const tracker = createTestTracker();
  const work = tracked((n: number) => n, { runName: "work", maxRunsPerSecond: 1, metrics: "n" });
  tracker.run(() => [work(1), work(2), work(3)]);
  assert.equal(tracker.runs.length, 1);
  tracker.now += 1_000;
  assertRun(tracker, {
    name: "work (folded)",
    status: "FINISHED",
    tags: { "pulse.folded": 2 },
    metrics: { "n.mean": 2.5, errors: 0 },
  });
});

test("expectations are compared as stored, and a mistake in them is reported", () => {
  const tracker = createTestTracker();
  tracker.withRun({ params: { betas: [0.9, 0.999], at: new Date(0), o: { a: 1 } } }, (run) => {
    for (let i = 0; i < 150; i++) run.logMetric("loss", i, { step: i < 120 ? i : i + 1_000 });
  });
  assertRun(tracker, { params: { betas: [0.9, 0.999], at: new Date(0), o: { a: 1 } } });
  const steps = Array.from({ length: 150 }, (_, i) => i);
  assert.throws(() => assertLoggedMetric(tracker, "loss", { steps }), { name: "AssertionError" });
  assert.throws(
    () => assertRun(tracker, { statuss: "FAILED" } as never),
    /there is no option "expected\.statuss"\. Did you mean "status"\?/,
  );
});

test("the environment has no say, and a given logger gets the warnings too", () => {
  process.env["MLFLOW_EXPERIMENT_NAME"] = "of the shell";
  try {
    const { logger, warnings: heard } = collectWarnings();
    const tracker = createTestTracker({ logger });
    tracker.withRun({}, (run) => run.logMetric("m", "x" as never));
    assert.equal(tracker.onlyRun.experiment, "Default");
    assert.deepEqual([heard.length, tracker.warnings], [1, heard]);
  } finally {
    delete process.env["MLFLOW_EXPERIMENT_NAME"];
  }
});

test("a test decides where chance does", () => {
  const tracker = createTestTracker();
  const sampled = tracker.tracked(() => 1, { sample: 0.1, runName: "sampled" });
  sampled();
  assert.deepEqual(tracker.runs, []);
  tracker.chance = 0.05;
  sampled();
  assert.equal(tracker.onlyRun.name, "sampled");
  for (const wrong of [1, -0.1, Number.NaN, "0.5"])
    assert.throws(() => Object.assign(tracker, { chance: wrong }), /chance must be a number from 0 up to 1/);
  assert.equal(tracker.chance, 0.05);
});

test("a run shows its description and its datasets", () => {
  const tracker = createTestTracker();
  const iris = { name: "iris", digest: "d1", sourceType: "local", source: { uri: "iris.csv" } };
  tracker.withRun({ description: "Seven *trials*" }, (run) => run.logInput(iris, { context: "training" }));
  const { description, inputs, tags } = tracker.onlyRun;
  assert.equal(description, "Seven *trials*");
  assert.deepEqual(tags, {});
  assert.deepEqual(
    inputs.map((input) => ({ ...input })),
    [
      {
        ...iris,
        source: '{"uri":"iris.csv"}',
        schema: undefined,
        profile: undefined,
        tags: [{ key: "mlflow.data.context", value: "training" }],
      },
    ],
  );
});

test("a logger that answers with a promise that fails disturbs nobody", async () => {
  const logger = { warn: (() => Promise.reject(new Error("it is away"))) as unknown as () => void };
  const tracker = createTestTracker({ logger });
  const failures = await unhandled(() => void tracker.withRun({}, (run) => run.logMetric("m", "x" as never)));
  assert.deepEqual([failures, tracker.warnings.length], [[], 1]);
});
