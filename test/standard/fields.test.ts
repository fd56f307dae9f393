// Fields that hold functions, which only the standard dialect can decorate.
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRun, LogMetric, LogParam, LogTag, requireRun, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

@TrackedExperiment("Fields")
class Trainer {
  readonly factor: number;

  constructor(factor: number) {
    this.factor = factor;
  }

  @LogMetric("loss")
  @LogParam
  train = async (lr: number): Promise<{ loss: number }> => {
    await Promise.resolve();
    currentRun()?.setTag("mine", this.factor);
    return { loss: lr * this.factor };
  };

  @TrackedRun({ runName: ([n]) => `step ${n}` })
  @LogTag
  static step = (n: number): string => `${n} ${requireRun().experiment}`;

  @LogMetric
  #hidden = function* (this: Trainer): Generator<number> {
    yield this.factor;
  };

  reveal(): number[] {
    return [...this.#hidden()];
  }
}

class Derived extends Trainer {
  @LogMetric({ own: (r: { loss: number }) => r.loss + 1 })
  override train = async (lr: number): Promise<{ loss: number }> => ({ loss: lr });
}

test("each instance's field is tracked by itself, static and private ones too", async () => {
  const tracker = createTestTracker();
  const [one, two] = [new Trainer(1), new Trainer(2)];
  assert.notEqual(one.train, two.train);
  const { train } = two;
  assert.equal(train.length, 1);
  await tracker.run(async () => {
    assert.deepEqual(await one.train(0.5), { loss: 0.5 });
    assert.deepEqual(await train(0.5), { loss: 1 });
    assert.equal(Trainer.step(3), "3 Fields");
    assert.deepEqual(one.reveal(), [1]);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [
      run.name,
      run.experiment,
      run.params,
      values(run),
      run.tags["mine"] ?? run.tags["step"],
    ]),
    [
      ["Trainer.train", "Fields", { lr: "0.5" }, { loss: [0.5] }, "1"],
      ["Trainer.train", "Fields", { lr: "0.5" }, { loss: [1] }, "2"],
      ["step 3", "Fields", {}, {}, "3 Fields"],
      ["Trainer.hidden", "Fields", {}, { hidden: [1] }, undefined],
    ],
  );
});

test("an optional field that holds nothing is left alone", () => {
  class Optional {
    @TrackedRun
    onEnd?: () => void;
  }
  assert.equal(new Optional().onEnd, undefined);
});

test("a derived class's field has its own plan and its own name", async () => {
  const tracker = createTestTracker();
  await tracker.run(() => new Derived(3).train(1));
  const run = tracker.onlyRun;
  assert.deepEqual([run.name, values(run), run.params], ["Derived.train", { own: [2] }, {}]);
});

test("a thousand instances cost nothing extra", async () => {
  const tracker = createTestTracker();
  await tracker.run(() => Promise.all(Array.from({ length: 1_000 }, (_, n) => new Trainer(n).train(1))));
  const losses = tracker.runs.map((run) => values(run)["loss"]?.[0]);
  assert.deepEqual(
    losses,
    Array.from({ length: 1_000 }, (_, n) => n),
  );
});

test("a field that holds a decorated method leaves it alone, and limits span instances", async () => {
  class Alias {
    @TrackedRun
    @LogMetric("loss")
    train(): { loss: number; acc: number } {
      return { loss: 1, acc: 2 };
    }

    @LogMetric("acc")
    alias = this.train;

    @TrackedRun({ maxRunsPerSecond: 1, runName: "limited" })
    @LogMetric("n")
    limited = (n: number): { n: number } => ({ n });
  }
  const tracker = createTestTracker();
  const all = Array.from({ length: 5 }, () => new Alias());
  tracker.run(() => all[0]?.train());
  assert.deepEqual(tracker.runs.map(values), [{ loss: [1] }]);
  tracker.run(() => {
    for (const [n, each] of all.entries()) each.limited(n);
  });
  await tracker.shutdown();
  const folded = tracker.runs.filter(({ name }) => name === "limited (folded)");
  assert.ok(folded.length >= 1); // two, when the second ends in between
  assert.equal(
    folded.reduce((sum, { tags }) => sum + Number(tags["pulse.folded"]), 0) +
      tracker.runs.filter(({ name }) => name === "limited").length,
    5,
  );
});
