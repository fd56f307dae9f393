import { OFF } from "../run/host.js";

/** What is said where a test finds no run at all. */
export function nothingRecorded(): string {
  if (OFF) return "nothing was recorded: tracking is off (PULSE_MLFLOW=off)";
  return "nothing was recorded; a test tracker records what is called inside tracker.run(() => ...)";
}
