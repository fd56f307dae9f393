import timers from "node:timers";
import type { ReadClock } from "../base/clock.js";
import { later, soon } from "../base/detached.js";
import type { Diagnostics } from "../base/diagnostics.js";
import type { ExperimentRef, TerminalStatus } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { demandStack } from "../base/stack-space.js";
import type { Durability } from "../config/options.js";
import type { ReadyStore, RunChange, RunStart } from "../contracts/tracking-store.js";
import type { Deferral, DeferredRuns } from "./buffer/deferred-runs.js";
import type { MemoryLog } from "./buffer/memory-log.js";
import { RunBuffer } from "./buffer/run-buffer.js";
import type { Unfinished, UnfinishedEnd } from "./buffer/unfinished-end.js";
import { Accounting } from "./changes/accounting.js";
import type { ItemKind } from "./changes/item-kinds.js";
import { DeliveryWait } from "./delivery-wait.js";
import { Dispatcher, MAX_TIMER_MS } from "./dispatch/dispatcher.js";
import { LateRecords } from "./late-records.js";
import { MemoryBound } from "./memory-bound.js";
import type { OutboxFolder } from "./outbox/outbox-folder.js";
import { type OutboxLimits, removeExpired } from "./outbox/outbox-limits.js";
import { MAX_AT_ONCE, OutboxWriter } from "./outbox/outbox-writer.js";
import { OutboxRecovery } from "./outbox-recovery.js";
import { inMemory } from "./staging/upload-source.js";
import { opensRun } from "./stop-signal.js";
import { isMain, leaveIfAsked, sayBusy } from "./threads.js";
import { Activities, type Activity } from "./uploads/activities.js";
import { type OpenRepository, UploadTarget } from "./uploads/upload-target.js";
import { type LoggedContent, Uploads } from "./uploads/uploads.js";

// Captured now, so that a test that later installs fake timers does not stop delivery.
const { setTimeout, clearTimeout } = timers;

/**
 * The number of items recorded without any being taken, after which they are handed over from inside the recording
 * call.
 */
const HAND_OVER_ITEMS = 2_048;
/** The same, after some could not be handed over at once. */
const AGAIN_ITEMS = 256;

/** The number of runs whose handles share state such as tables. For older ones it is read back from the store. */
const MAX_SHARED_RUNS = 1_000;

/** The stack space, in words, that writing a batch needs at most. */
const HAND_OVER_STACK = 8_000;

/** The initial state of a run's buffer. */
interface RunOpening {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly parent: RunBuffer | undefined;
}

/** The parts and options of a recorder. */
export interface RecorderOptions {
  readonly store: ReadyStore;
  readonly diagnostics: Diagnostics;
  readonly clock: ReadClock;
  /** Bound of the memory used by waiting changes, in bytes. */
  readonly maxPendingBytes: number;
  /** How long `flush` waits after the last change that the store accepted, in milliseconds. */
  readonly exitTimeoutMs: number;
  /** How long waiting for a run's id keeps the process alive, in milliseconds. */
  readonly patienceMs: number;
  readonly durability: Durability;
  /** Changes that the store has not accepted this long after they were recorded are spooled, in milliseconds. */
  readonly flushIntervalMs: number;
  /** Where changes are spooled; undefined keeps everything in memory. */
  readonly outboxes: OutboxFolder | undefined;
  /** Bound of the outbox, in bytes. */
  readonly maxOutboxBytes: number;
  /** Bounds of all outboxes in the folder together. */
  readonly outboxLimits: OutboxLimits;
  /** Bound of the staged files beside the outbox, in bytes. */
  readonly maxArtifactBytes: number;
  /** Opens the artifact repository at the root that the store names. */
  readonly openRepository: OpenRepository;
}

/**
 * Collects what runs record into changes and delivers them in the background: changes of a run in order, and a
 * child's creation after its parent's. Memory is bounded, and everything is written when the process ends.
 */
