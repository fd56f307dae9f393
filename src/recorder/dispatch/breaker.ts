import timers from "node:timers";
import { later } from "../../base/detached.js";
import type { PulseError } from "../../base/errors.js";

// Captured now, so that a test that later installs fake timers does not stop delivery.
const { clearTimeout } = timers;

/** Bounds of the back-off between two tries, which doubles each time, with full jitter. */
const MIN_WAIT_MS = 100;
const MAX_WAIT_MS = 30_000;
const MAX_DOUBLINGS = 16;
/** The number of calls that must be accepted before one more may be in flight, after the store failed. */
const WIDER_AFTER = 20;

/**
 * Returns the back-off before try `tries` + 1, in milliseconds. It doubles each time, and is random so that many
 * clients do not retry at once.
 */
export function backOff(tries: number, random: () => number): number {
  return Math.ceil(Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** Math.min(tries, MAX_DOUBLINGS)) * random());
}

/**
 * A circuit breaker. An unavailable target opens it, and nothing is sent for a while; then one call is sent as a
 * probe, and if it is accepted, everything is sent again. A struggling target gets fewer calls in parallel.
 */
export class CircuitBreaker {
  readonly #maxConcurrency: number;
  readonly #random: () => number;
  readonly #halfOpen: () => void;
  #concurrency: number;
  #accepted = 0;
  #timer: NodeJS.Timeout | undefined;
  #openUntil = 0;
  #probing = false;
  #tries = 0;
  #refusingSince: number | undefined;

  /** `halfOpen` is called when the next probe is due. */
  constructor(maxConcurrency: number, random: () => number, halfOpen: () => void) {
    this.#maxConcurrency = maxConcurrency;
    this.#concurrency = maxConcurrency;
    this.#random = random;
    this.#halfOpen = halfOpen;
  }

  /** Whether nothing may be sent now. */
  get open(): boolean {
    return this.#timer !== undefined;
  }

  /** How many calls may be in flight now. */
  get concurrency(): number {
    return this.#probing ? 1 : this.#concurrency;
  }

  /** How long the target has been refusing, in milliseconds; 0 while it accepts. */
  get refusingFor(): number {
    return this.#refusingSince === undefined ? 0 : performance.now() - this.#refusingSince;
  }

  /** A call was accepted, at least in part. */
  accepted(): void {
    if (++this.#accepted % WIDER_AFTER === 0) this.#concurrency = Math.min(this.#maxConcurrency, this.#concurrency + 1);
  }

  /** A call failed because of the target. */
  struggled(): void {
    this.#concurrency = Math.max(1, this.#concurrency >> 1);
    this.#accepted = 0;
  }

  /** The target has answered. */
  answered(): void {
    this.#tries = 0;
    this.#probing = false;
    this.#refusingSince = undefined;
  }

  /**
   * The target is unavailable: opens for the given time, or for the back-off if that is longer. A target that is only
   * busy is tried again soon.
   */
  away({ code }: PulseError, afterMs = 0): void {
    this.#probing = true;
    this.#refusingSince ??= performance.now();
    // Other calls in flight fail for the same reason: an interruption counts as one try.
    const first = this.#timer === undefined;
    const wait = Math.max(afterMs, first && code !== "STORE_BUSY" ? backOff(this.#tries++, this.#random) : 0);
    const until = performance.now() + wait;
    if (!first && until <= this.#openUntil) return;
    clearTimeout(this.#timer);
    this.#openUntil = until;
    this.#timer = later(() => {
      this.cut();
      this.#halfOpen();
    }, wait).unref();
  }

  /** Ends the wait. */
  cut(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
