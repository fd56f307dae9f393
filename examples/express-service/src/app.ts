import express, { type Express } from "express";
import type { MlflowClient } from "pulse-mlflow";
import { trackErrors, trackRequests } from "pulse-mlflow/express";
import { answerErrors, HttpError } from "./errors.js";
import { hyperparametersOf } from "./hyperparameters.js";
import { readExperiment } from "./reading.js";
import { EXPERIMENT, type Trainer } from "./trainer.js";

export function createApp(trainer: Trainer, client: MlflowClient): Express {
  const app = express();
  // A training that is folded with others could not be read back: each gets a run. Of what is left, ten a second do.
  const when = ({ method }: { method?: string | undefined }): boolean => method === "POST";
  app.use(trackRequests({ experiment: EXPERIMENT, runName: "training", maxRunsPerSecond: 1_000, when }));
  app.use(trackRequests({ experiment: EXPERIMENT }));
  app.use(express.json({ limit: "10kb" }));

  app.post("/experiments", async (request, response) => {
    const experiment = await trainer.train(hyperparametersOf(request.body));
    response.status(201).location(`/experiments/${experiment.id}`).json(experiment);
  });

  app.get("/experiments/:id", async (request, response) => {
    const { id } = request.params;
    const experiment = await readExperiment(client, id);
    if (experiment === undefined) throw new HttpError(404, `There is no experiment ${id}.`);
    response.json(experiment);
  });

  app.use(({ method, path }) => {
    throw new HttpError(404, `There is no ${method} ${path}.`);
  });
  app.use(trackErrors(), answerErrors); // after the routes
  return app;
}
