// What only the standard dialect can do: accessors and private methods.
import assert from "node:assert/strict";
import { flush, LogMetric, stats, TrackedExperiment, TrackedRun } from "pulse-mlflow";

@TrackedExperiment("Standard")
class Gauge {
  @LogMetric
  accessor loss = 9;

  @LogMetric
  #secret(): number {
    return 5;
  }

  @TrackedRun
  read(): number {
    this.loss = 3;
    this.loss = 2;
    return this.#secret();
  }
}

async function main(): Promise<void> {
  const gauge = new Gauge();
  assert.deepEqual([gauge.loss, gauge.read(), gauge.loss], [9, 5, 2]);
  await flush();
  assert.deepEqual(stats().warnings, {});
}

/** What a test runner waits for; rejected, it ends the process with an error. */
export const done: Promise<void> = main();
