// A program that logs 150 runs and more in every way there is, with a model of what must come of them.
import { setImmediate as turn } from "node:timers/promises";
import {
  LogMetric,
  LogParam,
  LogTag,
  logExperiment,
  type Run,
  requireRun,
  startRun,
  type TerminalStatus,
  TrackedExperiment,
  TrackedRun,
  type Tracker,
  tracked,
  withRun,
} from "../../src/index.js";
import { Random } from "../support/random.js";
import { cut, headOf, MAX_TAG, MENDED, METRIC_KEYS, type Model, PARAMS, TOO_LONG, Twin, VALUES } from "./wide-model.js";

const EXPERIMENTS = ["Wide A", "Größe/B", "Wide: C", "実験 🧪"];
const EPOCHS = 250;

/** One stretch of the program: ten runs opened in every way, while other rounds do the same beside it. */
class Round {
  readonly dice: Random;
  readonly #model: Model;
  readonly #since = Date.now();
  readonly #twins: Twin[] = [];

  constructor(seed: number, model: Model) {
    this.dice = new Random(seed);
    this.#model = model;
  }

  /** Begins the model of a run that is open. */
  twin(run: Run, experiment: string, name: string, parent?: Run, status: TerminalStatus = "FINISHED"): Twin {
    const twin = new Twin(run, {
      experiment,
      name,
      parent: parent?.id,
      status,
      since: this.#since,
      until: Infinity,
      params: {},
      tags: {},
      metrics: {},
    });
    this.#model.set(run.id, twin.expected);
    this.#twins.push(twin);
    return twin;
  }

  async go(trackingUri: string): Promise<void> {
    await Promise.all([
      this.#nested(),
      new Sweep(this).sweep(this.dice.below(1_000)),
      this.#functions(),
      this.#byHand(),
      this.#failing(),
    ]);
    await this.#whole(trackingUri);
    for (const { expected } of this.#twins) expected.until = Date.now();
  }

  /** Runs three deep, each in an experiment of its own choice. */
  async #nested(): Promise<void> {
    const [first, second, third] = [
      this.dice.pick(EXPERIMENTS),
      this.dice.pick(EXPERIMENTS),
      this.dice.pick(EXPERIMENTS),
    ];
    await withRun(
      { experiment: first, runName: "outer", params: { depth: 0 }, tags: { level: "outer" } },
      async (outer) => {
        const top = this.twin(outer, first, "outer");
        Object.assign(top.expected, { params: { depth: "0" }, tags: { level: "outer" } });
        await this.#fill(top);
        const middle = async (run: Run): Promise<void> => {
          const twin = this.twin(run, second, "middle", outer);
          await this.#fill(twin);
          withRun({ experiment: third, runName: "inner é", metrics: (depth: number) => ({ depth }) }, (inner) => {
            this.twin(inner, third, "inner é", run).point("depth", 3);
            return 3;
          });
          await this.#fill(twin);
        };
        await withRun({ experiment: second }, middle);
        await this.#fill(top);
      },
    );
  }

