import type { Diagnostics } from "../diagnostics.js";
import type { ExperimentRef } from "../entities.js";
import { PulseError } from "../errors.js";
import type { RunStart } from "../stores/tracking-store.js";
import { Delivery, type DeliveryOptions } from "./delivery.js";
import { METRIC_BYTES, RunLog, type Unfinished } from "./run-log.js";

/** What a recorder is made of. */
export interface RecorderOptions extends DeliveryOptions {
  /** Bound of what waits in memory, in bytes. */
  readonly maxPendingBytes: number;
  /** `flush` gives up this long after the last change the store accepted, in milliseconds. */
  readonly exitTimeoutMs: number;
}

/** Memory that is full is emptied to this share of the bound, so that not every value has to do it again. */
const EMPTIED_TO = 0.9;

/**
 * Gathers what runs record into changes and hands them to delivery in the background: the changes of one run in order,
 * a child's creation after its parent's, memory bounded, everything written at the end.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #stats: Diagnostics["stats"];
  readonly #delivery: Delivery;
  #relieving = false;
  #ended: "closed" | "exited" | undefined;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#stats = options.diagnostics.stats;
    this.#delivery = new Delivery(options);
  }

  /** Opens the log of a new run; its start is the first thing in it. */
  open(run: Unfinished, runKey: string, experiment: ExperimentRef, start: RunStart, parent: RunLog | undefined): RunLog {
    const log = new RunLog(this, run, runKey, experiment, parent);
    this.#stats.runs++;
    log.start(start);
    return log;
  }

  /** Takes note that a run log holds something new; everything goes out at the end of the turn. */
  added(log: RunLog, bytes: number): void {
    this.#stats.pending++;
    log.recorded++;
    this.#delivery.bytes += bytes;
    if (!log.queued) {
      if (this.#ended) {
        this.#tooLate(log, bytes);
        return;
      }
      log.queued = true;
      this.#delivery.queue.push(log);
      this.#delivery.schedule();
    }
    if (this.#delivery.bytes > this.#options.maxPendingBytes) this.#relieve();
  }

  ending(log: RunLog): void {
    this.#delivery.open.delete(log);
  }

  /** Brings everything recorded so far to the store; gives up `exitTimeoutMs` after the store last accepted something. */
  async flush(timeoutMs?: number): Promise<void> {
    const { clock, exitTimeoutMs } = this.#options;
    const targets = this.#delivery.queue.all().map((log): [RunLog, number] => [log, log.recorded]);
    const started = clock.now();
    this.#delivery.wake();
    for (;;) {
      for (let last = targets.at(-1); last && last[0].settled >= last[1]; last = targets.at(-1)) targets.pop();
      if (targets.length === 0) return;
      const now = clock.now();
      const left = Math.min(
        Math.max(started, this.#delivery.lastAccepted) + exitTimeoutMs - now,
        timeoutMs === undefined ? Number.POSITIVE_INFINITY : started + timeoutMs - now,
      );
      if (left <= 0) return;
      await this.#delivery.nextSettled(left);
    }
  }

  /** Begins delivery at once, without waiting for it. */
  push(): void {
    this.#delivery.wake();
  }

  /** Ends the open runs and writes everything before it returns, as far as the store can; for the process's `exit`. */
  drainSync(exitCode: number): void {
    this.endOpenRuns(exitCode);
    this.#writeAll();
    this.#ended = "exited";
  }

  /** Ends the runs that are still open as the exit code says. */
  endOpenRuns(exitCode: number): void {
    for (const { run } of this.#openLogs()) run.endUnfinished(exitCode);
  }

  get hasOpenRuns(): boolean {
    return this.#openLogs().length > 0;
  }

  /** Flushes and closes the store; what cannot be delivered is dropped and counted. */
  async close(timeoutMs?: number): Promise<void> {
    await this.flush(timeoutMs);
    await this.#delivery.stop();
    this.#writeAll();
    this.#ended = "closed";
    await this.#options.store.close();
  }

  get idle(): boolean {
    return this.#stats.pending === 0;
  }

  /** Runs the store has as open, and those it has not heard of yet. Short runs are over before either list knows them. */
  #openLogs(): RunLog[] {
    return [...this.#delivery.open, ...this.#delivery.queue.all().filter((log) => !log.ended && log.ids === undefined)];
  }

  #writeAll(): void {
    if (this.idle) return;
    this.#delivery.queue.recall();
    let written: boolean | PulseError = true;
    while (written === true) written = this.#delivery.writeSync(this.#options.exitTimeoutMs);
    if (!this.idle) this.#dropAll(written === false ? undefined : written);
  }

  /** Something came after the end: at exit it is still written (another `exit` listener recorded it), after `close` it is not. */
  #tooLate(log: RunLog, bytes: number): void {
    if (this.#ended === "exited") {
      log.queued = true;
      this.#delivery.queue.push(log);
      this.#writeAll();
      return;
    }
    log.refuse(new PulseError("CLOSED", "The tracker was shut down before the run was stored."));
    this.#delivery.bytes -= bytes;
    this.#stats.pending--;
    this.#stats.dropped++;
    this.#options.diagnostics.warn("CLOSED", "Something was recorded after shutdown().");
  }

  /** Memory is full: writes one batch at once, or, when the store takes nothing, drops the oldest metrics. */
  #relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    // Without waiting: this is inside the user's call. A short refusal (a lock) may take memory over the bound, up to twice of it.
    const { maxPendingBytes, exitTimeoutMs } = this.#options;
    const stuck = this.#delivery.queue.flight.length > 0 || this.#delivery.writeSync(0) !== true;
    if (stuck && (this.#delivery.refusingFor > exitTimeoutMs || this.#delivery.bytes > 2 * maxPendingBytes)) this.#dropOldestMetrics();
    this.#relieving = false;
  }

  #dropOldestMetrics(): void {
    const { maxPendingBytes, store, diagnostics } = this.#options;
    let count = 0;
    for (const log of this.#delivery.queue.all()) {
      if (this.#delivery.bytes <= maxPendingBytes * EMPTIED_TO) break;
      const metrics = log.dropMetrics();
      log.settled += metrics;
      count += metrics;
      this.#delivery.bytes -= metrics * METRIC_BYTES;
    }
    if (count === 0) return;
    this.#stats.dropped += count;
    this.#stats.pending -= count;
    const detail = `${maxPendingBytes} bytes wait for ${store.uri}; the oldest metrics were dropped (stats().dropped counts them).`;
    diagnostics.warnLater(new PulseError("MEMORY_FULL", detail));
  }

  #dropAll(reason: PulseError | undefined): void {
    const { store, diagnostics } = this.#options;
    const count = this.#stats.pending;
    const detail = `${count} items could not be stored in ${store.uri}${reason ? `: ${reason.message}` : "."}`;
    const error = new PulseError("LOST_AT_EXIT", detail, reason);
    for (const log of this.#delivery.queue.all()) {
      log.settled = log.recorded;
      log.queued = false;
      log.refuse(error);
    }
    this.#stats.dropped += count;
    this.#stats.pending = 0;
    this.#delivery.bytes = 0;
    this.#delivery.queue.clear();
    diagnostics.warnLater(error);
  }
}
