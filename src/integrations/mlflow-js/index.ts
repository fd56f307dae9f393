import { wrongInput } from "../../base/wrong-input.js";
import type { TrackingStore } from "../../index.js";
import { RestStore } from "../../stores/http/rest-store.js";
import { ClientApi, type ForeignClient } from "./client-api.js";
import { jsClient, type MlflowJs, type MlflowJsClients } from "./js-client.js";
import { type MlflowNpmClient, npmClient } from "./npm-client.js";

export type {
  KeyValue,
  MetricPoint,
  MlflowJs,
  MlflowJsClients,
  MlflowJsExperimentClient,
  MlflowJsRunClient,
  UsedDataset,
} from "./js-client.js";
export type { MlflowNpmClient } from "./npm-client.js";

/** How a client of somebody else's is used. */
export interface ClientStoreOptions {
  /** How long a request may be under way, in milliseconds: neither client gives one up. @default 30000 */
  readonly requestTimeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

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
export function mlflowJsStore(mlflow: MlflowJs | MlflowJsClients, options?: ClientStoreOptions): TrackingStore {
  const expected = "an Mlflow of mlflow-js, or { runClient, experimentClient }";
  const given = (mlflow ?? {}) as Partial<MlflowJs & MlflowJsClients>;
  const runClient = typeof given.getRunClient === "function" ? given.getRunClient() : given.runClient;
  const experimentClient =
    typeof given.getExperimentClient === "function" ? given.getExperimentClient() : given.experimentClient;
  if (runClient === undefined || experimentClient === undefined)
    throw wrongInput("mlflowJsStore", "mlflow", expected, mlflow);
  needMethods("mlflowJsStore", "runClient", runClient, ["createRun", "getRun", "updateRun", "logBatch", "searchRuns"]);
  needMethods("mlflowJsStore", "experimentClient", experimentClient, ["getExperimentByName", "createExperiment"]);
  return storeOf("mlflowJsStore", jsClient({ runClient, experimentClient }), options);
}

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
export function mlflowNpmStore(
  client: MlflowNpmClient,
  options: ClientStoreOptions & { readonly experimentId: string },
): TrackingStore {
  const { Runs, Experiments, Metrics } = (client ?? {}) as Partial<MlflowNpmClient>;
  if (!Runs || !Experiments || !Metrics)
    throw wrongInput(
      "mlflowNpmStore",
      "client",
      "a client of the npm package mlflow, with Runs, Experiments and Metrics",
      client,
    );
  needMethods("mlflowNpmStore", "client.Runs", Runs, ["create", "get", "update", "logBatch", "search", "delete"]);
  needMethods("mlflowNpmStore", "client.Experiments", Experiments, ["get"]);
  needMethods("mlflowNpmStore", "client.Metrics", Metrics, ["getHistory"]);
  const { experimentId } = (options ?? {}) as Partial<typeof options>;
  if (typeof experimentId !== "string" || experimentId.trim() === "")
    throw wrongInput("mlflowNpmStore", "experimentId", "the id of an experiment that exists, a text", experimentId);
  return storeOf("mlflowNpmStore", npmClient(client, experimentId), options);
}

function needMethods(user: string, name: string, client: object, methods: readonly string[]): void {
  const missing = methods.filter((method) => typeof (client as Record<string, unknown>)[method] !== "function");
  if (missing.length > 0)
    throw wrongInput(user, name, `a client with ${methods.join(", ")}`, client, {
      got: `one without ${missing.join(", ")}`,
    });
}

function storeOf(
  user: string,
  client: ForeignClient,
  { requestTimeoutMs = DEFAULT_TIMEOUT_MS }: ClientStoreOptions = {},
): TrackingStore {
  if (!Number.isFinite(requestTimeoutMs) || requestTimeoutMs <= 0)
    throw wrongInput(user, "requestTimeoutMs", "a number of milliseconds above 0", requestTimeoutMs);
  const api = new ClientApi(client, Math.min(requestTimeoutMs, 2 ** 31 - 1));
  const store = new RestStore(api, api.origin, requestTimeoutMs);
  if (client.origin !== undefined) return store;
  // Without an address nothing is kept on disk for it, and there is no page of a run.
  const { batchItems, batchRuns, width } = store;
  return {
    batchItems,
    batchRuns,
    width,
    apply: (changes) => store.apply(changes),
    artifactsOf: (ids) => store.artifactsOf(ids),
    tagOf: (ids, key) => store.tagOf(ids, key),
    get unsettled() {
      return store.unsettled;
    },
    settle: () => store.settle(),
    close: () => store.close(),
  };
}
