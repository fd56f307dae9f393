import assert from "node:assert/strict";
import type { StoredRun } from "../../src/stores/stored-run.js";
import type { TestRun } from "../../src/testing/index.js";
import type { Tracker } from "../../src/tracker.js";

export const named = (runs: readonly TestRun[], name: string): TestRun[] => runs.filter((run) => run.name === name);

const histories = ({ metrics }: TestRun | StoredRun) =>
  metrics instanceof Map ? [...metrics] : Object.entries<TestRun["metrics"][string]>(metrics);

/** A run's metric histories as plain values: `{ loss: [0.3, 0.2] }`. */
export function values(run: TestRun | StoredRun): Record<string, number[]> {
  return Object.fromEntries(histories(run).map(([key, points]) => [key, points.map((point) => point.value)]));
}

/** A run's metric histories as `[step, value]` pairs. */
export function steps(run: TestRun, key: string): [number, number][] {
  return (run.metrics[key] ?? []).map((point) => [point.step, point.value]);
}

/** Every item recorded is delivered, pending, dropped or rejected; a run is two items beside its values. */
export function assertBalanced(tracker: Tracker, ends: number): void {
  const { runs, metrics, params, tags, delivered, pending, dropped, rejected } = tracker.stats();
  assert.equal(
    runs + ends + metrics + params + tags,
    delivered + pending + dropped + rejected,
    JSON.stringify(tracker.stats()),
  );
}
