// What only the standard dialect has: decorators on private members.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

@TrackedExperiment("Private")
class Vault {
  @LogMetric
  #secretScore(): number {
    return 5;
  }

  @TrackedRun
  @LogMetric
  static #count(): number {
    return 6;
  }

  @LogMetric
  accessor #level = 1;

  @TrackedRun
  open(): number {
    this.#level = 3;
    return this.#secretScore() + Vault.#count() + this.#level;
  }

  score(): number {
    return this.#secretScore();
  }
}

test("private methods and accessors are tracked under their names, without the #", async () => {
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Vault().open()),
    14,
  );
  const all = tracker.runs;
  const named = (name: string) => all.find((run) => run.name === name);
  assert.deepEqual(
    [named("Vault.open"), named("Vault.count")].map((run) => run && values(run)),
    [{ secretScore: [5], level: [3] }, { count: [6] }],
  );
});

test("a private method finds the class of its this, like any other", async () => {
  const tracker = createTestTracker();
  tracker.run(() => new Vault().score());
  const run = tracker.onlyRun;
  assert.equal(run.name, "Vault.secretScore");
  assert.equal(run.experiment, "Private");
});
