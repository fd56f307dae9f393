import type { TerminalStatus } from "../../base/entities.js";

/** How open runs end with the process or the tracker. */
export interface UnfinishedEnd {
  readonly status: TerminalStatus;
  /** Whether nothing went wrong, but the run was never ended explicitly. */
  readonly partial: boolean;
}

/** The part of a run that its buffer uses when the process or the tracker ends. */
export interface Unfinished {
  endUnfinished(end: UnfinishedEnd): void;
}
