import { MlflowError, PulseError, type PulseErrorCode } from "../base/errors.js";
import type { Outcome } from "../contracts/tracking-store.js";

/** Why a request failed, and what that means for its change. */
export class Failure extends Error {
  readonly kind: "retry" | "away" | "denied" | "rejected";
  readonly error: PulseError;
  /** When the server asked to retry, in milliseconds. */
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

/** Returns MLflow's own refusal of a request because of its content; undefined for any other error. */
export function refusedAs(error: unknown): MlflowError | undefined {
  return error instanceof Failure && error.kind === "rejected" && error.error instanceof MlflowError
    ? error.error
    : undefined;
}

/** Creates the failure of a change that the server will never accept. */
export function refusal(code: PulseErrorCode, detail: string, cause?: unknown): Failure {
  return new Failure("rejected", new PulseError(code, detail, cause));
}

/** MLflow's error codes that concern the whole server. */
const STORE_WIDE = new Set([
  "TEMPORARILY_UNAVAILABLE",
  "REQUEST_LIMIT_EXCEEDED",
  "RESOURCE_EXHAUSTED",
  "DEADLINE_EXCEEDED",
]);
/**
 * MLflow's error codes that a retry may avoid, for errors the server did not expect. BAD_REQUEST stands for any
 * database error: a value that is too long, or two concurrent requests for one run.
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

/** An error answer from MLflow itself. */
export interface Said {
  readonly call: string;
  readonly status: number;
  /** MLflow's own code, such as `INVALID_PARAMETER_VALUE`. */
  readonly errorCode: string;
  readonly message: string;
  /** The message in a form that is safe to show. */
  readonly shown: string;
}

/** Classifies an error answer of MLflow. */
export function failureSaid(
  origin: string,
  { call, status, errorCode, message, shown }: Said,
  afterMs?: number,
): Failure {
  const errorOf = (code: PulseErrorCode): MlflowError =>
    new MlflowError(code, `${origin} refused ${call}: ${shown} (${errorCode}).`, errorCode, status, shown);
  if (status === 401 || errorCode === "UNAUTHENTICATED") return new Failure("away", errorOf("UNAUTHORIZED"));
  if (errorCode === "FEATURE_DISABLED") return new Failure("away", errorOf("FORBIDDEN"));
  if (status === 403 || errorCode === "PERMISSION_DENIED") return new Failure("denied", errorOf("FORBIDDEN"));
  if (STORE_WIDE.has(errorCode) || status === 429 || status === 503 || status === 504)
    return new Failure("away", errorOf("SERVER_ERROR"), afterMs);
  // A server whose database connections are exhausted reports that only after half a minute of standstill.
  if (/QueuePool limit|too many clients|remaining connection slots/i.test(message))
    return new Failure("away", errorOf("SERVER_ERROR"));
  if (TRANSIENT.has(errorCode) || status >= 500) return new Failure("retry", errorOf("SERVER_ERROR"));
  return new Failure("rejected", errorOf("REJECTED"));
}

/** Creates the failure for a success answer without the fields that MLflow returns. */
export function withoutFields(origin: string, call: string): Failure {
  return new Failure(
    "away",
    new PulseError("NO_MLFLOW", `${origin} answered ${call} without the fields that MLflow returns.`),
  );
}
