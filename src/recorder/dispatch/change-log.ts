import type { ExperimentRef } from "../../base/entities.js";
import type { PulseError } from "../../base/errors.js";
import type { Outcome } from "../../contracts/tracking-store.js";

/** What is dispatched: a change of a run, or something else that belongs to a run. */
export interface Work {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  /** Identifies the work in warnings, which are given once per subject. @default shared by all work without one */
  readonly subject?: string | undefined;
}

/** The destination of work. */
export interface Target<W extends Work> {
  /** Its address, for messages; undefined if it has several. */
  readonly uri?: string | undefined;
  /** The maximum number of items in one call. */
  readonly batchItems: number;
  /** The maximum number of runs in one call. @default unlimited */
  readonly batchRuns?: number | undefined;
  /** How many calls may be in flight at once. @default 1 */
  readonly width?: number | undefined;
  /** Whether its content is lost with the process. @default false */
  readonly volatile?: boolean | undefined;
  apply(work: readonly W[]): Promise<readonly Outcome[]>;
  applySync?(work: readonly W[], waitMs: number): readonly Outcome[];
}

/** What to do with one piece of work. Reported once for each piece that was taken. */
export type Decision =
  /** It is stored, except for what is `refused`; `ids` after a creation. */
  | (Outcome & { readonly kind: "done" })
  /** It is sent again as soon as the store may be asked; `error` if the store is unavailable. */
  | { readonly kind: "again"; readonly error: PulseError | undefined }
  /** Its parts are sent one by one, to find the one that is refused. */
  | { readonly kind: "split" }
  /** It is sent again without these params, which become tags. */
  | { readonly kind: "withoutParams"; readonly params: readonly string[] }
  /** It is sent again after this time; until then only its run waits. */
  | { readonly kind: "later"; readonly afterMs: number; readonly error: PulseError }
  /** It waits with all others of its experiment until `reopen`. */
  | { readonly kind: "denied"; readonly error: PulseError }
  /** It is set aside for good. */
  | { readonly kind: "rejected"; readonly error: PulseError };

/** Work that was taken, in the order of the call. */
export interface Batch<W extends Work> {
  readonly work: readonly W[];
  /**
   * Whether something else has taken it over (the process is exiting, its outbox was released), so that its outcome
   * no longer matters.
   */
  readonly recalled: boolean;
  /** Whether a piece consists of parts that may be sent one by one. */
  divisible(index: number): boolean;
  /** Applies the decisions, in the order of the work, and updates the counts. */
  conclude(decisions: readonly Decision[]): void;
}

/** Holds waiting work, in memory or in a file. It keeps the order within a run, and children behind their parents. */
export interface ChangeLog<W extends Work> {
  /** Whether `take` may return something. */
  readonly ready: boolean;
  /**
   * Takes the next work: at most `items` items of at most `runs` runs. May return undefined although it is ready, if
   * it has to search further.
   */
  take(items: number, runs: number): Batch<W> | undefined;
  /** Reconsiders work that waits for its experiment's permission. */
  reopen(): void;
}
