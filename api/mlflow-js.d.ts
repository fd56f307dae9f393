// integrations/mlflow-js/index.d.ts
import type { TrackingStore } from "../../index.js";
import { type MlflowJs, type MlflowJsClients } from "./mlflow-js-client.js";
import { type MlflowNpmClient } from "./mlflow-npm-client.js";
export type { KeyValue, MetricPoint, MlflowJs, MlflowJsClients, MlflowJsExperimentClient, MlflowJsRunClient, UsedDataset, } from "./mlflow-js-client.js";
export type { MlflowNpmClient } from "./mlflow-npm-client.js";
/** Options of a store that uses your own client. */
export interface ClientStoreOptions {
    /** The time limit of a request in milliseconds, since the clients have none. @default 30000 */
    readonly requestTimeoutMs?: number | undefined;
}
/**
 * Records through your own mlflow-js object (1.0.1), with the same handling of limits, refused items, lost answers and
 * duplicate runs as the native client: `configure({ store: mlflowJsStore(mlflow) })`. Waiting changes are kept under
 * the client's URI; `pulse-mlflow sync` delivers them with the native client. mlflow-js cannot log in: for a server
 * that requires it, use `configure({ trackingUri, auth })`.
 * @param mlflow An `Mlflow`, or its two clients. Create a store for each tracker.
 * @throws PulseError `INVALID_OPTION` if it is neither.
 * @example
 * ```ts
 * import { type MlflowJs, mlflowJsStore } from "pulse-mlflow/mlflow-js";
 * const use = (mlflow: MlflowJs) => configure({ store: mlflowJsStore(mlflow) });
 * ```
 */
export declare function mlflowJsStore(mlflow: MlflowJs | MlflowJsClients, options?: ClientStoreOptions): TrackingStore;
/**
 * Records through a client of the npm package `mlflow` 2.0.7. It cannot look up experiments by name, so all runs go to
 * the one with `experimentId`, whatever a class or call names. It prints the body of every POST with `console.log`,
 * params included, which cannot be turned off.
 * @throws PulseError `INVALID_OPTION` if it is not such a client, or `experimentId` is not an id.
 * @example
 * ```ts
 * import { type MlflowNpmClient, mlflowNpmStore } from "pulse-mlflow/mlflow-js";
 * const use = (client: MlflowNpmClient) => configure({ store: mlflowNpmStore(client, { experimentId: "1" }) });
 * ```
 */
export declare function mlflowNpmStore(client: MlflowNpmClient, options: ClientStoreOptions & {
    readonly experimentId: string;
}): TrackingStore;

// integrations/mlflow-js/mlflow-js-client.d.ts
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
    dataset: {
        name: string;
        digest: string;
        source_type: string;
        source: string;
        schema?: string;
        profile?: string;
    };
}
/** The methods of mlflow-js's `RunClient` that are used. */
export interface MlflowJsRunClient {
    createRun(experiment_id: string, run_name?: string, start_time?: number, tags?: KeyValue[]): Promise<object>;
    getRun(run_id: string): Promise<object>;
    updateRun(run_id: string, status?: RunStatus, end_time?: number, run_name?: string): Promise<object>;
    logBatch(run_id: string, metrics?: MetricPoint[], params?: KeyValue[], tags?: KeyValue[]): Promise<void>;
    searchRuns(experiment_ids: string[], filter?: string, run_view_type?: ViewType, max_results?: number): Promise<object>;
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
export {};

// integrations/mlflow-js/mlflow-npm-client.d.ts
/** The parts of a client of the npm package `mlflow` 2.0.7 that are used. Each call takes and returns one object. */
export interface MlflowNpmClient {
    readonly endpoint?: string;
    readonly Runs: Calls<"create" | "get" | "update" | "logBatch" | "search" | "delete">;
    readonly Experiments: Calls<"get">;
    readonly Metrics: Calls<"getHistory">;
}
type Calls<Name extends string> = {
    [name in Name]: (fields: any) => Promise<unknown>;
};
export {};