export class Recorder {
  readonly store: ReadyStore;
  /** Whether the store can write synchronously, also while the process exits. */
  readonly writesSync: boolean;
  /** How long a wait for delivery continues without progress, in milliseconds. */
  readonly exitTimeoutMs: number;
  /** How long all waits at the end of the process may take, in milliseconds. */
  readonly patienceMs: number;
  readonly #options: RecorderOptions;
  readonly accounting: Accounting;
  /** Also read by the exit handlers of other versions of this package. */
  readonly stats: Readonly<Diagnostics["stats"]>;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #queue: MemoryLog;
  readonly #writer: OutboxWriter;
  readonly #bound: MemoryBound;
  /** Created for the first file, of this tracker or a dead one. */
  #uploads: Uploads | undefined;
  readonly #late: LateRecords;
  readonly #ofRuns = new Map<string, WeakRef<object>>();
  readonly #activities = new Activities(() => this.#dispatcher.notifySettled());
  readonly #wait: DeliveryWait;
  /** Deferrals of runs that have not ended. */
  readonly held: Set<Deferral> = new Set();
  /**
   * Whether files are read when they are logged, unless they are large. For stores in memory, without a disk on which
   * they could be linked.
   */
  readsFiles = false;
  #recovery: OutboxRecovery | undefined;
  #keepTimer: NodeJS.Timeout | undefined;
  #keepScheduled = false;
  /** The number of items recorded since something was last taken. */
  #untaken = 0;
  #takes = 0;
  /** When overdue changes were last looked for, by the clock. */
  #lookedAt = 0;
  #ended: "closed" | "exited" | undefined;