  /** A tracked function: params of its arguments, metrics of its result. */
  async #functions(): Promise<void> {
    const fit = async (
      rate: number,
      { layers }: { layers: number[] },
    ): Promise<{ loss: number[]; inner: { gap: bigint } }> => {
      const twin = this.twin(requireRun(), "Wide A", "fit");
      Object.assign(twin.expected, {
        params: { rate: String(rate), "1.layers": JSON.stringify(layers) },
        tags: { kind: "function" },
      });
      await this.#fill(twin);
      for (const loss of [rate, rate / 3, NaN]) twin.point("loss", loss);
      twin.point("inner.gap", 2n ** 60n);
      return { loss: [rate, rate / 3, NaN], inner: { gap: 2n ** 60n } };
    };
    const options = {
      experiment: "Wide A",
      params: ["rate", "1.layers"],
      metrics: ["loss", "inner.gap"],
      tags: { kind: "function" },
    };
    await tracked(fit, options)(this.dice.double(), { layers: [64, 32] });
  }

  /** Runs that are ended by hand, also with what is logged into them afterwards. */
  async #byHand(): Promise<void> {
    const experiment = this.dice.pick(EXPERIMENTS);
    const status = this.dice.pick(["FINISHED", "FAILED", "KILLED"] as const);
    const run = startRun({ experiment, runName: "by hand", params: { by: "hand" } });
    const twin = this.twin(run, experiment, "by hand", undefined, status);
    twin.expected.params["by"] = "hand";
    await this.#fill(twin);
    run.end(status);
    run.end("FAILED");
    twin.metric("logged late", 0.5, { timestamp: 1_800_000_000_000 });
    await using scoped = startRun();
    await this.#fill(this.twin(scoped, "Default", "run"));
  }

  /** A run whose function throws, and in it one that is aborted. */
  async #failing(): Promise<void> {
    const experiment = this.dice.pick(EXPERIMENTS);
    const failed = (twin: Twin | undefined, type: string, error: Error): void => {
      Object.assign(twin?.expected.tags ?? {}, {
        "error.type": type,
        "error.message": error.message,
        "error.stack": headOf(error.stack),
      });
    };
    class Unlucky extends Error {}
    const error = new Unlucky("für nichts\nund wieder nichts");
    let outer: Twin | undefined;
    const outcome = withRun({ experiment, runName: "fails" }, async (run) => {
      outer = this.twin(run, experiment, "fails", undefined, "FAILED");
      await this.#fill(outer);
      const abort = AbortSignal.abort();
      let inner: Twin | undefined;
      const killed = withRun({ experiment: "Wide A", runName: "aborted" }, async (child) => {
        inner = this.twin(child, "Wide A", "aborted", run, "KILLED");
        await turn();
        abort.throwIfAborted();
      });
      await killed.catch((reason: Error) => failed(inner, "AbortError", reason));
      throw error;
    });
    await outcome.catch(() => failed(outer, "Unlucky", error));
  }

  /** A whole run at once, by a tracker of its own on the same file. */
  async #whole(trackingUri: string): Promise<void> {
    const log = {
      experiment: "Wide at once",
      runName: "at once",
      params: { a: 1, "б/в": [true] },
      metrics: { m: -0.5, "n o": 2n },
      tags: { t: "ü" },
    };
    const { runId } = await logExperiment({ ...log, trackingUri });
    const twin = this.twin({ id: runId } as Run, log.experiment, log.runName);
    Object.assign(twin.expected, { params: { a: "1", "б/в": "[true]" }, tags: { t: "ü" } });
    twin.point("m", -0.5);
    twin.point("n o", 2);
  }

  /** Params, tags and metrics of every kind. */
  async #fill(twin: Twin): Promise<void> {
    const { dice } = this;
    for (let i = dice.below(6); i >= 0; i--)
      twin.param(`p${dice.below(8)}/${dice.pick(METRIC_KEYS).slice(0, 200)}`, dice.pick(PARAMS));
    twin.run.logParam("undefined is left out", undefined);
    twin.tag("überschrieben", "first");
    twin.tag("überschrieben", dice.pick(["", "last", "🏁".repeat(MAX_TAG / 2), "t".repeat(MAX_TAG)]));
    if (dice.below(8) === 0) twin.tag("too long", TOO_LONG, cut(TOO_LONG, MAX_TAG));
    if (dice.below(6) === 0) twin.tag("mlflow.runName", `renamed ${dice.below(1_000)} ✓`);
    if (dice.below(4) === 0) twin.tag("mlflow.note.content", "# Notes\n\n* of *several* lines");
    for (let i = 0; i < 12; i++) {
      const key = dice.pick(METRIC_KEYS);
      const timestamp = Date.UTC(2024, 0, 1) + dice.below(1e9);
      const way = dice.below(3);
      // What is equal in all is stored once, so values of a repeated step are random ones.
      if (way === 0) twin.metric(key, dice.pick(VALUES));
      else if (way === 1) twin.metric(key, dice.double(), { step: dice.below(7) - 3 });
      else
        twin.metric(key, dice.pick(VALUES), {
          step: 1_000 + dice.below(1e6),
          timestamp: i % 2 ? timestamp : new Date(timestamp),
        });
      if (dice.below(4) === 0) await turn();
    }
    if (dice.below(3) === 0) {
      const [key, stored] = dice.pick(MENDED);
      twin.metric(key, dice.double(), {}, stored);
      twin.param(key, ["mended", "mended"], stored);
    }
    if (dice.below(3) === 0 && !("out of order" in twin.expected.metrics)) edges(twin);
  }
}

