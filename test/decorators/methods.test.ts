import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createTracker,
  currentRun,
  LogMetric,
  LogParam,
  LogTag,
  TrackedExperiment,
  TrackedRun,
  withRun,
} from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { createTestTracker } from "../../src/testing/index.js";
import { steps, values } from "../support/runs.js";

@TrackedExperiment("Learning", { params: { run_type: "meta-learning" }, tags: { team: "pulse" } })
class Learner {
  factor = 1;

  @LogMetric
  async evaluate(scale: number): Promise<{ avg_confidence: number; nested: { loss: number }; text: string }> {
    await Promise.resolve();
    return { avg_confidence: 0.5 * scale * this.factor, nested: { loss: 0.25 }, text: "no number" };
  }

  @LogMetric()
  score(): number {
    return 7;
  }

  @LogMetric("loss", { prefix: "train/" })
  *train(epochs: number): Generator<{ loss: number }> {
    for (let epoch = 0; epoch < epochs; epoch++) yield { loss: 1 / (epoch + 1) };
  }

  @TrackedRun({ runName: ([lr]) => `lr ${lr}` })
  @LogParam({ lr: "0" })
  @LogMetric(["a", "b"])
  async trial(_lr: number, _options: { deep: { x: number } }): Promise<{ a: number; b: number; c: number }> {
    for (const _ of this.train(3)) await Promise.resolve();
    return { a: 1, b: 2, c: 3 };
  }

  @TrackedRun
  async sweep(): Promise<number> {
    await this.trial(0.1, { deep: { x: 1 } });
    await this.trial(0.2, { deep: { x: 2 } });
    return 2;
  }

  @LogParam(["lr", "1.deep.x"])
  @LogTag({ verdict: "verdict" })
  judge(_lr: number, _options: { deep: { x: number } }): { verdict: string } {
    return { verdict: "good" };
  }

  @LogMetric
  static count(): number {
    return 3;
  }

  untouched(): number {
    return 1;
  }
}

test("a logging method of a tracked class opens a run and logs its result", async () => {
  const tracker = createTestTracker();
  const result = await tracker.run(() => new Learner().evaluate(1));
  assert.deepEqual(result, { avg_confidence: 0.5, nested: { loss: 0.25 }, text: "no number" });
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Learning");
  assert.equal(run.name, "Learner.evaluate");
  assert.equal(run.status, "FINISHED");
  assert.deepEqual(values(run), { avg_confidence: [0.5], "nested.loss": [0.25] });
  assert.deepEqual(run.params, { run_type: "meta-learning" });
  assert.equal(run.tags["team"], "pulse");
  assert.ok((run.endTime ?? 0) >= run.startTime);
});

test("a stored run has MLflow's own tags", async () => {
  const store = new MemoryStore();
  const tracker = createTracker({ store });
  await tracker.run(() => new Learner().evaluate(1));
  await tracker.flush();
  const [run] = store.runs.values();
  assert.equal(run?.tags.get("mlflow.runName"), "Learner.evaluate");
  assert.equal(run?.tags.get("mlflow.source.type"), "LOCAL");
});

test("a sync method stays sync and logs its number under its name", async () => {
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Learner().score()),
    7,
  );
  assert.deepEqual(values(tracker.onlyRun), { score: [7] });
});

test("a generator logs one step per yield, under a prefix", async () => {
  const tracker = createTestTracker();
  const losses = tracker.run(() => [...new Learner().train(3)].map(({ loss }) => loss));
  assert.deepEqual(losses, [1, 1 / 2, 1 / 3]);
  const run = tracker.onlyRun;
  assert.deepEqual(steps(run, "train/loss"), [
    [0, 1],
    [1, 1 / 2],
    [2, 1 / 3],
  ]);
  assert.equal(run.status, "FINISHED");
});

test("@TrackedRun opens a child of the open run, and joined methods log into theirs", async () => {
  const tracker = createTestTracker();
  await tracker.run(() => new Learner().sweep());
  const [sweep, first, second, ...rest] = tracker.runs;
  assert.equal(rest.length, 0);
  assert.equal(sweep?.name, "Learner.sweep");
  assert.deepEqual([first?.name, second?.name], ["lr 0.1", "lr 0.2"]);
  for (const child of [first, second]) {
    assert.equal(child?.parentId, sweep?.id);
    assert.deepEqual(child && values(child), { "train/loss": [1, 1 / 2, 1 / 3], a: [1], b: [2] });
  }
  assert.deepEqual(first?.params, { run_type: "meta-learning", lr: "0.1" });
  assert.deepEqual(sweep && values(sweep), {});
});

