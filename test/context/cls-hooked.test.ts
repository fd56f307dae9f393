import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { inspect } from "node:util";
import cls from "cls-hooked";
import { configure, createTracker, currentRun, type RunContext, tracked, withRun } from "../../src/index.js";
import { clsHookedContext } from "../../src/integrations/cls-hooked.js";
import { createTestTracker } from "../../src/testing/index.js";
import { contextContract } from "../contract/context-contract.js";
import { values } from "../support/runs.js";
import { sleep } from "../support/wait.js";

describe("creates a namespace of its own", () => {
  before(() => configure({ trackingUri: "memory:", context: clsHookedContext() }));
  contextContract();

  test("returns the same namespace for a name each time", () => {
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

describe("uses an existing namespace", () => {
  const space = cls.createNamespace("of the program");
  before(() => configure({ trackingUri: "memory:", context: clsHookedContext(space) }));
  contextContract();

  test("tracked calls see the program's values and keep their own changes inside", async () => {
    const tracker = createTestTracker();
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
    assert.deepEqual(values(tracker.onlyRun), { m: [1] });
  });
});

test("an invalid context is refused, and one tracker's context is the process's", () => {
  assert.throws(() => configure({ context: {} as never }), /context must be an object with the methods get and run/);
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

test("errors of any kind pass through unchanged, with nothing of ours attached", () => {
  const space = cls.createNamespace("for errors");
  for (const context of [clsHookedContext(), clsHookedContext(space)]) {
    configure({ trackingUri: "memory:", context, auth: { username: "me", password: "hunter2" } });
    const frozen = Object.freeze(new Error("frozen"));
    const plain = new Error("plain");
    for (const error of ["oops", 5, undefined, frozen, plain]) {
      try {
        withRun({}, () => {
          throw error;
        });
        assert.fail("nothing was thrown");
      } catch (thrown) {
        assert.equal(thrown, error);
      }
    }
    assert.deepEqual(Object.keys(plain), []);
    const shown = space.runAndReturn(() =>
      withRun({}, () => inspect(space.active, { depth: 9 }) + JSON.stringify(space.active)),
    );
    assert.doesNotMatch(shown, /hunter2/);
  }
});

test("a function that schedules itself keeps no chain of contexts alive", async () => {
  configure({ trackingUri: "null:", context: clsHookedContext() });
  const space = cls.getNamespace("pulse-mlflow") as unknown as { active: object };
  let depth = 0;
  const poll = tracked(async (left: number): Promise<void> => {
    if (left > 0) return new Promise((resolve) => setImmediate(() => resolve(poll(left - 1))));
    for (let at: object | null = space.active; at !== null; at = Object.getPrototypeOf(at)) depth++;
  });
  await poll(50);
  assert.ok(depth <= 2, `${depth}`);
});

test("a context cannot change inside an open run, and without one the usual is back", () => {
  configure({ trackingUri: "memory:" });
  withRun({}, (run) => {
    assert.throws(() => configure({ trackingUri: "memory:", context: clsHookedContext() }), /a run is open here/);
    assert.equal(currentRun(), run);
  });
  const context = clsHookedContext();
  configure({ trackingUri: "memory:", context });
  withRun({}, () => {
    assert.ok(context.get());
    configure({ trackingUri: "memory:" }); // a run is open: it stays as it is
    assert.ok(context.get());
  });
  configure({ trackingUri: "memory:" });
  withRun({}, () => assert.equal(context.get(), undefined));
});
