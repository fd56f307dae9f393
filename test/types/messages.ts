// What must not compile, with what the compiler says of the next line: first what is blamed, then texts of the one
// message, in this order, in both dialects.
import { Readable } from "node:stream";
import {
  createTracker,
  defineExperiment,
  LogArtifact,
  LogMetric,
  LogParam,
  LogTag,
  startRun,
  TrackedExperiment,
  TrackedRun,
  tracked,
  withRun,
} from "pulse-mlflow";
import { type Result, result, type Tree } from "./shapes.js";

const tracker = createTracker({ trackingUri: "null:" });
const Sweep = defineExperiment({ name: "Sweep", metrics: { loss: {}, accuracy: {} } });

export class Files {
  // LogArtifact says: what the method returns is not the content of a file: a string, bytes, a Blob, a stream or { path
  @LogArtifact("report.md")
  number(): number {
    return 1;
  }

  // LogArtifact says: what the method returns is not the content of a file: a string, bytes, a Blob, a stream or { path
  @LogArtifact("report.md")
  async record(): Promise<Result> {
    return result;
  }

  // LogArtifact says: what the method returns is not the content of a file: an object, a string
  @LogArtifact("report.json")
  noJson(): boolean {
    return true;
  }

  // LogArtifact says: this path leads to no value in what the method returns … "los"
  @LogArtifact({ "a.txt": "los" })
  path(): Result {
    return result;
  }
}

// LogArtifact says: @LogArtifact goes on methods
@LogArtifact("a.txt")
export class NoMethod {}

export class Bare {
  // LogArtifact says: @LogArtifact needs the name of the file
  @LogArtifact
  report(): string {
    return "";
  }

  // LogMetric says: options are an object, after the list
  @LogMetric(["loss"], "train/")
  prefixed(): { loss: number } {
    return { loss: 1 };
  }
}

export class Lists {
  // LogMetric says: several are one list: @LogMetric([
  @LogMetric("loss", "acc", "f1")
  three(): { loss: number; acc: number; f1: number } {
    return { loss: 1, acc: 1, f1: 1 };
  }

  // LogMetric says: several are one list: @LogMetric([
  @LogMetric("loss", "acc")
  two(): { loss: number; acc: number } {
    return { loss: 1, acc: 1 };
  }

  // LogParam says: several are one list: @LogParam([
  @LogParam("lr", "epochs")
  train(lr: number, epochs: number): number {
    return lr * epochs;
  }

  // { says: Type 'number' is not assignable to type 'string
  @LogParam({ lr: 0.1 })
  fixed(lr: number): number {
    return lr;
  }

  // (lr: says: Types of parameters 'lr' and 'args' are incompatible
  @TrackedRun({ runName: (lr: number) => lr.toFixed(2) })
  list(lr: number): number {
    return lr;
  }
}

export class Paths {
  // LogMetric says: this path leads to no number in what the method returns … "final.los" … there are … "final.loss"
  @LogMetric("final.los")
  path(): Result {
    return result;
  }

  // LogMetric says: this path leads to no number in what the method returns … "los" … there are … "loss"
  @LogMetric(["loss", "los"])
  list(): Promise<Result> {
    return Promise.resolve(result);
  }

  // LogMetric says: this path leads to no number in what the method returns … "left.valu" … there are … "value"
  @LogMetric({ kept: "left.valu" })
  recursive(): Tree {
    return { value: 1, children: [] };
  }

  // LogMetric says: this path leads to no number in what the method returns … "epohc" … there are … "loss"
  @LogMetric("loss", { step: "epohc" })
  step(): Result {
    return result;
  }

  // LogMetric says: this path leads to no number in what the method returns … "name" … there are none
  @LogMetric("name")
  none(): { name: string } {
    return result;
  }

  // LogMetric says: this path leads to no number in what the method returns … "a" … there are … "a.b.c"
  @LogMetric("a")
  deep(): { a: { b: { c: number } } } {
    return { a: { b: { c: 1 } } };
  }

  // LogMetric says: this path leads to no number in what is assigned … "los" … there are … "loss"
  @LogMetric("los")
  set assigned(_value: { loss: number }) {}

  // LogMetric says: this path leads to no number in what the method returns … "los" … there are … "loss"
  @LogMetric("los")
  iterable(): AsyncIterable<Result> {
    return Readable.from([]);
  }

  // LogMetric says: of Node's streams and other emitters only the end is followed … declare an AsyncGenerator
  @LogMetric("loss")
  readable(): Readable {
    return Readable.from([]);
  }

  // LogMetric says: of Node's streams and other emitters only the end is followed
  @LogMetric
  stream(): Readable {
    return Readable.from([]);
  }

  // LogTag says: this path leads to no value in what the method returns … "nmae" … there are … "name"
  @LogTag("nmae")
  tag(): Result {
    return result;
  }

  // LogParam says: this index path leads to no argument of the method … "1.nope" … there are … "0" … "1.lr"
  @LogParam("1.nope")
  argument(_a: number, _b: { lr: number }): void {}

  // TrackedRun says: this path leads to no number in what the method returns … "los" … there are … "loss"
  @TrackedRun({ metrics: "los" })
  run(): Result {
    return result;
  }

