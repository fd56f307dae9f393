import { messageOf } from "../../base/errors.js";
import type { Failure } from "../../http/failure.js";
import { type ForeignClient, UNSEEN } from "./client-api.js";
import { foreignFailure, isOfMlflow, mlflowFailure, originOf, unknownFailure } from "./failures.js";

/** A param or tag in MLflow's API. */
export interface KeyValue {
  key: string;
  value: string;
}

/** A point of a metric in MLflow's API. */
export interface MetricPoint {
  key: string;
  value: number;
  timestamp: number;
  step?: number;
}

type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";
type ViewType = "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL";

/** A dataset of a run in MLflow's API. */
export interface UsedDataset {
  tags?: KeyValue[];
  dataset: { name: string; digest: string; source_type: string; source: string; schema?: string; profile?: string };
}

/** The methods of mlflow-js's `RunClient` that are used. */
export interface MlflowJsRunClient {
  createRun(experiment_id: string, run_name?: string, start_time?: number, tags?: KeyValue[]): Promise<object>;
  getRun(run_id: string): Promise<object>;
  updateRun(run_id: string, status?: RunStatus, end_time?: number, run_name?: string): Promise<object>;
  logBatch(run_id: string, metrics?: MetricPoint[], params?: KeyValue[], tags?: KeyValue[]): Promise<void>;
  searchRuns(
    experiment_ids: string[],
    filter?: string,
    run_view_type?: ViewType,
    max_results?: number,
  ): Promise<object>;
  /** Without it, duplicate runs left by requests without an answer are not deleted. */
  deleteRun?(run_id: string): Promise<void>;
  /** Without it, datasets are refused. */
  logInputs?(run_id: string, datasets: UsedDataset[]): Promise<void>;
  /** Without it, a point older than the latest one of its metric is assumed to be stored. */
  getMetricHistory?(run_id: string, metric_key: string): Promise<object>;
}

/** The methods of mlflow-js's `ExperimentClient` that are used. */
export interface MlflowJsExperimentClient {
  getExperimentByName(name: string): Promise<object>;
  createExperiment(name: string): Promise<string>;
  getExperiment?(experiment_id: string): Promise<object>;
  /** Without it, experiments get no tags. mlflow-js prints a line for each call. */
  setExperimentTag?(experiment_id: string, key: string, value: string): Promise<void>;
}

/** The clients of mlflow-js. */
export interface MlflowJsClients {
  readonly runClient: MlflowJsRunClient;
  readonly experimentClient: MlflowJsExperimentClient;
}

/** An `Mlflow` of mlflow-js. */
export interface MlflowJs {
  getRunClient(): MlflowJsRunClient;
  getExperimentClient(): MlflowJsExperimentClient;
}

type Loose = Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>;

/** @internal Maps MLflow's calls to methods of mlflow-js's clients. */
export function jsClient({ runClient, experimentClient }: MlflowJsClients): ForeignClient {
  const runs = runClient as unknown as Loose;
  const experiments = experimentClient as unknown as Loose;
  const user = "mlflowJsStore";
  const unseen = async (request: Promise<unknown> | undefined): Promise<object> => {
    await request;
    return UNSEEN;
  };
  const call = (client: Loose, name: string, ...args: unknown[]): Promise<unknown> | undefined =>
    client[name]?.call(client, ...args);
  const all = {
    "runs/create": async (f: F) => ({
      run: await call(runs, "createRun", f["experiment_id"], f["run_name"], f["start_time"], f["tags"]),
    }),
    "runs/get": async (f: F) => ({ run: await call(runs, "getRun", f["run_id"]) }),
    "runs/update": (f: F) => call(runs, "updateRun", f["run_id"], f["status"], f["end_time"], f["run_name"]),
    "runs/log-batch": (f: F) => unseen(call(runs, "logBatch", f["run_id"], f["metrics"], f["params"], f["tags"])),
    "runs/log-inputs": (f: F) => unseen(call(runs, "logInputs", f["run_id"], f["datasets"])),
    "runs/delete": (f: F) => unseen(call(runs, "deleteRun", f["run_id"])),
    "runs/search": (f: F) =>
      call(
        runs,
        "searchRuns",
        f["experiment_ids"],
        f["filter"],
        f["run_view_type"],
        f["max_results"],
        f["order_by"],
        f["page_token"],
      ),
    "metrics/get-history": (f: F) => call(runs, "getMetricHistory", f["run_id"], f["metric_key"]),
    "experiments/get-by-name": async (f: F) => ({
      experiment: await call(experiments, "getExperimentByName", f["experiment_name"]),
    }),
    "experiments/get": async (f: F) => ({ experiment: await call(experiments, "getExperiment", f["experiment_id"]) }),
    "experiments/create": async (f: F) => ({ experiment_id: await call(experiments, "createExperiment", f["name"]) }),
    "experiments/set-experiment-tag": (f: F) =>
      unseen(call(experiments, "setExperimentTag", f["experiment_id"], f["key"], f["value"])),
  };
  return {
    name: "mlflow-js",
    origin: originOf(runClient, "baseUrl", user) ?? originOf(experimentClient, "trackingUri", user),
    calls: Object.fromEntries(
      Object.entries(all).filter(([name]) => NAMES[name] === undefined || has(runs, experiments, NAMES[name])),
    ),
    failure: jsFailure,
  };
}

type F = Readonly<Record<string, unknown>>;

/** Methods that a client may lack. */
const NAMES: Readonly<Record<string, string>> = {
  "runs/log-inputs": "logInputs",
  "runs/delete": "deleteRun",
  "metrics/get-history": "getMetricHistory",
  "experiments/get": "getExperiment",
  "experiments/set-experiment-tag": "setExperimentTag",
};

const has = (runs: Loose, experiments: Loose, name: string): boolean =>
  typeof runs[name] === "function" || typeof experiments[name] === "function";

/**
 * Classifies an error of mlflow-js. For JSON answers it gives a message and a status; for everything else (a refused
 * login, a wrong address, a gateway's error) only a `SyntaxError`, so nothing is rejected because of one.
 */
function jsFailure(error: unknown, call: string, origin: string): Failure {
  const { name, statusCode: status } = (error ?? {}) as { name?: unknown; statusCode?: unknown };
  if (name === "ApiError" && typeof status === "number") {
    // mlflow-js puts its own words before the server's message.
    const serverMessage = messageOf(error).replace(/^[^:]*: ?/, "");
    return isOfMlflow(status, serverMessage)
      ? mlflowFailure(origin, call, status, serverMessage)
      : foreignFailure(origin, call, status);
  }
  if (error instanceof SyntaxError || name === "SyntaxError") {
    const hint =
      "did not answer in JSON: a refused login, a wrong address or a gateway's error. mlflow-js does not say which; configure({ trackingUri, auth }) does. The call was";
    return unknownFailure(origin, call, error, hint);
  }
  return unknownFailure(origin, call, error, "was not reached by mlflow-js for");
}
