import type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactRepository } from "./artifact-repository.js";
import type { StoreReader } from "./store-reader.js";

/**
 * The start of a run.
 * @experimental
 */
export interface RunStart {
  /** Also stored as the tag `mlflow.runName`; setting that tag later renames the run. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  readonly userId: string;
  /**
   * Tags shared by all runs of this process (`mlflow.user`, `mlflow.source.*`). The array is shared and never modified.
   */
  readonly sourceTags: readonly Tag[];
  /**
   * The parent's `runKey` if this is a child run. The store writes the parent's id into the tag `mlflow.parentRunId`.
   */
  readonly parentKey: string | undefined;
  /**
   * The run already exists in the store under the id `runKey`: reopen it with status `RUNNING` and no end time, and
   * ignore the other fields.
   */
  readonly resume: boolean;
}

/**
 * The end of a run.
 * @experimental
 */
export interface RunEnd {
  readonly status: TerminalStatus;
  /** Milliseconds since the epoch. */
  readonly endTime: number;
  /**
   * Only end the run if it is still running, no earlier than its last metric. Used for runs whose process died. If the
   * store does not know the run, it was never created: do nothing.
   */
  readonly ifRunning?: boolean | undefined;
}

/**
 * The ids that the store assigned to a run.
 * @experimental
 */
export interface StoredIds {
  readonly runId: string;
  readonly experimentId: string;
  /**
   * The run was created a second time because the outcome of the first attempt is unknown, so a duplicate may exist.
   */
  readonly recreated?: boolean | undefined;
}

/**
 * What was recorded of one run since its previous change. A store uses what it supports; the ids it returns are passed
 * with every later change.
 * @experimental
 */
export interface RunChange {
  /** The run's id on our side: 32 hex digits, the same in every change of the run. A store may use it as its own id. */
  readonly runKey: string;
  /**
   * Given by name (created if it does not exist) or by the id of an existing experiment. If `of` is set, the experiment
   * of that run takes precedence.
   */
  readonly experiment: ExperimentRef;
  /** The ids the store returned when the run was created; undefined before that, and if they were lost. */
  readonly ids: StoredIds | undefined;
  /** The parent's id in the store, if known. A child is created after its parent. */
  readonly parentId: string | undefined;
  /**
   * The creation, or this very change, was passed to the store before, and the outcome is unknown. A store that assigns
   * its own ids must first look whether the run exists. It does not mean that anything arrived, and other changes may
   * be repeated without this flag.
   */
  readonly attempted: boolean;
  /** Set if the run has to be created; undefined afterwards. */
  readonly create: RunStart | undefined;
  readonly metrics: readonly Metric[];
  readonly params: readonly Param[];
  readonly tags: readonly Tag[];
  readonly inputs: readonly DatasetInput[];
  readonly end: RunEnd | undefined;
}

/** @internal The fields of a change that are lists of items, in the order in which they are stored. */
export type ListName = "metrics" | "params" | "tags" | "inputs";
/** @internal */
export const LIST_NAMES: readonly ListName[] = ["metrics", "params", "tags", "inputs"];

/**
 * Items of a change that the store will never accept. Everything else in the change was stored.
 * @experimental
 */
export interface RefusedItems {
  readonly what: "metric" | "param" | "tag" | "input";
  readonly key: string;
  /** How many of the change's items this covers; 0 for something that belongs to the run's start. */
  readonly items: number;
  readonly error: PulseError;
}

/** @internal Counts the items covered. */
export function refusedItems(refused: readonly RefusedItems[] = []): number {
  let count = 0;
  for (const { items } of refused) count += items;
  return count;
}

