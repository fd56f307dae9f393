import type { Clock } from "../../base/clock.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import type { Redactor } from "../../base/text/redact.js";
import type { ResolvedConfig } from "../../config/resolve.js";
import type { Recorder } from "../../recorder/recorder.js";

/** What runs need from their tracker. */
export interface RunHost {
  readonly config: ResolvedConfig;
  readonly recorder: Recorder;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
  readonly redact: Redactor;
  /** Whether this tracker was the default one and has been replaced. */
  readonly replaced: boolean;
  /** Whether the tracker is paused and opens no runs. */
  readonly paused: boolean;
  /** The share of top-level runs that are recorded, from 0 to 1. Multiplied by each run's own share. */
  readonly sample: number;
  /** The number of open runs. */
  opened: number;
  /** Returns, only once, the id of the run that the first top-level run of the process resumes (MLFLOW_RUN_ID). */
  takeResumeId(): string | undefined;
}
