import { load } from "#require";

/** A streaming sketch of a distribution. */
export interface Sketch {
  accept(value: number): void;
  getValueAtQuantile(quantile: number): number;
}

/** How far a percentile may be off, relative to its value. */
const RELATIVE_ERROR = 0.01;

/** Makes a sketch (DDSketch), whose percentiles are within 1 % of the true ones. The package is loaded at the first need. */
export function newSketch(): Sketch {
  const { DDSketch } = load("@datadog/sketches-js") as { DDSketch: new (options: { relativeAccuracy: number }) => Sketch };
  return new DDSketch({ relativeAccuracy: RELATIVE_ERROR });
}
