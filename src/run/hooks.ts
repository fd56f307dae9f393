import type { TerminalStatus } from "../base/entities.js";
import type { Run } from "./run.js";

/** Functions that a tracker calls at the beginning and end of each run. */
export interface RunHooks {
  /**
   * Called with each run when it is opened, before anything is logged into it; also with those that sampling or folding
   * may leave out. What it throws is a warning (`LISTENER_FAILED`), and runs that it opens itself have no hooks.
   * @default none
   */
  readonly onRunStart?: ((run: Run) => unknown) | undefined;
  /** Called with each run when it has ended. What is logged into it now is still recorded. @default none */
  readonly onRunEnd?: ((run: Run, end: EndedRun) => unknown) | undefined;
}

/** How a run ended. */
export interface EndedRun {
  readonly status: TerminalStatus;
  /** What was thrown, or given to `fail`, if that ended the run. */
  readonly error?: unknown;
  /** What the call returned, or its promise resolved with, if a call opened the run. */
  readonly result?: unknown;
  readonly endTime: Date;
}
