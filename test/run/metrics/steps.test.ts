import assert from "node:assert/strict";
import { test } from "node:test";
import { Steps } from "../../../src/run/metrics/steps.js";

test("each key counts up from its own highest step, few keys or many", () => {
  const steps = new Steps();
  for (let round = 0; round < 3; round++) {
    for (let key = 0; key < 30; key++) {
      assert.equal(steps.next(`k${key}`), round * 10);
      steps.took(`k${key}`, round * 10 + 9);
      steps.took(`k${key}`, round * 10 - 5);
    }
  }
  steps.took("negative", -7);
  assert.equal(steps.next("negative"), 0);
});

test("steps end at the largest safe integer", () => {
  const steps = new Steps();
  for (const [first, ...then] of [
    [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [-5, 0, 1],
  ] as const) {
    const key = String(first);
    steps.took(key, first);
    for (const expected of then) {
      assert.equal(steps.next(key), expected);
      assert.equal(steps.take(key), expected);
    }
  }
});
