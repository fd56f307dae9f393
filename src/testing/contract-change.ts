import type { Metric } from "../base/entities.js";
import { LIST_NAMES, NO_CHANGE, type RunChange, type RunStart } from "../contracts/tracking-store.js";

/** A new run's id; never one that is left from another case, or another time. */
export const newRun = (): string => process.getBuiltinModule("node:crypto").randomUUID().replaceAll("-", "");

/** The start of a run. */
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

/** A change in which only what is given happens. */
export function change(runKey: string, overrides: Partial<RunChange> = {}): RunChange {
  return { ...NO_CHANGE, runKey, experiment: { name: "Contract" }, ...overrides };
}

export const point = (key: string, value: number, step: number, timestamp = 2_000): Metric => ({
  key,
  value,
  step,
  timestamp,
});

/** Changes of a run as one, as an outbox hands over what has waited in it. */
export function merged(changes: readonly RunChange[]): RunChange {
  const lists = LIST_NAMES.map((name) => [name, changes.flatMap((each) => each[name] as unknown[])]);
  const end = changes.findLast((each) => each.end !== undefined)?.end;
  return { ...(changes[0] as RunChange), ...Object.fromEntries(lists), end };
}

/**
 * A change as two, as they are when it has grown too large for one: the first metrics with all else, then the others
 * and the end.
 */
export function cut(whole: RunChange, at: number): [RunChange, RunChange] {
  const { runKey, experiment, metrics, end } = whole;
  return [
    { ...whole, metrics: metrics.slice(0, at), end: undefined },
    change(runKey, { experiment, metrics: metrics.slice(at), end }),
  ];
}