/**
 * The result of applying one change. The code of `error`, a `PulseError`, tells the cause. If the store is away, it is
 * `STORE_UNAVAILABLE`, `STORE_BUSY` (locked for longer than a moment) or, if someone has to fix something first, a code
 * that is not `retryable` (`UNAUTHORIZED`, `NOT_WRITABLE`, …; `logExperiment` then rejects at once). If the change is
 * rejected, it is `EXPERIMENT_NOT_FOUND`, `EXPERIMENT_DELETED`, `RUN_NOT_FOUND`, `RUN_DELETED` or else `REJECTED`.
 * @experimental
 */
export type Outcome =
  /** Stored, except for `refused`; `ids` are set after a creation. */
  | { readonly kind: "done"; readonly ids?: StoredIds; readonly refused?: readonly RefusedItems[] }
  /** The store failed on this change but may accept others. Retry it later. */
  | { readonly kind: "retry"; readonly error: PulseError }
  /** The store itself is unavailable and the change is fine. `afterMs` is when to retry, in milliseconds, if known. */
  | { readonly kind: "away"; readonly error: PulseError; readonly afterMs?: number | undefined }
  /**
   * These credentials may not write to the experiment or run of this change, but work elsewhere. The changes of that
   * experiment wait on their own, and everything else continues.
   */
  | { readonly kind: "denied"; readonly error: PulseError }
  /** These params already have other values. The change is applied again without them. */
  | { readonly kind: "conflict"; readonly params: readonly string[] }
  /** The store will never accept this change. */
  | { readonly kind: "rejected"; readonly error: PulseError };

/**
 * A result of a probe, for people to read.
 * @experimental
 */
export interface Finding {
  /** What was checked, in a word or two. */
  readonly what: string;
  /** `bad`: nothing can be stored. `note`: worth knowing. */
  readonly verdict: "ok" | "note" | "bad";
  readonly detail: string;
  /** How to fix it. */
  readonly todo?: string | undefined;
}

/**
 * Options of a probe.
 * @experimental
 */
export interface ProbeOptions {
  /** Also write a run into the experiment "pulse-mlflow doctor", and delete it again if possible. */
  readonly write: boolean;
}

/**
 * Where the files of a run are stored.
 * @experimental
 */
export type ArtifactPlace = string | ArtifactRepository | undefined;

/**
 * Stores run changes. `apply` is idempotent: replaying the changes of a run, in order, from any earlier point leads to
 * the same state; retries and the replay after a crash rely on exactly this. Replayed changes may be split or merged
 * differently, so recognise what is already stored by its items: a param or tag by its key, a metric value by key,
 * step, timestamp and value, a dataset by name and digest.
 *
 * Only `apply` and `close` are required. `trackingStoreContract` of `pulse-mlflow/testing` tests what a store promises.
 * @experimental It may still change in a minor version.
 */
