import { OFF } from "../inner/testing.js";

/** What is said where a test finds no run at all. */
export function nothingRecorded(): string {
  if (OFF) return "nothing was recorded: tracking is off (PULSE_MLFLOW=off)";
  if (Symbol.for("pulse-mlflow/browser") in globalThis)
    return 'nothing was recorded: "pulse-mlflow" is its version for browsers here, which records nothing; set the export condition "node"';
  return "nothing was recorded; a test tracker records what is called inside tracker.run(() => ...)";
}
