import { later } from "../../base/detached.js";
import { forReaders, MlflowError, PulseError } from "../../base/errors.js";
import { Failure } from "../../http/failure.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** How often a read is repeated that a server could not answer, after which time, and after which at most. */
const [RETRIES, RETRY_MS, MOST_RETRY_MS] = [3, 200, 5_000] as const;

/** Calls of somebody who reads or administers: nobody else tries them again. */
export class RepeatedCalls {
  readonly #api: TrackingApi;
  #closed = false;

  constructor(api: TrackingApi) {
    this.#api = api;
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#closed = true;
  }

  /** Repeated if the server cannot answer for now. */
  get(call: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    return this.#called(call, () => this.#api.get(call, query), RETRIES);
  }

  /** Searches are repeated as other reads are; what changes something may have been done. */
  post(call: string, body: object): Promise<Record<string, unknown>> {
    return this.#called(call, () => this.#api.post(call, body), call.endsWith("/search") ? RETRIES : 0);
  }

  async #called(
    call: string,
    send: () => Promise<Record<string, unknown>>,
    retries: number,
  ): Promise<Record<string, unknown>> {
    if (this.#api.lacks?.(call))
      throw new PulseError("UNSUPPORTED", `${this.#api.login} has no call ${call}; use a client with a tracking URI.`);
    for (let attempt = 0; ; attempt++)
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const passes = error.error.retryable && (error.kind === "away" || error.kind === "retry");
        if (!passes || attempt >= retries || this.#closed) throw refusedFor(error.error);
        const ms = Math.min(error.afterMs ?? RETRY_MS * 4 ** attempt, MOST_RETRY_MS);
        await new Promise<void>((resolve) => void later(resolve, ms));
      }
  }
}

/**
 * A recorder tries some refusals again, since other requests may be the reason. An administrator's is refused for what
 * it asks for.
 */
const refusedFor = (error: PulseError): unknown =>
  error instanceof MlflowError && error.code === "SERVER_ERROR" && error.httpStatus >= 400 && error.httpStatus < 429
    ? forReaders(error, "REJECTED")
    : error;
