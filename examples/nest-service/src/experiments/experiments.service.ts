import { Injectable, type OnApplicationShutdown } from "@nestjs/common";
import { MlflowClient, PulseError, type Tracker } from "pulse-mlflow";
import { InjectTracker } from "pulse-mlflow/nestjs";
import { CreateExperiment } from "./create-experiment.dto.js";
import { EXPERIMENT } from "./learner.js";

export interface StoredExperiment {
  id: string;
  status: string;
  hyperparameters: CreateExperiment;
  metrics: Readonly<Record<string, number>>;
  /** The loss after each epoch. */
  loss: number[];
}

/** Reads experiments back from where the tracker brings them. */
@Injectable()
export class ExperimentsService implements OnApplicationShutdown {
  private readonly client: MlflowClient;

  constructor(@InjectTracker() tracker: Tracker) {
    this.client = new MlflowClient({ tracker });
  }

  /** Undefined if there is none with that id. */
  async find(id: string): Promise<StoredExperiment | undefined> {
    // The id is a caller's text: the builder quotes it.
    const found = this.client.runs(EXPERIMENT).where((r) => r.tag("experiment_id").eq(id));
    const run = await found.first().catch(unlessNothingWasStored);
    if (run === undefined) return undefined;
    const { status, params, metrics } = run;
    const history = await this.client.getMetricHistory(run, "loss");
    return { id, status, hyperparameters: hyperparametersOf(params), metrics, loss: history.map(({ value }) => value) };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.client.close();
  }
}

/** Params are texts. */
function hyperparametersOf(params: Readonly<Record<string, string>>): CreateExperiment {
  const hyperparameters = new CreateExperiment();
  for (const name of Object.keys(hyperparameters) as (keyof CreateExperiment)[])
    hyperparameters[name] = Number(params[name]);
  return hyperparameters;
}

/** The first run makes the experiment. */
function unlessNothingWasStored(error: unknown): undefined {
  if (!(error instanceof PulseError && error.code === "EXPERIMENT_NOT_FOUND")) throw error;
}
