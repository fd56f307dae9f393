import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { EXPERIMENT } from "./learner.js";

/** Says where the runs are and how to look at them. */
export function whereabouts(trackingUri: string | undefined): string {
  const place = trackingUri ? "where MLFLOW_TRACKING_URI says" : `in ${resolve("mlflow.db")}`;
  const viewable = trackingUri || "sqlite:///mlflow.db";
  if (!viewable.startsWith("sqlite:///")) return `The runs are ${place}, in experiment ${EXPERIMENT}.`;
  const id = experimentId(viewable.slice("sqlite:///".length));
  return [
    `The runs are ${place}.`,
    "To look at them, in this folder (needs Python and: pip install mlflow):",
    `  mlflow ui --backend-store-uri ${viewable}`,
    ...(id === undefined ? [] : [`  http://127.0.0.1:5000/#/experiments/${id}/runs?workflowType=machine_learning`]),
  ].join("\n");
}

/** The experiment's id in the file, which may hold others too; `undefined` if nothing was stored. */
function experimentId(file: string): unknown {
  if (!existsSync(file)) return undefined;
  const builtIn = Number.parseInt(process.versions.node, 10) >= 24;
  const { DatabaseSync } = createRequire(import.meta.url)(builtIn ? "node:sqlite" : "@photostructure/sqlite");
  const database = new DatabaseSync(file);
  try {
    return database.prepare("SELECT experiment_id AS id FROM experiments WHERE name = ?").get(EXPERIMENT)?.id;
  } catch {
    return undefined; // the tracker has said what is wrong with the file
  } finally {
    database.close();
  }
}
