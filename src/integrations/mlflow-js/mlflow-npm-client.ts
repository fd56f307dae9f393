import { messageOf } from "../../base/errors.js";
import { type Failure, refusal } from "../../http/failure.js";
import { objectIn } from "../../http/json.js";
import type { ForeignClient } from "./client-api.js";
import { foreignFailure, mlflowFailure, originOf, unknownFailure } from "./failures.js";

/** The parts of a client of the npm package `mlflow` 2.0.7 that are used. Each call takes and returns one object. */
export interface MlflowNpmClient {
  readonly endpoint?: string;
  readonly Runs: Calls<"create" | "get" | "update" | "logBatch" | "search" | "delete">;
  readonly Experiments: Calls<"get">;
  readonly Metrics: Calls<"getHistory">;
}

// biome-ignore lint/suspicious/noExplicitAny: its own types differ from call to call
type Calls<Name extends string> = { [name in Name]: (fields: any) => Promise<unknown> };

type Loose = Readonly<Record<"Runs" | "Experiments" | "Metrics", Record<string, (fields: object) => Promise<unknown>>>>;
type F = Readonly<Record<string, unknown>>;

/**
 * @internal Maps MLflow's calls to methods of the npm package. It cannot look up experiments by name, so all runs go
 * to one.
 */
export function npmClient(client: MlflowNpmClient, experimentId: string): ForeignClient {
  const loose = client as unknown as Loose;
  const call = (of: keyof Loose, name: string, fields: object): Promise<unknown> => {
    const group = loose[of]; // a getter that creates the group each time
    return (group[name] as (fields: object) => Promise<unknown>).call(group, fields);
  };
  return {
    name: "npm mlflow",
    origin: originOf(client, "endpoint", "mlflowNpmStore"),
    calls: {
      "runs/create": ({ run_name, tags, ...fields }: F) => {
        // The client does not send the name, so it is sent as a tag.
        const named = run_name === undefined ? [] : [{ key: "mlflow.runName", value: run_name }];
        return call("Runs", "create", { ...fields, tags: [...((tags as object[] | undefined) ?? []), ...named] });
      },
      "runs/get": (fields: F) => call("Runs", "get", fields),
      "runs/update": (fields: F) => call("Runs", "update", fields),
      "runs/log-batch": (fields: F) => call("Runs", "logBatch", fields),
      "runs/search": (fields: F) => call("Runs", "search", fields),
      "runs/delete": (fields: F) => call("Runs", "delete", fields),
      "metrics/get-history": (fields: F) => call("Metrics", "getHistory", fields),
      "experiments/get": (fields: F) => call("Experiments", "get", fields),
      "experiments/get-by-name": () => call("Experiments", "get", { experiment_id: experimentId }),
      "experiments/create": () => {
        throw refusal(
          "EXPERIMENT_NOT_FOUND",
          `There is no experiment with id ${experimentId}, to which npm mlflow sends all runs.`,
        );
      },
    },
    failure: npmFailure,
  };
}

/** Classifies an error of the npm package: a text of status and JSON answer. */
function npmFailure(error: unknown, call: string, origin: string): Failure {
  const parsed = objectIn(/^(?:Error: )*(\{.*)$/s.exec(messageWhole(error))?.[1] ?? "");
  const { status, data } = (parsed ?? {}) as {
    status?: unknown;
    data?: { error_code?: unknown; message?: unknown } | null;
  };
  if (typeof status !== "number") return unknownFailure(origin, call, error, "was not reached by npm mlflow for");
  const { error_code: code, message } = data ?? {};
  if (typeof code !== "string" || code === "ENDPOINT_NOT_FOUND") return foreignFailure(origin, call, status);
  return mlflowFailure(origin, call, status, typeof message === "string" ? message : "", code);
}

function messageWhole(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === "string" ? message : messageOf(error);
}
