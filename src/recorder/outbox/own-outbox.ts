import timers from "node:timers";
import type { Clock } from "../../base/clock.js";
import { later } from "../../base/detached.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import { messageOf, PulseError } from "../../base/errors.js";
import type { RunChange } from "../../contracts/tracking-store.js";
import { isDamaged } from "../../stores/sql/driver.js";
import type { Accounting } from "../changes/accounting.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "./outbox.js";
import { closeOutbox, type OutboxFolder } from "./outbox-folder.js";
import { type OutboxListener, OutboxLog } from "./outbox-log.js";

// Captured now, so that a test that later installs fake timers does not stop recording.
const { clearTimeout } = timers;

/** The parts of a tracker's own outbox. */
export interface OwnOutboxOptions {
  /** Undefined keeps nothing on disk. */
  readonly folder: OutboxFolder | undefined;
  /** Bound of this outbox, in bytes. */
  readonly maxBytes: number;
  /** Bound of all outboxes together, in bytes. */
  readonly maxTotalBytes: number;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  readonly account: Accounting;
  readonly dispatcher: Dispatcher<RunChange>;
}

/** Bounds of the wait before a failed outbox is tried again, which doubles each time. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 10_000;
/** The number of writes that may be owed. Further ones are skipped. */
const MAX_OWED = 1_000;
/**
 * A full outbox is emptied to this share of its bound. It may exceed the bound by the remaining share, since it is
 * emptied in small steps.
 */
const EMPTIED_TO = 0.9;
/** The bytes an outbox may always use, however large the others are. */
const MIN_BYTES = 65_536;

/** Called with what becomes of the runs in the outbox, and of the outbox itself. */
export interface OwnOutboxListener extends Omit<OutboxListener, "failed"> {
  /** The outbox can be used again after a failure. */
  recovered(): void;
  /** The content of the outbox can no longer be read. */
  lost(error: PulseError): void;
  /** A run was dropped because the outbox is full. */
  dropped(key: string, error: PulseError): void;
}

/** A write that must still be made, and what to do once it is. */
interface Owed {
  readonly body: (outbox: Outbox) => void;
  readonly then: () => void;
}

/**
 * The outbox of one tracker, created when first needed and bounded in size. When the disk fails (it is full, or the
 * folder is gone), writing is tried again later, and changes stay in memory until then. An outbox whose file was
 * removed is recreated.
 */
export class OwnOutbox {
  source: OutboxLog | undefined;
  /** The size of other trackers' outboxes. */
  bytesOfOthers = 0;
  readonly #options: OwnOutboxOptions;
  readonly #listener: OwnOutboxListener;
  readonly #owed: Owed[] = [];
  #closed = false;
  #tries = 0;
  #retryAt = 0;
  #retry: NodeJS.Timeout | undefined;
  /** The size at which nothing was left to drop. Searching again at each write would be expensive. */
  #nothingToDropAt: number | undefined;
  /** Where the outbox was when it was closed, and whether it can be found there. */
  #leftPath: string | undefined;
  #leftSafe = false;
  readonly #full: Record<string, PulseError> = {};

