import type { ExperimentRef, TerminalStatus } from "../entities.js";
import type { RunStart } from "../stores/tracking-store.js";
import type { RunLog } from "./run-log.js";

/** The kinds of items a log holds. */
export type ItemKind = "runs" | "metrics" | "params" | "tags" | "ends";

/** Who takes note of what a run log holds: the recorder, or who holds the run back. */
export interface Intake {
  /** Whether there is room for one more metric, param or tag. */
  admits(kind: ItemKind, key: string): boolean;
  /** The log holds one item more, of this many bytes. */
  added(log: RunLog, kind: ItemKind, bytes: number): void;
  /** The end of a run that the store has as open is in the log. */
  ending(log: RunLog): void;
}

/** How runs that are still open end with the process or the tracker. */
export interface UnfinishedEnd {
  readonly status: TerminalStatus;
  /** Nothing went wrong, but the run was not ended by anybody. */
  readonly partial: boolean;
}

/** What a run's log begins with. */
export interface LogOpening {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly start: RunStart;
  readonly parent: RunLog | undefined;
}

/** Who holds runs back that are not over. */
export interface Holder {
  endOpen(end: UnfinishedEnd): void;
  /** Ends what is over by the clock. */
  endOverdue?(): void;
}

/** The run a log belongs to: what must be possible with it when the process or the tracker ends. */
export interface Unfinished {
  endUnfinished(end: UnfinishedEnd): void;
}
