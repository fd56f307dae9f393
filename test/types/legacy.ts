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

  paths(
    @LogParam(["lr", "deep.x?"]) _options: { lr: number; deep: { x: string } },
    @LogParam({ first: "0" }) _list: number[],
    @LogParam({ made: (args) => args[0] }) _any: unknown,
    @LogParam(["what.ever"]) _unknown: unknown,
    @LogParam(["0.x"])
    ..._rest: { x: number }[]
  ): void {}

  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: of a private method nothing is known
  private hidden(@LogParam(["what.ever"]) _options: { lr: number }): void {}

  static wrong(
    // @ts-expect-error: the argument has no such field
    @LogParam(["rate"]) _options: { lr: number },
    // @ts-expect-error: nor has the second
    @LogParam({ first: "deep.y" }) _second: { deep: { x: number } },
  ): void {}

  generic<X extends { lr: number }>(@LogParam(["lr"]) _value: X, @LogParam(["lr"]) _maybe?: { lr: number }): void {}

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
