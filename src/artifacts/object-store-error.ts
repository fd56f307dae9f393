import { PulseError, type PulseErrorCode } from "../base/errors.js";

/** Advice for an object store instead of the tracking server. */
const ADVICE: Readonly<Partial<Record<PulseErrorCode, string>>> = {
  UNAUTHORIZED:
    "Check the credentials for S3 (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE, or the option `credentials`) and the clock; recording goes on meanwhile.",
  TLS_FAILED: "Trust its certificate authority with AWS_CA_BUNDLE; recording goes on meanwhile.",
};

/** A problem with an object store: uses the same codes, with advice that fits. */
export class ObjectStoreError extends PulseError {
  constructor(code: PulseErrorCode, detail: string, cause?: unknown) {
    super(code, detail, cause, ADVICE[code]);
  }
}
