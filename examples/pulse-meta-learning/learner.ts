import { setImmediate as nextTurn } from "node:timers/promises";
import { LogArtifact, LogMetric, LogParam, requireRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import {
  drawEpisode,
  type Episode,
  enlarged,
  type Picture,
  type PictureClass,
  withNoise,
  withSideways,
} from "./digits.js";
import { Network } from "./network.js";
import { Random } from "./random.js";
import { START } from "./start.js";

export interface Hyperparameters {
  inner_lr: number;
  shots: number;
  inner_steps: number;
  meta_steps: number;
  seed: number;
}

interface Evaluation {
  /** Share of the held-out queries that are predicted right. */
  accuracy: number;
  /** Mean softmax probability of the predicted label, right or wrong. */
  avg_confidence: number;
  /** Share of predictions that change when a little noise is added to the pixels. */
  avg_fragility: number;
  /** Confusion matrix: how often each unseen digit was taken for which digit. */
  confusion: Guess[];
  /** The first pictures that were misread. */
  misread: Misread[];
}

interface Guess {
  digit: number;
  guess: number;
  times: number;
}

interface Misread {
  digit: number;
  guess: number;
  picture: Picture;
}

export interface TrialResult extends Evaluation {
  /** How much accuracy meta-training adds: the same network without it is tested on the same episodes. */
  accuracy_gain: number;
  final_loss: number;
  /** The weights that meta-training found, one after the other. */
  weights: Float32Array;
}

interface MetaStep {
  step: number;
  loss: number;
}

export const EXPERIMENT = "PulseMetaLearning";
const FIRST_UNSEEN_DIGIT = 7;
const PIXELS = 64;
const FEATURES = 32;
export const WAYS = 3;
const QUERIES = 10;
const EPISODES_PER_META_STEP = 40;
const FIRST_META_RATE = 0.2;
const TEST_EPISODES = 60;
const TEST_SEED = 1;
const NOISE = 0.2;
const NOISY_COPIES = 5;
const MOST_MISREAD = 12;

/** Reptile: searches the initial weights from which a few examples are enough to learn digits it never saw. */
@TrackedExperiment(EXPERIMENT, { params: { run_type: "meta-learning" }, tags: { start: START } })
export class MetaLearner {
  readonly #known: readonly PictureClass[];
  readonly #unseen: readonly PictureClass[];
  readonly #onProgress: (done: number) => void;

  constructor(digits: readonly PictureClass[], onProgress: (done: number) => void) {
    this.#known = digits.filter(({ digit }) => digit < FIRST_UNSEEN_DIGIT).flatMap(withSideways);
    this.#unseen = digits.filter(({ digit }) => digit >= FIRST_UNSEEN_DIGIT);
    this.#onProgress = onProgress;
  }

  @TrackedRun({
    runName: ([hyperparameters]) => trialName(hyperparameters),
    tags: { algorithm: "reptile", dataset: "optdigits" },
  })
  @LogParam
  @LogMetric(["accuracy", "accuracy_gain", "avg_confidence", "avg_fragility"])
  @LogArtifact({ "weights.f32": "weights" })
  async trial(hyperparameters: Hyperparameters): Promise<TrialResult> {
    const random = new Random(hyperparameters.seed);
    const network = Network.random(PIXELS, FEATURES, WAYS, random);
    const untrained = await this.#evaluate(network, hyperparameters);

    let final_loss = Number.NaN;
    for (const { step, loss } of this.metaTrain(network, hyperparameters, random)) {
      final_loss = loss;
      this.#onProgress(step / hyperparameters.meta_steps);
      await nextTurn();
    }

    const trained = await this.#evaluate(network, hyperparameters);
    const run = requireRun();
    run.logTable(trained.confusion, "confusion.json");
    for (const { digit, guess, picture } of trained.misread)
      run.logImage(enlarged(picture), { key: `misread/${digit} as ${guess}` });
    const weights = Float32Array.from(network.weights());
    return { ...trained, weights, accuracy_gain: trained.accuracy - untrained.accuracy, final_loss };
  }

  /** Yields the mean loss on the queries of the known digits after each meta step. */
  @LogMetric("loss")
  *metaTrain(network: Network, hyperparameters: Hyperparameters, random: Random): Generator<MetaStep> {
    const { shots, meta_steps } = hyperparameters;
    const shape = { ways: WAYS, shots, queries: QUERIES };
    for (let step = 1; step <= meta_steps; step++) {
      const metaRate = FIRST_META_RATE * (1 - (step - 1) / meta_steps);
      let loss = 0;
      for (let i = 0; i < EPISODES_PER_META_STEP; i++) {
        const episode = drawEpisode(this.#known, shape, random);
        const adapted = adapt(network, episode, hyperparameters);
        loss += queryLoss(adapted, episode) / EPISODES_PER_META_STEP;
        network.moveTowards(adapted, metaRate);
      }
      yield { step, loss };
    }
  }

  async #evaluate(network: Network, hyperparameters: Hyperparameters): Promise<Evaluation> {
    const random = new Random(TEST_SEED);
    const shape = { ways: WAYS, shots: hyperparameters.shots, queries: QUERIES };
    let right = 0;
    let confidence = 0;
    let flips = 0;
    const times = new Map<string, Guess>();
    const misread: Misread[] = [];
    for (let i = 0; i < TEST_EPISODES; i++) {
      const episode = drawEpisode(this.#unseen, shape, random);
      const adapted = adapt(network, episode, hyperparameters);
      for (const { picture, label, digit } of episode.query) {
        const probabilities = adapted.predict(picture);
        const predicted = mostLikely(probabilities);
        right += Number(predicted === label);
        const guess = digitOf(episode, predicted);
        const counted = times.get(`${digit} ${guess}`) ?? { digit, guess, times: 0 };
        times.set(`${digit} ${guess}`, { ...counted, times: counted.times + 1 });
        if (guess !== digit && misread.length < MOST_MISREAD) misread.push({ digit, guess, picture });
        confidence += probabilities[predicted] ?? 0;
        for (let copy = 0; copy < NOISY_COPIES; copy++) {
          flips += Number(mostLikely(adapted.predict(withNoise(picture, NOISE, random))) !== predicted);
        }
      }
      await nextTurn();
    }
    const predictions = TEST_EPISODES * WAYS * QUERIES;
    return {
      accuracy: right / predictions,
      avg_confidence: confidence / predictions,
      avg_fragility: flips / (predictions * NOISY_COPIES),
      confusion: [...times.values()].toSorted((a, b) => a.digit - b.digit || a.guess - b.guess),
      misread,
    };
  }
}

export function trialName({ inner_lr, shots }: Hyperparameters): string {
  return `lr ${inner_lr}, ${shots} ${shots === 1 ? "shot" : "shots"}`;
}

function adapt(network: Network, { support }: Episode, { inner_lr, inner_steps }: Hyperparameters): Network {
  const adapted = network.copy();
  for (let step = 0; step < inner_steps; step++) adapted.learn(support, inner_lr);
  return adapted;
}

function queryLoss(network: Network, { query }: Episode): number {
  const losses = query.map(({ picture, label }) => -Math.log(network.predict(picture)[label] ?? 0));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** The digit that a label stands for in an episode. */
function digitOf({ support }: Episode, label: number): number {
  return support.find((each) => each.label === label)?.digit ?? -1;
}

function mostLikely(probabilities: Float64Array): number {
  return probabilities.indexOf(Math.max(...probabilities));
}
