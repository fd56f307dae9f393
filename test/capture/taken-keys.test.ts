// Two places of one result, or of one call's arguments, are never stored under one key: the second is told apart, and
// that is said.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

/** What is stored of a result, with the places that were told apart in the stead of the hashes. */
async function metricsOf(...results: unknown[]): Promise<{ found: Record<string, number[]>; warnings: string[] }> {
  const tracker = createTestTracker();
  tracker.withRun({}, () => {
    const give = tracked((result: unknown) => result, { nest: "join", metrics: (result: unknown) => result });
    for (const result of results) give(result);
  });
  const [run] = tracker.runs;
  assert.ok(run);
  const named = Object.entries(values(run)).map(
    ([key, points]) => [run.tags[`pulse.key.${key}`] ?? key, points] as const,
  );
  return { found: Object.fromEntries(named), warnings: [...tracker.warnings] };
}

const RESULTS: readonly (readonly [name: string, result: unknown, found: Record<string, number[]>])[] = [
  ["a dot in a key", { "a.b": 2, a: { b: 3 } }, { "a.b": [2], 'a.b at ["a"]["b"]': [3] }],
  ["a dot in the second one's key", { a: { b: 3 }, "a.b": 2 }, { "a.b": [3], 'a.b at ["a.b"]': [2] }],
  [
    "a dot further down",
    { a: { "b.c": 1, b: { c: 2 } }, "a.b": { c: 3 } },
    { "a.b.c": [1], 'a.b.c at ["a"]["b"]["c"]': [2], 'a.b.c at ["a.b"]["c"]': [3] },
  ],
  ["a number and its text", new Map<unknown, number>([[1, 10], ["1", 20]]), { "1": [10], '1 at ["1"]': [20] }], // biome-ignore format: one
  ["a text and its number", new Map<unknown, number>([["1", 10], [1, 20]]), { "1": [10], "1 at [1]": [20] }], // biome-ignore format: one
  ["null and its text", new Map<unknown, number>([[null, 1], ["null", 2]]), { null: [1], 'null at ["null"]': [2] }], // biome-ignore format: one
  [
    "a map further down",
    { m: new Map<unknown, number>([[true, 1], ["true", 2]]) }, // biome-ignore format: one
    { "m.true": [1], 'm.true at ["m"]["true"]': [2] },
  ],
  [
    "a list of them: the elements are steps",
    [
      { "a.b": 1, a: { b: 2 } },
      { "a.b": 3, a: { b: 4 } },
    ],
    { "a.b": [1, 3], 'a.b at ["a"]["b"]': [2, 4] },
  ],
  ["what is no two places", { a: { b: 1 }, "a.c": 2 }, { "a.b": [1], "a.c": [2] }],
];

for (const [name, result, found] of RESULTS)
  test(`metrics of two places: ${name}`, async () => {
    const got = await metricsOf(result);
    assert.deepEqual(got.found, found);
    const apart = Object.keys(found).filter((key) => key.includes(" at ")).length;
    assert.equal(got.warnings.filter((text) => text.includes("is also the key of another value")).length, apart);
  });

test("equal-looking key objects in two places, and the same places again", async () => {
  const [one, two] = [{}, {}];
  const keyed = new Map([[one, 1], [two, 2]]); // biome-ignore format: one
  const { found, warnings } = await metricsOf(keyed, keyed);
  const keys = Object.keys(found);
  assert.equal(keys.length, 2);
  assert.deepEqual(Object.values(found), [[1, 1], [2, 2]]); // biome-ignore format: two
  assert.equal(warnings.filter((text) => text.includes("is also the key of another value")).length, 1);
});

test("params and tags of two places: selectors, bare, fixed and records", async () => {
  class Job {
    @LogParam
    @TrackedRun({ runName: "bare" })
    bare(_config: object, lr: number): number {
      return lr;
    }

    @LogParam({ "a.b": "1", a: "0" })
    @TrackedRun({ runName: "selected" })
    selected(_a: object, _b: number): void {}

    @LogTag(() => ({ x: 1 }))
    @TrackedRun({ runName: "fixed", params: () => new Map<unknown, number>([[1, 10], ["1", 20]]) as never })
    fixed(): void {} // biome-ignore format: above
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    const job = new Job();
    job.bare({ lr: 0.1, deep: { er: 1 }, "deep.er": 2 }, 0.2);
    job.selected({ b: 1 }, 2);
    job.fixed();
  });
  tracker.withRun({ runName: "records" }, (run) => {
    const record = new Map<unknown, unknown>([[1, 10], ["1", 20]]) as never; // biome-ignore format: one
    run.logParams(record);
    run.logMetrics(record);
    run.setTags(record);
  });
  const shown = Object.fromEntries(
    tracker.runs.map((run) => [
      run.name,
      Object.fromEntries(
        Object.entries(run.params).map(([key, value]) => [run.tags[`pulse.key.${key}`] ?? key, value]),
      ),
    ]),
  );
  assert.deepEqual(shown, {
    bare: { lr: "0.1", "deep.er": "1", 'deep.er at ["_config"]["deep.er"]': "2", 'lr at ["lr"]': "0.2" },
    selected: { "a.b": "2", 'a.b at ["a"]["b"]': "1" },
    fixed: { "1": "10", '1 at ["1"]': "20" },
    records: { "1": "10", '1 at ["1"]': "20" },
  });
  assert.ok(!tracker.warnings.some((text) => text.includes("PARAM_CONFLICT")), tracker.warnings.join("\n"));
  const [records] = tracker.runs.filter(({ name }) => name === "records");
  assert.deepEqual(Object.values(values(records as never)), [[10], [20]]);
  assert.equal(
    Object.entries(records?.tags ?? {}).filter(([key, value]) => /^1/.test(key) && ["10", "20"].includes(value)).length,
    2,
  );
});

test("bare decorators in two places feed one metric", async () => {
  class Model {
    @LogMetric
    @TrackedRun
    score(): object {
      return { "a.b": 2, a: { b: 3 } };
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Model().score());
  const run = tracker.onlyRun;
  assert.deepEqual(Object.values(values(run)), [[2], [3]]);
});
