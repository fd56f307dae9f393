import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metric } from "../../../src/base/entities.js";
import { requireRun, tracked } from "../../../src/index.js";
import { trackerOn } from "../../../src/tracker.js";
import { FaultyStore } from "../../support/faulty-store.js";
import { Random } from "../../support/random.js";

type Entry = readonly [key: string, value: number];

/** The metrics of a list of values, each key counted from 0. */
function counted(entries: readonly Entry[]): [key: string, value: number, step: number][] {
  const next = new Map<string, number>();
  return entries.map(([key, value]) => {
    const step = next.get(key) ?? 0;
    next.set(key, step + 1);
    return [key, value, step];
  });
}

test("a result's values keep their order and count whatever surrounds them", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = new Random(seed);
    const store = new FaultyStore();
    const tracker = trackerOn(store, { logger: { warn: () => undefined } });
    const some = (keys: readonly string[]): Entry[] =>
      keys.filter(() => dice.chance(0.5)).map((key) => [key, dice.next()]);
    const [before, after] = [dice.chance(0.3) ? some(["a", "x"]) : [], dice.chance(0.5) ? some(["a", "b", "x"]) : []];
    // The last two have to be mended, into the same key.
    const entries = some(["a", "b", "c", "d", "e?", "f*"]);
    const breaks = dice.chance(0.2) ? dice.below(entries.length + 1) : entries.length;
    const inner = tracked(() => ({ a: 1, b: 2, c: 3 }), { runName: "inner", nest: "root", metrics: ["a", "b", "c"] });
    const nests = dice.chance(0.3);
    const select = Object.fromEntries(
      entries.map(([key, value], i) => [
        key,
        () => {
          if (nests) inner();
          if (i === breaks) throw new Error("selector");
          return value;
        },
      ]),
    );
    const outer = tracked(
      () => {
        const run = requireRun();
        for (const [key, value] of before) run.logMetric(key, value);
        return run;
      },
      { runName: "outer", metrics: select as never },
    );
    const run = tracker.run(() => outer());
    for (const [key, value] of after) run.logMetric(key, value);
    await tracker.flush();
    const points = new Map<string, Metric[]>();
    for (const { runKey, metrics } of store.batches.flat())
      points.set(runKey, [...(points.get(runKey) ?? []), ...metrics]);
    const taken = entries.slice(0, breaks).map(([key, value]): Entry => [key.replace(/[?*]/, "_"), value]);
    const got = (points.get(run.id) ?? []).map(({ key, value, step }) => [key, value, step]);
    assert.deepEqual(got, counted([...before, ...taken, ...after]), `seed ${seed}`);
    points.delete(run.id);
    for (const metrics of points.values())
      assert.deepEqual(
        metrics.map(({ value }) => value),
        [1, 2, 3],
      );
    const { metrics, tags, pending, delivered, runs } = tracker.stats(); // tags: those of mended keys
    assert.deepEqual([metrics, pending, delivered], [got.length + 3 * points.size, 0, metrics + tags + 2 * runs]);
  }
});

test("many results of one run keep each key's order and count", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = new Random(seed);
    const store = new FaultyStore(2 + dice.below(30));
    const tracker = trackerOn(store, { logger: { warn: () => undefined } });
    const alike = dice.pick([["a"], ["a", "b"], ["a", "b", "c"]]);
    const oddity = dice.chance(0.5) ? 0.05 : 0;
    const entries: Entry[] = [];
    const add = (keys: readonly string[]): Entry[] => {
      const fresh = keys.map((key): Entry => [key, dice.next()]);
      entries.push(...fresh);
      return fresh;
    };
    let id = "";
    const train = tracked(
      async function* () {
        const run = requireRun();
        id = run.id;
        for (let i = dice.below(40); i >= 0; i--) {
          if (dice.chance(oddity)) for (const [key, value] of add(["b", "x"])) run.logMetric(key, value);
          yield Object.fromEntries(add(dice.chance(oddity) ? dice.pick([["b", "a"], ["c"]]) : alike));
          if (dice.chance(0.05)) await tracker.flush();
          else if (dice.chance(0.1)) await new Promise((resolve) => setImmediate(resolve));
        }
      },
      { metrics: (result) => result },
    );
    await tracker.run(async () => {
      for await (const _ of train());
    });
    await tracker.flush();
    const points = store.batches.flat().flatMap(({ runKey, metrics }) => (runKey === id ? metrics : []));
    const got = points.map(({ key, value, step }) => [key, value, step]);
    assert.deepEqual(got, counted(entries), `seed ${seed}`);
    assert.ok(points.every(({ timestamp }, i) => timestamp >= (points[i - 1]?.timestamp ?? 1)));
    const { metrics, pending, delivered } = tracker.stats();
    assert.deepEqual([metrics, pending, delivered], [got.length, 0, got.length + 2]);
  }
});
