import assert from "node:assert/strict";
import { test } from "node:test";
import { PulseError } from "../../src/base/errors.js";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { away } from "../support/faulty-store.js";
import { type Kit, kit } from "../support/outbox-kit.js";
import { sleep, until } from "../support/wait.js";

/** Stored, all but the metrics named "bad". */
function partly({ runKey, metrics }: RunChange): Outcome {
  const items = metrics.filter(({ key }) => key === "bad").length;
  const error = new PulseError("REJECTED", 'Metric "bad" is not stored.');
  return {
    kind: "done",
    ids: { runId: `server-${runKey}`, experimentId: "1" },
    refused: items > 0 ? [{ what: "metric", key: "bad", items, error }] : [],
  };
}

function record({ tracker }: Kit): void {
  for (let i = 0; i < 2; i++)
    tracker.withRun({}, (run) => {
      for (const key of ["m", "bad", "bad"]) run.logMetric(key, 1);
    });
}

function assertCounted({ tracker, warnings }: Kit): void {
  const { delivered, rejected, pending } = tracker.stats();
  assert.deepEqual({ delivered, rejected, pending }, { delivered: 6, rejected: 4, pending: 0 });
  assert.deepEqual(
    warnings.filter((text) => text.includes("[REJECTED]")),
    ['pulse-mlflow: Metric "bad" is not stored. [REJECTED]'],
  );
}

test("items that a store refuses one by one count as rejected and are reported once", async () => {
  const made = kit({ exitTimeoutMs: 60_000 });
  made.store.fault = partly;
  record(made);
  await made.tracker.flush();
  assertCounted(made);
  await made.tracker.shutdown();
});

test("the same holds for items from the outbox", async () => {
  const made = kit({ exitTimeoutMs: 60_000 });
  made.store.fault = () => away;
  record(made);
  await until("an outbox", () => made.files().length === 1);
  await sleep(60);
  made.store.fault = partly;
  await made.tracker.flush();
  assertCounted(made);
  await made.tracker.shutdown();
  assert.deepEqual(made.files(), []);
});
