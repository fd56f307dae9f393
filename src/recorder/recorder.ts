import type { Clock } from "../clock.js";
import type { Diagnostics } from "../diagnostics.js";
import type { ExperimentRef } from "../entities.js";
import { PulseError } from "../errors.js";
import { itemsOf, type Outcome, type RunChange, type RunStart, type TrackingStore } from "../stores/tracking-store.js";
import { bytesOf, METRIC_BYTES, RunLog } from "./run-log.js";

/** Bounds of the wait between two tries, doubled each time, with full jitter. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;
/** A store that has been busy this long is worth a warning; shorter is everyday contention. */
const BUSY_WARN_MS = 5_000;

/** What a recorder is made of. */
export interface RecorderOptions {
  readonly store: TrackingStore;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
  /** Bound of what waits in memory, in bytes. */
  readonly maxPendingBytes: number;
  /** `flush` gives up this long after the last change the store accepted, in milliseconds. */
  readonly exitTimeoutMs: number;
}

/** A run that is open: what the recorder must be able to do with it when the process ends. */
export interface OpenRun {
  endUnfinished(exitCode: number): void;
}

/**
 * Gathers what runs record into changes and brings them to the store, in batches, in the background:
 * the changes of one run in order, a child's creation after its parent's, memory bounded.
 */
