// Keys that MLflow does not accept are mended, and two different ones of a run never become one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Run, tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { values } from "../../support/runs.js";

/** Records in one run, and gives what was stored. */
async function recorded(record: (run: Run) => void) {
  const tracker = createTestTracker();
  tracker.withRun({}, record);
  const run = tracker.onlyRun;
  return { metrics: values(run), params: run.params, tags: run.tags, run, warnings: tracker.warnings };
}

test("keys that would be mended to the same one get a hash", async () => {
  const { metrics, tags, warnings } = await recorded((run) => {
    for (const value of [1, 2])
      run.logMetrics({ "recall>0.5": value, "recall<0.5": -value, "recall=0.5": 0, "top(1)": 1, "top[1]": 2 });
  });
  assert.deepEqual(Object.keys(metrics), [
    "recall_0.5",
    "recall_0.5_267fd4d9",
    "recall_0.5_409b900c",
    "top_1_",
    "top_1__d16be6f3",
  ]);
  assert.deepEqual(Object.values(metrics), [
    [1, 2],
    [-1, -2],
    [0, 0],
    [1, 1],
    [2, 2],
  ]);
  assert.equal(tags["pulse.key.recall_0.5"], "recall>0.5");
  assert.equal(tags["pulse.key.recall_0.5_267fd4d9"], "recall<0.5");
  assert.equal(tags["pulse.key.top_1_"], "top(1)");
  assert.equal(warnings.filter((each) => each.includes("INVALID_KEY")).length, 5);
});

test("a valid key that comes first keeps its name, whatever records it", async () => {
  const result = { acc_5: 1, "acc@5": 2 };
  for (const [way, record] of Object.entries<(run: Run) => void>({
    logMetrics: (run) => run.logMetrics(result),
    steps: (run) => {
      run.logMetric("acc_5", 1, { step: 7 });
      run.logMetric("acc@5", 2);
    },
  })) {
    const { metrics } = await recorded(record);
    assert.deepEqual(Object.values(metrics), [[1], [2]], way);
    assert.match(Object.keys(metrics).join(), /^acc_5,acc_5_[0-9a-f]{8}$/, way);
  }
  const whole = createTestTracker();
  await whole.run(tracked(async () => result, { metrics: { acc_5: "acc_5", "acc@5": "acc@5" } as never }));
  assert.match(Object.keys(values(whole.onlyRun)).join(), /^acc_5,acc_5_[0-9a-f]{8}$/);
  const mean = createTestTracker();
  const summed = function* () {
    yield* [result, { acc_5: 3, "acc@5": 4 }];
  };
  const { decoratedBy } = { decoratedBy: mean.tracked(summed, { metrics: (each: typeof result) => each }) };
  for (const _ of decoratedBy());
  assert.deepEqual(Object.values(values(mean.onlyRun)), [
    [1, 3],
    [2, 4],
  ]);
});

test("a valid key that comes after an equal mended one gets a hash", async () => {
  const stored = await recorded((run) => {
    for (const value of [1, 2]) {
      run.logMetrics({ "acc@5": value, acc_5: -value });
      run.logParams({ "lr@": 1, lr_: 2 });
      run.setTags({ "who?": `a${value}`, who_: `b${value}` });
    }
  });
  assert.deepEqual(Object.values(stored.metrics), [
    [1, 2],
    [-1, -2],
  ]);
  assert.deepEqual(Object.values(stored.params), ["1", "2"]);
  const who = Object.entries(stored.tags).filter(([key]) => key.startsWith("who_"));
  assert.deepEqual(who.map(([, value]) => value).sort(), ["a2", "b2"]);
  assert.match(
    stored.warnings.join("\n"),
    /Key "acc_5" is already taken by another key of the run; it is stored as "acc_5_[0-9a-f]{8}"/,
  );
  assert.doesNotMatch(stored.warnings.join("\n"), /PARAM_CONFLICT/);
});

test("params and tags get hashes only beside an equal key of their own kind", async () => {
  const stored = await recorded((run) => {
    run.logParams({ a_b: 1, "a@b": 2 });
    run.setTags({ a_b: "plain", "a#b": "mended" });
    run.logMetric("a_b", 3);
  });
  assert.match(Object.keys(stored.params).join(), /^a_b,a_b_[0-9a-f]{8}$/);
  assert.deepEqual(stored.metrics, { a_b: [3] });
  assert.equal(stored.tags["a_b"], "plain");
  assert.equal(Object.values(stored.tags).filter((value) => value === "mended").length, 1);
});

test("each run has its own keys: the next one may use the mended form again", async () => {
  const tracker = createTestTracker();
  for (const key of ["acc@5", "acc#5", "acc_5"]) tracker.withRun({}, (run) => run.logMetric(key, 1));
  for (const run of tracker.runs) assert.deepEqual(values(run), { acc_5: [1] });
});

test("hashed keys fit MLflow's limit and hold no secret", async () => {
  const long = "k@".repeat(150);
  const stored = await recorded((run) => {
    run.logMetrics({ [long]: 1, [long.replaceAll("@", "#")]: 2, "token=hunter2hunter2": 3, "token=hunter3hunter3": 4 });
    run.setTag("a@b", "tagged");
  });
  assert.equal(Object.keys(stored.metrics).length, 4);
  for (const key of [...Object.keys(stored.metrics), ...Object.keys(stored.tags)]) assert.ok(key.length <= 250, key);
  const text = JSON.stringify([stored.metrics, stored.tags]);
  assert.doesNotMatch(text, /hunter/);
  assert.doesNotMatch(text, /pulse\.key\.pulse/);
  assert.equal(stored.tags["pulse.key.a_b"], "a@b");
  assert.equal(stored.tags["a_b"], "tagged");
});
