import type { Failure } from "./failure.js";

/**
 * MLflow's REST API for runs and experiments as the stores need it, with any client. Returns only answers of MLflow;
 * anything else rejects with a `Failure` that says what to do.
 */
export interface TrackingApi {
  /** The server's address without credentials, or a description of it, for messages. */
  readonly origin: string;
  /** The identity that requests are made with, for messages. */
  readonly login: string;
  /**
   * Sends a POST to `/api/2.0/mlflow/…` with a JSON body; returns the object in the answer. An answer with fields that
   * MLflow does not send is rejected, unless `done` confirms that the request was carried out.
   */
  post(
    call: string,
    body: string | object,
    done?: (foreign: string) => Promise<boolean>,
  ): Promise<Record<string, unknown>>;
  /** Sends a GET to `/api/2.0/mlflow/…`. */
  get(call: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>>;
  /** What the server tells of itself; its version is undefined if it does not tell. @default unknown */
  facts?(): Promise<{ readonly version: string | undefined }>;
  /** Whether a call is not supported. @default all are supported */
  lacks?(call: string): boolean;
  /**
   * Creates the failure for a success answer that is not MLflow's: it comes from something that only looks like MLflow.
   */
  incomplete(call: string): Failure;
  /** Closes connections. */
  close(): void;
}
