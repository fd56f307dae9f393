import type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactRepository } from "./artifact-repository.js";

/**
 * How a run starts.
 * @experimental
 */
export interface RunStart {
  /** Also the run's tag `mlflow.runName`; when that is set later, the run has another name. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  readonly userId: string;
  /** Tags every run of this process carries (`mlflow.user`, `mlflow.source.*`); shared between runs, never changed. */
  readonly sourceTags: readonly Tag[];
  /** The parent's `runKey`, when this is a child run: tag `mlflow.parentRunId` has its id. */
  readonly parentKey: string | undefined;
  /**
   * The run exists in the store already, `runKey` is its id there, and it is opened again: `RUNNING`, without an end.
   * The rest here is of no account.
   */
  readonly resume: boolean;
}

/**
 * How a run ends.
 * @experimental
 */
export interface RunEnd {
  readonly status: TerminalStatus;
  /** Milliseconds since the epoch. */
  readonly endTime: number;
  /**
   * Only if nobody has ended it yet; its end is then no earlier than its last metric. For runs whose process died: one
   * that is not there was never created, and nothing is to be done.
   */
  readonly ifRunning?: boolean | undefined;
}

/**
 * The ids under which the store knows a run.
 * @experimental
 */
export interface StoredIds {
  readonly runId: string;
  readonly experimentId: string;
  /** The run had to be created a second time, because nobody knows what became of the first: there may be a twin. */
  readonly recreated?: boolean | undefined;
}

/**
 * What was recorded of one run since its last change. A store uses of it what it can; the ids it gave come back with
 * every later change.
 * @experimental
 */
export interface RunChange {
  /**
   * The run's id on our side, 32 hex digits, the same in every change of the run. A store may take it for its own id.
   */
  readonly runKey: string;
  /**
   * By name, and made when there is none of that name; or by the id of one that exists; or, before either, that of
   * another run (`of`).
   */
  readonly experiment: ExperimentRef;
  /** What the store answered to the run's creation; undefined before it, and where that was forgotten. */
  readonly ids: StoredIds | undefined;
  /** The store's id of the parent, where it is known; a child is created after it. */
  readonly parentId: string | undefined;
  /**
   * The creation, or this very change, was handed over before, and nobody knows what became of it: a store that gives
   * ids of its own looks first whether the run is there. It says nothing about whether anything arrived; and other
   * changes may come again without it.
   */
  readonly attempted: boolean;
  /** The run is to be made; undefined when it was. */
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
 * Items of a change that the store will never take; it has the others.
 * @experimental
 */
export interface RefusedItems {
  readonly what: "metric" | "param" | "tag" | "input";
  readonly key: string;
  /** How many of the change's items these are; 0 for what is part of the run's start. */
  readonly items: number;
  readonly error: PulseError;
}

/** @internal How many items of a change these are. */
export function refusedItems(refused: readonly RefusedItems[] = []): number {
  let count = 0;
  for (const { items } of refused) count += items;
  return count;
}

/**
 * What became of one change. The `error` is a `PulseError`, whose code says what people can do: of a store that is away
 * `STORE_UNAVAILABLE`, `STORE_BUSY` (a lock; said only when it lasts) or, where somebody must mend something first,
 * another one that is not `retryable` (`UNAUTHORIZED`, `NOT_WRITABLE`, …; `logExperiment` then rejects at once); of a
 * change that is rejected `EXPERIMENT_NOT_FOUND`, `EXPERIMENT_DELETED`, `RUN_NOT_FOUND`, `RUN_DELETED`, else
 * `REJECTED`.
 * @experimental
 */
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
 * What a probe has found out, for people.
 * @experimental
 */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly what: string;
  /** `bad` is a reason why nothing can be stored; `note` is worth knowing. */
  readonly verdict: "ok" | "note" | "bad";
  readonly detail: string;
  /** What to do about it. */
  readonly todo?: string | undefined;
}

/**
 * How far a probe may go.
 * @experimental
 */
export interface ProbeOptions {
  /** Also writes a run into experiment "pulse-mlflow doctor", and takes it away again where that can be done. */
  readonly write: boolean;
}

/**
 * Where the files of a run are kept.
 * @experimental
 */
export type ArtifactPlace = string | ArtifactRepository | undefined;

/**
 * Where run changes go. `apply` is idempotent: the changes of a run, replayed in order from any earlier point, end in
 * the same state; retry and replay after a crash rely on exactly this. What comes again may be cut otherwise, two
 * changes as one or one as two, so what is there is told by its items: a param or tag by its key, a point by key, step,
 * timestamp and value, a dataset by name and digest.
 *
 * Only `apply` and `close` must be there. `trackingStoreContract` of `pulse-mlflow/testing` tests what a store
 * promises.
 * @experimental It may still change in a minor version.
 */
