import { setImmediate as nextTurn } from "node:timers/promises";
import {
  LogArtifact,
  LogMetric,
  LogParam,
  type MlflowClient,
  type Run,
  requireRun,
  TrackedExperiment,
  TrackedRun,
} from "pulse-mlflow";
import { digitsOf, type PictureClass, withSideways } from "../pulse-meta-learning/digits.js";
import type { Network } from "../pulse-meta-learning/network.js";
import { Random } from "../pulse-meta-learning/random.js";
import { type Hyperparameters, type MetaStep, metaTrain, newNetwork } from "../pulse-meta-learning/reptile.js";
import { EXPERIMENT, KNOWN_FILE, WEIGHTS_FOLDER } from "./places.js";

interface Trained {
  run: Run;
  final_loss: number;
  /** The network's weights before and after meta-training. */
  before: Float32Array;
  after: Float32Array;
}

/** Meta-trains a network on the known digits. */
@TrackedExperiment(EXPERIMENT)
export class MetaTrain {
  readonly #client: MlflowClient;

  constructor(client: MlflowClient) {
    this.#client = client;
  }

  @TrackedRun({ runName: "meta-train", tags: { algorithm: "reptile" } })
  @LogParam
  @LogMetric("final_loss")
  @LogArtifact({ [`${WEIGHTS_FOLDER}/before.f32`]: "before", [`${WEIGHTS_FOLDER}/after.f32`]: "after" })
  async run(hyperparameters: Hyperparameters, ingested: Run): Promise<Trained> {
    const csv = await this.#client.loadText(ingested, KNOWN_FILE); // as it was stored, not as it was returned
    const known = digitsOf(csv).flatMap(withSideways);
    const random = new Random(hyperparameters.seed);
    const network = newNetwork(random);
    const before = Float32Array.from(network.weights());
    let final_loss = Number.NaN;
    for (const { loss } of this.learn(network, known, hyperparameters, random)) {
      final_loss = loss;
      await nextTurn();
    }
    return { run: requireRun(), final_loss, before, after: Float32Array.from(network.weights()) };
  }

  /** No run of its own: without `@TrackedRun` it logs into the one that is open. */
  @LogMetric("loss", { step: "step" })
  *learn(
    network: Network,
    known: readonly PictureClass[],
    hyperparameters: Hyperparameters,
    random: Random,
  ): Generator<MetaStep> {
    yield* metaTrain(network, known, hyperparameters, random);
  }
}
