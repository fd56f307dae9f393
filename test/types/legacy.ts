// What only the legacy dialect can say.
import { LogMetric, LogParam, TrackedExperiment } from "../../src/index.js";

@TrackedExperiment("Legacy")
class Legacy {
  #kelvin = 0;

  @LogMetric("kelvin")
  set temperature(value: number) {
    this.#kelvin = value;
  }

  get temperature(): number {
    return this.#kelvin;
  }

  // @ts-expect-error: params are taken from calls
  @LogParam
  set not(value: number) {
    this.#kelvin = value;
  }
}

export { Legacy };
