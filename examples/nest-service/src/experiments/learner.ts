import { randomUUID } from "node:crypto";
import { Inject, Injectable } from "@nestjs/common";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { asyncScheduler, lastValueFrom, type Observable, scheduled, tap } from "rxjs";
import { type PictureClass, withSideways } from "../../../pulse-meta-learning/digits.js";
import type { Network } from "../../../pulse-meta-learning/network.js";
import { Random } from "../../../pulse-meta-learning/random.js";
import {
  evaluate,
  FIRST_UNSEEN_DIGIT,
  type Hyperparameters,
  type MetaStep,
  metaTrain,
  newNetwork,
} from "../../../pulse-meta-learning/reptile.js";

export const EXPERIMENT = "PulseMetaLearning";
export const DIGITS = Symbol("digits");
const TEST_SEED = 1;
const TEST_EPISODES = 5;

export interface Trained {
  /** Our own. MLflow's is known when a server has made the run, and no answer should wait for that. */
  id: string;
  accuracy: number;
  avg_confidence: number;
  avg_fragility: number;
}

/** The caller's mistake: with these hyperparameters nothing is learnt. */
export class Diverged extends Error {
  override readonly name = "Diverged";
}

/** Trains networks and tests them. It knows nothing of requests: each call is a run below the one that is open. */
@Injectable()
@TrackedExperiment(EXPERIMENT, { params: { run_type: "meta-learning" } })
export class Learner {
  private readonly known: readonly PictureClass[];
  private readonly unseen: readonly PictureClass[];

  constructor(@Inject(DIGITS) digits: readonly PictureClass[]) {
    this.known = digits.filter(({ digit }) => digit < FIRST_UNSEEN_DIGIT).flatMap(withSideways);
    this.unseen = digits.filter(({ digit }) => digit >= FIRST_UNSEEN_DIGIT);
  }

  @TrackedRun({ runName: "train" })
  @LogParam
  @LogMetric(["accuracy", "avg_confidence", "avg_fragility"])
  @LogTag({ experiment_id: "id" })
  async train(hyperparameters: Hyperparameters): Promise<Trained> {
    const random = new Random(hyperparameters.seed);
    const network = newNetwork(random);
    await lastValueFrom(this.epochs(network, hyperparameters, random));
    const tested = await evaluate(network, this.unseen, hyperparameters, new Random(TEST_SEED), TEST_EPISODES);
    const { accuracy, avg_confidence, avg_fragility } = tested;
    return { id: randomUUID(), accuracy, avg_confidence, avg_fragility };
  }

  /** The run lasts as long as somebody watches, and training does, too. */
  @TrackedRun({ runName: "repeat" })
  @LogParam
  repeat(hyperparameters: Hyperparameters): Observable<MetaStep> {
    const random = new Random(hyperparameters.seed);
    return this.epochs(newNetwork(random), hyperparameters, random);
  }

  /** No run of its own: without `@TrackedRun` it logs into the one that is open. */
  @LogMetric("loss", { step: "step" })
  epochs(network: Network, hyperparameters: Hyperparameters, random: Random): Observable<MetaStep> {
    // Other requests are answered between two epochs.
    return scheduled(metaTrain(network, this.known, hyperparameters, random), asyncScheduler).pipe(
      tap(({ step, loss }) => {
        if (!Number.isFinite(loss)) throw new Diverged(`The loss of step ${step} is ${loss}: try a lower inner_lr.`);
      }),
    );
  }
}
