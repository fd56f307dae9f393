import { LogMetric, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import type { Hyperparameters, MetaLearner, TrialResult } from "./learner.js";

export interface Trial {
  hyperparameters: Hyperparameters;
  outcome: PromiseSettledResult<TrialResult>;
}

interface SweepResult {
  trials: Trial[];
  best: (TrialResult & { hyperparameters: Hyperparameters }) | undefined;
  best_accuracy: number | undefined;
}

interface SweepObserver {
  started(hyperparameters: Hyperparameters): void;
  ended(trial: Trial): void;
}

/** Tries every combination in turn; one that fails does not keep the others from being tried. */
@TrackedExperiment("PulseMetaLearning", { params: { run_type: "meta-learning" } })
export class MetaLearningSweep {
  readonly #learner: MetaLearner;
  readonly #observer: SweepObserver;

  constructor(learner: MetaLearner, observer: SweepObserver) {
    this.#learner = learner;
    this.#observer = observer;
  }

  @TrackedRun({ runName: "sweep" })
  @LogMetric("best_accuracy")
  async run(grid: readonly Hyperparameters[]): Promise<SweepResult> {
    const trials: Trial[] = [];
    for (const hyperparameters of grid) {
      this.#observer.started(hyperparameters);
      const [outcome] = await Promise.allSettled([this.#learner.trial(hyperparameters)]);
      const trial = { hyperparameters, outcome };
      trials.push(trial);
      this.#observer.ended(trial);
    }
    const [best] = trials
      .flatMap(({ hyperparameters, outcome }) => (outcome.status === "fulfilled" ? [{ hyperparameters, ...outcome.value }] : []))
      .toSorted((a, b) => b.accuracy - a.accuracy);
    return { trials, best, best_accuracy: best?.accuracy };
  }
}
