// Paths are checked wherever they are written, in both dialects; each `@ts-expect-error` marks one that must not
// compile.
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { type Observable, of, Subject } from "rxjs";
import {
  type CallOptions,
  createTracker,
  defineExperiment,
  LogMetric,
  LogParam,
  LogTag,
  type Run,
  type Selector,
  TrackedExperiment,
  TrackedRun,
  tracked,
  withRun,
} from "../../src/index.js";
import { type Result, result } from "./shapes.js";

const tracker = createTracker({ trackingUri: "null:" });
const Sweep = defineExperiment({ name: "Sweep", metrics: { loss: {}, accuracy: {} } });

declare const selector: Selector;
declare const options: CallOptions;
declare const text: string;
// biome-ignore lint/suspicious/noExplicitAny: what comes from JavaScript
declare const anything: any;

/** Streams have paths, too, but nothing of what they hold. */
/** As those of databases: it has a `next` of its own. */
class Cursor {
  async next(): Promise<Result | undefined> {
    return undefined;
  }
  [Symbol.asyncIterator](): AsyncGenerator<Result> {
    return new Readings()[Symbol.asyncIterator]();
  }
}

class Readings {
  readonly count = 1;
  async *[Symbol.asyncIterator](): AsyncGenerator<Result> {
    yield result;
  }
}

class Bag {
  readonly size = 1;
  *[Symbol.iterator](): Generator<Result> {
    yield result;
  }
}

declare enum Name {
  Loss = "loss",
}

class Fits {
  @TrackedRun({ metrics: "loss", params: ["0", "1.lr", "any name"] })
  @TrackedRun({ metrics: { kept: "final.deep.acc", made: (r) => r.loss } })
  @TrackedRun({ metrics: (r: Result) => r.loss, params: { fixed: 1 } })
  @TrackedRun(options)
  @TrackedExperiment("Own", { metrics: ["loss", "count"] })
  @TrackedExperiment({ experiment: "Own", metrics: "loss" })
  @TrackedExperiment(undefined, { params: ([lr]) => ({ lr }) })
  @LogTag(["name", "final", "maybe"])
  @LogTag({ kind: "name", made: (r) => r.name })
  run(_lr: number, _options: { lr: number }): Result {
    return result;
  }

  @LogMetric(selector)
  @LogMetric(text)
  @LogMetric(anything)
  @LogMetric(anything, anything)
  @LogTag(anything)
  @LogParam(anything)
  @TrackedRun(anything)
  @TrackedExperiment(anything)
  unknownPaths(): Result {
    return result;
  }

  @LogMetric(["loss?", "final.deep.acc?"], { step: "count?" })
  @LogMetric({ kept: "final.loss?" })
  @LogTag(["name?", "final.loss?"])
  @LogParam(["0?", "1.lr?", "lr?"])
  @TrackedRun({ metrics: "loss?", params: ["1.lr?"] })
  optional(_lr: number, _options: { lr: number }): Result {
    return result;
  }

  @LogTag("any name at all")
  scalar(): Promise<string | number> {
    return Promise.resolve("x");
  }

  @LogTag(["0.loss", "length"])
  listByPosition(): Result[] {
    return [result];
  }

  @LogMetric("loss")
  *declaredWide(): Iterable<Result> {
    yield result;
  }

  @LogMetric("loss")
  *iterator(): IterableIterator<Result> {
    yield result;
  }

  @LogMetric("loss")
  async *asyncIterator(): AsyncIterableIterator<Result> {
    yield result;
  }

  @LogMetric
  @LogTag("name")
  async *asyncGenerator(): AsyncGenerator<Result> {
    yield result;
  }

  @LogMetric("readableLength")
  @LogMetric((stream: Readable) => stream.readableLength)
  @LogTag("readableEncoding")
  stream(): Readable {
    return Readable.from([]);
  }

  @LogMetric("count")
  readings(): Readings {
    return new Readings();
  }

  @LogMetric("size")
  bag(): Bag {
    return new Bag();
  }

  @LogMetric("loss")
  mixedList(): (number | { loss: number } | undefined)[] {
    return [1];
  }

  @LogMetric(["index", "nested.length"])
  extras(): { index: number; nested: RegExpMatchArray } {
    return { index: 1, nested: [""] as RegExpMatchArray };
  }

  @LogMetric("loss")
  byEnum(): Record<Name, number> {
    return { loss: 1 };
  }

  @LogMetric(`${text}.loss`)
  pattern(): Result {
    return result;
  }

  @LogParam(["0", "2", "5.lr"])
  rest(_first: number, ..._rest: { lr: number }[]): number {
    return 1;
  }

  @Sweep.LogMetric("loss?")
  @Sweep.LogMetric(["loss?"])
  @Sweep.LogMetric({ accuracy: "final.deep.acc?" })
  ofSchema(): Result {
    return result;
  }

  @LogMetric("loss")
  @LogTag("name")
  set assigned(_value: Result) {}
}

