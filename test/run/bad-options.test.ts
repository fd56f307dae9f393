import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallOptions, LogMetric, type LogMetricOptions, startRun, TrackedRun, tracked } from "../../src/index.js";
import { madeUpName } from "../../src/run/made-up-name.js";
import { createTestTracker } from "../../src/testing/index.js";

const throws = (what: string) => (): never => {
  throw new Error(`${what} broke`);
};

test("an invalid option throws at once and says what is expected", () => {
  for (const [options, message] of [
    [{ sample: 2 }, /tracked: sample must be a number from 0 to 1, or a function; got 2\.$/],
    [{ maxRunsPerSecond: -1 }, /maxRunsPerSecond must be a whole number, 0 or more/],
    [{ maxRunsPerSecond: 0.5 }, /maxRunsPerSecond must be/],
    [{ failOn: "x" }, /failOn must be a function; got "x"/],
    [{ ignore: [1] }, /ignore must be a list of error classes and names, or a function/],
  ] as const)
    assert.throws(() => tracked(() => 1, options as never), { code: "INVALID_OPTION", message });
  for (const [options, message] of [
    [{ everyN: 0 }, /everyN must be a whole number, 1 or more/],
    [{ minIntervalMs: -1 }, /minIntervalMs must be a number of milliseconds, 0 or more/],
    [{ aggregate: "median" }, /aggregate must be one or a list of last, mean/],
    [{ aggregate: [] }, /aggregate must be/],
  ] as const)
    assert.throws(() => LogMetric("x", options as LogMetricOptions), { code: "INVALID_OPTION", message });
  assert.throws(() => startRun({ sample: "half" as never }), {
    message: /startRun: sample must be a number from 0 to 1/,
  });
});

/** Functions of the user's that break, and how the call ends all the same. */
const broken: readonly (readonly [name: string, options: CallOptions, status: string])[] = [
  ["sample", { sample: throws("sample") }, "FINISHED"],
  ["failOn", { failOn: throws("failOn") }, "FINISHED"],
  ["runName", { runName: throws("runName") }, "FINISHED"],
  ["params", { params: throws("params") }, "FINISHED"],
  ["tags", { tags: throws("tags") }, "FINISHED"],
  ["metrics", { metrics: throws("metrics") }, "FINISHED"],
  ["when", { when: throws("when") }, "FINISHED"],
  ["ignore", { ignore: throws("ignore") }, "FAILED"],
];

/** What the warning calls it where that is not the option's name. */
const said: Readonly<Record<string, string>> = { metrics: "capturing metrics" };

for (const [name, options, status] of broken) {
  test(`${name} that throws: the call works, one warning says so, strict throws`, () => {
    const fails = name === "ignore";
    const work = tracked(
      function work(n: number) {
        if (fails) throw new RangeError("the user's own");
        return n;
      },
      { ...options, nest: "root" },
    );
    const tracker = createTestTracker();
    for (const n of [1, 2]) {
      if (fails) assert.throws(() => tracker.run(() => work(n)), RangeError);
      else
        assert.equal(
          tracker.run(() => work(n)),
          n,
        );
    }
    assert.deepEqual(
      tracker.runs.map((run) => run.status),
      [status, status],
    );
    assert.equal(tracker.warnings.length, 1);
    assert.match(
      tracker.warnings[0] ?? "",
      new RegExp(`^pulse-mlflow: work: ${said[name] ?? name} failed: ${name} broke.*CAPTURE_FAILED`),
    );
    assert.equal(tracker.stats().warnings.CAPTURE_FAILED, 2);
    const strict = createTestTracker({ strict: true });
    assert.throws(() => strict.run(() => work(1)), { code: "CAPTURE_FAILED" });
  });
}

test("warnings about a method name the class before what failed", () => {
  class Learner {
    @TrackedRun({ failOn: throws("failOn") })
    evaluate(): number {
      return 1;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Learner().evaluate());
  assert.match(tracker.warnings.join(), /^pulse-mlflow: Learner\.evaluate: failOn failed: failOn broke\./);
});

test("only an empty run name becomes a made-up one", () => {
  const tracker = createTestTracker();
  const madeUp = /^[a-z]+-[a-z]+-\d{1,4}$/;
  tracker.withRun({ runName: "" }, () => undefined);
  tracker.startRun({ runName: "" }).end();
  tracker.tracked(() => 1, { runName: () => "" })();
  for (const { name } of tracker.runs) assert.match(name, madeUp);
  tracker.withRun({ runName: " " }, () => undefined);
  tracker.tracked(function work() {
    return 1;
  })();
  tracker.tracked(() => 1, { runName: () => undefined as never })();
  assert.deepEqual(
    tracker.runs.slice(3).map(({ name }) => name),
    [" ", "work", "anonymous"],
  );
  const drawn = new Set(Array.from({ length: 50 }, () => madeUpName(Math.random)));
  assert.ok(drawn.size > 40, [...drawn].join(" "));
  for (const at of [0, 0.999_999])
    assert.match(
      madeUpName(() => at),
      madeUp,
    );
});
