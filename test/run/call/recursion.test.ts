// Deep recursion: through tracked calls, below them, and where the stack runs out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, TrackedExperiment } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";

@TrackedExperiment("Deep")
class Walker {
  @LogMetric
  down(depth: number): number {
    return depth === 0 ? 0 : 1 + this.down(depth - 1);
  }
}

test("a tracked method can call itself 3,000 deep, in one run or a run each", async () => {
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Walker().down(3_000)),
    3_000,
  );
  const nested: (depth: number) => number = tracker.tracked((depth: number): number =>
    depth === 0 ? 0 : 1 + nested(depth - 1),
  );
  assert.equal(nested(3_000), 3_000);
  const all = tracker.runs;
  assert.equal(all.length, 3_002);
  assert.ok(all.every((run) => run.status === "FINISHED"));
  assert.deepEqual(tracker.warnings, []);
});

test("endless recursion is the program's RangeError and leaves no run open", async () => {
  const tracker = createTestTracker();
  const endless: () => unknown = tracker.tracked(() => endless());
  assert.throws(endless, RangeError);
  await tracker.flush();
  const all = tracker.runs;
  assert.ok(all.length > 2_000);
  assert.deepEqual([...new Set(all.map((run) => run.status))], ["FAILED"]);
  assert.equal(tracker.stats().pending, 0);
});

test("tracked calls near the end of the stack leave no run open", async () => {
  for (let shift = 0; shift < 8; shift++) {
    const tracker = createTestTracker();
    const leaf = tracker.tracked((n: number) => ({ n }), { metrics: "n", params: ["0"] });
    const plain = (n: number): void => {
      try {
        leaf(n);
      } catch (error) {
        assert.ok(error instanceof RangeError);
      }
      plain(n + 1);
    };
    const shifted = (by: number): void => (by === 0 ? plain(0) : shifted(by - 1));
    assert.throws(() => shifted(shift), RangeError);
    leaf(0);
    const all = tracker.runs;
    assert.ok(all.length > 1_000);
    assert.ok(all.every((run) => run.status !== "RUNNING"));
  }
});
