import type { Example, Picture } from "./digits.js";
import { Layer } from "./layer.js";
import type { Random } from "./random.js";

/** Pixels → tanh features → softmax over the labels of an episode. */
export class Network {
  readonly #features: Layer;
  readonly #scores: Layer;

  private constructor(features: Layer, scores: Layer) {
    this.#features = features;
    this.#scores = scores;
  }

  static random(pixels: number, features: number, labels: number, random: Random): Network {
    return new Network(Layer.random(pixels, features, random), Layer.random(features, labels, random));
  }

  /** The network whose `weights()` these are. */
  static of(pixels: number, features: number, labels: number, weights: ArrayLike<number>): Network {
    const all = Float64Array.from(weights);
    const first = (pixels + 1) * features;
    const count = first + (features + 1) * labels;
    if (all.length !== count) throw new RangeError(`a network of this shape has ${count} weights, not ${all.length}`);
    return new Network(Layer.of(pixels, all.subarray(0, first)), Layer.of(features, all.subarray(first)));
  }

  copy(): Network {
    return new Network(this.#features.copy(), this.#scores.copy());
  }

  /** All weights, layer after layer. */
  weights(): number[] {
    return [...this.#features.weights(), ...this.#scores.weights()];
  }

  /** The probability of each label. */
  predict(picture: Picture): Float64Array {
    return softmax(this.#scores.apply(this.#features.apply(picture).map(Math.tanh)));
  }

  /** One pass of stochastic gradient descent on the cross-entropy. */
  learn(examples: readonly Example[], learningRate: number): void {
    for (const { picture, label } of examples) {
      const features = this.#features.apply(picture).map(Math.tanh);
      const probabilities = softmax(this.#scores.apply(features));
      const scoreErrors = probabilities.map((probability, index) => probability - Number(index === label));
      const featureErrors = this.#scores
        .descend(features, scoreErrors, learningRate)
        .map((error, index) => error * (1 - (features[index] ?? 0) ** 2));
      this.#features.descend(picture, featureErrors, learningRate);
    }
  }

  moveTowards(target: Network, fraction: number): void {
    this.#features.moveTowards(target.#features, fraction);
    this.#scores.moveTowards(target.#scores, fraction);
  }
}

function softmax(scores: Float64Array): Float64Array {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}
