import { LogMetric, LogParam, type MlflowClient, requireRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import type { Hyperparameters } from "../pulse-meta-learning/reptile.js";
import { Evaluate } from "./evaluate.js";
import { Ingest } from "./ingest.js";
import { MetaTrain } from "./meta-train.js";
import { EXPERIMENT } from "./places.js";
import { Report } from "./report.js";

// MLflow shows what is in this tag as the run's description.
const DESCRIPTION = `Stores handwritten digits, meta-trains a network on some of them, tests it on the others, and reports.
Each step below is a run, with the files that the next one reads.`;

/** Four steps in a row, each of them a run below the workflow's. What fails ends the workflow. */
@TrackedExperiment(EXPERIMENT, { params: { run_type: "meta-learning" } })
export class Workflow {
  readonly #ingest = new Ingest();
  readonly #metaTrain: MetaTrain;
  readonly #evaluate: Evaluate;
  readonly #report: Report;
  readonly #onStep: (name: string) => void;

  constructor(client: MlflowClient, onStep: (name: string) => void) {
    this.#metaTrain = new MetaTrain(client);
    this.#evaluate = new Evaluate(client);
    this.#report = new Report(client);
    this.#onStep = onStep;
  }

  @TrackedRun({ runName: "workflow", tags: { "mlflow.note.content": DESCRIPTION } })
  @LogParam
  @LogMetric(["accuracy", "accuracy_gain"])
  async run(hyperparameters: Hyperparameters): Promise<{ accuracy: number; accuracy_gain: number }> {
    this.#onStep("ingest");
    const ingested = await this.#ingest.run();
    this.#onStep("meta-train");
    const trained = await this.#metaTrain.run(hyperparameters, ingested.run);
    this.#onStep("evaluate");
    const { accuracy, accuracy_gain } = await this.#evaluate.run(hyperparameters, ingested.run, trained.run);
    this.#onStep("report");
    await this.#report.run(await requireRun().serverId()); // the id under which the store knows this run
    return { accuracy, accuracy_gain };
  }
}
