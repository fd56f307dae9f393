import assert from "node:assert/strict";
import { test } from "node:test";
import { defineExperiment, TrackedRun, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

const Sweep = defineExperiment({
  name: "DefinedSweep",
  metrics: { loss: { unit: "nats", goal: "minimize", range: [0, 10] }, accuracy: { goal: "maximize" }, free: {} },
  params: { lr: "number" },
});

@Sweep.TrackedExperiment({ tags: { stage: "test" } })
class Trainer {
  @Sweep.LogMetric("loss")
  @Sweep.LogMetric({ accuracy: "final.acc" })
  train(loss: number): { loss: number; final: { acc: number } } {
    Sweep.currentRun()?.logParam("lr", 0.1);
    return { loss, final: { acc: 1 } };
  }

  @TrackedRun({ experiment: "Elsewhere" })
  elsewhere(): unknown {
    return Sweep.currentRun();
  }
}

const tags = { "pulse.unit.loss": "nats", "pulse.goal.loss": "minimize", "pulse.goal.accuracy": "maximize" };

test("units and goals are tags of each run of the experiment, however it is opened", () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    new Trainer().train(1);
    Sweep.withRun({ runName: "by function" }, (run) => run.logMetric("loss", 2));
    const run = Sweep.startRun({ runName: "by hand" });
    run.logMetrics({ accuracy: 0.5 });
    run.end();
    withRun({ experiment: "DefinedSweep", runName: "by name" }, () => 1);
    withRun({ experiment: "Other", runName: "other" }, () => assert.equal(Sweep.currentRun(), undefined));
    assert.equal(new Trainer().elsewhere(), undefined);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, run.experiment, run.tags, run.params]),
    [
      ["Trainer.train", "DefinedSweep", { ...tags, stage: "test" }, { lr: "0.1" }],
      ["by function", "DefinedSweep", tags, {}],
      ["by hand", "DefinedSweep", tags, {}],
      ["by name", "DefinedSweep", tags, {}],
      ["other", "Other", {}, {}],
      ["Trainer.elsewhere", "Elsewhere", { stage: "test" }, {}],
    ],
  );
});

test("out-of-range values are logged, counted and warned of once", () => {
  const tracker = createTestTracker();
  for (const loss of [-1, 0, 10, 11, Number.NaN]) tracker.run(() => new Trainer().train(loss));
  assert.deepEqual(
    tracker.runs.map((run) => run.metrics["loss"]?.[0]?.value),
    [-1, 0, 10, 11, Number.NaN],
  );
  assert.equal(tracker.stats().warnings.OUT_OF_RANGE, 3);
  assert.deepEqual(tracker.warnings, [
    'pulse-mlflow: Metric "loss" is -1, not from 0 to 10 (Trainer.train, experiment "DefinedSweep"). It is logged anyway; fix the value, or the range in defineExperiment(). [OUT_OF_RANGE]',
  ]);
  const strict = createTestTracker({ strict: true });
  assert.throws(() => strict.run(() => Sweep.startRun().logMetric("loss", -1)), { code: "OUT_OF_RANGE" });
});

test("a wrong schema or an unknown metric key throws at once", () => {
  for (const [schema, message] of [
    [{ name: "", metrics: {} }, /name must be a non-empty string/],
    [{ name: "X" }, /metrics must be an object/],
    [{ name: "X", metrics: { loss: 1 } }, /metrics\.loss must be an object; got 1/],
    [{ name: "X", metrics: { loss: { goal: "down" } } }, /metrics\.loss\.goal must be "minimize" or "maximize"/],
    [{ name: "X", metrics: { loss: { range: [1, 0] } } }, /metrics\.loss\.range must be \[min, max\]/],
    [
      { name: "X", metrics: { loss: { units: "ms" } } },
      /there is no option "metrics\.loss\.units"\. Did you mean "unit"\?/,
    ],
  ] as const)
    assert.throws(() => defineExperiment(schema as never), { code: "INVALID_OPTION", message });
  assert.throws(() => Sweep.LogMetric("los" as never), {
    message: /"los" is not a metric of DefinedSweep\. Did you mean "loss"\? There are loss, accuracy, free/,
  });
});

test("mended keys keep their ranges, and two definitions of one experiment add up", () => {
  const One = defineExperiment({
    name: "Shared",
    metrics: { "loss (%)": { range: [0, 100], unit: "x".repeat(9_000) } },
  });
  defineExperiment({ name: "Shared", metrics: { accuracy: { goal: "maximize" } } });
  const tracker = createTestTracker();
  tracker.run(() => One.withRun({}, (run) => run.logMetric("loss (%)", 101)));
  assert.equal(tracker.stats().warnings.OUT_OF_RANGE, 1);
  assert.equal(tracker.onlyRun.tags["pulse.goal.accuracy"], "maximize");
  assert.equal(tracker.onlyRun.tags["pulse.unit.loss ___"]?.length, 5_000);
  assert.throws(() => defineExperiment(undefined as never), { code: "INVALID_OPTION" });
  assert.throws(
    () => defineExperiment({ name: "X", metrics: {}, params: { lr: "float" as never } }),
    /params\.lr must be "number"/,
  );
});
