// Shared by the measurements: medians, alternating turns, a temporary folder, and how results are passed to run.mjs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Waits for one turn of the event loop. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Returns the seconds that a piece of work takes. */
export async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/**
 * Calls each contender once per round, in alternating order. A contender returns the seconds it took. The results of
 * the first `warmup` rounds are discarded. No `gc()` in between, since it also discards optimized code, which does
 * not happen in real programs.
 */
export async function interleave(contenders, { rounds, warmup }) {
  const names = Object.keys(contenders);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -warmup; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const time = await contenders[name]();
      if (round >= 0) times[name].push(time);
    }
  }
  return times;
}

/** Creates a folder for this process that is removed when it ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "pulse-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Stops a measurement that did not do the work it claims, since its numbers would be meaningless. */
export function mustEqual(what, got, expected) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: got ${left}, expected ${right}.`);
}

/**
 * Passes one row of the final table to run.mjs:
 * - `ours`, `peer` with `unit`, and `beside`: what the peer is
 * - `judged`: the number held against `bar` and `goal`, a ratio where `times` is set
 * - `atMost`: whether smaller is better
 * - `note`: whatever else is worth reading
 */
export function report(row) {
  console.log(JSON.stringify(row));
}

/** Returns the value below which `share` percent of a list lie. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))];
}

/** Returns the row for single calls that may do more than record: the 99.9th percentile of `times`, in milliseconds. */
export function slowestCalls(times) {
  const most = percentile(times, 99.9);
  return { unit: "ms", ours: most, peer: percentile(times, 50), beside: "median", judged: most, bar: 5, atMost: true };
}
