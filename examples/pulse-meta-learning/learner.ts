import { setImmediate as nextTurn } from "node:timers/promises";
import { LogArtifact, LogMetric, LogParam, requireRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { enlarged, type PictureClass, withSideways } from "./digits.js";
import type { Network } from "./network.js";
import { Random } from "./random.js";
import {
  type Evaluation,
  evaluate,
  FIRST_UNSEEN_DIGIT,
  type Hyperparameters,
  type MetaStep,
  metaTrain,
  newNetwork,
} from "./reptile.js";
import { START } from "./start.js";

export interface TrialResult extends Evaluation {
  /** How much accuracy meta-training adds: the same network without it is tested on the same episodes. */
  accuracy_gain: number;
  final_loss: number;
  /** The weights that meta-training found, one after the other. */
  weights: Float32Array;
}

export const EXPERIMENT = "PulseMetaLearning";
const TEST_SEED = 1;

/** Learns with Reptile, and is tested on digits it never saw. */
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
    const network = newNetwork(random);
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

  @LogMetric("loss")
  *metaTrain(network: Network, hyperparameters: Hyperparameters, random: Random): Generator<MetaStep> {
    yield* metaTrain(network, this.#known, hyperparameters, random);
  }

  #evaluate(network: Network, hyperparameters: Hyperparameters): Promise<Evaluation> {
    return evaluate(network, this.#unseen, hyperparameters, new Random(TEST_SEED));
  }
}

export function trialName({ inner_lr, shots }: Hyperparameters): string {
  return `lr ${inner_lr}, ${shots} ${shots === 1 ? "shot" : "shots"}`;
}
