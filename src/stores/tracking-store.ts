import type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../entities.js";
import { PulseError } from "../errors.js";

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
  /** Only if nobody has ended it yet; its end is then no earlier than its last metric. For runs whose process died. */
  readonly ifRunning?: boolean | undefined;
}

/** The ids under which the store knows a run. */
export interface StoredIds {
  readonly runId: string;
  readonly experimentId: string;
  /** The run had to be created a second time, because nobody knows what became of the first: there may be a twin. */
  readonly recreated?: boolean | undefined;
}

/** What was recorded of one run since its last change. */
export interface RunChange {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  /** What the store answered to the run's creation; undefined before it, and where that was forgotten. */
  readonly ids: StoredIds | undefined;
  /** The store's id of the parent; a child is created after it. */
  readonly parentId: string | undefined;
  /** This change was handed over before, and nobody knows what became of it. */
  readonly attempted: boolean;
  readonly create: RunStart | undefined;
  readonly metrics: readonly Metric[];
  readonly params: readonly Param[];
  readonly tags: readonly Tag[];
  readonly inputs: readonly DatasetInput[];
  readonly end: RunEnd | undefined;
}

/** The fields of a change that are lists of items, in the order in which they are stored. */
export type ListName = "metrics" | "params" | "tags" | "inputs";
export const LIST_NAMES: readonly ListName[] = ["metrics", "params", "tags", "inputs"];

/** Items of a change that the store will never take; it has the others. */
export interface RefusedItems {
  readonly what: "metric" | "param" | "tag" | "input";
  readonly key: string;
  /** How many of the change's items these are; 0 for what is part of the run's start. */
  readonly items: number;
  readonly error: PulseError;
}

/** How many items of a change these are. */
export function refusedItems(refused: readonly RefusedItems[] = []): number {
  let count = 0;
  for (const { items } of refused) count += items;
  return count;
}

/** What became of one change. */
export type Outcome =
  /** It is stored, all but `refused`; `ids` after a creation. */
  | { readonly kind: "done"; readonly ids?: StoredIds; readonly refused?: readonly RefusedItems[] }
  /** The store failed on this change and may take others: the same again later. */
  | { readonly kind: "retry"; readonly error: PulseError }
  /** The store itself cannot be used, nothing is wrong with the change; it says when to ask again, if it knows. */
  | { readonly kind: "away"; readonly error: PulseError; readonly afterMs?: number | undefined }
  /**
   * The experiment or run of this change may not be written with these credentials, which the store accepts elsewhere:
   * it waits apart with others of its experiment, and everything else goes on.
   */
  | { readonly kind: "denied"; readonly error: PulseError }
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
  /** Most runs one `apply` should get. @default any number */
  readonly batchRuns?: number | undefined;
  /** How many calls of `apply` may be under way at once. @default 1 */
  readonly width?: number | undefined;
  /** What it holds outlives this process: what it does not take now is worth keeping for it. */
  readonly durable: boolean;
  /** What it holds is gone with the process: nothing is to be brought there at the end, nor the store to be held until then. */
  readonly volatile?: boolean;
  /** Applies changes and says what became of each, in the same order. Never rejects for a change's sake. */
  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
  /** The same before it returns, waiting for locks at most `waitMs` milliseconds; for process exit and full memory. */
  applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
  /** The page where people look at a run, when there is one. */
  runUrl?(ids: StoredIds): string;
  /** Whether it has something to look after that nobody waits for: `settle` does it now, in a few seconds at most. `close` does so, too. */
  readonly unsettled?: boolean;
  settle?(): Promise<void>;
  /** Lets go of files and connections; idempotent. */
  close(): Promise<void>;
}

/** How many items a change holds: its start, its end, each metric, param and tag. */
export function itemsOf(change: RunChange): number {
  const { create, metrics, params, tags, inputs, end } = change;
  return (create ? 1 : 0) + metrics.length + params.length + tags.length + inputs.length + (end ? 1 : 0);
}

/** A change in which nothing happens: what a real one is made from. */
export const NO_CHANGE: Omit<RunChange, "runKey" | "experiment"> = {
  ids: undefined,
  parentId: undefined,
  attempted: false,
  create: undefined,
  metrics: [],
  params: [],
  tags: [],
  inputs: [],
  end: undefined,
};

/** Stands in for an outcome a store failed to give. */
export const NO_ANSWER: Outcome = { kind: "rejected", error: new PulseError("REJECTED", "The store gave no answer for a change.") };

/** The outcome of a stored change that created nothing. */
export const DONE: Outcome = { kind: "done" };