export interface TrackingStore {
  /**
   * The store's address, absolute and always the same for the same place: what the store does not take is kept on disk
   * under it (an outbox), for this process and for later ones, in whatever folder they run. Credentials in it are
   * hidden. Of these the user's name in `scheme://user:password@host` tells two places apart; what differs in nothing
   * but passwords, tokens and keys is one. Without an address, what waits is only ever in memory.
   */
  readonly uri?: string | undefined;
  /**
   * Most items one `apply` should get (a run's start, its end, each metric, param and tag is one): bounds how long a
   * store that works on the event loop holds it. A single change may hold more. @default 1000
   */
  readonly batchItems?: number | undefined;
  /** Most runs one `apply` should get. @default any number */
  readonly batchRuns?: number | undefined;
  /** How many calls of `apply` may be under way at once; never two for the same run. @default 1 */
  readonly width?: number | undefined;
  /**
   * What it holds is gone with the process: nothing is kept on disk for it, and the end of the process does not wait
   * for it. @default false
   */
  readonly volatile?: boolean | undefined;
  /**
   * Applies changes, each of another run, and says what became of each, in the same order; what it is given, it does
   * not change. Never rejects for a change's sake: a rejected promise means that the store is away, and all of them
   * come again.
   */
  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]>;
  /**
   * The same before it returns, waiting for locks at most `waitMs` milliseconds; for process exit and full memory. What
   * it throws means: away.
   */
  applySync?(changes: readonly RunChange[], waitMs: number): readonly Outcome[];
  /**
   * Where the files of a run are kept: the root's URI, or a repository of the store's own; undefined where they are
   * forgotten. Commands know a run by its id alone: `experimentId` is empty then.
   * @default there is no place for files: each is refused
   */
  artifactsOf?(ids: StoredIds): ArtifactPlace | Promise<ArtifactPlace>;
  /**
   * What the store has of one of a run's tags, which others may have set, too; undefined where it has none.
   * @default not known: what a resumed run adds to such a tag takes the place of what is there
   */
  tagOf?(ids: StoredIds, key: string): string | undefined | Promise<string | undefined>;
  /** The page where people look at a run, when there is one. */
  runUrl?(ids: StoredIds): string;
  /**
   * Whether it has something to look after that nobody waits for: `settle` does it now, in a few seconds at most.
   * `close` does so, too.
   */
  readonly unsettled?: boolean | undefined;
  settle?(): Promise<void>;
  /** Looks whether the store can be used, for `pulse-mlflow doctor`; changes nothing unless told to. */
  probe?(options: ProbeOptions): Promise<readonly Finding[]>;
  /** Lets go of files and connections; idempotent. */
  close(): Promise<void>;
}

/** @internal A store as the recorder is given it: what the contract leaves open is answered. */
export interface ReadyStore extends TrackingStore {
  /** For messages, too: of a store without an address, words that stand for it. */
  readonly uri: string;
  readonly batchItems: number;
  /** It has an address and is not `volatile`: what it does not take now is kept in an outbox for it. */
  readonly durable: boolean;
}

/** @internal What a value is that is no store by this contract, in words; undefined when it is one. */
export function storeFault(store: unknown): string | undefined {
  if (typeof store !== "object" || store === null) return shownValue(store);
  const { apply, close, applySync, artifactsOf, tagOf, runUrl, settle, probe, uri } = store as Record<string, unknown>;
  if (isPromise(store)) return "a promise (make the store at once, and open it with the first change)";
  const missing = Object.entries({ apply, close }).flatMap(([name, value]) =>
    typeof value === "function" ? [] : [name],
  );
  if (missing.length > 0) return `an object without ${missing.join(" and ")}`;
  const odd = Object.entries({ applySync, artifactsOf, tagOf, runUrl, settle, probe }).find(
    ([, value]) => value !== undefined && typeof value !== "function",
  );
  if (odd) return `one whose ${odd[0]} is no method`;
  if (uri !== undefined && (typeof uri !== "string" || uri.trim() === "")) return "one whose uri is no text";
  return undefined;
}

/** Whether somebody would have to wait for it; what it comes to is of no interest. */
function isPromise(value: object): boolean {
  if (typeof (value as Partial<Promise<unknown>>).then !== "function") return false;
  Promise.resolve(value).catch(() => undefined);
  return true;
}

/** @internal How many items a change holds: its start, its end, each metric, param and tag. */
export function itemsOf(change: RunChange): number {
  const { create, metrics, params, tags, inputs, end } = change;
  return (create ? 1 : 0) + metrics.length + params.length + tags.length + inputs.length + (end ? 1 : 0);
}

/** @internal A change in which nothing happens: what a real one is made from. */
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

/** @internal Stands in for an outcome a store failed to give. */
export const NO_ANSWER: Outcome = {
  kind: "rejected",
  error: new PulseError("REJECTED", "The store gave no answer for a change."),
};

/** @internal The outcome of a stored change that created nothing. */
export const DONE: Outcome & { kind: "done" } = { kind: "done" };
