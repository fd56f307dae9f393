// The Pulse experiment as a service. In this folder:
//   npm install && npm test && npm run build && npm start
//   curl -i -H 'content-type: application/json' -d '{ "shots": 2 }' http://127.0.0.1:8080/experiments
// In a clone of the repository, where it is built, `npm install --no-save ../..` takes the package from there.
// Runs go where MLFLOW_TRACKING_URI says, otherwise into mlflow.db. SIGTERM and Ctrl+C shut it down cleanly.
import { configure, MlflowClient, shutdown } from "pulse-mlflow";
import { loadDigits } from "../../pulse-meta-learning/digits.js";
import { createApp } from "./app.js";
import { Service } from "./service.js";
import { Trainer } from "./trainer.js";

configure({}); // before the first request: the environment says where runs go
const client = new MlflowClient();
const service = new Service(createApp(new Trainer(loadDigits()), client));
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void stop());
console.log(`Listening at ${await service.listen(Number(process.env["PORT"] ?? 8080))}`);

/** Answers what was asked, delivers what was recorded, and lets the process end by itself. */
async function stop(): Promise<void> {
  await service.close();
  await client.close();
  await shutdown();
  console.log("Stopped");
}
