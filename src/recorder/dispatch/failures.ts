/** A change the store fails on this often, while it takes others, is set aside. */
const MAX_FAILURES = 7;

/** How often the store failed on one change. */
export class Failures {
  #count = 0;
  #denied = 0;
  #lastAccepted = Number.NEGATIVE_INFINITY;

  /**
   * Counts one more, which only says something of the change when the store has taken another one since; true when it
   * is enough.
   */
  more(lastAccepted: number): boolean {
    if (this.#count === 0 || lastAccepted > this.#lastAccepted) this.#count++;
    this.#lastAccepted = lastAccepted;
    return this.#count >= MAX_FAILURES;
  }

  /** Counts a refusal for want of permission: that is never enough. */
  denied(): void {
    this.#denied++;
  }

  /** Whether it is refused for want of permission. */
  get isDenied(): boolean {
    return this.#denied > 0;
  }

  /**
   * How many doublings the wait before the next try has behind it: a server that fails is given more time than one that
   * is not there.
   */
  get doublings(): number {
    return Math.max(this.#count, this.#denied) + 2;
  }
}