test("arguments become params by name and index path, and results become tags", async () => {
  const tracker = createTestTracker();
  tracker.run(() => new Learner().judge(0.3, { deep: { x: 9 } }));
  const run = tracker.onlyRun;
  // `lr` is written `_lr` in the signature: not a name of an argument.
  assert.deepEqual(run.params, { run_type: "meta-learning", "1.deep.x": "9" });
  assert.equal(run.tags["verdict"], "good");
});

test("an unknown argument name warns once", async () => {
  class Fresh {
    @TrackedRun
    @LogParam(["rate", "lr"])
    go(lr: number): number {
      return lr;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Fresh().go(1));
  assert.deepEqual(tracker.onlyRun.params, { lr: "1" });
  assert.equal(tracker.warnings.length, 1);
  assert.match(
    tracker.warnings[0] ?? "",
    /Fresh\.go: there is no argument named "rate"; it has lr\. Name .*UNKNOWN_ARGUMENT/,
  );
});

test("static methods are tracked, unmarked methods are not", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    Learner.count();
    new Learner().untouched();
  });
  const run = tracker.onlyRun;
  assert.equal(run.name, "Learner.count");
  assert.deepEqual(values(run), { count: [3] });
});

test("a joined call sets no status or error tags of the run it logs into", async () => {
  @TrackedExperiment("Joined")
  class Fails {
    @LogMetric
    part(): number {
      throw new Error("inner");
    }

    @TrackedRun
    whole(): string {
      try {
        this.part();
      } catch {
        return "survived";
      }
      return "unreachable";
    }
  }
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Fails().whole()),
    "survived",
  );
  const run = tracker.onlyRun;
  assert.equal(run.status, "FINISHED");
  assert.equal(Object.hasOwn(run.tags, "error.type"), false);
});

test("outside any run and tracked class a logging method logs nothing and warns once", async () => {
  class Plain {
    @LogMetric
    value(): number {
      return 1;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    const plain = new Plain();
    assert.equal(plain.value() + plain.value(), 2);
  });
  assert.equal(tracker.runs.length, 0);
  assert.equal(tracker.warnings.length, 1);
  assert.match(tracker.warnings[0] ?? "", /OUTSIDE_RUN/);
  assert.equal(tracker.stats().warnings.OUTSIDE_RUN, 2);

  const silent = createTestTracker({ outsideRun: "ignore" });
  silent.run(() => new Plain().value());
  assert.deepEqual(silent.warnings, []);
  const strict = createTestTracker({ outsideRun: "throw" });
  assert.throws(() => strict.run(() => new Plain().value()), { code: "OUTSIDE_RUN" });

  const inside = createTestTracker();
  inside.withRun({}, () => new Plain().value());
  assert.deepEqual(values(inside.onlyRun), { value: [1] });
});

test("@TrackedExperiment on a method opens a child run in its own experiment", async () => {
  class Both {
    @TrackedExperiment("Own", { metrics: "loss", tags: { kind: "own" } })
    run(): { loss: number } {
      return { loss: 4 };
    }
  }
  const tracker = createTestTracker();
  tracker.withRun({ experiment: "Outer", runName: "outer" }, () => new Both().run());
  const [outer, inner] = tracker.runs;
  assert.equal(outer?.experiment, "Outer");
  assert.equal(inner?.experiment, "Own");
  assert.equal(inner?.parentId, outer?.id);
  assert.equal(inner?.tags["kind"], "own");
  assert.deepEqual(inner && values(inner), { loss: [4] });
});

test("a decorated method keeps its name, length and this", () => {
  assert.equal(Learner.prototype.evaluate.name, "evaluate");
  assert.equal(Learner.prototype.evaluate.length, 1);
  assert.equal(Learner.name, "Learner");
  const tracker = createTestTracker();
  const learner = new Learner();
  learner.factor = 4;
  return tracker.run(() => learner.evaluate(1)).then((result) => assert.equal(result.avg_confidence, 2));
});

test("inside a decorated call the current run is the call's own", async () => {
  @TrackedExperiment("Current")
  class Seen {
    @LogMetric
    async look(): Promise<number> {
      const before = currentRun();
      await Promise.resolve();
      assert.equal(currentRun(), before);
      before?.logMetric("by_hand", 1, { step: 5 });
      before?.logMetric("by_hand", 2);
      return 1;
    }
  }
  const tracker = createTestTracker();
  await tracker.run(() => new Seen().look());
  assert.equal(currentRun(), undefined);
  const run = tracker.onlyRun;
  assert.deepEqual(steps(run, "by_hand"), [
    [5, 1],
    [6, 2],
  ]);
  assert.equal(
    tracker.run(() => withRun({}, (inner) => inner === currentRun())),
    true,
  );
});
