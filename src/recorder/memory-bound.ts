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

/** The number of items dropped or spooled at once: this runs inside the user's call. */
const STEP_ITEMS = 500;
/** The time limit of a hand-over inside a call, in milliseconds. One batch is always handed over. */
const MAX_CALL_MS = 2;
/** The number of runs visited at once in search of something to drop. */
const MAX_VISITS = 2_000;
/** After nothing was left to drop, memory must grow by this share of its bound before the next search. */
const LOOK_AGAIN = 0.1;

/** The parts of a recorder that a memory bound depends on. */
export interface MemoryBoundOptions {
  readonly store: ReadyStore;
  readonly diagnostics: Diagnostics;
  /** The bound, in bytes. */
  readonly maxPendingBytes: number;
  /** How long a store may refuse changes before some are dropped, in milliseconds. */
  readonly exitTimeoutMs: number;
}

/** Keeps the memory used by waiting changes within its bound. */
export class MemoryBound {
  readonly #options: MemoryBoundOptions;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #account: Accounting;
  readonly #queue: MemoryLog;
  readonly #writer: OutboxWriter;
  #relieving = false;
  /** The state of the search for something to drop: where it is, what it drops, and how many bytes it has freed. */
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
   * Frees memory when it is full: writes one batch synchronously, or spools some changes; if neither is possible,
   * drops the oldest in small steps.
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
   * Hands over waiting changes from inside the recording call, since the event loop may not turn for a long time: to
   * a store that writes synchronously, else to the outbox. Returns false if some remain because time ran out.
   */
  handOver(): boolean {
    if (this.#relieving) return true;
    this.#relieving = true;
    try {
      const until = performance.now() + MAX_CALL_MS;
      while (this.#queue.ready) {
        if (performance.now() > until) return false;
        const refuses = this.#dispatcher.refusingFor > 0;
        if ((refuses || !this.#writeBatch()) && !this.#writer.keepSome(STEP_ITEMS)) return true; // neither accepts anything now
      }
      return true;
    } finally {
      this.#relieving = false;
    }
  }

  /** Writes a batch synchronously. Returns whether the store accepted one. */
  #writeBatch(): boolean {
    return (
      this.#options.store.applySync !== undefined && !this.#queue.inFlight && this.#dispatcher.writeSync(0) === true
    );
  }

  #giveWay(): void {
    // Does not wait, since it runs inside the user's call. During a short refusal (a lock) memory may grow to twice
    // its bound.
    const { maxPendingBytes, exitTimeoutMs } = this.#options;
    if (!this.#writeBatch() && !this.#writer.keepSome(STEP_ITEMS)) {
      if (this.#dispatcher.refusingFor > exitTimeoutMs || this.#account.bytes > 2 * maxPendingBytes) this.#drop();
    }
  }

  /**
   * Drops some of the oldest metrics; when none are left, some of the oldest runs that have ended and were never
   * created, as a whole.
   */
  #drop(): void {
    const { diagnostics } = this.#options;
    const { maxPendingBytes } = this.#options;
    // Memory has been freed since then, so other changes are waiting now.
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
   * Ends a search through all buffers. If it freed little, runs are next after metrics; after runs, nothing is left
   * to drop and it returns true.
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

  /** One shared error per kind: creating errors is expensive. */
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

  /** Drops everything in memory because it cannot be stored anywhere. */
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
