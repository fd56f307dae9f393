import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, requireRun, startRun, TrackedExperiment } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let pass
type Any = any;

test("code inside a call that when leaves out gets a run that forgets", async () => {
  const tracker = createTestTracker();
  const work = tracker.tracked(
    async () => {
      await Promise.resolve();
      requireRun().logMetric("loss", 1);
      return 1;
    },
    { when: () => false },
  );
  assert.equal(await work(), 1);
  tracker.withRun({ when: () => false }, () => requireRun().setTag("a", "b"));
  // Inside a run it is that one.
  await tracker.withRun({ runName: "outer" }, () => work());
  const stored = tracker.runs;
  assert.deepEqual(
    stored.map(({ name }) => name),
    ["outer"],
  );
  assert.deepEqual(stored[0] && values(stored[0]), { loss: [1] });
  assert.throws(() => requireRun(), { code: "NO_ACTIVE_RUN" });
});

test("a setter outside a run names class and member, but not one of a library", () => {
  const tracker = createTestTracker();
  @TrackedExperiment("Setters")
  class Dial {
    level = 0;
    @LogMetric("level" as Any)
    set turned(to: number) {
      this.level = to;
    }
  }
  tracker.run(() => {
    new Dial().turned = 3;
  });
  assert.match(
    tracker.warnings.join(),
    /Dial\.turned is assigned, but no run is open and assignments never open one: assign inside a tracked method/,
  );
});

const later = async (): Promise<number> => {
  await Promise.resolve();
  throw new Error("it is away");
};

test("an async option function is reported once and its value left out", async () => {
  for (const [options, about] of [
    [{ metrics: later }, /the selector returned a promise/],
    [{ metrics: { quality: later } }, /the selector for "quality" returned a promise/],
    [{ metrics: "loss", runName: later }, /runName failed: it must return its value synchronously/],
    [{ metrics: "loss", params: later }, /params failed/],
    [{ metrics: "loss", tags: later }, /tags failed/],
    [{ metrics: "loss", failOn: later }, /failOn failed/],
  ] as const) {
    const tracker = createTestTracker();
    for (let i = 0; i < 2; i++) assert.deepEqual(tracker.tracked(() => ({ loss: 1 }), options as Any)(), { loss: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(tracker.warnings.length, 1, tracker.warnings.join());
    assert.match(String(tracker.warnings[0]), about);
  }
});

test("the same holds for decorators' functions", async () => {
  class Scorer {
    @LogMetric("loss", { step: later } as Any)
    step(): object {
      return { loss: 1 };
    }
    @LogMetric("loss", { timestamp: later } as Any)
    timestamp(): object {
      return { loss: 1 };
    }
    @LogMetric("loss", { when: later } as Any)
    when(): object {
      return { loss: 1 };
    }
    @LogTag(later as Any)
    tag(): object {
      return { stage: "a" };
    }
    @LogTag({ stage: later } as Any)
    tags(): object {
      return { stage: "a" };
    }
    @LogParam({ lr: later } as Any)
    param(_lr: number): void {}
  }
  for (const name of ["step", "timestamp", "when", "tag", "tags", "param"] as const) {
    const tracker = createTestTracker();
    tracker.withRun({}, () => new Scorer()[name](1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(tracker.warnings.length, 1, `${name}: ${tracker.warnings.join()}`);
    assert.match(
      String(tracker.warnings[0]),
      new RegExp(`Scorer\\.${name}: .* returned a promise; it must return its value synchronously`),
    );
  }
});

test("a promise as a value is left out, and an async redact or logger ends nothing", async () => {
  const tracker = createTestTracker();
  tracker.withRun({ params: { p: Promise.resolve(1) }, tags: { t: Promise.resolve("a") } }, () => undefined);
  const run = tracker.onlyRun;
  assert.deepEqual(run.params, {});
  assert.equal(Object.hasOwn(run.tags, "t"), false);
  assert.equal(tracker.warnings.filter((text) => text.includes("is a promise: await it before logging")).length, 2);
  const hostile = createTestTracker({ redact: later as Any, logger: { warn: later as Any } });
  hostile.withRun({ params: { a: "b" } }, () => undefined);
  await hostile.flush();
});

test("two functions without a name are told apart by their runs", () => {
  const tracker = createTestTracker();
  for (const name of ["first", "second"])
    tracker.withRun({ experiment: name.toUpperCase(), runName: name, metrics: "los" as Any }, () => ({ loss: 1 }));
  assert.equal(tracker.warnings.length, 2);
  assert.match(tracker.warnings.join("\n"), /run "first" \(experiment "FIRST"\): metric path "los" found nothing/);
  assert.match(tracker.warnings.join("\n"), /run "second" \(experiment "SECOND"\): metric path "los" found nothing/);
  for (const experiment of ["A", "B"]) tracker.withRun({ experiment }, () => named(tracker.tracked)());
  assert.equal(tracker.warnings.length, 4);
});

function named(tracked: Any): () => unknown {
  return tracked(
    function train() {
      return { loss: 1 };
    },
    { metrics: "los" },
  );
}

test("a bare @LogTag on neither text nor number is reported once", () => {
  class Stage {
    @LogTag
    stage(): object {
      return { stage: "test" };
    }
  }
  const tracker = createTestTracker();
  for (let i = 0; i < 2; i++) tracker.withRun({}, () => new Stage().stage());
  assert.deepEqual(tracker.warnings.length, 1);
  assert.match(
    String(tracker.warnings[0]),
    /Stage\.stage: no tag was found: it returned an object\. Say what to log: a path \("stage"\) or a function/,
  );
});

test("our own errors in a user's option function do not reach the call", async () => {
  const tracker = createTestTracker();
  const when = tracker.tracked(() => 5, { when: () => requireRun() !== undefined, runName: () => requireRun().id });
  assert.equal(when(), 5);
  assert.equal(await tracker.tracked(async () => 6, { metrics: () => startRun({ nope: 1 } as object).id })(), 6);
  assert.equal(tracker.runs.length, 2);
});
