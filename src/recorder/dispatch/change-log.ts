import type { ExperimentRef } from "../../base/entities.js";
import type { PulseError } from "../../base/errors.js";
import type { Outcome } from "../../contracts/tracking-store.js";

/** What is dispatched: a change of a run, or anything else that belongs to one. */
export interface Work {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  /** What is wrong with it is said once for each. @default for all that has none */
  readonly subject?: string | undefined;
}

/** Where work is brought to. */
export interface Target<W extends Work> {
  /** Its address, for messages; undefined where it has several. */
  readonly uri?: string | undefined;
  /** Most items in one call. */
  readonly batchItems: number;
  /** Most runs in one call. @default as many as there are */
  readonly batchRuns?: number | undefined;
  /** How many calls may be under way at once. @default 1 */
  readonly width?: number | undefined;
  /** What it holds is gone with the process. @default false */
  readonly volatile?: boolean | undefined;
  apply(work: readonly W[]): Promise<readonly Outcome[]>;
  applySync?(work: readonly W[], waitMs: number): readonly Outcome[];
}

/** What is to become of one piece of work; it says so once for each that was taken. */
export type Decision =
  /** It is stored, all but what is `refused`; `ids` after a creation. */
  | (Outcome & { readonly kind: "done" })
  /** It goes again as soon as the store may be asked; `error` when the store is away. */
  | { readonly kind: "again"; readonly error: PulseError | undefined }
  /** It goes again, its parts one by one, to find the one that is refused. */
  | { readonly kind: "split" }
  /** It goes again without these params, which become tags. */
  | { readonly kind: "withoutParams"; readonly params: readonly string[] }
  /** It goes again after so long; until then its run alone waits. */
  | { readonly kind: "later"; readonly afterMs: number; readonly error: PulseError }
  /** It waits with all others of its experiment until `reopen`. */
  | { readonly kind: "denied"; readonly error: PulseError }
  /** It is set aside for good. */
  | { readonly kind: "rejected"; readonly error: PulseError };

/** Work that was handed out, in the order of a call. */
export interface Batch<W extends Work> {
  readonly work: readonly W[];
  /**
   * Somebody else has taken it over (the process is exiting, its outbox was let go): what becomes of it is of no
   * interest any more.
   */
  readonly recalled: boolean;
  /** Whether a piece consists of parts that may go one by one. */
  divisible(index: number): boolean;
  /** Takes note of what is to become of each piece, in their order, and tells the account. */
  conclude(decisions: readonly Decision[]): void;
}

/** Where work waits, in memory or in a file; it keeps the order within a run, and children behind their parents. */
export interface ChangeLog<W extends Work> {
  /** Whether `take` may give something. */
  readonly ready: boolean;
  /**
   * Gives what is next, at most `items` items of at most `runs` runs; nothing although it is ready when it has to look
   * further.
   */
  take(items: number, runs: number): Batch<W> | undefined;
  /** Looks again at what waits for its experiment. */
  reopen(): void;
}
