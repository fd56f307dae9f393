import assert from "node:assert/strict";
import { type Clock, systemClock } from "../../src/base/clock.js";
import type { PulseConfig } from "../../src/config/options.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import type { StoredRun } from "../../src/stores/stored-run.js";
import { type Tracker, trackerOn } from "../../src/tracker.js";
import { collectWarnings } from "./warnings.js";

/** A tracker on a memory store that can be looked into, with the warnings it gave. */
export interface TestTracker {
  readonly tracker: Tracker;
  readonly store: MemoryStore;
  readonly warnings: string[];
  /** Everything recorded so far, oldest run first. */
  runs(): Promise<StoredRun[]>;
  /** The only run. */
  onlyRun(): Promise<StoredRun>;
  experimentOf(run: StoredRun): string | undefined;
}

export function memoryTracker(config: PulseConfig = {}, clock: Clock = systemClock): TestTracker {
  const store = new MemoryStore();
  const { logger, warnings } = collectWarnings();
  const tracker = trackerOn(store, { logger, ...config }, clock);
  const runs = async (): Promise<StoredRun[]> => {
    await tracker.flush();
    return [...store.runs.values()];
  };
  return {
    tracker,
    store,
    warnings,
    runs,
    async onlyRun() {
      const all = await runs();
      if (all.length !== 1 || !all[0])
        throw new Error(`expected one run, found ${all.length}: ${all.map((run) => run.name).join(", ")}`);
      return all[0];
    },
    experimentOf: (run) => [...store.experiments].find(([, id]) => id === run.experimentId)?.[0],
  };
}

/** A tracker whose time and chance the test sets. */
export function clockwork(): TestTracker & { readonly time: { now: number; chance: number } } {
  const time = { now: 1_700_000_000_000, chance: 0.5 };
  return { ...memoryTracker({}, { ...systemClock, now: () => time.now, random: () => time.chance }), time };
}

export const named = (runs: readonly StoredRun[], name: string): StoredRun[] => runs.filter((run) => run.name === name);

/** A run's metric histories as plain values: `{ loss: [0.3, 0.2] }`. */
export function values(run: StoredRun): Record<string, number[]> {
  return Object.fromEntries([...run.metrics].map(([key, points]) => [key, points.map((point) => point.value)]));
}

/** A run's metric histories as `[step, value]` pairs. */
export function steps(run: StoredRun, key: string): [number, number][] {
  return (run.metrics.get(key) ?? []).map((point) => [point.step, point.value]);
}

export function params(run: StoredRun): Record<string, string> {
  return Object.fromEntries(run.params);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Every item recorded is delivered, pending, dropped or rejected; a run is two items beside its values. */
export function assertBalanced(tracker: Tracker, ends: number): void {
  const { runs, metrics, params, tags, delivered, pending, dropped, rejected } = tracker.stats();
  assert.equal(
    runs + ends + metrics + params + tags,
    delivered + pending + dropped + rejected,
    JSON.stringify(tracker.stats()),
  );
}