export class Recorder {
  readonly openRuns: Set<OpenRun> = new Set();
  readonly #options: RecorderOptions;
  readonly #store: TrackingStore;
  readonly #stats: Diagnostics["stats"];
  #queue: RunLog[] = [];
  #flight: readonly RunLog[] = [];
  #bytes = 0;
  #scheduled = false;
  #pumping: Promise<void> | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #tries = 0;
  #busySince = 0;
  #lastAccepted = 0;
  #settled: (() => void)[] = [];
  #relieving = false;
  #closed: "closed" | "exited" | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#stats = options.diagnostics.stats;
  }

  /** Opens the log of a new run; its start is the first thing in it. */
  open(runKey: string, experiment: ExperimentRef, start: RunStart, parent: RunLog | undefined): RunLog {
    const log = new RunLog(this, runKey, experiment, parent);
    this.#stats.runs++;
    log.start(start);
    return log;
  }

  /** Takes note that a run log holds something new; everything goes out at the end of the turn. */
  added(log: RunLog, bytes: number): void {
    this.#stats.pending++;
    log.recorded++;
    this.#bytes += bytes;
    if (this.#closed) {
      this.#tooLate(log);
      return;
    }
    if (!log.queued) {
      log.queued = true;
      this.#queue.push(log);
      if (!this.#scheduled && this.#retryTimer === undefined && this.#pumping === undefined) this.#schedule();
    }
    if (this.#bytes > this.#options.maxPendingBytes) this.#relieve();
  }

  /** Brings everything recorded so far to the store; gives up `exitTimeoutMs` after the store last accepted something. */
  async flush(timeoutMs?: number): Promise<void> {
    const targets = [...this.#pendingLogs()].map((log): [RunLog, number] => [log, log.recorded]);
    const remaining = (): boolean => targets.some(([log, recorded]) => log.settled < recorded);
    const started = this.#options.clock.now();
    this.#lastAccepted = started;
    this.#wake();
    while (remaining()) {
      const now = this.#options.clock.now();
      const idleLeft = this.#lastAccepted + this.#options.exitTimeoutMs - now;
      const left = timeoutMs === undefined ? idleLeft : Math.min(idleLeft, started + timeoutMs - now);
      if (left <= 0) break;
      await this.#nextSettled(left);
    }
  }

  /** Ends the open runs and writes everything before it returns, as far as the store can; for the process's `exit`. */
  drainSync(exitCode: number): void {
    this.endOpenRuns(exitCode);
    this.#writeSync();
    this.#closed = "exited";
  }

  #writeSync(): void {
    if (this.#stats.pending === 0) return;
    // What was in flight may be stored already: changes are idempotent, so it simply goes again, first.
    this.#queue = [...this.#flight, ...this.#queue];
    this.#flight = [];
    let reason: PulseError | undefined;
    while (reason === undefined && this.#queue.length > 0) {
      const batch = this.#nextBatch();
      if (batch.length === 0) break;
      reason = this.#applySync(batch) ?? undefined;
    }
    if (this.#stats.pending > 0) this.#dropAll(reason);
  }

  /** Ends the runs that are still open as the exit code says. */
  endOpenRuns(exitCode: number): void {
    for (const run of [...this.openRuns]) run.endUnfinished(exitCode);
  }

  /** Flushes and closes the store; what cannot be delivered is dropped and counted. */
  async close(timeoutMs?: number): Promise<void> {
    await this.flush(timeoutMs);
    await this.#pumping;
    clearTimeout(this.#retryTimer);
    this.#writeSync();
    this.#closed = "closed";
    await this.#store.close();
  }

  get idle(): boolean {
    return this.#stats.pending === 0;
  }

  /** Something came after the end: at exit it is still written (another `exit` listener recorded it), after `close` it is not. */
  #tooLate(log: RunLog): void {
    if (this.#closed === "exited") {
      this.#queue.push(log);
      this.#writeSync();
      return;
    }
    log.discard();
    this.#stats.pending--;
    this.#stats.dropped++;
    this.#bytes = 0;
    this.#options.diagnostics.warn("CLOSED", "Something was recorded after shutdown().");
  }

  #schedule(): void {
    this.#scheduled = true;
    // Unreferenced: what waits must not keep the process alive; `beforeExit` and `exit` see to it.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    }).unref();
  }

  /** Starts delivery at once, cutting a wait short. */
  #wake(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#pump();
  }

  #pump(): void {
    if (this.#pumping !== undefined || this.#retryTimer !== undefined || this.#queue.length === 0) return;
    this.#pumping = this.#deliver().finally(() => {
      this.#pumping = undefined;
      if (this.#queue.length > 0 && this.#retryTimer === undefined) this.#schedule();
    });
  }

  async #deliver(): Promise<void> {
    while (this.#retryTimer === undefined) {
      const batch = this.#nextBatch();
      if (batch.length === 0) return;
      this.#flight = batch;
      let outcomes: readonly Outcome[];
      try {
        outcomes = await this.#store.apply(batch.map((log) => log.head as RunChange));
      } catch (error) {
        outcomes = away(batch, error);
      }
      if (this.#flight !== batch) return; // the process is exiting: `drainSync` has taken over
      this.#flight = [];
      this.#settle(batch, outcomes);
      // The next batch waits for the loop to come round, so that a long queue never holds it.
      if (this.#queue.length > 0 && this.#retryTimer === undefined) await turn();
    }
  }

  #applySync(batch: readonly RunLog[]): PulseError | null {
    const { applySync } = this.#store;
    if (applySync === undefined) return new PulseError("STORE_UNAVAILABLE", `${this.#store.uri} cannot be written synchronously.`);
    let outcomes: readonly Outcome[];
    try {
      outcomes = applySync.call(
        this.#store,
        batch.map((log) => log.head as RunChange),
      );
    } catch (error) {
      outcomes = away(batch, error);
    }
    return this.#settle(batch, outcomes);
  }

  /** Takes the next changes from the queue, at most `batchItems` items; children of uncreated parents wait with their parent. */
  #nextBatch(): RunLog[] {
    const batch: RunLog[] = [];
    let left = this.#store.batchItems;
    let read = 0;
    while (read < this.#queue.length && left > 0) {
      const log = this.#queue[read] as RunLog;
      const { parent } = log;
      if (parent?.uncreated && log.uncreated) {
        parent.waiting ??= [];
        parent.waiting.push(log);
        read++;
        continue;
      }
      const change = log.take(left) as RunChange;
      const items = itemsOf(change);
      if (items > left && batch.length > 0) break;
      left -= items;
      batch.push(log);
      read++;
    }
    this.#queue.splice(0, read);
    return batch;
  }

  /** Books the outcomes; gives the reason when the store takes nothing now. */
  #settle(batch: readonly RunLog[], outcomes: readonly Outcome[]): PulseError | null {
    const again: RunLog[] = [];
    let wait: number | undefined;
    let reason: PulseError | null = null;
    batch.forEach((log, i) => {
      const outcome = outcomes[i] ?? { kind: "rejected", error: new PulseError("REJECTED", "The store gave no answer for a change.") };
      switch (outcome.kind) {
        case "done":
          this.#acknowledge(log, outcome);
          break;
        case "rejected":
          this.#reject(log, outcome.error);
          break;
        case "conflict":
          this.#withoutConflicts(log, outcome.params);
          again.push(log);
          break;
        default:
          reason = outcome.error;
          wait = Math.max(wait ?? 0, outcome.kind === "retry" ? outcome.afterMs : this.#backoff());
          again.push(log);
          for (const watcher of log.watchers ?? []) watcher.away?.(outcome.error);
      }
    });
    // A loop, not a spread: the queue may be long, and arguments have a limit.
    if (again.length > 0) this.#queue = again.concat(this.#queue);
    if (reason === null) {
      this.#tries = 0;
      this.#busySince = 0;
    } else this.#postpone(reason, wait as number);
    for (const notify of this.#settled.splice(0)) notify();
    return reason;
  }

  #acknowledge(log: RunLog, outcome: Outcome & { kind: "done" }): void {
    const change = log.head as RunChange;
    this.#stats.delivered += this.#release(log, change);
    this.#lastAccepted = this.#options.clock.now();
    log.head = undefined;
    if (change.create) {
      log.ids = outcome.ids ?? { runId: log.runKey, experimentId: "" };
      for (const watcher of log.watchers ?? []) watcher.created?.(log.ids);
      this.#freeChildren(log);
    }
    this.#requeue(log);
  }

  #reject(log: RunLog, error: PulseError): void {
    const change = log.head as RunChange;
    this.#stats.rejected += this.#release(log, change);
    this.#options.diagnostics.warnLater(error);
    log.head = undefined;
    if (change.create) {
      log.refused = error;
      this.#freeChildren(log);
    }
    for (const watcher of log.watchers ?? []) watcher.lost?.(error);
    this.#requeue(log);
  }

  /** Queues a log again while it holds something, else lets it rest. */
  #requeue(log: RunLog): void {
    if (!log.empty) {
      this.#queue.push(log);
      return;
    }
    log.queued = false;
    if (log.ids) for (const watcher of log.watchers ?? []) watcher.stored?.(log.ids);
  }

  #freeChildren(parent: RunLog): void {
    for (const child of parent.waiting ?? []) {
      if (parent.refused) child.orphan();
      this.#queue.push(child);
    }
    parent.waiting = undefined;
  }

  #withoutConflicts(log: RunLog, keys: readonly string[]): void {
    const change = log.head as RunChange;
    const refused = change.params.filter((param) => keys.includes(param.key));
    this.#options.diagnostics.warnLater(
      new PulseError(
        "PARAM_CONFLICT",
        `Param ${refused.map((param) => JSON.stringify(param.key)).join(", ")} has another value in the store already; the new one is kept in tag pulse.conflict.*.`,
      ),
    );
    log.head = {
      ...change,
      params: change.params.filter((param) => !keys.includes(param.key)),
      tags: [...change.tags, ...refused.map((param) => conflictTag(param.key, param.value))],
    };
    this.#bytes += bytesOf(log.head) - bytesOf(change);
  }

  #backoff(): number {
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries);
    return Math.ceil(ceiling * this.#options.clock.random());
  }

  #postpone(reason: PulseError, waitMs: number): void {
    const now = this.#options.clock.now();
    this.#tries = Math.min(this.#tries + 1, 16);
    if (this.#busySince === 0) this.#busySince = now;
    if (reason.code !== "STORE_BUSY" || now - this.#busySince >= BUSY_WARN_MS) this.#options.diagnostics.warnLater(reason);
    this.#retryTimer ??= setTimeout(() => this.#wake(), waitMs).unref();
  }

  /** Memory is full: writes one batch at once, or, when the store takes nothing, drops the oldest metrics. */
  #relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    // A store that has refused for long is not asked again here: each such try may wait for a lock.
    const hopeless =
      this.#flight.length > 0 || (this.#tries > 0 && this.#options.clock.now() - this.#busySince > this.#options.exitTimeoutMs);
    const batch = hopeless ? [] : this.#nextBatch();
    if (batch.length === 0 || this.#applySync(batch) !== null) this.#dropOldestMetrics();
    this.#relieving = false;
  }

  #dropOldestMetrics(): void {
    const floor = this.#options.maxPendingBytes * 0.9;
    let count = 0;
    for (const log of this.#pendingLogs()) {
      if (this.#bytes <= floor) break;
      const metrics = log.dropMetrics();
      log.settled += metrics;
      count += metrics;
      this.#bytes -= metrics * METRIC_BYTES;
    }
    if (count === 0) return;
    this.#stats.dropped += count;
    this.#stats.pending -= count;
    this.#options.diagnostics.warnLater(
      new PulseError(
        "MEMORY_FULL",
        `${this.#options.maxPendingBytes} bytes wait for ${this.#store.uri}; the oldest metrics were dropped (stats().dropped counts them).`,
      ),
    );
  }

  #dropAll(reason: PulseError | undefined): void {
    const count = this.#stats.pending;
    const error = new PulseError(
      "LOST_AT_EXIT",
      `${count} items could not be stored in ${this.#store.uri}${reason ? `: ${reason.message}` : "."}`,
      reason,
    );
    for (const log of this.#pendingLogs()) {
      log.settled = log.recorded;
      for (const watcher of log.watchers ?? []) watcher.lost?.(error);
    }
    this.#stats.dropped += count;
    this.#stats.pending = 0;
    this.#queue = [];
    this.#bytes = 0;
    this.#options.diagnostics.warnLater(error);
  }

  /** Lets a change go and says how many items it had. */
  #release(log: RunLog, change: RunChange): number {
    const items = itemsOf(change);
    log.settled += items;
    this.#bytes -= bytesOf(change);
    this.#stats.pending -= items;
    return items;
  }

  /** Every log that holds something: queued, in flight, or waiting for its parent. */
  *#pendingLogs(): Generator<RunLog> {
    const waiting = (logs: readonly RunLog[]): RunLog[] => logs.flatMap((log) => [log, ...waiting(log.waiting ?? [])]);
    yield* waiting([...this.#flight, ...this.#queue]);
  }

  #nextSettled(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs); // referenced: only a flush may keep the process alive
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

/** The tag that keeps the value a param's first value has won over. */
export function conflictTag(key: string, value: string): { key: string; value: string } {
  return { key: `pulse.conflict.${key}`, value };
}

function away(batch: readonly RunLog[], error: unknown): Outcome[] {
  const problem =
    error instanceof PulseError ? error : new PulseError("STORE_UNAVAILABLE", `The store failed unexpectedly: ${String(error)}.`, error);
  return batch.map(() => ({ kind: "away", error: problem }));
}

/** Resolves when the event loop has come round once. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve).unref();
  });
}
