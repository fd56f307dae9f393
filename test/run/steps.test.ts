import assert from "node:assert/strict";
import { test } from "node:test";
import { Steps } from "../../src/run/steps.js";

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
