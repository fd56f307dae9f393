import type { PulseError } from "../base/errors.js";

/**
 * So long a place is asked that says what passes by nobody's waiting: a gateway may say it while the server behind it
 * starts.
 */
const PATIENCE_MS = 3_000;

/** Whether it makes sense to wait for a place that takes nothing. */
export class Patience {
  #since: number | undefined;
  #error: PulseError | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** It takes nothing, for this reason. */
  away(error: PulseError): void {
    this.#since = error.retryable ? undefined : (this.#since ?? this.#now());
    this.#error = error;
  }

  /** Why it makes none: the same for a while, and nothing that may pass. `refusing`: it takes nothing still. */
  over(refusing: boolean): PulseError | undefined {
    if (!refusing) this.#since = undefined;
    return this.#since !== undefined && this.#now() - this.#since >= PATIENCE_MS ? this.#error : undefined;
  }
}
