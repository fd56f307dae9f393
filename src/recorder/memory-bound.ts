import { PulseError } from "../errors.js";
import type { Delivery } from "./delivery.js";
import type { Keeper } from "./keeper.js";
import type { RecorderOptions } from "./recorder.js";
import { METRIC_BYTES } from "./run-log.js";
import type { RunQueue } from "./run-queue.js";

/** Most runs written down in one go while the program runs: it holds the event loop. */
export const KEPT_AT_ONCE = 100;
/** Memory that is full is emptied to this share of the bound, so that not every value has to do it again. */
const EMPTIED_TO = 0.9;

/** Keeps what waits in memory within its bound. */
export class MemoryBound {
  readonly #options: RecorderOptions;
  readonly #delivery: Delivery;
  readonly #queue: RunQueue;
  readonly #keeper: Keeper;
  #relieving = false;

  constructor(options: RecorderOptions, delivery: Delivery, queue: RunQueue, keeper: Keeper) {
    this.#options = options;
    this.#delivery = delivery;
    this.#queue = queue;
    this.#keeper = keeper;
  }

  /** Memory is full: writes one batch at once, or writes it all down, or, when neither can be done, drops the oldest metrics. */
  relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    // Without waiting: this is inside the user's call. A short refusal (a lock) may take memory over the bound, up to twice of it.
    const { maxPendingBytes, exitTimeoutMs, store } = this.#options;
    const stuck = store.applySync === undefined || this.#queue.inFlight || this.#delivery.writeSync(0) !== true;
    if (stuck && !this.#writeSomeDown()) {
      if (this.#delivery.refusingFor > exitTimeoutMs || this.#queue.bytes > 2 * maxPendingBytes) this.#dropOldestMetrics();
    }
    this.#relieving = false;
  }

  /** Makes room by writing down; false when that cannot be done. */
  #writeSomeDown(): boolean {
    if (!this.#keeper.own.usable) return false;
    return this.#keeper.keepFresh() && this.#keeper.keepQueued(this.#queue.overdue(Number.POSITIVE_INFINITY, KEPT_AT_ONCE));
  }

  #dropOldestMetrics(): void {
    const { maxPendingBytes, store, diagnostics } = this.#options;
    let count = 0;
    for (const log of [...this.#queue.all(), ...this.#keeper.fresh]) {
      if (this.#queue.bytes <= maxPendingBytes * EMPTIED_TO) break;
      const metrics = log.dropMetrics();
      log.settled += metrics;
      count += metrics;
      this.#queue.bytes -= metrics * METRIC_BYTES;
    }
    if (count === 0) return;
    diagnostics.stats.dropped += count;
    diagnostics.stats.pending -= count;
    const detail = `${maxPendingBytes} bytes wait for ${store.uri}; the oldest metrics were dropped (stats().dropped counts them).`;
    diagnostics.warnLater(new PulseError("MEMORY_FULL", detail));
  }

  /** Gives everything up that is in memory: it can be stored nowhere. */
  dropAll(reason: PulseError | undefined): void {
    const { store, diagnostics } = this.#options;
    const lost = [...this.#queue.all(), ...this.#keeper.fresh];
    const count = lost.reduce((sum, log) => sum + log.recorded - log.settled, 0);
    const detail = `${count} items could not be stored in ${store.uri}${reason ? `: ${reason.message}` : "."}`;
    const error = new PulseError("LOST_AT_EXIT", detail, reason);
    for (const log of lost) {
      log.settled = log.recorded;
      log.queued = false;
      log.refuse(error);
    }
    diagnostics.stats.dropped += count;
    diagnostics.stats.pending -= count;
    this.#queue.bytes = 0;
    this.#queue.clear();
    diagnostics.warnLater(error);
  }
}
