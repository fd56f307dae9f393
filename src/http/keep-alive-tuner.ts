/** Whether a request uses a new or a kept connection. */
export type Connecting = "fresh" | "kept";

/** How often each kind is tried before they are compared. */
const FIRST_SAMPLES = 3;
/** After this many requests the other kind is tried again, since servers move and proxies appear. */
const LOOK_AGAIN = 200;
/** The weight of a new sample in the average. */
const WEIGHT = 0.3;
/** Differences up to this are noise. */
const NOISE_MS = 0.5;

/**
 * Chooses between kept connections and one per request by measuring what each costs with this server. A kept connection
 * saves the handshake. But if a server sends the head and body of an answer in two packets, the second one waits for
 * the client's delayed acknowledgement (40 ms on Linux), and only on kept connections. MLflow on plain HTTP does so;
 * behind TLS or a reverse proxy, the handshake may be the more expensive part.
 */
export class KeepAliveTuner {
  readonly #cost: Record<Connecting, { mean: number; samples: number }> = {
    fresh: { mean: 0, samples: 0 },
    kept: { mean: 0, samples: 0 },
  };
  #since = 0;

  /** Returns the kind of connection for the next request. */
  next(): Connecting {
    const { fresh, kept } = this.#cost;
    if (fresh.samples < FIRST_SAMPLES) return "fresh";
    if (kept.samples < FIRST_SAMPLES) return "kept";
    const better = this.better;
    if (++this.#since < LOOK_AGAIN) return better;
    this.#since = 0;
    return better === "fresh" ? "kept" : "fresh";
  }

  /** The kind that has cost less so far. */
  get better(): Connecting {
    const { fresh, kept } = this.#cost;
    return kept.mean <= fresh.mean + NOISE_MS && kept.samples > 0 ? "kept" : "fresh";
  }

  /**
   * Records the cost of a request apart from the server's own work: the handshake, and the wait between the head and
   * the end of the answer.
   */
  measured(how: Connecting, ms: number): void {
    const cost = this.#cost[how];
    cost.mean = cost.samples === 0 ? ms : cost.mean + WEIGHT * (ms - cost.mean);
    cost.samples++;
  }
}
