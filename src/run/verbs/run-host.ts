import type { Clock } from "../../base/clock.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import type { Redactor } from "../../base/text/redact.js";
import type { ResolvedConfig } from "../../config/resolve.js";
import type { Recorder } from "../../recorder/recorder.js";

/** What runs need of the tracker they belong to. */
export interface RunHost {
  readonly config: ResolvedConfig;
  readonly recorder: Recorder;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
  readonly redact: Redactor;
  /** Whether it was the default one, and another is now. */
  readonly replaced: boolean;
  /** No run is opened. */
  readonly paused: boolean;
  /** The share of its top-level runs that are recorded, from 0 to 1, beside what each says itself. */
  readonly sample: number;
  /** How many of its runs are open. */
  opened: number;
  /** Gives, once, the id of the run that the first top-level run of the process resumes (MLFLOW_RUN_ID). */
  takeResumeId(): string | undefined;
}
