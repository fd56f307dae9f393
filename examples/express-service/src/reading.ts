import { type MlflowClient, PulseError } from "pulse-mlflow";
import { EXPERIMENT } from "./trainer.js";

interface StoredExperiment {
  id: string;
  status: string;
  params: Readonly<Record<string, string>>;
  metrics: Readonly<Record<string, number>>;
  /** The loss after each meta step. */
  loss: number[];
}

/** Reads an experiment back; undefined if there is none with that id. */
export async function readExperiment(client: MlflowClient, id: string): Promise<StoredExperiment | undefined> {
  // The id is a caller's text: the builder quotes it.
  const found = client.runs(EXPERIMENT).where((r) => r.tag("experiment_id").eq(id));
  const run = await found.first().catch(unlessNothingWasStored);
  if (run === undefined) return undefined;
  const { status, params, metrics } = run;
  const history = await client.getMetricHistory(run, "loss");
  return { id, status, params, metrics, loss: history.map(({ value }) => value) };
}

/** The first run makes the experiment. */
function unlessNothingWasStored(error: unknown): undefined {
  if (!(error instanceof PulseError && error.code === "EXPERIMENT_NOT_FOUND")) throw error;
}
