// The same training script three times: with mlflow-js, with an open run, and with decorators.
//   node build/examples/from-mlflow-js.js
// Writes two runs into mlflow.db, or to MLFLOW_TRACKING_URI. docs/from-mlflow-js.md says what to
// write instead of each call of mlflow-js.
import { flush, LogMetric, LogParam, stats, TrackedExperiment, withRun } from "pulse-mlflow";

interface Epoch {
  readonly epoch: number;
  readonly loss: number;
}

/** The work that is tracked: fits a line to four points by gradient descent. */
function* descend(lr: number, epochs: number): Generator<Epoch> {
  const points = [0, 1, 2, 3].map((x) => [x, 2 * x + 1] as const);
  let [slope, offset] = [0, 0];
  for (let epoch = 0; epoch < epochs; epoch++) {
    const errors = points.map(([x, y]) => [x, slope * x + offset - y] as const);
    slope -= (lr * errors.reduce((sum, [x, error]) => sum + error * x, 0)) / points.length;
    offset -= (lr * errors.reduce((sum, [, error]) => sum + error, 0)) / points.length;
    yield { epoch, loss: errors.reduce((sum, [, error]) => sum + error ** 2, 0) / points.length };
  }
}

/** The part of mlflow-js that the script needs. (Its own types leave these methods out.) */
interface MlflowJs {
  createExperiment(name: string): Promise<string>;
  createRun(experimentId: string, runName?: string): Promise<{ info: { run_id: string } }>;
  logParam(runId: string, key: string, value: string): Promise<void>;
  logMetric(runId: string, key: string, value: number, timestamp?: number, step?: number): Promise<void>;
  updateRun(runId: string, status: "FINISHED" | "FAILED", endTime: number): Promise<object>;
}

/**
 * Before. Training waits for every call, and fails if the server does not answer. It also fails when it runs a second
 * time, because the experiment exists by then. (This function is not called here: mlflow-js is on no registry.)
 */
export async function before(mlflow: MlflowJs, lr: number, epochs: number): Promise<void> {
  const experimentId = await mlflow.createExperiment("Line");
  const run = await mlflow.createRun(experimentId, "before");
  const id = run.info.run_id;
  try {
    await mlflow.logParam(id, "lr", String(lr));
    await mlflow.logParam(id, "epochs", String(epochs));
    for (const { epoch, loss } of descend(lr, epochs)) await mlflow.logMetric(id, "loss", loss, Date.now(), epoch);
    await mlflow.updateRun(id, "FINISHED", Date.now());
  } catch (error) {
    await mlflow.updateRun(id, "FAILED", Date.now());
    throw error;
  }
}

/**
 * Step one: call by call. The experiment is found or created, nothing is awaited, and the run ends when the function
 * does.
 */
function withAnOpenRun(lr: number, epochs: number): void {
  withRun({ experiment: "Line", runName: "with an open run", params: { lr, epochs } }, (run) => {
    for (const { epoch, loss } of descend(lr, epochs)) run.logMetric("loss", loss, { step: epoch });
  });
}

/** Step two: decorators. Training no longer knows anything about tracking. */
@TrackedExperiment("Line")
class Trainer {
  @LogParam(["lr", "epochs"])
  @LogMetric("loss", { step: "epoch" })
  *train(lr: number, epochs: number): Generator<Epoch> {
    yield* descend(lr, epochs);
  }
}

withAnOpenRun(0.1, 20);
let last = Number.NaN;
for (const { loss } of new Trainer().train(0.1, 20)) last = loss;

await flush(); // not required: this program wants to say what is stored
const { runs, params, metrics, delivered, pending } = stats();
console.log(
  `loss ${last.toFixed(4)} after 20 epochs; ${runs} runs with ${params} params and ${metrics} metric values.`,
);
console.log(pending === 0 ? `All ${delivered} changes are stored.` : `${pending} changes wait for the store.`);