class DoesNot {
  // @ts-expect-error: the result has no such path
  @TrackedRun({ metrics: "los" })
  run(): Result {
    return result;
  }

  // @ts-expect-error: there is no argument 1
  @TrackedRun({ params: ["1"] })
  argument(_lr: number): Result {
    return result;
  }

  // @ts-expect-error: the argument has no such field
  @TrackedRun({ params: ["0.rate"] })
  field(_options: { lr: number }): Result {
    return result;
  }

  // @ts-expect-error: the result has no such path
  @TrackedExperiment("Own", { metrics: "los" })
  named(): Result {
    return result;
  }

  // @ts-expect-error: the result has no such path
  @TrackedExperiment({ metrics: { kept: "final.nope", made: (r) => r.loss } })
  unnamed(): Result {
    return result;
  }

  // @ts-expect-error: the result has no such path
  @Sweep.TrackedExperiment({ metrics: "los" })
  ofSchema(): Result {
    return result;
  }

  // @ts-expect-error: the result has no such path
  @LogTag("nmae")
  tag(): Result {
    return result;
  }

  // @ts-expect-error: the result has no such path
  @LogTag({ kind: "final.kind" })
  renamedTag(): Promise<Result> {
    return Promise.resolve(result);
  }

  // @ts-expect-error: tags are not taken of each element
  @LogTag("name")
  tagOfEach(): Result[] {
    return [result];
  }

  // @ts-expect-error: a method is no tag
  @LogTag("kind")
  method(): { kind(): string } {
    return { kind: () => "" };
  }

  // @ts-expect-error: a path that may be absent must be one all the same
  @LogMetric("los?")
  optional(): Result {
    return result;
  }

  // @ts-expect-error: so must that of the step
  @LogMetric("loss", { step: "epohc?" })
  optionalStep(): Result {
    return result;
  }

  // @ts-expect-error: and that of an argument
  @LogParam("1?")
  optionalArgument(_lr: number): Result {
    return result;
  }

  // @ts-expect-error: and that of a tag
  @LogTag("nmae?")
  optionalTag(): Result {
    return result;
  }

  // @ts-expect-error: a step is one number
  @LogMetric("loss", { step: "curve" })
  listAsStep(): Result {
    return result;
  }

  // @ts-expect-error: a number has no step
  @LogMetric("loss", { step: "epoch" })
  stepOfNumber(): number {
    return 1;
  }

  @LogMetric("loss")
  asyncIterable(): AsyncIterable<Result> {
    return new Readings();
  }

  // @ts-expect-error: no such path in what it gives
  @LogMetric("los")
  wrongInIterable(): AsyncIterable<Result> {
    return new Readings();
  }

  // @ts-expect-error: of Node's streams only the end is followed
  @LogMetric("loss")
  readable(): Readable {
    return Readable.from([]);
  }

  // @ts-expect-error: whatever it is
  @LogMetric
  bare(): Readable {
    return Readable.from([]);
  }

  @LogMetric()
  called(): ReadableStream<Result> {
    return new ReadableStream();
  }

  @LogMetric("loss")
  later(): Promise<ReadableStream<Result>> {
    return Promise.resolve(new ReadableStream());
  }

  @LogMetric("loss")
  cursor(): Cursor {
    return new Cursor();
  }

  @LogMetric("loss")
  observable(): Observable<Result> {
    return of(result);
  }

  // @ts-expect-error: no such path in its values
  @LogMetric("los")
  async wrongInObservable(): Promise<Observable<Result>> {
    return of(result);
  }

  // @ts-expect-error: a Subject is not followed
  @LogMetric("loss")
  subject(): Subject<Result> {
    return new Subject();
  }

  @LogMetric("loss")
  laterGenerator(): Promise<AsyncGenerator<Result>> {
    return Promise.resolve(new Readings()[Symbol.asyncIterator]());
  }

  // @ts-expect-error: an iterable of one's own is no list
  @LogMetric("loss")
  bag(): Bag {
    return new Bag();
  }

  // @ts-expect-error: of a list each element is looked into, which has no length
  @LogMetric("length")
  length(): Result[] {
    return [result];
  }

  // @ts-expect-error: elements of a set have no positions
  @LogMetric("0.loss")
  position(): Set<Result> {
    return new Set();
  }

  // @ts-expect-error: arguments that are left have no such field
  @LogParam("3.rate")
  rest(_first: number, ..._rest: { lr: number }[]): number {
    return 1;
  }

  // @ts-expect-error: what is assigned has no such path
  @LogMetric("los")
  set assigned(_value: Result) {}

  // @ts-expect-error: nor has it that for a tag
  @LogTag("nmae")
  set tagged(_value: Result) {}
}

// @ts-expect-error: metrics are of methods
@TrackedExperiment("Own", { metrics: "loss" })
class NoResult {}

