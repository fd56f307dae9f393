// integrations/mlflow-js/index.d.ts
import type { TrackingStore } from "../../index.js";
import { type MlflowJs, type MlflowJsClients } from "./js-client.js";
import { type MlflowNpmClient } from "./npm-client.js";
export type { KeyValue, MetricPoint, MlflowJs, MlflowJsClients, MlflowJsExperimentClient, MlflowJsRunClient, UsedDataset, } from "./js-client.js";
export type { MlflowNpmClient } from "./npm-client.js";
/** How a client of somebody else's is used. */
export interface ClientStoreOptions {
    /** How long a request may be under way, in milliseconds: neither client gives one up. @default 30000 */
    readonly requestTimeoutMs?: number | undefined;
}
/**
 * Records through a program's own mlflow-js object (1.0.1), with everything the native client does about limits,
 * refused items, lost answers and twins: `configure({ store: mlflowJsStore(mlflow) })`. What waits is kept under the
 * client's URI, where `pulse-mlflow sync` delivers it by the native client. Its objects cannot log in: for a server
 * that wants it, use `configure({ trackingUri, auth })`.
 * @param mlflow an `Mlflow`, or its two clients; make a store for each tracker
 * @throws PulseError `INVALID_OPTION` for what is neither
 * @example
 * ```ts
 * import { type MlflowJs, mlflowJsStore } from "pulse-mlflow/mlflow-js";
 * const use = (mlflow: MlflowJs): void => configure({ store: mlflowJsStore(mlflow) });
 * ```
 */
export declare function mlflowJsStore(mlflow: MlflowJs | MlflowJsClients, options?: ClientStoreOptions): TrackingStore;
/**
 * The same through a client of the npm package `mlflow` 2.0.7, which cannot look experiments up by name: all runs go to
 * the one with `experimentId`, whatever a class or a call names. It prints the body of every POST by `console.log`,
 * params included, which cannot be turned off from outside.
 * @throws PulseError `INVALID_OPTION` for what is no such client, and for an `experimentId` that is none
 * @example
 * ```ts
 * import { type MlflowNpmClient, mlflowNpmStore } from "pulse-mlflow/mlflow-js";
 * const use = (client: MlflowNpmClient): void => configure({ store: mlflowNpmStore(client, { experimentId: "1" }) });
 * ```
 */
export declare function mlflowNpmStore(client: MlflowNpmClient, options: ClientStoreOptions & {
    readonly experimentId: string;
}): TrackingStore;

// integrations/mlflow-js/js-client.d.ts
/** A key and its value, as MLflow has params and tags. */
export interface KeyValue {
    key: string;
    value: string;
}
/** A point of a metric, as MLflow has it. */
export interface MetricPoint {
    key: string;
    value: number;
    timestamp: number;
    step?: number;
}
type RunStatus = "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";
type ViewType = "ACTIVE_ONLY" | "DELETED_ONLY" | "ALL";
/** A dataset that a run has used, as MLflow has it. */
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
/** What is used of mlflow-js's `RunClient`. */
export interface MlflowJsRunClient {
    createRun(experiment_id: string, run_name?: string, start_time?: number, tags?: KeyValue[]): Promise<object>;
    getRun(run_id: string): Promise<object>;
    updateRun(run_id: string, status?: RunStatus, end_time?: number, run_name?: string): Promise<object>;
    logBatch(run_id: string, metrics?: MetricPoint[], params?: KeyValue[], tags?: KeyValue[]): Promise<void>;
    searchRuns(experiment_ids: string[], filter?: string, run_view_type?: ViewType, max_results?: number): Promise<object>;
    /** Without it twins of runs, which a request without an answer may make, are not deleted. */
    deleteRun?(run_id: string): Promise<void>;
    /** Without it datasets are refused. */
    logInputs?(run_id: string, datasets: UsedDataset[]): Promise<void>;
    /** Without it a point behind the latest one of its metric is believed to be stored. */
    getMetricHistory?(run_id: string, metric_key: string): Promise<object>;
}
/** What is used of mlflow-js's `ExperimentClient`. */
export interface MlflowJsExperimentClient {
    getExperimentByName(name: string): Promise<object>;
    createExperiment(name: string): Promise<string>;
    getExperiment?(experiment_id: string): Promise<object>;
    /** mlflow-js prints a line for each. Without it experiments get no tags. */
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

// integrations/mlflow-js/npm-client.d.ts
/** What is used of a client of the npm package `mlflow` 2.0.7: each call takes one object, and gives the answer's. */
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
