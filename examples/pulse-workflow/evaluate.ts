import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
import { digitsOf } from "../pulse-meta-learning/digits.js";
import { Random } from "../pulse-meta-learning/random.js";
import { type Evaluation, evaluate, type Hyperparameters, networkOf } from "../pulse-meta-learning/reptile.js";
import { confusionPicture } from "./pictures.js";
import { CONFUSION_FILE, EXPERIMENT, UNSEEN_FILE, WEIGHTS_FOLDER } from "./places.js";

interface Evaluated extends Evaluation {
  /** How much accuracy meta-training adds: the network as it was before is tested on the same episodes. */
  accuracy_gain: number;
}

const TEST_SEED = 1;

/** Tests how well the network learns the digits that it never saw. */
@TrackedExperiment(EXPERIMENT)
export class Evaluate {
  readonly #client: MlflowClient;

  constructor(client: MlflowClient) {
    this.#client = client;
  }

  @TrackedRun({ runName: "evaluate" })
  @LogParam
  @LogMetric(["accuracy", "accuracy_gain", "avg_confidence", "avg_fragility"])
  @LogArtifact({
    "predictions.csv": predictionsFile,
    [CONFUSION_FILE]: ({ confusion }: Evaluated) => confusionPicture(confusion),
  })
  async run(hyperparameters: Hyperparameters, ingested: Run, trained: Run): Promise<Evaluated> {
    const unseen = digitsOf(await this.#client.loadText(ingested, UNSEEN_FILE));
    const { before, after } = await this.#weights(trained);
    const test = (weights: Float32Array): Promise<Evaluation> =>
      evaluate(networkOf(weights), unseen, hyperparameters, new Random(TEST_SEED));
    const untrained = await test(before);
    const result = await test(after);
    requireRun().logTable(result.confusion, "confusion.json"); // MLflow's own UI shows it as a table
    return { ...result, accuracy_gain: result.accuracy - untrained.accuracy };
  }

  /** Downloads the weights: files that are not text come as files. */
  async #weights(trained: Run): Promise<{ before: Float32Array; after: Float32Array }> {
    const folder = await mkdtemp(join(tmpdir(), "pulse-workflow-"));
    try {
      const weights = await this.#client.downloadArtifacts(trained, { path: WEIGHTS_FOLDER, to: folder });
      return { before: await floats(join(weights, "before.f32")), after: await floats(join(weights, "after.f32")) };
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}

async function floats(path: string): Promise<Float32Array> {
  return new Float32Array(Uint8Array.from(await readFile(path)).buffer);
}

function predictionsFile({ predictions }: Evaluated): string {
  const lines = predictions.map(({ digit, guess, confidence }) => `${digit},${guess},${confidence}\n`);
  return `digit,guess,confidence\n${lines.join("")}`;
}
