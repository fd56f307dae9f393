import { PulseError } from "../errors.js";
import type { Delivery } from "./delivery.js";
import type { Keeper } from "./keeper.js";
import type { RecorderOptions } from "./recorder.js";
import { METRIC_BYTES, type RunLog } from "./run-log.js";
import type { RunQueue } from "./run-queue.js";

/** What gives way at once when memory is full, in items: it is inside the user's call. */
const STEP_ITEMS = 1_000;
/** When there was nothing left to drop, memory has to grow by this share of its bound before one looks again. */
const LOOK_AGAIN = 0.1;

/** Keeps what waits in memory within its bound. */
export class MemoryBound {
  readonly #options: RecorderOptions;
  readonly #delivery: Delivery;
  readonly #queue: RunQueue;
  readonly #keeper: Keeper;
  #relieving = false;
  /** How far what could be dropped has been looked through. */
  #walk: Iterator<RunLog> | undefined;
  #nothingToDropAt = 0;

  constructor(options: RecorderOptions, delivery: Delivery, queue: RunQueue, keeper: Keeper) {
    this.#options = options;
    this.#delivery = delivery;
    this.#queue = queue;
    this.#keeper = keeper;
  }

  /** Memory is full: writes one batch at once, or some of it down, or, when neither can be done, drops the oldest, in small steps. */
  relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    // Without waiting: this is inside the user's call. A short refusal (a lock) may take memory over the bound, up to twice of it.
    const { maxPendingBytes, exitTimeoutMs, store } = this.#options;
    const stuck = store.applySync === undefined || this.#queue.inFlight || this.#delivery.writeSync(0) !== true;
    if (stuck && !this.#keeper.keepSome(STEP_ITEMS)) {
      if (this.#delivery.refusingFor > exitTimeoutMs || this.#queue.bytes > 2 * maxPendingBytes) this.#drop();
    }
    this.#relieving = false;
  }

  /** Drops the oldest metrics; when there are none, whole runs that have ended and were never created, the oldest first. */
  #drop(): void {
    const { maxPendingBytes, store, diagnostics } = this.#options;
    if (this.#queue.bytes < this.#nothingToDropAt) return;
    let left = STEP_ITEMS;
    this.#each((log) => {
      const metrics = log.dropMetrics(left);
      left -= metrics;
      log.settled += metrics;
      this.#queue.bytes -= metrics * METRIC_BYTES;
      return left > 0;
    });
    let dropped = STEP_ITEMS - left;
    const what = dropped > 0 ? "the oldest metrics" : "the oldest runs";
    const detail = `${maxPendingBytes} bytes wait for ${store.uri}; ${what} were dropped (stats().dropped counts them).`;
    const error = new PulseError("MEMORY_FULL", detail);
    if (dropped === 0)
      this.#each((log) => {
        if (log.ended && log.uncreated && !log.flying && !log.kept) dropped += this.#queue.drop(log, error);
        return dropped < STEP_ITEMS;
      });
    this.#nothingToDropAt = dropped === 0 ? this.#queue.bytes + maxPendingBytes * LOOK_AGAIN : 0;
    if (dropped === 0) return;
    diagnostics.stats.dropped += dropped;
    diagnostics.stats.pending -= dropped;
    diagnostics.warnLater(error, what);
  }

  /** Visits what is in memory from where the last visit ended, once round at most, while `visit` says so. */
  #each(visit: (log: RunLog) => boolean): void {
    for (let rounds = 0; rounds < 2; rounds++) {
      this.#walk ??= this.#candidates();
      for (let next = this.#walk.next(); !next.done; next = this.#walk.next()) if (!visit(next.value)) return;
      this.#walk = undefined;
    }
  }

  *#candidates(): Generator<RunLog> {
    yield* this.#queue.waiting();
    yield* this.#keeper.fresh;
  }

  /** Gives everything up that is in memory: it can be stored nowhere. */
  dropAll(reason: PulseError | undefined): void {
    const { store, diagnostics } = this.#options;
    const lost = [...new Set([...this.#queue.all(), ...this.#keeper.fresh])];
    const count = lost.reduce((sum, log) => sum + log.recorded - log.settled, 0);
    if (count === 0) return;
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
