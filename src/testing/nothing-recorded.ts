import { OFF } from "../inner/testing.js";

/** Returns the message for a test that finds no runs. */
export function nothingRecorded(): string {
  if (OFF) return "nothing was recorded: tracking is off (PULSE_MLFLOW=off)";
  if (Symbol.for("pulse-mlflow/browser") in globalThis)
    return 'nothing was recorded: here "pulse-mlflow" is its browser version, which records nothing; set the export condition "node"';
  return "nothing was recorded; a test tracker records what is called inside tracker.run(() => ...), or after tracker.install()";
}
