// Run by parameters.test.ts with PULSE_MLFLOW=off: decorated parameters must leave everything as it is.
import { LogParam, TrackedExperiment, TrackedRun } from "../../src/index.js";

class Loose {
  train(@LogParam lr: number): number {
    return lr;
  }
}
class Run {
  @TrackedRun
  train(@LogParam("lr") lr: number): number {
    return lr;
  }
}
@TrackedExperiment("Off")
class Tracked {
  train(@LogParam lr: number): number {
    return lr;
  }
}
const before = [Loose, Run, Tracked].map(({ prototype }) => prototype.train);
await Promise.resolve();
const after = [Loose, Run, Tracked].map(({ prototype }) => prototype.train);
console.log(
  before.every((fn, i) => fn === after[i]),
  new Loose().train(1) + new Run().train(2) + new Tracked().train(3),
);
