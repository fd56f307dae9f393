import type { PulseError } from "../base/errors.js";

/**
 * How long a place is retried after an error that waiting does not fix: a gateway may return one while the server
 * behind it starts.
 */
const PATIENCE_MS = 3_000;

/** Decides whether to keep waiting for a place that accepts nothing. */
export class Patience {
  #since: number | undefined;
  #error: PulseError | undefined;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Notes that it accepts nothing, for this reason. */
  away(error: PulseError): void {
    this.#since = error.retryable ? undefined : (this.#since ?? this.#now());
    this.#error = error;
  }

  /**
   * Returns the error if waiting is pointless: the same kind of permanent error for a while. `refusing`: it still
   * accepts nothing.
   */
  over(refusing: boolean): PulseError | undefined {
    if (!refusing) this.#since = undefined;
    return this.#since !== undefined && this.#now() - this.#since >= PATIENCE_MS ? this.#error : undefined;
  }
}
