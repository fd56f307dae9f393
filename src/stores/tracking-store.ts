import type { ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../entities.js";
import type { PulseError } from "../errors.js";

/** How a run starts. */
export interface RunStart {
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  readonly userId: string;
  /** Tags every run of this process carries (`mlflow.user`, `mlflow.source.*`); shared between runs, never changed. */
  readonly sourceTags: readonly Tag[];
  /** The parent's `runKey`, when this is a child run. */
  readonly parentKey: string | undefined;
  /** The run exists in the store already and is opened again. */
  readonly resume: boolean;
}

/** How a run ends. */
export interface RunEnd {
  readonly status: TerminalStatus;
  /** Milliseconds since the epoch. */
  readonly endTime: number;
}

/** What was recorded of one run since its last change. */
export interface RunChange {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly create: RunStart | undefined;
  readonly metrics: readonly Metric[];
  readonly params: readonly Param[];
  readonly tags: readonly Tag[];
  readonly end: RunEnd | undefined;
}

/** The ids under which the store knows a run. */
export interface StoredIds {
  readonly runId: string;
  readonly experimentId: string;
}

/** What became of one change. */
export type Outcome =
  /** It is stored; `ids` after a creation. */
  | { readonly kind: "done"; readonly ids?: StoredIds }
  /** Not now: the same again after `afterMs` milliseconds. */
  | { readonly kind: "retry"; readonly afterMs: number; readonly error: PulseError }
  /** The store itself cannot be used; nothing is wrong with the change. */
  | { readonly kind: "away"; readonly error: PulseError }
  /** These params have another value already; the change without them is to be applied again. */
  | { readonly kind: "conflict"; readonly params: readonly string[] }
  /** The store will never take this change. */
  | { readonly kind: "rejected"; readonly error: PulseError };

/**
 * Where run changes go. `apply` is idempotent: the changes of a run, replayed in order from any earlier
 * point, end in the same state; retry and replay after a crash rely on exactly this.
 */
export interface TrackingStore {
  /** The store's address without credentials, for messages. */
  readonly uri: string;
  /** Most items (see `itemsOf`) one `apply` should get: bounds how long a store that works on the event loop holds it. */
  readonly batchItems: number;
  /** Applies changes and says what became of each, in the same order. Never rejects for a change's sake. */
  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
  /** The same before it returns, waiting for locks at most `waitMs` milliseconds; for process exit and full memory. */
  applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
  /** Lets go of files and connections; idempotent. */
  close(): Promise<void>;
}

/** How many items a change holds: its start, its end, each metric, param and tag. */
export function itemsOf(change: RunChange): number {
  return (change.create ? 1 : 0) + change.metrics.length + change.params.length + change.tags.length + (change.end ? 1 : 0);
}

/** The outcome of a stored change that created nothing. */
export const DONE: Outcome = { kind: "done" };