// Functions: what they are given knows the result and the arguments.
tracked(async (lr: number) => ({ loss: lr }), {
  metrics: (r) => r.loss.toFixed() && r.loss,
  failOn: (r, [lr]) => r.loss > lr,
});
tracked(async (lr: number) => ({ loss: lr }), {
  metrics: { a: "loss", b: (r) => r.loss * 2 },
  runName: ([lr]) => lr.toFixed(),
  params: ["0"],
});
tracked((lr: number) => ({ loss: lr }), {
  params: ([lr]) => ({ lr: lr.toFixed() }),
  when: ([lr]) => lr > 0,
  sample: ([lr]) => lr,
});
tracked(function* (): Generator<Result> {}, { metrics: (r) => r.loss, failOn: (r) => r.loss < 0 });
tracked(async () => result, { metrics: ["loss?", "final.deep.acc?"] });
tracked(anything, { metrics: "any.path", params: ["7"] });
tracked(() => anything, { metrics: "any.path" });
tracked(() => result, { metrics: selector });
tracked(() => result, options);
tracker.tracked(() => result, { metrics: (r) => r.loss });
withRun({ metrics: (r) => r.loss.toFixed(), failOn: (r) => r.loss < 0 }, () => result);
withRun({ metrics: { a: "final.loss", b: (r) => r.loss.toFixed() } }, async () => result);
withRun({ metrics: "loss?" }, async (run) => (run.id === "" ? result : undefined));
withRun({ metrics: (r) => r.loss }, async (_run) => result);
withRun({ metrics: (r) => r.loss.toFixed() }, (_run: Run) => result);
withRun({ metrics: "any name" }, () => 1);
withRun({ metrics: "any.path" }, () => anything);
withRun(options, () => result);
tracker.withRun({ metrics: "loss" }, async () => result).then((r) => r.final.loss);
Sweep.withRun({ metrics: { accuracy: "final.deep.acc" } }, () => result).final.loss.toFixed();
withRun({}, () => {});
withRun<number>({ metrics: "any" }, () => 1).toFixed();
tracked<(lr: number) => Result>((_lr) => result, { metrics: "loss", params: ["0"] })(1).loss.toFixed();
const literal: 1 | 2 = withRun({}, () => 1);

// A function that says itself what it takes is believed: a part of the arguments, a result that is narrower.
const scored = async (lr: number, shots: number): Promise<Result | null> => (lr > shots ? result : null);
tracked(scored, { runName: ([lr]: [number]) => `lr ${lr}`, when: ([lr]) => lr > 1 });
tracked(scored, {
  failOn: (r: Result, [lr]: [number]) => r.loss > lr,
  ignore: (error: Error) => error.name === "Stopped",
});
tracked(scored, { metrics: (r: Result, [lr]: [number]) => r.loss + lr, params: ([lr]: [number]) => ({ lr }) });
tracked(scored, {
  metrics: { a: (r: Result) => r.loss, b: "loss?" },
  tags: (args: readonly unknown[]) => ({ n: args.length }),
});
tracked(scored, { when: (args: unknown[]) => args.length > 0, sample: ([lr]: number[]) => lr ?? 1 });
withRun({ failOn: (r: Result) => r.loss > 1, metrics: (r: Result) => r.loss, runName: (_args: unknown[]) => "x" }, () =>
  scored(1, 2),
);
// @ts-expect-error: a name is a text
tracked(scored, { runName: ([lr]) => lr });
// @ts-expect-error: a name is a text, whatever it is made of
tracked(scored, { runName: ([lr]: [number]) => lr });

// @ts-expect-error: the result has no such path
tracked(async () => result, { metrics: "los" });
// @ts-expect-error: beside a function, too
tracked(async () => result, { metrics: { a: "los", b: (r) => r.loss } });
// @ts-expect-error: the result has no such field
tracked(async () => result, { metrics: (r) => r.los });
// @ts-expect-error: nor in what is asked for failures
tracked(async () => result, { failOn: (r) => r.los > 1 });
// @ts-expect-error: there is no argument 1
tracked((lr: number) => lr, { params: ["1"] });
// @ts-expect-error: the argument is a number
tracked((lr: number) => lr, { params: ([lr]) => ({ lr: lr.length }) });
// @ts-expect-error: only generators are followed
tracked(() => Readable.from([]), { metrics: "loss" });
// @ts-expect-error: the result has no such path
tracker.tracked(async () => result, { metrics: "los" });
// @ts-expect-error: the result has no such path
withRun({ metrics: "los" }, async () => result);
// @ts-expect-error: also when the function takes the run
withRun({ metrics: ["loss", "los"] }, async (run) => (run.id === "" ? result : result));
// @ts-expect-error: beside a function, too
withRun({ metrics: { a: "los", b: (r) => r.loss } }, async (_run) => result);
// @ts-expect-error: the result has no such field
withRun({ metrics: (r) => r.los }, async () => result);
// @ts-expect-error: the result has no such path
tracker.withRun({ metrics: "los" }, async (_run) => result);
// @ts-expect-error: the result has no such path
Sweep.withRun({ metrics: "los" }, async (_run) => result);

export { DoesNot, Fits, literal, NoResult };