export interface TrackingStore {
  /**
   * The store's address: absolute, and always the same for the same place. Changes that the store has not accepted are
   * kept on disk under it (in an outbox), for this process and later ones, whatever folder they run in. Credentials in
   * it are hidden. Two addresses that differ only in passwords, tokens or keys are the same place; a different user
   * name in `scheme://user:password@host` is a different place. Without an address, changes wait in memory only.
   */
  readonly uri?: string | undefined;
  /**
   * Maximum number of items per `apply` (a run's start, its end, and each metric, param, tag and dataset count as one).
   * Limits how long a store that works on the event loop blocks it. A single change may exceed it. @default 1000
   */
  readonly batchItems?: number | undefined;
  /** Maximum number of runs per `apply`. @default no limit */
  readonly batchRuns?: number | undefined;
  /** How many calls of `apply` may be in flight at once; never two for the same run. @default 1 */
  readonly width?: number | undefined;
  /**
   * Whether its contents are lost when the process ends. Nothing is then kept on disk for it, and process exit does not
   * wait for it. @default false
   */
  readonly volatile?: boolean | undefined;
  /**
   * Applies changes, each of a different run, and returns one outcome per change, in the same order. Must not modify
   * the changes. Never rejects because of a single change: a rejection means that the store is away, and all the
   * changes are passed again.
   */
  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
  /**
   * Applies changes synchronously, waiting for locks for at most `waitMs` milliseconds. Used at process exit and when
   * memory is full. If it throws, the store is away.
   */
  applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
  /**
   * Returns where the files of a run are stored: the URI of the root, or a repository of the store's own; undefined if
   * files are discarded. Commands know only the run's id: `experimentId` is then empty.
   * @default files are not supported: each is refused
   */
  artifactsOf?(ids: StoredIds): ArtifactPlace | Promise<ArtifactPlace>;
  /**
   * Returns the stored value of one of a run's tags, which others may have set, too; undefined if there is none.
   * @default unknown: when a resumed run appends to such a tag, the stored value is overwritten
   */
  tagOf?(ids: StoredIds, key: string): string | undefined | Promise<string | undefined>;
  /** Returns the URL of the run's page, for stores that have a user interface. */
  runUrl?(ids: StoredIds): string;
  /** Whether there is background work to finish. `settle` does it now, within a few seconds; so does `close`. */
  readonly unsettled?: boolean | undefined;
  settle?(): Promise<void>;
  /** Checks whether the store can be used, for `pulse-mlflow doctor`. Changes nothing unless `options.write` is set. */
  probe?(options: ProbeOptions): Promise<readonly Finding[]>;
  /** Closes files and connections. Idempotent. */
  close(): Promise<void>;
}

/** @internal A store as the recorder gets it, with all defaults filled in. */
export interface ReadyStore extends TrackingStore {
  /** Also used in messages; for a store without an address, a description of it. */
  readonly uri: string;
  readonly batchItems: number;
  /** Returns what `MlflowClient` reads and administers the store with; loaded on demand. @default it cannot be read */
  reader?(): Promise<StoreReader>;
  /** It has an address and is not `volatile`: changes it does not accept now are kept in an outbox. */
  readonly durable: boolean;
}

/** @internal Describes why a value is not a valid store; undefined if it is one. */
export function storeFault(store: unknown): string | undefined {
  if (typeof store !== "object" || store === null) return shownValue(store);
  const { apply, close, applySync, artifactsOf, tagOf, runUrl, settle, probe, uri } = store as Record<string, unknown>;
  if (isPromise(store)) return "a promise (create the store synchronously, and connect on the first change)";
  const missing = Object.entries({ apply, close }).flatMap(([name, value]) =>
    typeof value === "function" ? [] : [name],
  );
  if (missing.length > 0) return `an object without ${missing.join(" and ")}`;
  const odd = Object.entries({ applySync, artifactsOf, tagOf, runUrl, settle, probe }).find(
    ([, value]) => value !== undefined && typeof value !== "function",
  );
  if (odd) return `one whose ${odd[0]} is not a method`;
  if (uri !== undefined && (typeof uri !== "string" || uri.trim() === ""))
    return "one whose uri is not a non-empty string";
  return undefined;
}

/** Whether the value is a promise. Its rejection is ignored. */
function isPromise(value: object): boolean {
  if (typeof (value as Partial<Promise<unknown>>).then !== "function") return false;
  Promise.resolve(value).catch(() => undefined);
  return true;
}

/** @internal Counts the items of a change: its start, its end, and each metric, param, tag and dataset. */
export function itemsOf(change: RunChange): number {
  const { create, metrics, params, tags, inputs, end } = change;
  return (create ? 1 : 0) + metrics.length + params.length + tags.length + inputs.length + (end ? 1 : 0);
}

/** @internal An empty change, as a base for real ones. */
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

/** @internal Used if a store returned no outcome for a change. */
export const NO_ANSWER: Outcome = {
  kind: "rejected",
  error: new PulseError("REJECTED", "The store returned no outcome for a change."),
};

/** @internal The outcome of a stored change that created nothing. */
export const DONE: Outcome & { kind: "done" } = { kind: "done" };
