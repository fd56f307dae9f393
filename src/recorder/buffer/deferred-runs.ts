import { PulseError } from "../../base/errors.js";
import type { Accounting } from "../changes/accounting.js";
import type { ItemKind } from "../changes/item-kinds.js";
import type { ChangeSink, RunBuffer } from "./run-buffer.js";
import type { UnfinishedEnd } from "./unfinished.js";

/**
 * Most metrics, params, tags and inputs, of each, that are held back for one root run; how many more there were is in
 * tag `pulse.cut`.
 */
const MAX_VALUES = 1_000;
/** Most runs below one root that are held back. */
const MAX_RUNS = 1_000;

/** Who has runs that are not over although nobody has them queued. */
export interface Deferral {
  endOpen(end: UnfinishedEnd): void;
  /** The process was asked to stop. */
  askedToStop?(): void;
  /** Ends what is over by the clock. */
  endOverdue?(): void;
}

/** The recorder, as far as it has to do with deferred runs. */
export interface DeferringRecorder extends ChangeSink {
  /** Who defers runs that are not over. */
  readonly held: Set<Deferral>;
  readonly accounting: Accounting;
}

/** Who defers a run, or has done so. */
const deferrals = new WeakMap<RunBuffer, DeferredRuns>();

/** Gives who defers a run, or has done so. */
export const deferralOf = (buffer: RunBuffer): DeferredRuns | undefined => deferrals.get(buffer);

/** Takes what is not recorded at all. */
const NOWHERE: ChangeSink = { admits: () => false, added: () => undefined, ending: () => undefined };

/** What becomes of the runs when their root is over. */
export type Verdict = "record" | "drop";

/**
 * A root run and all below it, held back in memory until the root is over: only then is it known whether they are
 * recorded.
 */
export class DeferredRuns implements ChangeSink {
  readonly #recorder: DeferringRecorder;
  readonly #judge: (root: RunBuffer, failed: boolean) => Verdict;
  readonly #logs: RunBuffer[] = [];
  readonly #values: Partial<Record<ItemKind, number>> = {};
  #cut = 0;
  #failed = false;
  #decision: Verdict | undefined;

  /** `judge` is asked when the root is over; `failed`: it or one below it did. */
  constructor(recorder: DeferringRecorder, judge: (root: RunBuffer, failed: boolean) => Verdict) {
    this.#recorder = recorder;
    this.#judge = judge;
  }

  /** Whether the root is over and not recorded: what is opened below it now is a root of its own. */
  get dropped(): boolean {
    return this.#decision === "drop";
  }

  /** Whether nobody knows yet what becomes of the runs. */
  get undecided(): boolean {
    return this.#decision === undefined;
  }

  /** Has the runs recorded, whatever becomes of them. */
  record(): void {
    if (this.#decision === undefined) this.#settle("record");
  }

  /** Who takes what a run opened now records. */
  get intake(): ChangeSink {
    if (this.#decision === "record") return this.#recorder;
    return this.#decision === "drop" || this.#logs.length >= MAX_RUNS ? NOWHERE : this;
  }

  /** Takes note of a run that was opened with that intake. */
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
    // What a run is recorded for
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
    // What has outlived the root is held on, with all below it, as a root of its own.
    for (const log of logs) {
      const above = log.parent && deferralOf(log.parent);
      if (above !== undefined && above !== this) above.#takeOver(log);
      else if (log.ended) log.refuse(notRecorded());
      else recordOnlyIfFailed(this.#recorder, false).#takeOver(log);
    }
  }

  #takeOver(log: RunBuffer): void {
    if (this.#logs.length === 0) log.orphan();
    log.handOver(this);
    this.opened(log);
  }
}

/** Holds a run and all below it back until one of them fails; `counts` has it counted when none does. */
export function recordOnlyIfFailed(recorder: DeferringRecorder, counts = true): DeferredRuns {
  return new DeferredRuns(recorder, (_root, failed) => {
    if (!failed && counts) recorder.accounting.unsampled();
    return failed ? "record" : "drop";
  });
}

let said: PulseError | undefined;
/** One for all: making it is dearer than everything else about a run that is left out. */
const notRecorded = (): PulseError => {
  said ??= new PulseError("NOT_RECORDED", "The run was left out by sampling or folding.");
  return said;
};