  // TrackedRun says: this index path leads to no argument of the method … "1" … there are none
  @TrackedRun({ params: ["1"] })
  params(): Result {
    return result;
  }

  // TrackedExperiment says: this path leads to no number in what the method returns … "los" … there are … "loss"
  @TrackedExperiment("Own", { metrics: "los" })
  experiment(): Result {
    return result;
  }

  // Sweep says: this path leads to no number in what the method returns … "accuracy" … there are … "loss"
  @Sweep.LogMetric("accuracy")
  schema(): Result {
    return result;
  }
}

export class Options {
  // stpe says: 'stpe' does not exist in type
  @LogMetric("loss", { stpe: 1 })
  unknown(): Result {
    return result;
  }

  // aggregate says: '"avg"' is not assignable to type
  @LogMetric("loss", { aggregate: "avg" })
  value(): Result {
    return result;
  }

  // everyN says: 'string' is not assignable to type 'number'
  @LogMetric(undefined, { everyN: "2" })
  bare(): Result {
    return result;
  }

  // 5 says: '5' is not assignable to parameter of type
  @LogMetric(5)
  selector(): Result {
    return result;
  }

  // nset says: 'nset' does not exist in type
  @TrackedRun({ nset: "child" })
  run(): Result {
    return result;
  }

  // nest says: '"chidl"' is not assignable to type
  @TrackedRun({ nest: "chidl" })
  nest(): Result {
    return result;
  }

  // nset says: 'nset' does not exist in type
  @TrackedExperiment({ nset: "child" })
  experiment(): Result {
    return result;
  }

  // nset says: 'nset' does not exist in type
  @TrackedExperiment("Own", { nset: "child" })
  named(): Result {
    return result;
  }

  // stpe says: 'stpe' does not exist in type
  @Sweep.LogMetric("loss", { stpe: 1 })
  schema(): Result {
    return result;
  }
}

export class Targets {
  // LogMetric says: @LogMetric goes on methods, setters and accessors
  @LogMetric
  metric = 1;

  // LogTag says: @LogTag goes on methods, setters and accessors
  @LogTag("x")
  tag = 1;

  // LogParam says: @LogParam goes on methods
  @LogParam
  set param(_value: number) {}

  // TrackedRun says: @TrackedRun goes on methods
  @TrackedRun()
  get run(): number {
    return 1;
  }

  // TrackedExperiment says: @TrackedExperiment goes on classes and methods
  @TrackedExperiment("Own")
  experiment = 1;
}

// LogMetric says: @LogMetric goes on methods, setters and accessors
@LogMetric
export class Metric {}

// LogMetric says: @LogMetric goes on methods, setters and accessors
@LogMetric("loss")
export class CalledMetric {}

// LogTag says: @LogTag goes on methods, setters and accessors
@LogTag
export class Tag {}

// LogParam says: @LogParam goes on methods
@LogParam
export class Param {}

// TrackedRun says: @TrackedRun goes on methods
@TrackedRun
export class Run {}

// TrackedRun says: @TrackedRun goes on methods
@TrackedRun({})
export class CalledRun {}

// TrackedExperiment says: metrics is an option for methods; on a class put @LogMetric on the methods
@TrackedExperiment("Own", { metrics: "loss" })
export class Experiment {}

// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
tracked(async () => result, { metrics: "los" });
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
tracked(async () => result, { metrics: ["loss", "los"] });
// a: says: this path leads to no number in what the function returns … "los" … there are … "loss"
tracked(async () => result, { metrics: { a: "los" } });
// params says: this index path leads to no argument of the function … "1" … there are … "0"
tracked(async (lr: number) => lr, { params: ["1"] });
// nset says: 'nset' does not exist in type
tracked(async () => result, { nset: "child" });
// nest says: '"chidl"' is not assignable to type
tracked(async () => result, { nest: "chidl" });
// metrics says: of Node's streams and other emitters only the end is followed
tracked(() => Readable.from([]), { metrics: "loss" });
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
withRun({ metrics: "los" }, async () => result);
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
withRun({ metrics: "los" }, async (run) => (run.id === "" ? result : result));
// nset says: 'nset' does not exist in type
withRun({ nset: "child" }, async () => result);
// (lr: says: Types of parameters 'lr' and 'args' are incompatible
tracked((lr: number) => ({ loss: lr }), { runName: (lr: number) => lr.toFixed(3) });
// (lr: says: Types of parameters 'lr' and 'args' are incompatible
tracked((lr: number) => ({ loss: lr }), { params: (lr: number) => ({ rate: lr }) });
// failOn says: Types of parameters 'lr' and 'args' are incompatible
tracked((lr: number) => ({ loss: lr }), { failOn: (r: { loss: number }, lr: number) => r.loss > lr });
// name says: a run is named by runName
withRun({ name: "first" }, async () => result);
// name says: a run is named by runName
tracked(async () => result, { name: "first" });
// name says: a run is named by runName
startRun({ name: "first" });
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
tracker.withRun({ metrics: "los" }, async () => result);
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
tracker.tracked(async () => result, { metrics: "los" });
// metrics says: this path leads to no number in what the function returns … "los" … there are … "loss"
Sweep.withRun({ metrics: "los" }, async () => result);
