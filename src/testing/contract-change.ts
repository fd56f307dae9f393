import type { Metric } from "../base/entities.js";
import { LIST_NAMES, NO_CHANGE, type RunChange, type RunStart } from "../contracts/tracking-store.js";

/** Returns a new run id, unique across cases and runs of the tests. */
export const newRun = (): string => process.getBuiltinModule("node:crypto").randomUUID().replaceAll("-", "");

/** Returns the start of a run. */
export function start(overrides: Partial<RunStart> = {}): RunStart {
  return {
    name: "a run",
    startTime: 1_000,
    userId: "me",
    sourceTags: [{ key: "mlflow.user", value: "me" }],
    parentKey: undefined,
    resume: false,
    ...overrides,
  };
}

/** Returns a change that only contains what is given. */
export function change(runKey: string, overrides: Partial<RunChange> = {}): RunChange {
  return { ...NO_CHANGE, runKey, experiment: { name: "Contract" }, ...overrides };
}

export const point = (key: string, value: number, step: number, timestamp = 2_000): Metric => ({
  key,
  value,
  step,
  timestamp,
});

/** Merges changes of a run into one, as an outbox does with changes that waited in it. */
export function merged(changes: readonly RunChange[]): RunChange {
  const lists = LIST_NAMES.map((name) => [name, changes.flatMap((each) => each[name] as unknown[])]);
  const end = changes.findLast((each) => each.end !== undefined)?.end;
  return { ...(changes[0] as RunChange), ...Object.fromEntries(lists), end };
}

/**
 * Splits a change in two, as happens when it has grown too large: the first metrics and everything else, then the
 * other metrics and the end.
 */
export function cut(whole: RunChange, at: number): [RunChange, RunChange] {
  const { runKey, experiment, metrics, end } = whole;
  return [
    { ...whole, metrics: metrics.slice(0, at), end: undefined },
    change(runKey, { experiment, metrics: metrics.slice(at), end }),
  ];
}