  constructor(options: RecorderOptions) {
    const { store, diagnostics, clock, outboxes, maxOutboxBytes } = options;
    this.#options = options;
    this.#late = new LateRecords(options.flushIntervalMs / 2);
    this.store = store;
    this.writesSync = store.applySync !== undefined;
    this.exitTimeoutMs = options.exitTimeoutMs;
    this.patienceMs = options.patienceMs;
    this.stats = diagnostics.stats;
    this.accounting = new Accounting(diagnostics);
    this.#dispatcher = new Dispatcher({
      ...options,
      turn: () => this.#late.settle(),
      onAway: () => this.#uploads?.doubt(),
    });
    this.#writer = new OutboxWriter({
      folder: outboxes,
      remote: !this.writesSync,
      maxBytes: maxOutboxBytes,
      maxTotalBytes: options.outboxLimits.maxTotalBytes,
      pieceItems: store.batchItems,
      clock,
      diagnostics,
      account: this.accounting,
      dispatcher: this.#dispatcher,
    });
    this.#queue = this.#writer.queue;
    this.#bound = new MemoryBound(options, this.#dispatcher, this.accounting, this.#writer);
    this.#wait = new DeliveryWait({
      ...{ store, diagnostics, exitTimeoutMs: options.exitTimeoutMs },
      ...{ late: this.#late, activities: this.#activities, account: this.accounting },
      ...{ dispatcher: this.#dispatcher, writer: this.#writer, uploads: () => this.#uploads },
    });
  }

  /** Creates the buffer of a new run. `held` decides whether the run is recorded at all. */
  buffer(run: Unfinished, { runKey, experiment, parent }: RunOpening, held: DeferredRuns | undefined): RunBuffer {
    return new RunBuffer(held?.intake ?? this, run, runKey, experiment, parent);
  }

  /** Opens a run's buffer: its first item is the run's start. */
  open(log: RunBuffer, start: RunStart, held: DeferredRuns | undefined): void {
    opensRun();
    held?.opened(log);
    log.start(start);
  }

  /**
   * Notes that a buffer holds new items. Everything goes out at the end of the turn. There is always room: when
   * memory is full, something else is dropped.
   */
  added(log: RunBuffer, kind: ItemKind, bytes: number, items = 1): void {
    this.accounting.recorded(kind, bytes, items);
    log.count(items);
    if (this.#ended === "closed" || (this.#ended && !log.kept && !log.queued)) {
      this.#recordedAfterEnd(log, bytes, items);
      return;
    }
    try {
      this.#goesOn(log, kind, items);
    } catch (error) {
      // The user's call must not fail. The item is in the buffer already, so the next call tries again.
      const detail = `A recorded item could not be queued for delivery: ${messageOf(error)}.`;
      this.#options.diagnostics.warnAsync(new PulseError("INTERNAL", detail, error));
    }
  }

  #goesOn(log: RunBuffer, kind: ItemKind, items: number): void {
    if (log.kept) this.#addedToKept(log);
    else if (!log.queued) {
      const { usable } = this.#writer.own;
      log.enqueue(usable ? performance.now() : undefined);
      this.#queue.push(log);
      this.#dispatcher.schedule();
      if (usable && this.#keepTimer === undefined) this.#begin();
    }
    if (this.#options.durability === "outbox") this.#keepAtEndOfTurn();
    this.#handOverInTime(kind, items);
    if (this.accounting.bytes > this.#options.maxPendingBytes) this.#bound.relieve();
  }

  /**
   * Calls `record` when this turn is over, or earlier if somebody waits for delivery or the process may end. `about`:
   * the object it reads.
   */
  late(record: () => void, about: unknown): void {
    const apart = (): void => this.#options.diagnostics.apart(record);
    if (this.#ended) apart();
    else this.#late.add(apart, about);
  }

  /** Returns state shared by the handles of one run, while any of them is in use. */
  ofRun<T extends object>(runId: string, make: () => T): T {
    const known = this.#ofRuns.get(runId)?.deref() as T | undefined;
    if (known !== undefined) return known;
    const made = make();
    this.#ofRuns.delete(runId);
    this.#ofRuns.set(runId, new WeakRef(made));
    const [oldest] = this.#ofRuns.keys();
    if (this.#ofRuns.size > MAX_SHARED_RUNS) this.#ofRuns.delete(oldest as string);
    return made;
  }

  /** Calls `record` from time to time, and at the latest as `late` does. */
  grown(record: () => void): void {
    if (this.#ended) this.#options.diagnostics.apart(record);
    else this.#late.grow(record);
  }

  /**
   * Uploads a run's files. Resolves with false if they were not all stored within the time.
   * @throws PulseError if one of them can never be stored.
   */
  flushFiles(log: RunBuffer, timeoutMs: number): Promise<boolean> {
    return this.#wait.flushFiles(log, timeoutMs);
  }

  /** Returns a stored tag of a run once the run is created; undefined if it has none or the store cannot tell. */
  async storedTag(log: RunBuffer, key: string): Promise<string | undefined> {
    return this.#options.store.tagOf?.(await this.#files.created(log), key);
  }

  /**
   * Returns a stored file of a run once the run is created and no upload to this path is in progress; undefined if
   * there is none.
   */
  async storedFile(log: RunBuffer, path: string): Promise<Uint8Array | undefined> {
    this.#late.settleGrowing();
    return this.#files.stored(log, path);
  }

  /**
   * Hands over a full batch, or changes that have waited for an interval, from inside the recording call: the event
   * loop may not turn for a long time.
   */
  #handOverInTime(kind: ItemKind, items: number): void {
    const { clock, flushIntervalMs } = this.#options;
    const { pending } = this.accounting;
    if (kind !== "runs") leaveIfAsked(); // a run whose start is being recorded cannot be ended yet
    // These kinds have just read the clock; reading it again for each item would be expensive.
    const now = kind === "runs" || kind === "metrics" || kind === "ends" ? clock.last : clock.now();
    if (pending === items) {
      this.#lookedAt = now;
      sayBusy();
    }
    if (this.#takes === this.#queue.takes) this.#untaken += items;
    else {
      this.#takes = this.#queue.takes;
      this.#untaken = 0;
    }
    const waited = now - this.#lookedAt; // negative if the clock was set back
    if (this.#untaken < HAND_OVER_ITEMS && waited < flushIntervalMs && waited >= 0) return;
    try {
      demandStack(HAND_OVER_STACK);
    } catch {
      return; // deep in a recursion: a later call does it
    }
    sayBusy();
    this.#writer.keepFresh();
    const all = this.#bound.handOver();
    this.#takes = this.#queue.takes;
    this.#untaken = all ? 0 : HAND_OVER_ITEMS - AGAIN_ITEMS;
    if (all) this.#lookedAt = now; // else the next call continues
  }

  ending(log: RunBuffer): void {
    this.#writer.open.delete(log);
  }

  /** Whether the store can keep files. */
  get keepsFiles(): boolean {
    return this.#options.store.artifactsOf !== undefined;
  }

  /** Records a file of a run. */
  upload(log: RunBuffer, path: string, content: LoggedContent): void {
    if (this.#ended === "closed") {
      this.#sayClosed(log, `file ${JSON.stringify(path)}`);
      return;
    }
    this.#files.add(log, path, this.readsFiles ? inMemory(content) : content);
    if (this.#ended === "exited") {
      this.#writeAll();
      this.#closeAtExit();
      return;
    }
    if (this.#keepTimer === undefined) this.#begin();
    if (this.#options.durability === "outbox") this.#keepAtEndOfTurn();
  }

  /** Records a file of a run from a stream; resolves when it has been read or has failed. */
  receive(log: RunBuffer, path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const lost = `The program ended before all of ${JSON.stringify(path)} of run ${log.runKey} was received.`;
    return this.during(
      (activity) => this.#files.receive(log, path, chunks, activity),
      (error) =>
        this.#files.refuse(log, path, error instanceof PulseError ? error : new PulseError("LOST_AT_EXIT", lost)),
      log,
      `the stream logged as ${JSON.stringify(path)} in run ${log.runKey}`,
    );
  }

  /**
   * Runs work that needs turns of the event loop before something can be recorded. `flush` and the end of the process
   * wait for it. If it fails, or the process ends first, calls `otherwise`. Never rejects. `of`: the run it belongs
   * to, for those who wait for that run only; `source`: what is being waited for, for messages.
   */
  async during(
    work: (activity: Activity) => Promise<void>,
    otherwise: (error?: unknown) => void,
    of?: RunBuffer,
    source?: string,
  ): Promise<void> {
    const apart = (error?: unknown): void => this.#options.diagnostics.apart(() => otherwise(error));
    if (this.#ended) apart();
    else await this.#activities.run(work, apart, of, source);
  }

  get #files(): Uploads {
    const { store, diagnostics, clock, maxPendingBytes, maxArtifactBytes, openRepository } = this.#options;
    this.#uploads ??= new Uploads({
      ...{ diagnostics, clock, maxPendingBytes, maxArtifactBytes },
      target: new UploadTarget(store, openRepository),
      account: this.accounting.files,
      own: this.#writer.own,
      follow: (log) => this.#writer.follow(log),
      onSettled: () => this.#dispatcher.notifySettled(),
    });
    return this.#uploads;
  }

  /**
   * Delivers everything recorded so far. Resolves with false if it gave up, `exitTimeoutMs` after the store last
   * accepted something.
   */
  flush(timeoutMs?: number): Promise<boolean> {
    return this.#wait.flush(timeoutMs);
  }

  /** Starts delivery at once, without waiting for it. */
  push(): void {
    this.#wait.push();
  }

  /**
   * Keeps the process alive while somebody waits for news of a run, at most for `patienceMs`; then calls `late` with
   * what became of it. Returns a function that ends the wait.
   */
  hold(log: RunBuffer, late: (error: PulseError) => void): () => void {
    this.#writer.follow(log);
    const timer = later(() => late(this.#lateness(log)), this.#ended ? 0 : this.#options.patienceMs);
    return () => clearTimeout(timer);
  }

  #lateness(log: RunBuffer): PulseError {
    const detail = `${this.store.uri} has not created the run within ${this.#options.patienceMs} ms`;
    if (this.isKept(log)) return new PulseError("KEPT_FOR_LATER", `${detail}; it is kept in ${this.#writer.own.path}.`);
    return new PulseError("STORE_UNAVAILABLE", `${detail}; it is kept in memory until this process ends.`);
  }

  /** Whether a run is on disk, where the next program finds it. */
  isKept(log: RunBuffer | undefined): boolean {
    return log?.kept === true && this.#writer.own.safe;
  }

  /** Spools everything, if possible. Returns whether this run is on disk. */
  keep(log: RunBuffer | undefined): boolean {
    this.#keepAll();
    return this.isKept(log);
  }

  /** Ends open runs and writes everything synchronously, as far as the store can. For the process's `exit`. */
  // drainSync, giveUp and forgetDeath keep their names: the exit of other versions in the process calls them.
  drainSync(end: UnfinishedEnd): void {
    if (this.#ended === "exited") return;
    this.#writer.own.source?.outbox.abandon(); // this may interrupt a transaction
    this.#late.settle();
    this.endOpenRuns(end);
    this.#writeAll();
    this.#ended = "exited";
    this.#recovery?.stop();
    this.#closeAtExit();
  }

  /**
   * Closes the outbox at exit. In the main thread it only pauses, since other `exit` listeners may still record
   * something; a worker thread ends while the process, which holds its locks, stays.
   */
  #closeAtExit(): void {
    if (isMain()) this.#writer.own.rest();
    else this.#writer.own.close();
  }

  /** Accepts nothing more, since this thread is about to be torn down. */
  seal(): void {
    this.#ended = "closed";
    this.#dispatcher.stop();
    this.#uploads?.stop();
    this.#options.store.close().catch(() => undefined);
  }

  /** Logs the remaining warnings at the end of the process. */
  sayAll(): void {
    this.#options.diagnostics.sayAll();
  }

  /** Spools everything synchronously, since the process may die now. If it does, open runs end with `status`. */
  writeDown(status: TerminalStatus): void {
    if (this.#ended) return;
    this.#late.settle();
    this.#writer.own.lastChance();
    this.#keepAll();
    this.#writer.recordExitStatus(status);
  }

  /** Ends the runs that are still open. */
  endOpenRuns(end: UnfinishedEnd): void {
    for (const held of this.held) held.endOpen(end);
    for (const log of this.#openLogs()) this.#options.diagnostics.apart(() => log.endUnfinished(end));
  }

  /** Marks the open runs as asked to stop, whether the process stops or not. */
  askedToStop(): void {
    for (const held of this.held) held.askedToStop?.();
    for (const log of this.#openLogs()) log.askedToStop = true;
  }

  /** Notes that the process was asked to stop and has continued. */
  forgetDeath(): void {
    if (!this.#ended) this.#writer.recordExitStatus(undefined);
  }

  get hasOpenRuns(): boolean {
    return this.held.size > 0 || this.#openLogs().length > 0;
  }

  /** Flushes and closes the store. What cannot be delivered is spooled, or dropped and counted. */
  async close(timeoutMs?: number): Promise<void> {
    const began = performance.now();
    await this.flush(timeoutMs);
    this.#dispatcher.stop();
    this.#uploads?.dispatcher.stop();
    this.#late.settle();
    this.#writeAll();
    this.#uploads?.stop();
    this.#ended = "closed";
    this.#recovery?.stop();
    clearTimeout(this.#keepTimer);
    this.#writer.own.close();
    const most = timeoutMs === undefined ? this.patienceMs : Math.max(0, timeoutMs - (performance.now() - began));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(most, MAX_TIMER_MS));
    });
    await Promise.race([this.#options.store.close(), late]).finally(() => clearTimeout(timer));
  }

  get idle(): boolean {
    return this.accounting.idle && !this.#activities.any;
  }

  /** Whether nothing is left to do, including the store's own work. */
  get settled(): boolean {
    return this.idle && !this.#options.store.unsettled;
  }

  /** Delivers everything and lets the store finish its own work. Resolves with false if delivery gave up. */
  async settle(): Promise<boolean> {
    const flushed = await this.flush();
    await this.#options.store.settle?.();
    return flushed;
  }

  /** Spools what the store has not accepted, and notifies those who wait for it. */
  giveUp(): void {
    if (this.#ended || this.idle) return;
    this.#writer.own.lastChance();
    if (this.#keepAll() && this.#writer.own.safe) this.#writer.notifyKept();
    const error = new PulseError("STORE_UNAVAILABLE", `${this.store.uri} had not accepted it when the program ended.`);
    for (const log of this.#queue.all()) log.tell("lost", error);
  }

  #begin(): void {
    if (!this.#writer.own.usable) return;
    const { durability, flushIntervalMs, outboxes } = this.#options;
    // Checked twice per interval, so that no change is older than an interval when it is spooled.
    if (durability !== "memory") this.#keepTimer = later(() => this.#keepOverdue(), flushIntervalMs / 2).unref();
    if (this.#recovery !== undefined || outboxes === undefined) return;
    const { diagnostics, clock, outboxLimits } = this.#options;
    const { own } = this.#writer;
    this.#recovery = new OutboxRecovery(outboxes, this.#dispatcher, diagnostics, {
      uploads: () => this.#files.dispatcher,
    });
    this.#recovery.watch(() => {
      own.bytesOfOthers = removeExpired(outboxes.root, own.path, clock.now(), outboxLimits, diagnostics);
      return own.path;
    });
  }

  /** Spools what the store has not accepted for half an interval. */
  #keepOverdue(): void {
    const { clock, flushIntervalMs } = this.#options;
    this.#keepTimer = undefined;
    this.#lookedAt = clock.now();
    if (this.#ended) return;
    this.#late.settle();
    this.#writer.keepFresh();
    this.#uploads?.keep();
    void this.#writer.own.safe; // recreates the outbox if its file was removed
    // A store that writes synchronously either accepts changes as fast as possible, or refuses them.
    if (!this.writesSync || this.#dispatcher.refusingFor > 0) {
      const overdue = this.#queue.overdue(performance.now() - flushIntervalMs / 2, MAX_AT_ONCE);
      if (this.#writer.keepQueued(overdue) && overdue.length === MAX_AT_ONCE) {
        this.#keepTimer = later(() => this.#keepOverdue(), 0).unref();
        return;
      }
    }
    if (!this.idle) this.#begin();
  }

  #addedToKept(log: RunBuffer): void {
    this.#writer.added(log);
    if (this.#ended === "exited") {
      this.#writeAll();
      this.#closeAtExit();
    } else if (this.#keepTimer === undefined) this.#begin();
  }

  /** With durability "outbox": spools everything recorded in this turn at its end. */
  #keepAtEndOfTurn(): void {
    if (this.#keepScheduled || this.#ended || !this.#writer.own.usable) return;
    this.#keepScheduled = true;
    soon(() => {
      this.#keepScheduled = false;
      this.#late.settle();
      if (!this.#ended) this.#keepAll();
    });
  }

  /** Writes the queued changes if the store can write synchronously. */
  writeSync(): void {
    if (this.writesSync) while (this.#queue.ready && this.#dispatcher.writeSync(0) === true);
  }

  /** Stores everything that can be stored synchronously, including files. For tests, which check at once. */
  storeNow(): void {
    this.#late.settle();
    this.writeSync(); // files behind the runs they belong to
    this.#uploads?.writeSync();
    this.writeSync(); // tags of files that could not be stored
  }

  /** Puts everything on disk synchronously: into a store that writes synchronously, or into the outbox. */
  #keepAll(): boolean {
    this.writeSync();
    const queued = this.#writer.keepQueued(this.#queue.all().filter((log) => !log.kept));
    const files = this.#uploads?.keep() ?? true;
    return this.#writer.keepFresh() && queued && files;
  }

  /** Returns the buffers of open runs: those the store has as open, and those it does not know yet. */
  #openLogs(): RunBuffer[] {
    const unheard = this.#queue.all().filter((log) => !log.ended && log.ids === undefined);
    return [...new Set([...this.#writer.open, ...unheard, ...this.#writer.openLogs])];
  }

  #writeAll(): void {
    if (this.idle) return;
    this.#writer.own.lastChance();
    this.#activities.end(); // their outcome is recorded in their runs
    this.#writeChanges();
    this.#uploads?.writeAll(); // after the runs they belong to
  }

  #writeChanges(): void {
    this.#queue.recall();
    let written: boolean | PulseError = true;
    if (this.writesSync) while (written === true) written = this.#dispatcher.writeSync(this.exitTimeoutMs);
    this.#writer.keepQueued(this.#queue.all());
    if (this.#settledChanges) return;
    if (!this.#writer.keepFresh() || this.#queue.all().length > 0)
      this.#bound.dropAll(typeof written === "boolean" ? undefined : written);
    if (this.#settledChanges) return;
    if (this.#writer.own.safe) this.#writer.sayKept();
    else this.#writer.loseKept();
  }

  /** Whether nothing but files is waiting. */
  get #settledChanges(): boolean {
    return this.accounting.pending === 0;
  }

  /**
   * Handles a record made after the end. At exit it is still written (another `exit` listener recorded it); after
   * `close` it is dropped.
   */
  #recordedAfterEnd(log: RunBuffer, bytes: number, items: number): void {
    if (this.#ended === "exited") {
      log.enqueue();
      this.#queue.push(log);
      this.#writeAll();
      this.#closeAtExit();
      return;
    }
    const error = new PulseError("CLOSED", "The tracker was shut down before the run was stored.");
    log.refuse(error);
    this.accounting.released(bytes);
    this.accounting.dropped(items, error);
    this.#sayClosed(log, "something");
  }

  #sayClosed({ runKey, experiment }: RunBuffer, what: string): void {
    const name = "name" in experiment ? experiment.name : experiment.id;
    const detail = `After shutdown(), ${what} was recorded for run ${runKey} of experiment ${JSON.stringify(name)}, and is lost.`;
    this.#options.diagnostics.warn("CLOSED", detail);
  }
}
