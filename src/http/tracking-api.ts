import type { Failure } from "./failure.js";

/**
 * MLflow's REST API for runs and experiments, as stores need it, whoever sends the requests. Answers are MLflow's;
 * everything else rejects with a `Failure` that says what follows.
 */
export interface TrackingApi {
  /** The server's address without credentials, or words that stand for it, for messages. */
  readonly origin: string;
  /** With whose permissions requests are made, for messages. */
  readonly login: string;
  /**
   * A POST to `/api/2.0/mlflow/…` with a JSON body; gives the answer's object. One with fields MLflow has not there is
   * no answer, unless `done` finds that what was asked for is done.
   */
  post(
    call: string,
    body: string | object,
    done?: (foreign: string) => Promise<boolean>,
  ): Promise<Record<string, unknown>>;
  /** A GET of `/api/2.0/mlflow/…`. */
  get(call: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>>;
  /** Whether it has no such call. @default it has all */
  lacks?(call: string): boolean;
  /** The failure of a success that is not what MLflow answers: it comes from something that only looks like MLflow. */
  incomplete(call: string): Failure;
  /** Lets go of connections. */
  close(): void;
}
