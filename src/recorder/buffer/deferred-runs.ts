import { PulseError } from "../../base/errors.js";
import type { Accounting } from "../changes/accounting.js";
import type { ItemKind } from "../changes/item-kinds.js";
import type { ChangeSink, RunBuffer } from "./run-buffer.js";
import type { UnfinishedEnd } from "./unfinished-end.js";

/**
 * The number of metrics, and of params, tags and inputs each, held for one root run. The number of those left out
 * goes into tag `pulse.cut`.
 */
const MAX_VALUES = 1_000;
/** The number of runs held below one root. */
const MAX_RUNS = 1_000;

/** Holds runs that are not over and not queued. */
export interface Deferral {
  endOpen(end: UnfinishedEnd): void;
  /** Notes that the process was asked to stop. */
  askedToStop?(): void;
  /** Records what is over according to the clock. */
  endOverdue?(): void;
}

/** The part of a recorder that deferred runs use. */
export interface DeferringRecorder extends ChangeSink {
  /** Deferrals of runs that are not over. */
  readonly held: Set<Deferral>;
  readonly accounting: Accounting;
}

/** The deferral of each run that is or was deferred. */
const deferrals = new WeakMap<RunBuffer, DeferredRuns>();

/** Returns the deferral of a run that is or was deferred. */
export const deferralOf = (buffer: RunBuffer): DeferredRuns | undefined => deferrals.get(buffer);

/** Accepts items that are not recorded at all. */
const NOWHERE: ChangeSink = { admits: () => false, added: () => undefined, ending: () => undefined };

/** What happens to the runs when their root ends. */
export type Verdict = "record" | "drop";

/** Decides about a root that has ended. `failed`: the root or a descendant failed. */
type Judge = (root: RunBuffer, failed: boolean) => Verdict;

/**
 * A root run and all its descendants, held in memory until the root ends, when it is decided whether they are
 * recorded.
 */
export class DeferredRuns implements ChangeSink {
  readonly #recorder: DeferringRecorder;
  readonly #judge: Judge;
  readonly #below: ((log: RunBuffer) => Verdict) | undefined;
  readonly #logs: RunBuffer[] = [];
  readonly #values: Partial<Record<ItemKind, number>> = {};
  #cut = 0;
  #failed = false;
  #decision: Verdict | undefined;

  /**
   * `judge` is called when the root ends. If it is dropped, `below` is called with each descendant when that has ended:
   * one that is to be recorded becomes a root.
   */
  constructor(recorder: DeferringRecorder, judge: Judge, below?: (log: RunBuffer) => Verdict) {
    this.#recorder = recorder;
    this.#judge = judge;
    this.#below = below;
  }

  /** Whether the root ended without being recorded. A run opened below it then becomes a root. */
  get dropped(): boolean {
    return this.#decision === "drop";
  }

  /** Whether the decision is still open. */
  get undecided(): boolean {
    return this.#decision === undefined;
  }

  /** Records the runs regardless of how they end. */
  record(): void {
    if (this.#decision === undefined) this.#settle("record");
  }

  /** Returns the sink for the items of a run opened now. */
  get intake(): ChangeSink {
    if (this.#decision === "record") return this.#recorder;
    return this.#decision === "drop" || this.#logs.length >= MAX_RUNS ? NOWHERE : this;
  }

  /** Notes a run that was opened with that sink. */
  opened(log: RunBuffer): void {
    deferrals.set(log, this);
    if (this.#decision === "record") return;
    if (this.intake === NOWHERE) {
      log.refuse(notRecorded());
      this.#cut++;
    } else this.#logs.push(log);
    if (this.#decision === undefined) this.#recorder.held.add(this);
  }

  admits(kind: ItemKind, key: string): boolean {
    // The error's tags are always kept: the run is recorded because of them.
    const most = kind === "tags" && key.startsWith("error.") ? Number.POSITIVE_INFINITY : MAX_VALUES;
    if (this.#decision === undefined && (this.#values[kind] ?? 0) < most) return true;
    this.#cut++;
    return false;
  }

  added(log: RunBuffer, kind: ItemKind): void {
    if (this.#decision !== undefined) return;
    this.#values[kind] = (this.#values[kind] ?? 0) + 1;
    if (kind !== "ends") return;
    const status = log.gathered?.end?.status;
    if (status === "FAILED" || status === "KILLED") this.#failed = true;
    if (log === this.#logs[0]) this.#settle(this.#judge(log, this.#failed));
  }

  ending(): void {}

  /** Ends the runs that are still open, the root last. */
  endOpen(end: UnfinishedEnd): void {
    for (const log of this.#logs.slice().reverse()) log.endUnfinished(end);
  }

  askedToStop(): void {
    for (const log of this.#logs) log.askedToStop = !log.ended;
  }

  #settle(decision: Verdict): void {
    this.#recorder.held.delete(this);
    this.#decision = decision;
    const logs = this.#logs.splice(0);
    const [root] = logs;
    if (decision === "record") {
      for (const log of logs) log.handOver(this.#recorder);
      if (this.#cut > 0) root?.tag({ key: "pulse.cut", value: String(this.#cut) });
      return;
    }
    // Descendants that outlive the root are deferred further, as roots with their own descendants.
    for (const log of logs) {
      const above = log.parent && deferralOf(log.parent);
      if (above !== undefined && above !== this) above.#takeOver(log);
      else if (!log.ended) this.#deferFurther(log);
      else if (log === root || this.#below?.(log) !== "record") log.refuse(notRecorded());
      else {
        log.orphan();
        log.handOver(this.#recorder);
      }
    }
  }

  #deferFurther(log: RunBuffer): void {
    const below = this.#below;
    const further = below
      ? new DeferredRuns(this.#recorder, (root) => below(root), below)
      : recordOnlyIfFailed(this.#recorder, false);
    further.#takeOver(log);
  }

  #takeOver(log: RunBuffer): void {
    if (this.#logs.length === 0) log.orphan();
    log.handOver(this);
    this.opened(log);
  }
}

/** Defers a run and its descendants until one of them fails. `counts`: count the run as unsampled if none does. */
export function recordOnlyIfFailed(recorder: DeferringRecorder, counts = true): DeferredRuns {
  return new DeferredRuns(recorder, (_root, failed) => {
    if (!failed && counts) recorder.accounting.unsampled();
    return failed ? "record" : "drop";
  });
}

let notRecordedError: PulseError | undefined;
/** One shared error: creating it would cost more than everything else about a run that is left out. */
const notRecorded = (): PulseError => {
  notRecordedError ??= new PulseError("NOT_RECORDED", "The run was left out by sampling or folding.");
  return notRecordedError;
};
