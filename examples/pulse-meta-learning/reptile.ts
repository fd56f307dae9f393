import { setImmediate as nextTurn } from "node:timers/promises";
import { drawEpisode, type Episode, type Picture, type PictureClass, withNoise } from "./digits.js";
import { Network } from "./network.js";
import type { Random } from "./random.js";

export interface Hyperparameters {
  inner_lr: number;
  shots: number;
  inner_steps: number;
  meta_steps: number;
  seed: number;
}

export interface MetaStep {
  step: number;
  loss: number;
}

export interface Evaluation {
  /** Share of the held-out queries that are predicted right. */
  accuracy: number;
  /** Mean softmax probability of the predicted label, right or wrong. */
  avg_confidence: number;
  /** Share of predictions that change when a little noise is added to the pixels. */
  avg_fragility: number;
  /** Confusion matrix: how often each unseen digit was taken for which digit. */
  confusion: Guess[];
  /** Each query, in the order in which they were asked. */
  predictions: Prediction[];
  /** The first pictures that were misread. */
  misread: Misread[];
}

export interface Guess {
  digit: number;
  guess: number;
  times: number;
}

interface Prediction {
  digit: number;
  guess: number;
  confidence: number;
}

interface Misread {
  digit: number;
  guess: number;
  picture: Picture;
}

/** Digits from here on are not shown in meta-training. */
export const FIRST_UNSEEN_DIGIT = 7;
export const WAYS = 3;
const PIXELS = 64;
const FEATURES = 32;
const QUERIES = 10;
const EPISODES_PER_META_STEP = 40;
const FIRST_META_RATE = 0.2;
const TEST_EPISODES = 60;
const NOISE = 0.2;
const NOISY_COPIES = 5;
const MOST_MISREAD = 12;

export function newNetwork(random: Random): Network {
  return Network.random(PIXELS, FEATURES, WAYS, random);
}

/** A network with weights that `weights()` of another one gave. */
export function networkOf(weights: ArrayLike<number>): Network {
  return Network.of(PIXELS, FEATURES, WAYS, weights);
}

/**
 * Reptile: searches the initial weights from which a few examples are enough to learn digits it never saw. Yields the
 * mean loss on the queries of the known digits after each meta step.
 */
export function* metaTrain(
  network: Network,
  known: readonly PictureClass[],
  hyperparameters: Hyperparameters,
  random: Random,
): Generator<MetaStep> {
  const { shots, meta_steps } = hyperparameters;
  const shape = { ways: WAYS, shots, queries: QUERIES };
  for (let step = 1; step <= meta_steps; step++) {
    const metaRate = FIRST_META_RATE * (1 - (step - 1) / meta_steps);
    let loss = 0;
    for (let i = 0; i < EPISODES_PER_META_STEP; i++) {
      const episode = drawEpisode(known, shape, random);
      const adapted = adapt(network, episode, hyperparameters);
      loss += queryLoss(adapted, episode) / EPISODES_PER_META_STEP;
      network.moveTowards(adapted, metaRate);
    }
    yield { step, loss };
  }
}

/** Tests how well a network learns digits it never saw. */
export async function evaluate(
  network: Network,
  unseen: readonly PictureClass[],
  hyperparameters: Hyperparameters,
  random: Random,
  episodes = TEST_EPISODES,
): Promise<Evaluation> {
  const shape = { ways: WAYS, shots: hyperparameters.shots, queries: QUERIES };
  let flips = 0;
  const predictions: Prediction[] = [];
  const misread: Misread[] = [];
  for (let i = 0; i < episodes; i++) {
    const episode = drawEpisode(unseen, shape, random);
    const adapted = adapt(network, episode, hyperparameters);
    for (const { picture, digit } of episode.query) {
      const probabilities = adapted.predict(picture);
      const predicted = mostLikely(probabilities);
      const guess = digitOf(episode, predicted);
      predictions.push({ digit, guess, confidence: probabilities[predicted] ?? 0 });
      if (guess !== digit && misread.length < MOST_MISREAD) misread.push({ digit, guess, picture });
      for (let copy = 0; copy < NOISY_COPIES; copy++) {
        flips += Number(mostLikely(adapted.predict(withNoise(picture, NOISE, random))) !== predicted);
      }
    }
    await nextTurn();
  }
  return {
    accuracy: mean(predictions.map(({ digit, guess }) => Number(digit === guess))),
    avg_confidence: mean(predictions.map(({ confidence }) => confidence)),
    avg_fragility: flips / (predictions.length * NOISY_COPIES),
    confusion: confusionOf(predictions),
    predictions,
    misread,
  };
}

function confusionOf(predictions: readonly Prediction[]): Guess[] {
  const times = new Map<string, Guess>();
  for (const { digit, guess } of predictions) {
    const counted = times.get(`${digit} ${guess}`) ?? { digit, guess, times: 0 };
    times.set(`${digit} ${guess}`, { ...counted, times: counted.times + 1 });
  }
  return [...times.values()].toSorted((a, b) => a.digit - b.digit || a.guess - b.guess);
}

function adapt(network: Network, { support }: Episode, { inner_lr, inner_steps }: Hyperparameters): Network {
  const adapted = network.copy();
  for (let step = 0; step < inner_steps; step++) adapted.learn(support, inner_lr);
  return adapted;
}

function queryLoss(network: Network, { query }: Episode): number {
  return mean(query.map(({ picture, label }) => -Math.log(network.predict(picture)[label] ?? 0)));
}

/** The digit that a label stands for in an episode. */
function digitOf({ support }: Episode, label: number): number {
  return support.find((each) => each.label === label)?.digit ?? -1;
}

function mostLikely(probabilities: Float64Array): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