  constructor(options: OwnOutboxOptions, listener: OwnOutboxListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Whether changes can be spooled, now or once the disk works again. */
  get usable(): boolean {
    return this.#options.folder !== undefined && !this.#closed;
  }

  /** Whether spooled changes are where the next program finds them. */
  get safe(): boolean {
    const { source } = this;
    if (source === undefined) return this.#leftSafe;
    if (!source.outbox.inPlace) this.write(() => undefined); // recreates it, if possible
    return source.outbox.inPlace;
  }

  /** Whether writes are owed for something that has already happened. */
  get owes(): boolean {
    return this.#owed.length > 0;
  }

  /** Makes the next write ignore the back-off, because nothing will be tried later. */
  lastChance(): void {
    this.#retryAt = 0;
  }

  /** The highest sequence number so far. */
  get lastSeq(): number {
    return this.source?.outbox.lastSeq ?? 0;
  }

  get path(): string | undefined {
    return this.source?.outbox.path ?? this.#leftPath;
  }

  /**
   * Runs `body` in one transaction, after which it is on disk. Returns false if that is not possible now; then
   * nothing has changed.
   */
  write(body: (outbox: Outbox) => void): boolean {
    if (!this.usable || performance.now() < this.#retryAt) return false;
    if (this.#isFull) this.#write(() => undefined); // makes room
    return !this.#isFull && this.#write(body);
  }

  /** Like `write`, for something that has already happened and must be written eventually. */
  mustWrite(body: (outbox: Outbox) => void, then: () => void = () => undefined): void {
    if (this.#closed) return;
    if (performance.now() >= this.#retryAt && this.#write(body)) then();
    else if (this.#owed.length < MAX_OWED) this.#owed.push({ body, then });
    else then();
  }

  /** Whether a spooled change up to `seq` still waits for the store. */
  waitsUpTo(seq: number): boolean {
    if (seq === 0 || this.source === undefined) return false;
    try {
      const { denied } = this.#options.dispatcher;
      return this.source.outbox.waitsUpTo(seq, denied.any ? denied.reasons.map(([experiment]) => experiment) : []);
    } catch (error) {
      this.#failed(error);
      return this.source !== undefined;
    }
  }

  /** Closes the outbox if it is empty; otherwise keeps its file open for its runs. It can still be used afterwards. */
  rest(): void {
    const { source } = this;
    if (source === undefined) return;
    source.recovered();
    try {
      if (!source.outbox.empty) return;
    } catch {
      return;
    }
    this.#letGo();
    closeOutbox(source.outbox);
  }

  /** Closes the outbox. Its file stays if it holds something. */
  close(): void {
    const { source } = this;
    if (source) {
      this.#write((outbox) => outbox.noteDenied(this.#options.dispatcher.denied.reasons));
      source.recovered();
    }
    this.#leftPath = this.path;
    this.#leftSafe = this.safe;
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#letGo();
    if (source) closeOutbox(source.outbox);
  }

  /** Whether it is full for now, so that new changes wait in memory. */
  get #isFull(): boolean {
    return (this.source?.outbox.bytes ?? 0) > this.#maxBytes * (2 - EMPTIED_TO);
  }

  get #maxBytes(): number {
    const { maxBytes, maxTotalBytes } = this.#options;
    return Math.max(MIN_BYTES, Math.min(maxBytes, maxTotalBytes - this.bytesOfOthers));
  }

  #write(body: (outbox: Outbox) => void): boolean {
    const owed = this.#owed.slice();
    try {
      const { outbox } = this.#open();
      // Before `body`: what it writes is not known to be in the outbox yet, so its loss could not be reported.
      this.#bound(outbox);
      outbox.transaction(() => {
        for (const each of owed) each.body(outbox);
        body(outbox);
      });
    } catch (error) {
      this.#failed(error);
      return false;
    }
    this.#owed.splice(0, owed.length);
    this.#tries = 0;
    for (const { then } of owed) then();
    return true;
  }

  #open(): OutboxLog {
    const { folder, clock, dispatcher, diagnostics, account } = this.#options;
    if (folder === undefined) throw new Error("no folder");
    if (this.source === undefined) {
      const listener = { ...this.#listener, failed: (error: unknown) => this.#failed(error) };
      this.source = new OutboxLog(folder.create(clock.now(), clock.id()), dispatcher, diagnostics, account, listener);
      dispatcher.add(this.source);
    } else if (!this.source.outbox.inPlace) {
      const before = this.source.outbox;
      this.source.outbox = folder.recreate(before, clock.now(), clock.id());
      closeOutbox(before);
    }
    return this.source;
  }

  /** Handles a failed read or write: changes stay in memory until the next try. */
  #failed(error: unknown): void {
    if (this.#closed) return;
    const { folder, diagnostics } = this.#options;
    const detail = `Nothing can be written to ${this.path ?? folder?.path} now: ${messageOf(error)}.`;
    // Without a driver no folder helps. A database store has reported this already.
    const problem =
      error instanceof PulseError && error.code === "DRIVER_MISSING"
        ? new PulseError(
            "DRIVER_MISSING",
            `Without a driver there is no outbox (durability: "memory" needs none). ${error.detail}`,
            error,
          )
        : new PulseError("OUTBOX_FAILED", detail, error);
    diagnostics.warnAsync(problem);
    if (isDamaged(error) || this.source?.outbox.isCut) {
      const { outbox } = this.source ?? {};
      this.#owed.length = 0;
      this.#letGo();
      outbox?.close();
      this.#listener.lost(problem);
    }
    if (this.#retry !== undefined) return; // later failures until then have the same cause
    const wait = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries++);
    this.#retryAt = performance.now() + wait;
    this.#retry = later(() => {
      this.#retry = undefined;
      this.source?.outbox.checkpoint();
      const written = this.usable && this.#write((outbox) => outbox.touch(this.#options.clock.now()));
      if (this.source) this.source.paused = false; // what can be read can be delivered
      if (written) {
        this.source?.recovered();
        this.#listener.recovered();
      }
      this.#options.dispatcher.schedule();
    }, wait).unref();
  }

  #letGo(): void {
    const { source } = this;
    this.source = undefined;
    if (source === undefined) return;
    this.#options.dispatcher.remove(source);
    source.stop();
  }

  /**
   * Keeps the outbox within its bound, in small steps: drops the oldest metrics first, then the oldest runs that have
   * ended, as a whole.
   */
  #bound(outbox: Outbox): void {
    const { account, diagnostics } = this.#options;
    const maxBytes = this.#maxBytes;
    if (outbox.bytes <= maxBytes) {
      this.#nothingToDropAt = undefined;
      return;
    }
    if (this.#nothingToDropAt !== undefined && outbox.bytes < this.#nothingToDropAt + maxBytes * (1 - EMPTIED_TO))
      return;
    const target = maxBytes * EMPTIED_TO;
    const busy = (key: string): boolean => this.source?.isBusy(key) ?? false;
    const metrics = outbox.dropOldestMetrics(target, busy);
    const { runs, more } = metrics.more ? { runs: [], more: true } : outbox.dropOldestRuns(target, busy);
    this.#nothingToDropAt = more || outbox.bytes <= maxBytes ? undefined : outbox.bytes;
    if (this.#nothingToDropAt !== undefined) outbox.lookAgain();
    const dropped = metrics.items + runs.reduce((sum, { items }) => sum + items, 0);
    if (dropped === 0) return;
    const what =
      runs.length === 0 ? "its oldest metrics were dropped" : "all its metrics and its oldest runs were dropped";
    const detail = `The outbox ${outbox.path} holds ${maxBytes} bytes; ${what} (stats().dropped counts them).`;
    this.#full[what] ??= new PulseError("OUTBOX_FULL", detail); // shared: creating errors is expensive
    const error = this.#full[what];
    account.dropped(dropped, error);
    diagnostics.warnAsync(error, what);
    for (const { key } of runs) this.#listener.dropped(key, error);
  }
}
