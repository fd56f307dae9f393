import { PulseError, type PulseErrorCode } from "../../errors.js";
import type { Outcome } from "../tracking-store.js";

/** Why a request did not do what it should, and what follows for the change it belongs to. */
export class Failure extends Error {
  readonly kind: "retry" | "away" | "rejected";
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

/** Makes the failure of a change the server will never take. */
export function refusal(code: PulseErrorCode, detail: string, cause?: unknown): Failure {
  return new Failure("rejected", new PulseError(code, detail, cause));
}
