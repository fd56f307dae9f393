// What the measurements share: medians, fair turns, a folder to write into, and how a result reaches run.mjs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Lets the event loop come round once. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Seconds that a piece of work takes. */
export async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/**
 * Calls each contender once a round, in alternating order; it gives back the seconds it took. What the first `warmup`
 * rounds say is thrown away. No `gc()` in between: it also throws away optimized code, which no program does to itself.
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

/** Makes a folder of this process's own that is gone when it ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "pulse-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Stops a measurement that did not do the work it claims: its numbers would be worth nothing. */
export function mustEqual(what, got, expected) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: got ${left}, expected ${right}.`);
}

/**
 * Hands one row of the final table to run.mjs:
 * - `ours`, `peer` with `unit`, and `beside`: what the peer is
 * - `judged`: the number held against `bar` and `goal`, a ratio where `times` is set
 * - `atMost`: whether smaller is better
 * - `note`: whatever else is worth reading
 */
export function report(row) {
  console.log(JSON.stringify(row));
}

/** The value below which `share` percent of a list lie. */
export function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * share) / 100))];
}

/**
 * The row of what single calls take that may have to do more than record: of `times` in milliseconds, the 99.9th
 * percentile.
 */
export function slowestCalls(times) {
  const most = percentile(times, 99.9);
  return { unit: "ms", ours: most, peer: percentile(times, 50), beside: "median", judged: most, bar: 5, atMost: true };
}
