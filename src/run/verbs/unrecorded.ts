import { PulseError } from "../../base/errors.js";

/** Why nothing is recorded while tracking is switched off. */
export const switchedOff = (): PulseError =>
  new PulseError("DISABLED", "Tracking is off. Unset PULSE_MLFLOW to track.");

/** Why a run that is opened while its tracker is paused is not recorded. */
export const paused = (): PulseError =>
  new PulseError("DISABLED", "The tracker is paused. Call resume() on it to track.");
