// What only the standard dialect can say.
import { LogMetric, LogParam, TrackedExperiment, TrackedRun } from "../../src/index.js";

@TrackedExperiment("Standard")
class Standard {
  @LogMetric
  accessor loss = 1;

  @LogMetric("kelvin")
  set temperature(value: number) {
    this.loss = value;
  }

  @TrackedRun
  @LogParam
  #hidden(n: number): number {
    return n;
  }

  reveal(): number {
    return this.#hidden(1);
  }

  // @ts-expect-error: params are taken from calls
  @LogParam
  accessor not = 1;
}

export { Standard };
