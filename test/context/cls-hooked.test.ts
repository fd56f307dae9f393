import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import cls from "cls-hooked";
import { configure, createTracker, currentRun, type RunContext, tracked, withRun } from "../../src/index.js";
import { clsHookedContext } from "../../src/integrations/cls-hooked.js";
import { contextContract } from "../contract/context-contract.js";
import { memoryTracker, sleep, values } from "../support/memory.js";

describe("a namespace of its own", () => {
  before(() => configure({ trackingUri: "memory:", context: clsHookedContext() }));
  contextContract();

  test("is the one of that name, and made only once", () => {
    const space = cls.getNamespace("pulse-mlflow");
    assert.ok(space);
    clsHookedContext();
    assert.equal(cls.getNamespace("pulse-mlflow"), space);
    withRun({}, (run) => {
      assert.equal(currentRun(), run);
      assert.ok(space.get("pulse-mlflow"));
    });
  });
});

describe("an existing namespace", () => {
  const space = cls.createNamespace("of the program");
  before(() => configure({ trackingUri: "memory:", context: clsHookedContext(space) }));
  contextContract();

  test("what the program has set is seen in tracked calls, and stays when they set something else", async () => {
    const { tracker, onlyRun } = memoryTracker();
    const work = tracked(async () => {
      await sleep(1);
      assert.equal(space.get("request"), "r1");
      space.set("request", "inner");
      currentRun()?.logMetric("m", 1);
      return space.get("request") as string;
    });
    await space.runPromise(async () => {
      space.set("request", "r1");
      assert.equal(await tracker.run(work), "inner");
      assert.equal(space.get("request"), "r1");
    });
    assert.deepEqual(values(await onlyRun()), { m: [1] });
  });
});

test("a context that is none is refused, and one tracker's is the process's", () => {
  assert.throws(() => configure({ context: {} as never }), /context: expected an object with the methods get and run/);
  const context = clsHookedContext();
  let runs = 0;
  const counting: RunContext = {
    get: () => context.get(),
    run: (value, fn) => {
      runs++;
      return context.run(value, fn);
    },
  };
  createTracker({ trackingUri: "memory:", context: counting });
  withRun({}, () => 1);
  assert.equal(runs, 1);
});
