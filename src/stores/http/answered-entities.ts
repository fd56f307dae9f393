import type { DatasetInput, Metric, MlflowExperiment, MlflowRun, RunStatus } from "../../base/entities.js";
import { list, record, text } from "../../http/json.js";

/** Makes a run from MLflow's answer; undefined if it is not one. */
export function runIn(run: Record<string, unknown> | undefined): MlflowRun | undefined {
  const info = record(run?.["info"]);
  const runId = text(info?.["run_id"]);
  if (info === undefined || runId === undefined) return undefined;
  const data = record(run?.["data"]);
  const tags = pairsIn(data?.["tags"]);
  return {
    runId,
    runName: text(info["run_name"]) ?? tags["mlflow.runName"] ?? "",
    experimentId: String(info["experiment_id"] ?? ""),
    status: String(info["status"] ?? "RUNNING") as RunStatus,
    startTime: dateIn(info["start_time"]) ?? new Date(0),
    endTime: dateIn(info["end_time"]),
    userId: text(info["user_id"]) ?? "",
    lifecycleStage: info["lifecycle_stage"] === "deleted" ? "deleted" : "active",
    artifactUri: text(info["artifact_uri"]) ?? "",
    params: pairsIn(data?.["params"]),
    tags,
    metrics: Object.fromEntries([...metricsIn(data?.["metrics"])].map(({ key, value }) => [key, value])),
    inputs: list(record(run?.["inputs"])?.["dataset_inputs"]).map(datasetIn),
  };
}

/** Makes an experiment from MLflow's answer; undefined if it is not one. */
export function experimentIn(experiment: Record<string, unknown> | undefined): MlflowExperiment | undefined {
  const experimentId = experiment?.["experiment_id"];
  if (experiment === undefined || experimentId === undefined) return undefined;
  return {
    experimentId: String(experimentId),
    name: text(experiment["name"]) ?? "",
    artifactLocation: text(experiment["artifact_location"]) ?? "",
    lifecycleStage: experiment["lifecycle_stage"] === "deleted" ? "deleted" : "active",
    creationTime: dateIn(experiment["creation_time"]),
    lastUpdateTime: dateIn(experiment["last_update_time"]),
    tags: pairsIn(experiment["tags"]),
  };
}

/** Makes points from MLflow's answer. Its JSON has texts for NaN and infinities, and leaves zeros out. */
export function* metricsIn(metrics: unknown): Generator<Metric> {
  for (const { key, value, timestamp, step } of list(metrics) as Partial<Record<keyof Metric, unknown>>[])
    yield {
      key: String(key ?? ""),
      value: Number(value ?? 0),
      timestamp: Number(timestamp ?? 0),
      step: Number(step ?? 0),
    };
}

function datasetIn(input: Record<string, unknown>): DatasetInput {
  const dataset = record(input["dataset"]);
  return {
    name: text(dataset?.["name"]) ?? "",
    digest: text(dataset?.["digest"]) ?? "",
    sourceType: text(dataset?.["source_type"]) ?? "",
    source: text(dataset?.["source"]) ?? "",
    schema: text(dataset?.["schema"]),
    profile: text(dataset?.["profile"]),
    tags: Object.entries(pairsIn(input["tags"])).map(([key, value]) => ({ key, value })),
  };
}

const pairsIn = (pairs: unknown): Record<string, string> =>
  Object.fromEntries(list(pairs).map(({ key, value }) => [String(key ?? ""), String(value ?? "")]));

function dateIn(value: unknown): Date | undefined {
  const ms = Number(value ?? Number.NaN);
  return Number.isFinite(ms) && ms !== 0 ? new Date(ms) : undefined;
}
