// Must not compile, in both dialects: each `@ts-expect-error` marks what must not.
import { LogMetric, LogParam, TrackedRun } from "../../src/index.js";
import { type Result, result, type Tree } from "./shapes.js";

class Wrong {
  // @ts-expect-error: no such path
  @LogMetric("los")
  path(): Result {
    return result;
  }

  // @ts-expect-error: leads to a text
  @LogMetric("name")
  async leaf(): Promise<Result> {
    return result;
  }

  // @ts-expect-error: one of the paths is wrong
  @LogMetric(["loss", "final.nope"])
  one(): Result {
    return result;
  }

  // @ts-expect-error: a wrong path in a recursive type is found, too
  @LogMetric("left.valu")
  deep(): Tree {
    return { value: 1, children: [] };
  }

  // @ts-expect-error: a renamed path is checked too
  @LogMetric({ key: "final.nope" })
  renamed(): Result {
    return result;
  }

  // @ts-expect-error: a map has no such key
  @LogMetric("los")
  map(): ReadonlyMap<"loss", number> {
    return new Map();
  }

  // @ts-expect-error: a tuple has no third element
  @LogMetric("pair.2")
  tuple(): { pair: [number, number] } {
    return { pair: [1, 2] };
  }

  // @ts-expect-error: nor is its second a number
  @LogMetric("pair.1")
  textInTuple(): { pair: [number, string] } {
    return { pair: [1, ""] };
  }

  // @ts-expect-error: dates and texts are no numbers
  @LogMetric(["at", "name"])
  date(): { at: Date; name: string } {
    return { at: new Date(), name: "" };
  }

  // @ts-expect-error: the step's path leads nowhere
  @LogMetric("loss", { step: "epohc" })
  stepPath(): Result {
    return result;
  }

  // @ts-expect-error: nor does that of a bare one
  @LogMetric(undefined, { step: "epohc" })
  bareStepPath(): Result {
    return result;
  }

  // @ts-expect-error: no such option
  @LogMetric("loss", { step: "count", every: 2 })
  option(): Result {
    return result;
  }

  // @ts-expect-error: no such aggregate
  @LogMetric("loss", { aggregate: "median" })
  median(): Result {
    return result;
  }

  // @ts-expect-error: what is yielded has no such path
  @LogMetric("nope")
  *yields(): Generator<Result> {
    yield result;
  }

  // @ts-expect-error: there is no argument 2
  @LogParam("2")
  index(a: number, b: number): number {
    return a + b;
  }

  // @ts-expect-error: the argument has no such field
  @LogParam("0.nope")
  field(a: { lr: number }): number {
    return a.lr;
  }

  // @ts-expect-error: a run is opened by methods, not by getters
  @TrackedRun
  get getter(): number {
    return 1;
  }

  // @ts-expect-error: a field is no method
  @TrackedRun
  property = 1;

  // @ts-expect-error: nor does it log
  @LogMetric
  other = 1;

  // @ts-expect-error: a getter has no assignments to log
  @LogMetric("x")
  get logged(): string {
    return "";
  }
}

// @ts-expect-error: metrics belong to methods
@LogMetric
class NotAMethod {}

// @ts-expect-error: a class opens no run
@TrackedRun
class NorARun {}

export { NorARun, NotAMethod, Wrong };
