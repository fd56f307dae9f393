// Must compile without a complaint in both dialects; each `@ts-expect-error` marks what must not compile.
import {
  currentRun,
  LogMetric,
  LogParam,
  LogTag,
  startRun,
  TrackedExperiment,
  TrackedRun,
  tracked,
  withRun,
} from "../../src/index.js";
import { type Result, result, type Tree } from "./shapes.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(..._proof: Equal<A, B> extends true ? [] : ["types differ"]): void => undefined;

@TrackedExperiment
class Bare {}

@TrackedExperiment()
class Called {}

@TrackedExperiment("Name", {
  params: { a: 1, b: null },
  tags: () => ({ t: 1 }),
  nest: "child",
  runName: "x",
  when: ([n]) => n > 1,
})
abstract class Named {
  abstract value(): number;
}

@TrackedExperiment({ experiment: "X" })
class Good {
  private constructor() {}

  @LogMetric
  sync(): Result {
    return result;
  }

  @LogMetric()
  async promised(): Promise<Result> {
    return result;
  }

  @LogMetric("loss")
  @LogMetric("final.deep.acc")
  @LogMetric(["ok", "count", "maybe", "curve", "curve.0", "points.0.x"])
  @LogMetric({ renamed: "final.loss", made: (r: Result) => r.loss * 2 }, { step: "count", prefix: "train/" })
  @LogMetric((r: Result) => r.loss)
  @LogMetric(undefined, { nonFinite: "skip" })
  async paths(): Promise<Result> {
    return result;
  }

  @LogMetric("any name at all")
  plainNumber(): number {
    return 1;
  }

  @LogMetric("loss")
  *generates(): Generator<Result, string, boolean> {
    yield result;
    return "no number";
  }

  @LogMetric("loss")
  async *streams(): AsyncGenerator<Result> {
    yield result;
  }

  @LogMetric("loss")
  list(): Result[] {
    return [result];
  }

  @LogMetric("what.ever")
  untyped(): unknown {
    return result;
  }

  @LogMetric("any.key")
  record(): Record<string, number> {
    return {};
  }

  @TrackedRun
  @LogMetric
  generic<T extends { id: number }>(value: T, ...rest: readonly T[]): T {
    return rest[0] ?? value;
  }

  @LogMetric(["0.loss", "loss"])
  listByIndex(): readonly Result[] {
    return [result];
  }

  @LogMetric(["left.left.value", "children.0.value"])
  recursive(): Tree {
    return { value: 1, children: [] };
  }

  @LogMetric("loss")
  union(): Promise<{ loss: number } | { error: string } | undefined> {
    return Promise.resolve(undefined);
  }

  @LogMetric("loss")
  numbers(): Float32Array {
    return new Float32Array(1);
  }

  @LogMetric(["pair.0", "pair.1.q", "w"])
  tuple(): { pair: readonly [number, { q: number }]; w: Float64Array } {
    return { pair: [1, { q: 2 }], w: new Float64Array(1) };
  }

  @LogMetric(["by.loss", "by.deep.acc", "set", "pair.0", "any"])
  collections(): {
    by: Map<string, number | { acc: number }>;
    set: ReadonlySet<number>;
    pair: [number, string];
    any: Iterable<number>;
  } {
    return { by: new Map(), set: new Set(), pair: [1, ""], any: [] };
  }

  @LogMetric("loss", { everyN: 10, minIntervalMs: 500, aggregate: ["mean", "p95"] })
  @LogMetric({ last: "loss" }, { aggregate: "last" })
  summed(): ReadonlyMap<"loss" | "acc", number> {
    return new Map();
  }

  @LogMetric("loss", { step: "count" })
  async *declaredWide(): AsyncIterableIterator<Result> {
    yield result;
  }

  @LogMetric(["curve.length", "name.length", "points.0.x"])
  lengths(): Result {
    return result;
  }

  @LogMetric("what.ever")
  anyObject(): object {
    return result;
  }

  @LogMetric("loss")
  eachOfASet(): Set<{ loss: number }> {
    return new Set();
  }

  @TrackedRun({
    sample: 0.1,
    maxRunsPerSecond: 5,
    failOn: (r: number) => r < 0 && "negative",
    ignore: [RangeError, "NotFound"],
  })
  thinned(): number {
    return 1;
  }

  @LogParam(["0.lr", "1.0.lr"])
  unions(a: { lr: number } | { other: number }, b: { lr: number }[]): number {
    return "lr" in a ? a.lr : b.length;
  }

  @LogMetric(["mixed", "1"])
  mixed(): { mixed: number | string; 1: number } {
    return { mixed: 1, 1: 1 };
  }

  overloaded(value: string): string;
  overloaded(value: number): number;
  @TrackedRun({ params: ["value"] })
  overloaded(value: string | number): string | number {
    return value;
  }

  @LogMetric
  usesThis(this: Good, factor: number): number {
    return factor;
  }

  @LogParam
  @LogParam("lr")
  @LogParam(["0", "1.deep.x", "2"])
  @LogParam({ rate: "lr", depth: (args: unknown[]) => args.length })
  @LogParam(([lr]: [number]) => ({ lr }))
  @LogTag
  @LogTag({ verdict: "name" })
  params(lr: number, options: { deep: { x: string } }, ...rest: number[]): Result {
    return lr + rest.length > Number(options.deep.x) ? result : result;
  }

  @LogMetric
  static make(): number {
    return 1;
  }

  @TrackedExperiment("Own", { metrics: "loss" })
  own(): Result {
    return result;
  }
}

// What is decorated keeps its type, generics, overloads and `this`.
declare const good: Good;
same<ReturnType<Good["sync"]>, Result>();
same<ReturnType<Good["promised"]>, Promise<Result>>();
same<ReturnType<Good["generates"]>, Generator<Result, string, boolean>>();
const id: { id: number; more: string } = good.generic({ id: 1, more: "x" });
const text: string = good.overloaded("x");
const count: number = good.overloaded(1);

// Function forms.
const fn = tracked((a: number, b?: string) => ({ a, b }), { experiment: "X", params: ["a"], metrics: "a" });
same<Parameters<typeof fn>, [a: number, b?: string | undefined]>();
same<ReturnType<typeof fn>, { a: number; b: string | undefined }>();
tracked(() => [result], { metrics: { last: "loss", made: (r: Result[]) => r.length } });
tracked((lr: number) => lr, { metrics: "any name at all" });
const sync: number = withRun({}, (run) => run.id.length);
const later: Promise<number> = withRun({ metrics: (n: number) => n }, async () => 3);
startRun().logMetrics({ a: 1, b: 2n, c: true }, { step: 1, timestamp: new Date() });
currentRun()?.setTags({ a: 1 });

// @ts-expect-error: the function's result has no such path
tracked(async () => result, { metrics: ["loss", "nope"] });
// @ts-expect-error: unknown option
tracked(fn, { nset: "child" });
// @ts-expect-error: unknown mode
withRun({ nest: "sibling" }, () => 1);
// @ts-expect-error: a joined run is not one's own to end
startRun({ nest: "join" });
// @ts-expect-error: a metric is a number
startRun().logMetric("a", "1");
// @ts-expect-error: sync stays sync
const promised: Promise<number> = withRun({}, () => 1);

export { Bare, Called, count, good, id, later, Named, promised, sync, text };
