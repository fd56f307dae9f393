// What the decorators do, in what both dialects can compile; `expected.mjs` has the runs that must come of it.
import assert from "node:assert/strict";
import { flush, LogMetric, LogParam, LogTag, stats, TrackedExperiment, TrackedRun, withRun } from "pulse-mlflow";

interface Epoch {
  epoch: number;
  loss: number;
  val: { acc: number };
}

const epochOf = (epoch: number): Epoch => ({ epoch, loss: 1 / (epoch + 1), val: { acc: epoch / 4 } });
const results = { epoch: epochOf(1), failure: new TypeError("no data") };

@TrackedExperiment("Toolchains", { params: { kind: "base" }, tags: { team: "pulse" } })
class Trainer {
  readonly #scale: number;
  #celsius = 0;
  seen: number[] = [];

  constructor(scale: number) {
    this.#scale = scale;
  }

  @LogMetric
  score(): number {
    return this.#scale;
  }

  @LogMetric()
  leaves(): Epoch {
    return results.epoch;
  }

  @LogMetric("val.acc")
  path(): Epoch {
    return results.epoch;
  }

  @LogMetric(["loss", "val.acc"])
  async paths(): Promise<Epoch> {
    await Promise.resolve();
    return results.epoch;
  }

  @LogMetric({ accuracy: "val.acc", double: (result: Epoch) => result.loss * 2 }, { step: "epoch", prefix: "train/" })
  record(): Epoch {
    return results.epoch;
  }

  @TrackedRun({ runName: ([lr]) => `fit ${lr}`, tags: { stage: "fit" } })
  @LogParam(["lr", "1.shots"])
  @LogTag({ verdict: "verdict" })
  fit(lr: number, options: { shots: number }): { verdict: string } {
    return { verdict: lr * options.shots > 0.25 ? "good" : "bad" };
  }

  @LogParam
  @LogMetric("loss", { step: "epoch" })
  *train(epochs: number): Generator<Epoch, string> {
    for (let epoch = 0; epoch < epochs; epoch++) yield epochOf(epoch * 10);
    return "trained";
  }

  @LogMetric("loss")
  async *stream(): AsyncGenerator<Epoch> {
    for (let epoch = 0; epoch < 2; epoch++) yield epochOf(epoch);
  }

  @TrackedRun()
  @LogMetric("size")
  generic<T extends { size: number }>(value: T, ..._rest: readonly T[]): T {
    return value;
  }

  @TrackedRun
  itself(): this {
    return this;
  }

  @TrackedRun
  @LogMetric
  static count(...numbers: number[]): number {
    return numbers.length;
  }

  @TrackedRun
  async sweep(): Promise<number> {
    const [first] = await Promise.all([this.paths(), this.fit(0.2, { shots: 5 })]);
    this.fit(0.1, { shots: 1 });
    return first.loss;
  }

  @LogMetric
  fails(): number {
    throw results.failure;
  }

  @LogMetric("kelvin")
  set temperature(value: number) {
    this.#celsius = value - 273;
    this.seen.push(value);
  }

  get temperature(): number {
    return this.#celsius + 273;
  }
}

@TrackedExperiment({ params: { kind: "derived", depth: 2 } })
class Derived extends Trainer {
  @LogMetric
  override score(): number {
    return super.score() + 1;
  }
}

async function main(): Promise<void> {
  const trainer = new Trainer(7);
  assert.equal(trainer.score(), 7);
  assert.equal(trainer.leaves(), results.epoch);
  assert.equal(trainer.path(), results.epoch);
  const promise = trainer.paths();
  assert.ok(promise instanceof Promise);
  assert.equal(await promise, results.epoch);
  assert.equal(trainer.record(), results.epoch);
  assert.deepEqual(trainer.fit(0.3, { shots: 1 }), { verdict: "good" });

  const training = trainer.train(2);
  const epochs: number[] = [];
  let turn = training.next();
  for (; !turn.done; turn = training.next()) epochs.push(turn.value.epoch);
  assert.deepEqual([epochs, turn.value], [[0, 10], "trained"]);
  epochs.length = 0;
  for await (const { epoch } of trainer.stream()) epochs.push(epoch);
  assert.deepEqual(epochs, [0, 1]);

  const value = { size: 3, own: "type" };
  assert.equal(trainer.generic(value).own, "type");
  assert.equal(trainer.itself(), trainer);
  assert.equal(Trainer.count(1, 2), 2);
  assert.equal(await trainer.sweep(), 0.5);
  assert.throws(
    () => trainer.fails(),
    (error) => error === results.failure,
  );
  withRun({ experiment: "Toolchains", runName: "assigned" }, () => {
    trainer.temperature = 300;
    trainer.temperature = 301;
  });
  assert.deepEqual([trainer.temperature, trainer.seen], [301, [300, 301]]);

  const derived = new Derived(1);
  assert.ok(derived instanceof Trainer);
  assert.equal(derived.score(), 2);
  assert.deepEqual([Trainer.name, Trainer.length, Derived.name], ["Trainer", 1, "Derived"]);
  const { fit, generic } = Trainer.prototype;
  assert.deepEqual([fit.name, fit.length, generic.name, generic.length], ["fit", 2, "generic", 1]);
  await flush();
  assert.deepEqual(stats().warnings, {});
}

/** What a test runner waits for; rejected, it ends the process with an error. */
export const done: Promise<void> = main();
