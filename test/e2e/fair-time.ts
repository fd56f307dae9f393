/** A server that answers a read in this share of a request's timeout keeps up. */
const SHARE = 0.25;
/** However slow the machine is, at some time it is enough. */
const MAX_MS = 600_000;

/**
 * Time in which a server is well: what passes while it answers too slowly for its clients (other programs keep the
 * machine busy) does not count.
 */
export class FairTime {
  readonly #ask: string;
  readonly #withinMs: number;
  readonly #began = Date.now();
  #passed = 0;

  /** `requestTimeoutMs` is how long its clients wait for an answer. */
  constructor(url: string, requestTimeoutMs: number) {
    this.#ask = `${url}/api/2.0/mlflow/experiments/get?experiment_id=0`;
    this.#withinMs = Math.round(requestTimeoutMs * SHARE);
  }

  /** Whether this much time has passed. */
  isOver(ms: number): boolean {
    return this.#passed >= ms || Date.now() - this.#began >= MAX_MS;
  }

  /** Lets time pass with something. */
  async pass(meanwhile: () => Promise<unknown>): Promise<void> {
    const began = Date.now();
    await meanwhile();
    const asked = Date.now();
    const isWell = await fetch(this.#ask, { signal: AbortSignal.timeout(this.#withinMs) })
      .then(async (answer) => (await answer.text()) !== "" && answer.ok)
      .catch(() => false);
    if (isWell && Date.now() - asked < this.#withinMs) this.#passed += Date.now() - began;
  }
}
