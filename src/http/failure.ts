import { MlflowError, PulseError, type PulseErrorCode } from "../base/errors.js";
import type { Outcome } from "../contracts/tracking-store.js";

/** Why a request did not do what it should, and what follows for the change it belongs to. */
export class Failure extends Error {
  readonly kind: "retry" | "away" | "denied" | "rejected";
  readonly error: PulseError;
  /** When the server asked to come again, in milliseconds. */
  readonly afterMs: number | undefined;

  constructor(kind: Failure["kind"], error: PulseError, afterMs?: number) {
    super(error.message);
    this.kind = kind;
    this.error = error;
    this.afterMs = afterMs;
  }

  get outcome(): Outcome {
    const { kind, error, afterMs } = this;
    return kind === "away" ? { kind, error, afterMs } : { kind, error };
  }
}

/** MLflow's own word for why a request was refused for what it is, or undefined when it was not. */
export function refusedAs(error: unknown): MlflowError | undefined {
  return error instanceof Failure && error.kind === "rejected" && error.error instanceof MlflowError
    ? error.error
    : undefined;
}

/** Makes the failure of a change the server will never take. */
export function refusal(code: PulseErrorCode, detail: string, cause?: unknown): Failure {
  return new Failure("rejected", new PulseError(code, detail, cause));
}

/** Errors that mean the server as a whole, in MLflow's words. */
const STORE_WIDE = new Set([
  "TEMPORARILY_UNAVAILABLE",
  "REQUEST_LIMIT_EXCEEDED",
  "RESOURCE_EXHAUSTED",
  "DEADLINE_EXCEEDED",
]);
/**
 * Errors that another try may not meet: what the server did not expect itself. BAD_REQUEST is its word for whatever its
 * database said, be it a value too long or two requests for one run that met inside the server.
 */
const TRANSIENT = new Set([
  "BAD_REQUEST",
  "INTERNAL_ERROR",
  "ABORTED",
  "RESOURCE_CONFLICT",
  "CANCELLED",
  "DATA_LOSS",
  "INVALID_STATE",
]);

/** What MLflow itself has answered that refuses. */
export interface Said {
  readonly call: string;
  readonly status: number;
  /** MLflow's own, such as `INVALID_PARAMETER_VALUE`. */
  readonly errorCode: string;
  readonly message: string;
  /** The message as it may be shown. */
  readonly shown: string;
}

/** What follows from an error of MLflow's. */
export function failureSaid(
  origin: string,
  { call, status, errorCode, message, shown }: Said,
  afterMs?: number,
): Failure {
  const said = (code: PulseErrorCode): MlflowError =>
    new MlflowError(code, `${origin} refused ${call}: ${shown} (${errorCode}).`, errorCode, status, shown);
  if (status === 401 || errorCode === "UNAUTHENTICATED") return new Failure("away", said("UNAUTHORIZED"));
  if (errorCode === "FEATURE_DISABLED") return new Failure("away", said("FORBIDDEN"));
  if (status === 403 || errorCode === "PERMISSION_DENIED") return new Failure("denied", said("FORBIDDEN"));
  if (STORE_WIDE.has(errorCode) || status === 429 || status === 503 || status === 504)
    return new Failure("away", said("SERVER_ERROR"), afterMs);
  // A server whose database takes no more connections has stood still for half a minute when it says so.
  if (/QueuePool limit|too many clients|remaining connection slots/i.test(message))
    return new Failure("away", said("SERVER_ERROR"));
  if (TRANSIENT.has(errorCode) || status >= 500) return new Failure("retry", said("SERVER_ERROR"));
  return new Failure("rejected", said("REJECTED"));
}

/** The failure of a success without what MLflow answers. */
export function withoutFields(origin: string, call: string): Failure {
  return new Failure(
    "away",
    new PulseError("NO_MLFLOW", `${origin} answered ${call} without the fields MLflow has there.`),
  );
}
