import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRun, LogMetric } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { steps, values } from "../../support/runs.js";

class Source {
  @LogMetric("loss", { everyN: 3 })
  *third(): Generator<{ loss: number }> {
    for (let i = 0; i < 8; i++) yield { loss: i };
  }

  @LogMetric(undefined, { aggregate: ["count", "sum", "mean", "min", "max", "last", "p50", "p95", "p99"] })
  latency(ms: number): number {
    return ms;
  }

  @LogMetric(undefined, { minIntervalMs: 100 })
  spaced(value: number): number {
    return value;
  }

  @LogMetric("v", { aggregate: "mean", prefix: "train/" })
  value(v: number): { v: number } {
    return { v };
  }
}

test("everyN logs the first of every n values, and the others count as steps", async () => {
  const tracker = createTestTracker();
  tracker.withRun({}, () => [...new Source().third()]);
  assert.deepEqual(steps(tracker.onlyRun, "loss"), [
    [0, 0],
    [3, 3],
    [6, 6],
  ]);
});

test("minIntervalMs leaves out what comes too soon, even if the clock was set back", async () => {
  const tracker = createTestTracker();
  const source = new Source();
  tracker.withRun({}, () => {
    for (const [value, at] of [10_000, 10_050, 10_099, 10_100, 10_250, 5_000, 5_050].entries()) {
      tracker.now = at;
      source.spaced(value);
    }
  });
  assert.deepEqual(steps(tracker.onlyRun, "spaced"), [
    [0, 0],
    [3, 3],
    [4, 4],
    [5, 5],
  ]);
});

test("aggregates of a run's values are logged at its end, percentiles within 1 %", async () => {
  const tracker = createTestTracker();
  const source = new Source();
  tracker.withRun({}, (run) => {
    for (let ms = 1; ms <= 10_000; ms++) source.latency(ms);
    source.latency(Number.NaN);
    source.value(2);
    source.value(4);
    run.end();
    source.value(100);
  });
  const { "latency.p50": p50, "latency.p95": p95, "latency.p99": p99, ...exact } = values(tracker.onlyRun);
  assert.deepEqual(exact, {
    "latency.count": [10_000],
    "latency.sum": [50_005_000],
    "latency.mean": [5_000.5],
    "latency.min": [1],
    "latency.max": [10_000],
    "latency.last": [10_000],
    "train/v.mean": [3],
  });
  for (const [got, expected] of [
    [p50, 5_000],
    [p95, 9_500],
    [p99, 9_900],
  ] as const)
    assert.ok(Math.abs((got?.[0] ?? 0) - expected) <= expected * 0.01 + 1, `${got} for ${expected}`);
  assert.match(tracker.warnings.join("\n"), /latency.*is not finite; the aggregates leave it out/);
});

test("percentiles of few values are those values: the nearest rank", async () => {
  const tracker = createTestTracker();
  for (const count of [1, 2, 3, 8, 100]) {
    tracker.withRun({ runName: `${count}` }, () => {
      const source = new Source();
      for (let ms = 1; ms <= count; ms++) source.latency(ms);
    });
  }
  for (const run of tracker.runs) {
    const sorted = Array.from({ length: Number(run.name) }, (_, i) => i + 1);
    for (const [name, quantile] of [
      ["p50", 0.5],
      ["p95", 0.95],
      ["p99", 0.99],
    ] as const) {
      const exact = sorted[Math.ceil(quantile * sorted.length) - 1] ?? 0;
      const got = values(run)[`latency.${name}`]?.[0] ?? 0;
      assert.ok(Math.abs(got - exact) <= exact * 0.01, `${name} of ${run.name}: ${got} for ${exact}`);
    }
  }
});

test("sums of many small values beside a large one stay exact", async () => {
  const tracker = createTestTracker();
  class Adder {
    @LogMetric("x", { aggregate: "sum" })
    add(x: number): { x: number } {
      return { x };
    }
  }
  tracker.withRun({}, () => {
    for (const x of [1e16, ...Array.from({ length: 1_000 }, () => 1), -1e16]) new Adder().add(x);
  });
  assert.deepEqual(values(tracker.onlyRun)["x.sum"], [1_000]);
});

test("maps, sets and iterables give fields and steps, but nothing is used up", async () => {
  const bag = { *[Symbol.iterator]() { yield* [5, 6]; } }; // biome-ignore format: one thing
  const once = [1, 2].values();
  class Giver {
    @LogMetric
    map() {
      return new Map<string, unknown>([
        ["loss", 1],
        ["deep", new Map([["acc", 2n]])],
        ["name", "x"],
      ]);
    }

    // @ts-expect-error: "once" would be used up
    @LogMetric(["by.0", "by.deep.acc", "set", "bag", "once"])
    picked() {
      return { by: new Map<unknown, number | { acc: number }>([[0, 3], ["deep", { acc: 4 }]]), set: new Set([7, 8]), bag, once }; // biome-ignore format: one thing
    }

    @LogMetric
    objects() {
      return { at: new Date(5), made: new (class Made { n = 1 })(), wrapped: Object(1) as object, typed: Float32Array.of(1) }; // biome-ignore format: one thing
    }

    @LogMetric
    elements() {
      return new Set([{ n: 1 }, { n: 2 }]);
    }
  }
  const tracker = createTestTracker();
  tracker.withRun({}, () => {
    const giver = new Giver();
    giver.map();
    giver.picked();
    giver.objects();
    giver.elements();
    assert.deepEqual([...once], [1, 2]);
    assert.ok(currentRun());
  });
  assert.deepEqual(values(tracker.onlyRun), {
    loss: [1],
    "deep.acc": [2],
    "by.0": [3],
    "by.deep.acc": [4],
    set: [7, 8],
    bag: [5, 6],
    n: [1, 2],
  });
});

test("two methods that aggregate the same key alike are aggregated together", async () => {
  class Two {
    @LogMetric("ms", { aggregate: ["mean", "count"] })
    a(ms: number) {
      return { ms };
    }

    @LogMetric("ms", { aggregate: ["count", "mean"] })
    b(ms: number) {
      return { ms };
    }
  }
  const tracker = createTestTracker();
  tracker.withRun({}, () => [new Two().a(1), new Two().b(3)]);
  assert.deepEqual(values(tracker.onlyRun), { "ms.mean": [2], "ms.count": [2] });
});

test("strict: an error while a run ends does not leave it open", async () => {
  const tracker = createTestTracker({ strict: true });
  const key = "k".repeat(248); // with ".mean" too long for MLflow
  class Long {
    @LogMetric((v: number) => ({ [key]: v }), { aggregate: "mean" })
    value(v: number): number {
      return v;
    }
  }
  assert.throws(() => tracker.withRun({}, () => new Long().value(1)), { code: "INVALID_KEY" });
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ["FINISHED"],
  );
});
