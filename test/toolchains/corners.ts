// What of the standard dialect two compilers get wrong whatever the decorator, so that it is for the others: with swc
// 1.16 a decorated private accessor cannot be set ("desc is not defined"), and Babel 7.29 fails on static private
// methods and accessors in a decorated class ("_initClass is not a function").
import assert from "node:assert/strict";
import { flush, LogMetric, stats, TrackedExperiment, TrackedRun } from "pulse-mlflow";

@TrackedExperiment("Corners")
class Vault {
  @LogMetric
  static accessor total = 0;

  @LogMetric
  accessor #level = 1;

  @TrackedRun
  @LogMetric
  static #count(): number {
    return 6;
  }

  @TrackedRun
  open(): number {
    this.#level = 4;
    Vault.total = 7;
    return Vault.#count() + this.#level;
  }
}

async function main(): Promise<void> {
  assert.equal(new Vault().open(), 10);
  await flush();
  assert.deepEqual(stats().warnings, {});
}

/** What a test runner waits for; rejected, it ends the process with an error. */
export const done: Promise<void> = main();
