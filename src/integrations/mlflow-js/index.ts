import { wrongInput } from "../../base/wrong-input.js";
import type { TrackingStore } from "../../index.js";
import { RestStore } from "../../stores/http/rest-store.js";
import { ClientApi, type ForeignClient } from "./client-api.js";
import { jsClient, type MlflowJs, type MlflowJsClients } from "./mlflow-js-client.js";
import { type MlflowNpmClient, npmClient } from "./mlflow-npm-client.js";

export type {
  KeyValue,
  MetricPoint,
  MlflowJs,
  MlflowJsClients,
  MlflowJsExperimentClient,
  MlflowJsRunClient,
  UsedDataset,
} from "./mlflow-js-client.js";
export type { MlflowNpmClient } from "./mlflow-npm-client.js";

/** Options of a store that uses your own client. */
export interface ClientStoreOptions {
  /** The time limit of a request in milliseconds, since the clients have none. @default 30000 */
  readonly requestTimeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;

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
  // Without an address nothing is kept on disk, and runs have no page.
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
