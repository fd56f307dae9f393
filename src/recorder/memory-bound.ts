import { amount } from "../base/amounts.js";
import type { Diagnostics } from "../base/diagnostics.js";
import { PulseError } from "../base/errors.js";
import type { ReadyStore, RunChange } from "../contracts/tracking-store.js";
import type { MemoryLog } from "./buffer/memory-log.js";
import type { RunBuffer } from "./buffer/run-buffer.js";
import type { Accounting } from "./changes/accounting.js";
import { METRIC_BYTES } from "./changes/item-kinds.js";
import type { Dispatcher } from "./dispatch/dispatcher.js";
import type { OutboxWriter } from "./outbox/outbox-writer.js";

/** What gives way at once when memory is full, in items: it is inside the user's call. */
const STEP_ITEMS = 500;
/** A call that hands over more than one batch stops after this long, in milliseconds. */
const MAX_CALL_MS = 2;
/** Runs looked at for something to drop, at once. */
const MAX_VISITS = 2_000;
/** When there was nothing left to drop, memory has to grow by this share of its bound before one looks again. */
const LOOK_AGAIN = 0.1;

/** What a memory bound works with. */
export interface MemoryBoundOptions {
  readonly store: ReadyStore;
  readonly diagnostics: Diagnostics;
  /** In bytes. */
  readonly maxPendingBytes: number;
  /** A store that has been refusing for so long, in milliseconds, is not waited for. */
  readonly exitTimeoutMs: number;
}

/** Keeps what waits in memory within its bound. */
export class MemoryBound {
  readonly #options: MemoryBoundOptions;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #account: Accounting;
  readonly #queue: MemoryLog;
  readonly #writer: OutboxWriter;
  #relieving = false;
  /** How far what could be dropped has been looked through, what for, and how many bytes that has freed. */
  #walk: Iterator<RunBuffer> | undefined;
  #dropping: "metrics" | "runs" = "metrics";
  #freed = 0;
  readonly #errors: { metrics?: PulseError; runs?: PulseError } = {};
  #nothingToDropAt = 0;

  constructor(
    options: MemoryBoundOptions,
    dispatcher: Dispatcher<RunChange>,
    account: Accounting,
    writer: OutboxWriter,
  ) {
    this.#options = options;
    this.#dispatcher = dispatcher;
    this.#account = account;
    this.#writer = writer;
    this.#queue = writer.queue;
  }

  /**
   * Memory is full: writes one batch at once, or some of it down, or, when neither can be done, drops the oldest, in
   * small steps.
   */
  relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    try {
      this.#giveWay();
    } finally {
      this.#relieving = false;
    }
  }

  /**
   * Hands over what waits from within the call that records, since nobody knows when the event loop turns: to a store
   * that writes at once, else to the outbox. False when some of it stays, for want of time.
   */
  handOver(): boolean {
    if (this.#relieving) return true;
    this.#relieving = true;
    try {
      const until = performance.now() + MAX_CALL_MS;
      while (this.#queue.ready) {
        if (performance.now() > until) return false;
        const refuses = this.#dispatcher.refusingFor > 0;
        if ((refuses || !this.#writeBatch()) && !this.#writer.keepSome(STEP_ITEMS)) return true; // nothing takes it now
      }
      return true;
    } finally {
      this.#relieving = false;
    }
  }

  /** Has a store that can write a batch before this returns: true when it took one. */
  #writeBatch(): boolean {
    return (
      this.#options.store.applySync !== undefined && !this.#queue.inFlight && this.#dispatcher.writeSync(0) === true
    );
  }

  #giveWay(): void {
    // Without waiting: this is inside the user's call. A short refusal (a lock) may take memory over the bound, up to
    // twice of it.
    const { maxPendingBytes, exitTimeoutMs } = this.#options;
    if (!this.#writeBatch() && !this.#writer.keepSome(STEP_ITEMS)) {
      if (this.#dispatcher.refusingFor > exitTimeoutMs || this.#account.bytes > 2 * maxPendingBytes) this.#drop();
    }
  }

  /**
   * Drops some of the oldest metrics; once there are none, some of the oldest runs that have ended and were never
   * created, whole.
   */
  #drop(): void {
    const { diagnostics } = this.#options;
    const { maxPendingBytes } = this.#options;
    // (Since then there is less: it is not the same that waits.)
    if (this.#account.bytes < this.#nothingToDropAt - 2 * maxPendingBytes * LOOK_AGAIN) this.#nothingToDropAt = 0;
    if (this.#account.bytes < this.#nothingToDropAt) return;
    let dropped = 0;
    let before = this.#account.bytes;
    for (let visits = 0; dropped < STEP_ITEMS && visits < MAX_VISITS; visits++) {
      this.#walk ??= this.#candidates();
      const { value: log, done } = this.#walk.next();
      if (!done) {
        dropped += this.#dropping === "metrics" ? this.#dropMetrics(log, STEP_ITEMS - dropped) : this.#dropRun(log);
        continue;
      }
      this.#freed += before - this.#account.bytes;
      before = this.#account.bytes;
      if (this.#endWalk()) break;
    }
    this.#freed += before - this.#account.bytes;
    if (dropped > 0) diagnostics.warnAsync(this.#error(), this.#dropping);
  }

  /**
   * All has been looked through. Where that has not freed much, runs come next after metrics, and after runs there is
   * nothing left: true.
   */
  #endWalk(): boolean {
    const much = this.#options.maxPendingBytes * LOOK_AGAIN;
    const [little, after] = [this.#freed < much, this.#dropping];
    this.#walk = undefined;
    this.#freed = 0;
    this.#dropping = little && after === "metrics" ? "runs" : "metrics";
    if (little && after === "runs") this.#nothingToDropAt = this.#account.bytes + much;
    return little && after === "runs";
  }

  #dropMetrics(log: RunBuffer, most: number): number {
    const count = log.dropMetrics(most);
    this.#account.released(count * METRIC_BYTES);
    this.#account.dropped(count, this.#error());
    return count;
  }

  #dropRun(log: RunBuffer): number {
    return log.ended && log.uncreated && log.head === undefined && !log.kept ? this.#queue.drop(log, this.#error()) : 0;
  }

  /** One for all that is dropped alike: making it is dear. */
  #error(): PulseError {
    const { maxPendingBytes, store } = this.#options;
    const detail = `${maxPendingBytes} bytes wait for ${store.uri}; the oldest ${this.#dropping} were dropped (stats().dropped counts them).`;
    this.#errors[this.#dropping] ??= new PulseError("MEMORY_FULL", detail);
    return this.#errors[this.#dropping] as PulseError;
  }

  *#candidates(): Generator<RunBuffer> {
    yield* this.#queue.waiting();
    yield* this.#writer.fresh;
  }

  /** Gives everything up that is in memory: it can be stored nowhere. */
  dropAll(reason: PulseError | undefined): void {
    const { store, diagnostics } = this.#options;
    const lost = [...new Set([...this.#queue.all(), ...this.#writer.fresh])];
    const count = lost.reduce((sum, log) => sum + log.recorded - log.settled, 0);
    if (count === 0) return;
    const runs = lost.filter((log) => log.recorded > log.settled).length;
    const detail = `${amount(count, runs)} could not be stored in ${store.uri}${reason ? `: ${reason.detail}` : "."}`;
    const error = new PulseError("LOST_AT_EXIT", detail, reason);
    for (const log of lost) log.refuse(error);
    this.#account.dropped(count, error);
    this.#account.released(this.#account.bytes);
    this.#queue.clear();
    diagnostics.warnAsync(error);
  }
}
