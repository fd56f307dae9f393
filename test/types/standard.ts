// What only the standard dialect can say.
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun } from "../../src/index.js";

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

  @LogMetric
  @LogParam("0.lr")
  @LogTag
  @TrackedRun
  @TrackedExperiment("Own")
  arrow = async (options: { lr: number }): Promise<{ loss: number }> => ({ loss: options.lr });

  @LogMetric("loss")
  static make = (): { loss: number } => ({ loss: 1 });

  // @ts-expect-error: the result has no such path
  @LogMetric("los")
  wrong = (): { loss: number } => ({ loss: 1 });

  // @ts-expect-error: there is no argument 1
  @LogParam("1")
  missing = (lr: number): number => lr;

  // @ts-expect-error: it holds no function
  @LogMetric("x")
  value = { x: 1 };
}

export { Standard };
