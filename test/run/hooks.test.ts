import assert from "node:assert/strict";
import { test } from "node:test";
import { type EndedRun, type Run, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

test("hooks see each run begin and end, with its result or error", async () => {
  const seen: unknown[] = [];
  const tracker = createTestTracker({
    onRunStart: (run: Run) => seen.push(["start", run.experiment, run.ended]),
    onRunEnd: (run, { endTime, ...end }: EndedRun) => seen.push(["end", run.ended, end, endTime.getTime()]),
  });
  const error = new RangeError("x");
  const ok = tracked(async (n: number) => ({ n }), { experiment: "E", metrics: "n" });
  await tracker.run(async () => {
    await ok(1);
    await tracked(() => Promise.reject(error), { experiment: "E" })().catch(() => undefined);
    for (const _ of tracked(
      function* () {
        yield 1;
      },
      { experiment: "E", metrics: "i" },
    )());
    tracked(() => ({ code: 500 }), { experiment: "E", failOn: () => "broken" })();
  });
  const run = tracker.startRun({ experiment: "F" });
  run.fail(error);
  run.end();
  tracker.startRun({ experiment: "F" });
  await tracker.shutdown();
  const at = tracker.now;
  assert.deepEqual(seen, [
    ["start", "E", false],
    ["end", true, { status: "FINISHED", result: { n: 1 } }, at],
    ["start", "E", false],
    ["end", true, { status: "FAILED", error }, at],
    ["start", "E", false],
    ["end", true, { status: "FINISHED" }, at],
    ["start", "E", false],
    ["end", true, { status: "FAILED", result: { code: 500 } }, at],
    ["start", "F", false],
    ["end", true, { status: "FAILED", error }, at],
    ["start", "F", false],
    ["end", true, { status: "FINISHED" }, at],
  ]);
});

test("what a hook logs is recorded, and what it throws a warning; its runs have none", async () => {
  let calls = 0;
  const tracker = createTestTracker({
    onRunStart: (run) => {
      calls++;
      run.setTag("trace", "t-1");
      tracker.withRun({ runName: "hook's own" }, () => undefined);
      throw new Error("mine");
    },
    onRunEnd: async (run) => {
      run.logMetric("late", 1);
      throw new Error("async");
    },
  });
  assert.equal(
    tracker.withRun({ runName: "run" }, () => 5),
    5,
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(calls, 1);
  const run = tracker.runs.find(({ name }) => name === "run");
  assert.deepEqual([run?.tags["trace"], run?.metrics["late"]?.length], ["t-1", 1]);
  assert.equal(tracker.warnings.length, 2);
  assert.match(tracker.warnings.join("\n"), /onRunStart failed: mine.*\n.*onRunEnd failed: async/);
});

test("hooks see runs that sampling leaves out, not those that record nothing", () => {
  const names: string[] = [];
  const tracker = createTestTracker({ onRunStart: (run) => names.push(run.id), sample: 0 });
  tracker.withRun({}, () => undefined);
  tracker.pause();
  tracker.withRun({}, () => undefined);
  tracker.startRun().fail(new Error("x"));
  assert.equal(names.length, 1);
  assert.equal(tracker.runs.length, 0);
  assert.throws(() => createTestTracker({ onRunEnd: 1 as never }), { code: "INVALID_CONFIG" });
});
