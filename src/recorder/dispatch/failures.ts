/** The number of failures after which a change is set aside, if the store accepts others. */
const MAX_FAILURES = 7;

/** Counts the store's failures on one run. */
export class Failures {
  #count = 0;
  #denied = 0;
  #lastAccepted = Number.NEGATIVE_INFINITY;

  /**
   * Counts a failure. It only counts if the store has accepted something since the last one; otherwise the store
   * itself may be at fault. Returns true if there were enough.
   */
  more(lastAccepted: number): boolean {
    if (this.#count === 0 || lastAccepted > this.#lastAccepted) this.#count++;
    this.#lastAccepted = lastAccepted;
    return this.#count >= MAX_FAILURES;
  }

  /** Counts a denial. These never lead to setting aside. */
  denied(): void {
    this.#denied++;
  }

  /** Whether the run is denied. */
  get isDenied(): boolean {
    return this.#denied > 0;
  }

  /**
   * The number of times that the back-off has doubled. It starts at 2: a server that fails gets more time than one
   * that is unreachable.
   */
  get doublings(): number {
    return Math.max(this.#count, this.#denied) + 2;
  }
}
