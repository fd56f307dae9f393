import type { TerminalStatus } from "../../base/entities.js";

/** How runs that are still open end with the process or the tracker. */
export interface UnfinishedEnd {
  readonly status: TerminalStatus;
  /** Nothing went wrong, but the run was not ended by anybody. */
  readonly partial: boolean;
}

/** The run a buffer belongs to: what must be possible with it when the process or the tracker ends. */
export interface Unfinished {
  endUnfinished(end: UnfinishedEnd): void;
}
