// What only the legacy dialect can say.
import { LogMetric, LogParam, LogTag, TrackedExperiment } from "../../src/index.js";

interface Reading {
  kelvin: number;
  kind: string;
}

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

  @LogMetric
  @LogTag({ kind: (r: Reading) => r.kind })
  set reading(value: Reading) {
    this.#kelvin = value.kelvin;
  }

  @LogMetric
  set maybe(value: number | undefined) {
    this.#kelvin = value ?? 0;
  }

  train(@LogParam lr: number, @LogParam("n") epochs: number, @LogParam(["a", "b.c"]) options: object): number {
    return lr * epochs * Object.keys(options).length;
  }

  // @ts-expect-error: nothing is logged of a constructor
  constructor(@LogParam seed: number) {
    this.#kelvin = seed;
  }

  // @ts-expect-error: params are taken from calls
  @LogParam
  set not(value: number) {
    this.#kelvin = value;
  }
}

export { Legacy };
