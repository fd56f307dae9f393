import { MlflowError, PulseError, type PulseErrorCode } from "../errors.js";
import type { Outcome } from "../stores/tracking-store.js";

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
  return error instanceof Failure && error.kind === "rejected" && error.error instanceof MlflowError ? error.error : undefined;
}

/** Makes the failure of a change the server will never take. */
export function refusal(code: PulseErrorCode, detail: string, cause?: unknown): Failure {
  return new Failure("rejected", new PulseError(code, detail, cause));
}