/** Points whose order and equality matter. */
function edges(twin: Twin): void {
  const timestamp = 1_700_000_000_000;
  for (const step of [5, 3, -2, 4, Number.MAX_SAFE_INTEGER - 1])
    twin.metric("out of order", step / 10, { step, timestamp });
  for (const value of [1, 3, 2]) twin.metric("repeated step", value, { step: 0, timestamp });
  twin.metric("repeated step", NaN, { step: 0, timestamp: timestamp - 1 });
  twin.metric("same twice", 7, { step: 1, timestamp });
  twin.run.logMetric("same twice", 7, { step: 1, timestamp });
  twin.metric("epoch zero", 1, { step: 0, timestamp: 0 });
}

interface Trained {
  score: number;
  verdict: string;
}

@TrackedExperiment({ params: { kind: "trial", from: "class" }, tags: { team: "größe" } })
class Trial {
  readonly #round: Round;
  constructor(round: Round) {
    this.#round = round;
  }

  @TrackedRun({ params: { from: "method" } })
  @LogParam({ rate: "rate", shape: "1.shape" })
  @LogMetric({ score: "score", negative: (result: Trained) => -result.score })
  @LogTag("verdict")
  async train(rate: number, options: { shape: number[] }, parent: Run): Promise<Trained> {
    const twin = this.#round.twin(requireRun(), "Trial", "Trial.train", parent);
    const params = { kind: "trial", from: "method", rate: String(rate), shape: JSON.stringify(options.shape) };
    Object.assign(twin.expected, { params, tags: { team: "größe", verdict: "gut ✓" } });
    for (const { epoch, loss } of this.epochs(rate)) {
      twin.point("epoch/loss", loss, epoch);
      if (epoch % 50 === 0) await turn();
    }
    twin.point("score", rate);
    twin.point("negative", -rate);
    return { score: rate, verdict: "gut ✓" };
  }

  @LogMetric("loss", { step: "epoch", prefix: "epoch/" })
  *epochs(rate: number): Generator<{ epoch: number; loss: number }> {
    for (let epoch = EPOCHS; epoch > 0; epoch--) yield { epoch, loss: rate / epoch };
  }
}

@TrackedExperiment("Wide/Suche", { tags: { team: "sweeps" } })
class Sweep {
  readonly #round: Round;
  constructor(round: Round) {
    this.#round = round;
  }

  @TrackedRun({ runName: ([n]: [number]) => `sweep ${n}` })
  @LogMetric
  async sweep(n: number): Promise<{ best: number; all: { mean: number; good: boolean } }> {
    const run = requireRun();
    const twin = this.#round.twin(run, "Wide/Suche", `sweep ${n}`);
    twin.expected.tags["team"] = "sweeps";
    const rates = [this.#round.dice.double(), this.#round.dice.next()];
    const trials = await Promise.all(
      rates.map((rate, i) => new Trial(this.#round).train(rate, { shape: [i, n] }, run)),
    );
    const best = Math.max(...trials.map(({ score }) => score));
    twin.point("best", best);
    twin.point("all.mean", n / 7);
    twin.point("all.good", true);
    return { best, all: { mean: n / 7, good: true } };
  }
}

/** Runs the program; `openRuns` are left to the tracker's shutdown. */
export async function logWidely(
  tracker: Tracker,
  trackingUri: string,
  rounds: number,
  openRuns: number,
): Promise<Model> {
  const model: Model = new Map();
  await tracker.run(() =>
    Promise.all(Array.from({ length: rounds }, (_, seed) => new Round(seed, model).go(trackingUri))),
  );
  for (let i = 0; i < openRuns; i++) {
    const twin = new Round(i, model).twin(
      tracker.startRun({ experiment: "Wide A", runName: "left open" }),
      "Wide A",
      "left open",
    );
    twin.metric("open", i);
    twin.expected.tags["pulse.partial"] = "true";
  }
  return model;
}
