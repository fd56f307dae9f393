// What is said of wrong values: once for each method and key, with the place, and no kind drowns another.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, requireRun, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

@TrackedExperiment("Warned")
class Trainer {
  @LogMetric({ loss: () => Number.NaN, "a(b": () => 1 }, { step: () => "x" as never })
  @LogParam({ lr: () => "x".repeat(7_000) })
  train(): void {
    requireRun().logMetric("loss", "high" as never);
    requireRun().logParam("seed", 1);
    requireRun().logParam("seed", 2);
  }

  @TrackedRun({ runName: () => `made ${Math.random()}` })
  @LogMetric({ "a(b": () => 1 })
  test(): void {
    requireRun().logMetric("loss", "high" as never);
    this.train();
  }
}

const of = (warnings: readonly string[], code: string): string[] =>
  warnings.filter((each) => each.endsWith(`[${code}]`));

test("a wrong key or value is reported with class, method and experiment", () => {
  const tracker = createTestTracker();
  for (let i = 0; i < 3; i++) tracker.run(() => new Trainer().train());
  const place = '(Trainer.train, experiment "Warned")';
  for (const each of tracker.warnings) assert.ok(each.includes(place), each);
  const steps = of(tracker.warnings, "INVALID_VALUE").filter((each) => each.includes("step"));
  assert.deepEqual(steps.length, 2, steps.join("\n"));
  assert.match(
    of(tracker.warnings, "INVALID_VALUE").join("\n"),
    /Metric "loss" needs a number, got "high"; it is left out \(Trainer/,
  );
  assert.match(of(tracker.warnings, "VALUE_CUT").join("\n"), /"lr" has 7000 characters.*\(Trainer/);
  assert.match(
    of(tracker.warnings, "PARAM_CONFLICT").join("\n"),
    /Param "seed" of run [0-9a-f]{32} already has another value.*\(Trainer/,
  );
  assert.match(
    of(tracker.warnings, "INVALID_KEY").join("\n"),
    /Key "a\(b" is not accepted by MLflow; it is stored as "a_b" \(Trainer/,
  );
  assert.equal(tracker.warnings.length, 6, tracker.warnings.join("\n"));
});

test("a warning names the method itself, even if it joins another one's run", () => {
  const tracker = createTestTracker();
  for (let i = 0; i < 3; i++) tracker.run(() => new Trainer().test());
  const keys = of(tracker.warnings, "INVALID_KEY");
  assert.deepEqual(
    keys.map((each) => /\((.*?),/.exec(each.slice(each.indexOf("stored")))?.[1]),
    ["Trainer.train", "Trainer.test"],
  );
});

test("without a class, a warning names the run and repeats no key", () => {
  const tracker = createTestTracker();
  for (let i = 0; i < 3; i++)
    tracker.withRun({ experiment: "Sweep", runName: `trial ${i}` }, (run) => {
      run.logMetric("loss", "high" as never);
      run.logMetric("acc", "low" as never);
      run.setTags([1] as never);
      run.logInput({ name: "iris" } as never);
    });
  assert.equal(tracker.warnings.length, 4, tracker.warnings.join("\n"));
  for (const each of tracker.warnings) assert.match(each, /\(run "trial 0", experiment "Sweep"\)/);
});

test("a noisy kind silences no other, and says when more are only counted", () => {
  const tracker = createTestTracker();
  tracker.withRun({}, (run) => {
    for (let i = 0; i < 500; i++) run.logMetric(`m${i}`, "x" as never);
    for (let i = 0; i < 500; i++) run.logParam(`p(${i}`, 1);
    run.logParam("p", "y".repeat(7_000));
  });
  for (const code of ["INVALID_VALUE", "INVALID_KEY"]) {
    const said = of(tracker.warnings, code);
    assert.equal(said.length, 51, code);
    assert.equal(
      said.at(-1),
      `pulse-mlflow: Further problems of this kind are only counted, in \`stats().warnings\`. [${code}]`,
    );
  }
  assert.equal(of(tracker.warnings, "VALUE_CUT").length, 1);
  const { INVALID_VALUE, INVALID_KEY } = tracker.stats().warnings;
  assert.deepEqual([INVALID_VALUE, INVALID_KEY], [500, 500]);
});

test("datasets that are logged again are told apart", () => {
  const tracker = createTestTracker();
  tracker.withRun({}, (run) => {
    for (const name of ["iris", "wine", "iris"]) {
      const dataset = { name, digest: "1", sourceType: "local", source: {} };
      run.logInput(dataset);
      run.logInput(dataset, { context: "training" });
    }
  });
  assert.equal(of(tracker.warnings, "INPUT_REPEATED").length, 2);
});
