import { cutText, sanitizeKey } from "../capture/keys.js";
import type { Clock } from "../clock.js";
import type { Diagnostics } from "../diagnostics.js";
import { LIMITS, type Param, type Tag } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import { itemsOf, type Outcome, type RunChange, type TrackingStore } from "../stores/tracking-store.js";
import { bytesOf, type RunLog } from "./run-log.js";
import { RunQueue } from "./run-queue.js";

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { setImmediate, setTimeout, clearTimeout } = globalThis;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Bounds of the wait between two tries, doubled each time, with full jitter. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;
const MOST_DOUBLINGS = 16;
/** A store that has been busy this long is worth a warning; shorter is everyday contention. */
const BUSY_WARN_MS = 5_000;

/** What delivery works with. */
export interface DeliveryOptions {
  readonly store: TrackingStore;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
}

/** Brings queued changes to the store in batches, one after the other, and books what became of each. */
export class Delivery {
  readonly queue: RunQueue = new RunQueue();
  /** Runs that are created in the store and have not ended. */
  readonly open: Set<RunLog> = new Set();
  /** Rough resident size of what waits. */
  bytes = 0;
  /** When the store last accepted something. */
  lastAccepted = 0;
  readonly #options: DeliveryOptions;
  readonly #stats: Diagnostics["stats"];
  #scheduled = false;
  #pumping: Promise<void> | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #tries = 0;
  #refusingSince: number | undefined;
  #settled: (() => void)[] = [];
  #now = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#stats = options.diagnostics.stats;
  }

  /** Has delivery begin at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#retryTimer !== undefined || this.#pumping !== undefined) return;
    this.#scheduled = true;
    // Referenced for this one turn: an unreferenced immediate does not wake an idle loop, which would wait for its next event.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** Begins at once, cutting a wait short. */
  wake(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#pump();
  }

  /** Resolves when no batch is with the store and no further one will be sent. */
  async stop(): Promise<void> {
    clearTimeout(this.#retryTimer);
    await this.#pumping;
    clearTimeout(this.#retryTimer);
  }

  /** Resolves at the next booking, or after `withinMs` milliseconds. */
  nextSettled(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(withinMs, LONGEST_TIMER_MS)); // referenced: only who waits for delivery keeps the process alive
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** How long the store has been refusing, in milliseconds; 0 while it accepts. */
  get refusingFor(): number {
    return this.#refusingSince === undefined ? 0 : this.#options.clock.now() - this.#refusingSince;
  }

  /** Writes one batch before it returns, waiting for locks at most `waitMs`: true when the store took it, false when there was none, else why not. */
  writeSync(waitMs: number): boolean | PulseError {
    const { store } = this.#options;
    const batch = this.queue.take(store.batchItems);
    if (batch.length === 0) return false;
    let outcomes: readonly Outcome[];
    try {
      outcomes =
        store.applySync?.(changesOf(batch), waitMs) ??
        away(batch, new PulseError("STORE_UNAVAILABLE", `${store.uri} cannot be written synchronously.`));
    } catch (error) {
      outcomes = away(batch, error);
    }
    return this.#settle(batch, outcomes) ?? true;
  }

  #pump(): void {
    if (this.#pumping !== undefined || this.#retryTimer !== undefined || this.queue.empty) return;
    this.#pumping = this.#deliver().finally(() => {
      this.#pumping = undefined;
      if (!this.queue.empty) this.schedule();
    });
  }

  async #deliver(): Promise<void> {
    const { store } = this.#options;
    while (this.#retryTimer === undefined) {
      const batch = this.queue.take(store.batchItems);
      if (batch.length === 0) return;
      this.queue.flight = batch;
      let outcomes: readonly Outcome[];
      try {
        outcomes = await store.apply(changesOf(batch));
      } catch (error) {
        outcomes = away(batch, error);
      }
      if (this.queue.flight !== batch) return; // recalled: the process is exiting and has taken over
      this.queue.flight = [];
      this.#settle(batch, outcomes);
      // The next batch waits for the loop to come round, so that a long queue never holds it.
      if (!this.queue.empty) await turn();
    }
  }

  /** Books the outcomes; gives the reason when the store takes nothing now. */
  #settle(batch: readonly RunLog[], outcomes: readonly Outcome[]): PulseError | undefined {
    const again: RunLog[] = [];
    let wait = 0;
    let reason: PulseError | undefined;
    this.#now = this.#options.clock.now();
    for (let i = 0; i < batch.length; i++) {
      const log = batch[i] as RunLog;
      const outcome = outcomes[i] ?? { kind: "rejected", error: new PulseError("REJECTED", "The store gave no answer for a change.") };
      if (outcome.kind === "done") this.#acknowledge(log, outcome);
      else if (log.refused)
        this.#reject(log, log.refused); // what follows a refused start has no other reason
      else if (outcome.kind === "rejected") this.#reject(log, outcome.error);
      else {
        again.push(log);
        if (outcome.kind === "conflict") this.#withoutConflicts(log, outcome.params);
        else {
          reason = outcome.error;
          wait = Math.max(wait, outcome.kind === "retry" ? outcome.afterMs : this.#backoff());
          log.tell("away", outcome.error);
        }
      }
    }
    this.queue.putBack(again);
    if (reason) this.#postpone(reason, wait);
    else {
      this.#tries = 0;
      this.#refusingSince = undefined;
    }
    for (const notify of this.#settled.splice(0)) notify();
    return reason;
  }

  #acknowledge(log: RunLog, outcome: Outcome & { kind: "done" }): void {
    const change = log.head as RunChange;
    this.#stats.delivered += this.#release(log, change);
    this.lastAccepted = this.#now;
    if (change.create) {
      log.ids = outcome.ids ?? { runId: log.runKey, experimentId: "" };
      if (!log.ended) this.open.add(log);
      log.tell("created", log.ids);
      this.#freeChildren(log);
    }
    this.#requeue(log);
  }

  #reject(log: RunLog, error: PulseError): void {
    const change = log.head as RunChange;
    this.#stats.rejected += this.#release(log, change);
    this.#options.diagnostics.warnLater(error);
    if (change.create) {
      log.refused = error;
      this.#freeChildren(log);
    }
    log.tell("lost", error);
    this.#requeue(log);
  }

  /** Lets the change at a log's head go and says how many items it had. */
  #release(log: RunLog, change: RunChange): number {
    const items = itemsOf(change);
    log.head = undefined;
    log.settled += items;
    this.bytes -= bytesOf(change);
    this.#stats.pending -= items;
    return items;
  }

  /** Queues a log again while it holds something, else lets it rest. */
  #requeue(log: RunLog): void {
    log.queued = !log.empty;
    if (log.queued) this.queue.push(log);
    else if (log.ids) log.tell("stored", log.ids);
  }

  #freeChildren(parent: RunLog): void {
    if (parent.waiting === undefined) return;
    for (const child of parent.waiting) {
      if (parent.refused) child.orphan();
      this.queue.push(child);
    }
    parent.waiting = undefined;
  }

  #withoutConflicts(log: RunLog, keys: readonly string[]): void {
    const change = log.head as RunChange;
    const refused = change.params.filter((param) => keys.includes(param.key));
    const names = refused.map((param) => JSON.stringify(param.key)).join(", ");
    this.#options.diagnostics.warnLater(
      new PulseError(
        "PARAM_CONFLICT",
        `Param ${names} has another value in the store already; the new one is kept in tag pulse.conflict.*.`,
      ),
    );
    log.head = {
      ...change,
      params: change.params.filter((param) => !keys.includes(param.key)),
      tags: [...change.tags, ...refused.map(conflictTag)],
    };
    this.bytes += bytesOf(log.head) - bytesOf(change);
  }

  #backoff(): number {
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries);
    return Math.ceil(ceiling * this.#options.clock.random());
  }

  #postpone(reason: PulseError, waitMs: number): void {
    this.#tries = Math.min(this.#tries + 1, MOST_DOUBLINGS);
    this.#refusingSince ??= this.#options.clock.now();
    if (reason.code !== "STORE_BUSY" || this.refusingFor >= BUSY_WARN_MS) this.#options.diagnostics.warnLater(reason);
    this.#retryTimer ??= setTimeout(() => this.wake(), waitMs).unref();
  }
}

/** The tag that keeps the value a param's first value has won over. */
export function conflictTag({ key, value }: Param): Tag {
  return { key: sanitizeKey(`pulse.conflict.${key}`), value: cutText(value, LIMITS.tagValue) };
}

function changesOf(batch: readonly RunLog[]): RunChange[] {
  return batch.map((log) => log.head as RunChange);
}

function away(batch: readonly RunLog[], error: unknown): Outcome[] {
  const problem =
    error instanceof PulseError ? error : new PulseError("STORE_UNAVAILABLE", `The store failed unexpectedly: ${messageOf(error)}.`, error);
  return batch.map(() => ({ kind: "away", error: problem }));
}

/** Resolves when the event loop has come round once. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
