// A workflow of four steps with files between them: ingest → meta-train → evaluate → report.
//   node build/examples/pulse-workflow/main.js [--tracking-uri sqlite:///mlflow.db] [--shots 5] [--meta-steps 12] [--seed 42]
// With --shots 200 the second step fails, because there are not as many pictures of a digit: its run and the workflow's
// end FAILED, and the steps behind it are not run.
import { parseArgs } from "node:util";
import { configure, MlflowClient, shutdown } from "pulse-mlflow";
import { EXPERIMENT } from "./places.js";
import { Workflow } from "./workflow.js";

try {
  const { values } = parseArgs({
    options: {
      "tracking-uri": { type: "string", default: process.env["MLFLOW_TRACKING_URI"] || "sqlite:///mlflow.db" },
      shots: { type: "string", default: "5" },
      "meta-steps": { type: "string", default: "12" },
      seed: { type: "string", default: "42" },
    },
  });
  const hyperparameters = {
    inner_lr: 0.2,
    shots: wholeNumber("--shots", values.shots),
    inner_steps: 3,
    meta_steps: wholeNumber("--meta-steps", values["meta-steps"]),
    seed: wholeNumber("--seed", values.seed),
  };
  const trackingUri = values["tracking-uri"];
  configure({ trackingUri });

  await using client = new MlflowClient(); // reads what the default tracker writes
  try {
    const workflow = new Workflow(client, (step) => console.log(step));
    const { accuracy, accuracy_gain } = await workflow.run(hyperparameters);
    console.log(`\nAccuracy ${accuracy.toFixed(3)}, of which ${accuracy_gain.toFixed(3)} thanks to meta-training`);
  } finally {
    const experiment = await client.getExperimentByName(EXPERIMENT).catch(() => undefined); // may be away
    if (experiment !== undefined) console.log(`\n${whereabouts(trackingUri, experiment.experimentId)}`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
await shutdown();

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Error(`${option} needs a whole number from 1 on, got "${text}".`);
  return Number(text);
}

/** Says where the runs are and how to look at them. */
function whereabouts(trackingUri: string, experimentId: string): string {
  const page = `#/experiments/${experimentId}/runs?workflowType=machine_learning`;
  if (/^https?:/.test(trackingUri)) return `The runs are at ${trackingUri.replace(/\/$/, "")}/${page}`;
  return `See the runs with:  mlflow ui --backend-store-uri ${trackingUri}\n              at:  http://127.0.0.1:5000/${page}`;
}
