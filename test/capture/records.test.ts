// Records of params, tags and metrics: how much of one is taken, and what is none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogParam, LogTag, logExperiment, type Run, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

const MOST = 10_000;
const recordOf = (size: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, i]));

class Selected {
  @TrackedRun
  @LogParam((args: unknown[]) => args[0])
  param(given: unknown): unknown {
    return void given;
  }

  @TrackedRun
  @LogTag((result: unknown) => result)
  tag(given: unknown): unknown {
    return given;
  }
}

const tracker = createTestTracker();
type Tracker = typeof tracker;
type Take = (tracker: Tracker, given: never) => unknown;

/** Each way a record comes in, and who is named when it is too large or none. */
const WAYS: Record<string, readonly [who: RegExp, kind: "params" | "tags" | "metrics", take: Take]> = {
  "params: () =>": [/called/, "params", (t, given) => t.run(tracked(function called() {}, { params: () => given }))],
  "tags: () =>": [/called/, "tags", (t, given) => t.run(tracked(function called() {}, { tags: () => given }))],
  "@LogParam": [/Selected\.param|param/, "params", (t, given) => t.run(() => new Selected().param(given))],
  setTags: [/Run [0-9a-f]{32}, setTags|setTags/, "tags", (t, given) => t.withRun({}, (run: Run) => run.setTags(given))],
  logParams: [
    /Run [0-9a-f]{32}, logParams|logParams/,
    "params",
    (t, given) => t.withRun({}, (run: Run) => run.logParams(given)),
  ],
  logMetrics: [
    /Run [0-9a-f]{32}, logMetrics|logMetrics/,
    "metrics",
    (t, given) => t.withRun({}, (run: Run) => run.logMetrics(given)),
  ],
};
/** Ways by which what is no record is something else: a tag's value, or an option that is refused. */
const RECORDS_ONLY: typeof WAYS = {
  "tags:": [/called/, "tags", (t, given) => t.run(tracked(function called() {}, { tags: given }))],
  "params:": [/called/, "params", (t, given) => t.run(tracked(function called() {}, { params: given }))],
  "@LogTag": [/Selected\.tag|tag/, "tags", (t, given) => t.run(() => new Selected().tag(given))],
};

test("a record gives its first 10,000 fields, and one warning counts the rest", async () => {
  for (const [way, [who, kind, take]] of Object.entries({ ...WAYS, ...RECORDS_ONLY })) {
    const tracker = createTestTracker();
    for (let i = 0; i < 2; i++) take(tracker, recordOf(MOST + 5) as never);
    const [run] = tracker.runs;
    const own =
      kind === "metrics"
        ? Object.keys(run?.metrics ?? {}).length
        : Object.keys(run?.[kind] ?? {}).filter((key) => /^k\d/.test(key)).length;
    assert.equal(own, MOST, way);
    assert.equal(tracker.warnings.length, 1, way);
    assert.match(
      tracker.warnings[0] ?? "",
      new RegExp(`${who.source}.*5 of the 10005 fields of a record were left out.*\\[CAPTURE_LIMIT\\]`),
      way,
    );
    const whole = createTestTracker();
    take(whole, recordOf(MOST) as never);
    assert.deepEqual(whole.warnings, [], way);
  }
});

test("a list, text or bytes given as a record is reported once and records nothing", () => {
  const bytes = Buffer.alloc(1_000_000);
  const others: readonly (readonly [unknown, string])[] = [
    [bytes, "Buffer"], [new Float64Array(9), "Float64Array"], [new DataView(new ArrayBuffer(8)), "DataView"], [new ArrayBuffer(8), "ArrayBuffer"],
    [["lr", 1], "Array"], ["lr=1", "string"], [Object("lr=1"), "String"], [new Set([1]), "Set"], [new Date(0), "Date"], [/x/, "RegExp"], [5, "number"],
    [() => 1, "function"],
  ]; // biome-ignore format: one list
  for (const [way, [who, kind, take]] of Object.entries(WAYS))
    for (const [given, called] of others) {
      const tracker = createTestTracker();
      const before = tracker.stats()[kind];
      for (let i = 0; i < 2; i++) take(tracker, given as never);
      assert.equal(tracker.stats()[kind], before, `${way}: ${called}`);
      assert.equal(tracker.warnings.length, 1, `${way}: ${called}`);
      assert.match(
        tracker.warnings[0] ?? "",
        new RegExp(
          `${who.source}.*a record of names and values is needed, got ${called}\\b.*\\[(?:CAPTURE_FAILED|INVALID_VALUE)\\]`,
        ),
      );
    }
  const tracker = createTestTracker();
  for (const [, , take] of Object.values(WAYS)) take(tracker, null as never); // there are none
  assert.deepEqual(tracker.warnings, []);
  assert.throws(() => tracker.withRun({ tags: bytes as never }, () => 1), /tags must be a record/);
});

test("a map or a class instance is a record", async () => {
  const tracker = createTestTracker();
  class Settings {
    readonly lr = 0.1;
    readonly seed = undefined;
  }
  tracker.withRun({ params: () => new Settings() as never, tags: () => new Map<unknown, unknown>([["a", 1], [2, "b"]]) as never }, () => 1); // biome-ignore format: one thing
  const { params, tags } = tracker.onlyRun;
  assert.deepEqual(params, { lr: "0.1" });
  assert.deepEqual([tags["a"], tags["2"]], ["1", "b"]);
});

test("logExperiment takes the same records", async () => {
  for (const field of ["params", "metrics", "tags"])
    await assert.rejects(
      logExperiment({ experiment: "x", [field]: Buffer.alloc(9) }),
      new RegExp(`${field} must be a record`),
    );
});

test("a record of 100,000 fields costs like one of 10,000, beside listing its keys", () => {
  /** Processor time in microseconds, which other programs take nothing of. */
  const least = (body: () => unknown): number =>
    Math.min(
      ...Array.from({ length: 3 }, () => {
        const began = process.cpuUsage();
        body();
        const { user, system } = process.cpuUsage(began);
        return user + system;
      }),
    );
  const [huge, large] = [recordOf(100_000), recordOf(MOST)];
  const listing = least(() => Object.keys(huge));
  const slow = Object.entries(WAYS).filter(([, [, , take]]) => {
    const once = (given: object): number => least(() => take(createTestTracker(), given as never));
    once(large);
    return ![1, 2, 3].some(() => once(huge) <= 4 * once(large) + 3 * listing);
  });
  assert.deepEqual(slow, []);
});
