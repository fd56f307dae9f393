/** How a request gets its connection. */
export type Connecting = "fresh" | "kept";

/** A kind nobody has measured yet is tried this often before it is judged. */
const FIRST_SAMPLES = 3;
/** After this many requests the other kind is tried once more: servers move, proxies come between. */
const LOOK_AGAIN = 200;
/** Share of a new sample in the average. */
const WEIGHT = 0.3;
/** Times differ this much without meaning anything. */
const NOISE_MS = 0.5;

/**
 * Whether connections are kept or made anew for each request, by measuring what each costs on this server. A kept one
 * saves the handshake; but a server that sends the head and the body of an answer in two packets has the second one
 * wait for the client's delayed acknowledgement, 40 ms on Linux, and only on kept connections: MLflow on plain HTTP
 * does so, while behind TLS or a reverse proxy the handshake may be what is dear.
 */
export class KeepAliveTuner {
  readonly #cost: Record<Connecting, { mean: number; samples: number }> = {
    fresh: { mean: 0, samples: 0 },
    kept: { mean: 0, samples: 0 },
  };
  #since = 0;

  /** How the next request is to go. */
  next(): Connecting {
    const { fresh, kept } = this.#cost;
    if (fresh.samples < FIRST_SAMPLES) return "fresh";
    if (kept.samples < FIRST_SAMPLES) return "kept";
    const better = this.better;
    if (++this.#since < LOOK_AGAIN) return better;
    this.#since = 0;
    return better === "fresh" ? "kept" : "fresh";
  }

  /** The one that has cost less so far. */
  get better(): Connecting {
    const { fresh, kept } = this.#cost;
    return kept.mean <= fresh.mean + NOISE_MS && kept.samples > 0 ? "kept" : "fresh";
  }

  /**
   * Takes note of what one request cost beside the server's own work: the handshake, and the wait between an answer's
   * head and its end.
   */
  measured(how: Connecting, ms: number): void {
    const cost = this.#cost[how];
    cost.mean = cost.samples === 0 ? ms : cost.mean + WEIGHT * (ms - cost.mean);
    cost.samples++;
  }
}
