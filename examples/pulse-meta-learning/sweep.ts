import { LogArtifact, LogMetric, requireRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { EXPERIMENT, type MetaLearner, type TrialResult } from "./learner.js";
import { accuracyChart } from "./report.js";
import type { Hyperparameters } from "./reptile.js";
import { START } from "./start.js";

// MLflow shows what is in this tag as the run's description.
const DESCRIPTION = `Searches with **Reptile** for the hyperparameters with which a small network learns a digit it never saw from a few pictures.
Each run below is a trial; one asks for more pictures than there are, and fails. The metric \`accuracy\` has a step for each trial.`;

export interface Trial {
  hyperparameters: Hyperparameters;
  outcome: PromiseSettledResult<TrialResult>;
}

interface SweepResult {
  trials: Trial[];
  best: (TrialResult & { hyperparameters: Hyperparameters }) | undefined;
  best_accuracy: number | undefined;
  /** Each trial's accuracy, as a chart. */
  chart: string;
}

interface SweepObserver {
  started(hyperparameters: Hyperparameters): void;
  ended(trial: Trial): void;
}

/** Tries every combination in turn; a failure does not stop the others. */
@TrackedExperiment(EXPERIMENT, { params: { run_type: "meta-learning" }, tags: { start: START } })
export class MetaLearningSweep {
  readonly #learner: MetaLearner;
  readonly #observer: SweepObserver;

  constructor(learner: MetaLearner, observer: SweepObserver) {
    this.#learner = learner;
    this.#observer = observer;
  }

  @TrackedRun({ runName: `sweep of ${START}`, tags: { "mlflow.note.content": DESCRIPTION, dataset: "optdigits" } })
  @LogMetric("best_accuracy")
  @LogArtifact({ "accuracy.svg": "chart" })
  async run(grid: readonly Hyperparameters[]): Promise<SweepResult> {
    const trials: Trial[] = [];
    for (const [step, hyperparameters] of grid.entries()) {
      this.#observer.started(hyperparameters);
      const [outcome] = await Promise.allSettled([this.#learner.trial(hyperparameters)]);
      if (outcome.status === "fulfilled") requireRun().logMetric("accuracy", outcome.value.accuracy, { step });
      const trial = { hyperparameters, outcome };
      trials.push(trial);
      this.#observer.ended(trial);
    }
    const [best] = trials
      .flatMap(({ hyperparameters, outcome }) =>
        outcome.status === "fulfilled" ? [{ hyperparameters, ...outcome.value }] : [],
      )
      .toSorted((a, b) => b.accuracy - a.accuracy);
    return { trials, best, best_accuracy: best?.accuracy, chart: accuracyChart(trials) };
  }
}
