import { PulseError } from "../base/errors.js";
import { part } from "../base/loading.js";

/** A streaming summary of a distribution. */
export interface Sketch {
  accept(value: number): void;
  getValueAtQuantile(quantile: number): number;
}

/** The maximum relative error of a percentile. */
const RELATIVE_ERROR = 0.01;

type SketchClass = new (options: { relativeAccuracy: number }) => Sketch;

let sketchClass: SketchClass | undefined;

/**
 * Creates a DDSketch, whose percentiles are within 1 % of the true ones. Its code is loaded on first use.
 * @throws PulseError `SKETCH_MISSING`.
 */
export function newSketch(): Sketch {
  try {
    sketchClass ??= (part("sketches") as { DDSketch: SketchClass }).DDSketch;
  } catch (error) {
    throw new PulseError(
      "SKETCH_MISSING",
      "The code for percentiles could not be loaded: pulse-mlflow was installed or bundled without its folder dist/parts.",
      error,
    );
  }
  return new sketchClass({ relativeAccuracy: RELATIVE_ERROR });
}
