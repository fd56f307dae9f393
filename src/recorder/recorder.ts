import timers from "node:timers";
import type { ReadClock } from "../base/clock.js";
import { later, soon } from "../base/detached.js";
import type { Diagnostics } from "../base/diagnostics.js";
import type { ExperimentRef, TerminalStatus } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { demandStack } from "../base/stack-room.js";
import type { Durability } from "../config/options.js";
import type { ReadyStore, RunChange, RunStart } from "../contracts/tracking-store.js";
import type { Deferral, DeferredRuns } from "./buffer/deferred-runs.js";
import type { MemoryLog } from "./buffer/memory-log.js";
import { RunBuffer } from "./buffer/run-buffer.js";
import type { Unfinished, UnfinishedEnd } from "./buffer/unfinished.js";
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

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { setTimeout, clearTimeout } = timers;

/**
 * So many items recorded without anything being taken are handed over from within the call that records the last of
 * them.
 */
const HAND_OVER_ITEMS = 2_048;
/** The same when some of them could not be handed over at once. */
const AGAIN_ITEMS = 256;

/** Runs whose handles find what they have in common; of older ones it is read back from the store. */
const MAX_SHARED_RUNS = 1_000;

/** Words of the stack that writing a batch takes at most. */
const HAND_OVER_STACK = 8_000;

/** What a run's buffer begins with. */
interface RunOpening {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly parent: RunBuffer | undefined;
}

/** What a recorder is made of. */
export interface RecorderOptions {
  readonly store: ReadyStore;
  readonly diagnostics: Diagnostics;
  readonly clock: ReadClock;
  /** Bound of what waits in memory, in bytes. */
  readonly maxPendingBytes: number;
  /** `flush` gives up this long after the last change the store accepted, in milliseconds. */
  readonly exitTimeoutMs: number;
  /** Who waits for a run's id keeps the process for at most so long, in milliseconds. */
  readonly patienceMs: number;
  readonly durability: Durability;
  /** What the store has not taken this long after it was recorded is written down, in milliseconds. */
  readonly flushIntervalMs: number;
  /** Where it is written down; undefined keeps everything in memory. */
  readonly outboxes: OutboxFolder | undefined;
  /** Bound of the outbox, in bytes. */
  readonly maxOutboxBytes: number;
  /** Bounds of all outboxes of the folder. */
  readonly outboxLimits: OutboxLimits;
  /** Bound of the files that wait beside the outbox, in bytes. */
  readonly maxArtifactBytes: number;
  /** Makes the repository of a run's files at the root that the store names. */
  readonly openRepository: OpenRepository;
}

/**
 * Gathers what runs record into changes and hands them to delivery in the background: the changes of one run in order,
 * a child's creation after its parent's, memory bounded, everything written at the end.
 */
export class Recorder {
  readonly store: ReadyStore;
  /** Whether the store can write while the process exits. */
  readonly writesSync: boolean;
  /** How long a wait for delivery goes on, in milliseconds. */
  readonly exitTimeoutMs: number;
  /** How long all waits of the process's end may take, in milliseconds. */
  readonly patienceMs: number;
  readonly #options: RecorderOptions;
  readonly accounting: Accounting;
  /** Read also by the exit of other versions of this package. */
  readonly stats: Readonly<Diagnostics["stats"]>;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #queue: MemoryLog;
  readonly #writer: OutboxWriter;
  readonly #bound: MemoryBound;
  /** Made for the first file, of this tracker or of a dead one. */
  #uploads: Uploads | undefined;
  readonly #late: LateRecords;
  readonly #ofRuns = new Map<string, WeakRef<object>>();
  readonly #activities = new Activities(() => this.#dispatcher.notifySettled());
  readonly #wait: DeliveryWait;
  /** Who holds runs back that are not over. */
  readonly held: Set<Deferral> = new Set();
  /**
   * Files are read when they are logged, as far as they are not large: where nothing is on disk that they could be
   * linked to.
   */
  readsFiles = false;
  #recovery: OutboxRecovery | undefined;
  #keepTimer: NodeJS.Timeout | undefined;
  #keepScheduled = false;
  /** How many items were recorded since something was last taken. */
  #untaken = 0;
  #takes = 0;
  /** When one last looked for what has waited too long, by the clock. */
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

  /** Makes the log of a new run. `held` has a say in whether it is recorded at all. */
  buffer(run: Unfinished, { runKey, experiment, parent }: RunOpening, held: DeferredRuns | undefined): RunBuffer {
    return new RunBuffer(held?.intake ?? this, run, runKey, experiment, parent);
  }

  /** Opens it: its start is the first thing in it. */
  open(log: RunBuffer, start: RunStart, held: DeferredRuns | undefined): void {
    opensRun();
    held?.opened(log);
    log.start(start);
  }

  /**
   * Takes note that a run log holds something new; everything goes out at the end of the turn.
   * There is always room: when memory is full, something else gives way.
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
      // The user's call must not fail of it; the next one tries again, for the item is in its log already.
      const detail = `Something recorded could not be handed on: ${messageOf(error)}.`;
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
   * Has something recorded when this turn is over, and at the latest when somebody waits for delivery or the process
   * may end. `about`: what it is read from.
   */
  late(record: () => void, about: unknown): void {
    const apart = (): void => this.#options.diagnostics.apart(record);
    if (this.#ended) apart();
    else this.#late.add(apart, about);
  }

  /** What the handles of one run have in common, by its id, for as long as one of them is in use. */
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

  /** Has something that grows recorded from time to time, and likewise at the latest. */
  grown(record: () => void): void {
    if (this.#ended) this.#options.diagnostics.apart(record);
    else this.#late.grow(record);
  }

  /**
   * Brings a run's files to where it keeps them; false when that was not done within the time.
   * @throws PulseError why one of them never will be there.
   */
  flushFiles(log: RunBuffer, timeoutMs: number): Promise<boolean> {
    return this.#wait.flushFiles(log, timeoutMs);
  }

  /** What the store has of one of a run's tags, once the run is created; undefined where it has none, or cannot say. */
  async storedTag(log: RunBuffer, key: string): Promise<string | undefined> {
    return this.#options.store.tagOf?.(await this.#files.created(log), key);
  }

  /**
   * What a run's artifacts hold under a path, once the run is created and nothing is on its way there; undefined where
   * there is no such file.
   */
  async storedFile(log: RunBuffer, path: string): Promise<Uint8Array | undefined> {
    this.#late.settleGrowing();
    return this.#files.stored(log, path);
  }

  /**
   * Nothing depends on the event loop turning: what has reached a batch, or waited for an interval, goes from within
   * the call that records.
   */
  #handOverInTime(kind: ItemKind, items: number): void {
    const { clock, flushIntervalMs } = this.#options;
    const { pending } = this.accounting;
    if (kind !== "runs") leaveIfAsked(); // a run whose start this is could not be ended yet
    // Runs and metrics have read the clock a moment ago; reading it for each of them again would be dear.
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
    const waited = now - this.#lookedAt; // less than nothing when the clock was set back
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
    if (all) this.#lookedAt = now; // else the next call goes on
  }

  ending(log: RunBuffer): void {
    this.#writer.open.delete(log);
  }

  /** Whether the store has a place for files. */
  get keepsFiles(): boolean {
    return this.#options.store.artifactsOf !== undefined;
  }

  /** Takes a file of a run. */
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

  /** Takes a file of a run as its bytes come; resolves when it is here, or never will be. */
  receive(log: RunBuffer, path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const lost = `The program ended before all of ${JSON.stringify(path)} of run ${log.runKey} had come.`;
    return this.during(
      (activity) => this.#files.receive(log, path, chunks, activity),
      (error) =>
        this.#files.refuse(log, path, error instanceof PulseError ? error : new PulseError("LOST_AT_EXIT", lost)),
      log,
      `the stream logged as ${JSON.stringify(path)} in run ${log.runKey}`,
    );
  }

  /**
   * Does what needs turns of the event loop before something can be recorded; flush and the end of the process wait for
   * it. Should it fail, or the process end before, `otherwise` is done. Never rejects. `of`: the run it is for, where
   * somebody may wait for that one alone; `source`: what somebody else has to give, in messages.
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
   * Brings everything recorded so far to the store; false when it gave up, `exitTimeoutMs` after the store last
   * accepted something.
   */
  flush(timeoutMs?: number): Promise<boolean> {
    return this.#wait.flush(timeoutMs);
  }

  /** Begins delivery at once, without waiting for it. */
  push(): void {
    this.#dispatcher.wake();
    this.#uploads?.dispatcher.wake();
  }

  /**
   * Keeps the process while somebody waits for news of a run, for `patienceMs` at most: then `late` is told what has
   * become of it. Gives how to end the wait.
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

  /** Writes everything down, if that can be done; true when this run is on disk. */
  keep(log: RunBuffer | undefined): boolean {
    this.#keepAll();
    return this.isKept(log);
  }

  /** Ends the open runs and writes everything before it returns, as far as the store can; for the process's `exit`. */
  flushSync(end: UnfinishedEnd): void {
    if (this.#ended === "exited") return;
    this.#writer.own.source?.outbox.abandon(); // who began it is interrupted
    this.#late.settle();
    this.endOpenRuns(end);
    this.#writeAll();
    this.#ended = "exited";
    this.#recovery?.stop();
    this.#closeAtExit();
  }

  /**
   * Other people's `exit` listeners may still record something; a worker's thread goes, and the process, which has its
   * locks, stays.
   */
  #closeAtExit(): void {
    if (isMain()) this.#writer.own.rest();
    else this.#writer.own.close();
  }

  /** Takes nothing more: this thread is about to be torn down. */
  seal(): void {
    this.#ended = "closed";
    this.#dispatcher.stop();
    this.#uploads?.stop();
    this.#options.store.close().catch(() => undefined);
  }

  /** Says what is left to say, at the end of the process. */
  sayAll(): void {
    this.#options.diagnostics.sayAll();
  }

  /**
   * Writes everything down before it returns: what happens next may be survived, or not, and then open runs end with
   * `status`.
   */
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

  /** Takes note that the process was asked to stop while these runs were open, whether it does or not. */
  askedToStop(): void {
    for (const held of this.held) held.askedToStop?.();
    for (const log of this.#openLogs()) log.askedToStop = true;
  }

  /** The process was asked to stop, and has gone on. */
  forgetExitStatus(): void {
    if (!this.#ended) this.#writer.recordExitStatus(undefined);
  }

  get hasOpenRuns(): boolean {
    return this.held.size > 0 || this.#openLogs().length > 0;
  }

  /** Flushes and closes the store; what cannot be delivered is written down, or dropped and counted. */
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

  /** Whether nothing is left to do, for the store neither. */
  get settled(): boolean {
    return this.idle && !this.#options.store.unsettled;
  }

  /** Brings everything recorded so far to the store, and has it do what it still has to; false when it gave up. */
  async settle(): Promise<boolean> {
    const flushed = await this.flush();
    await this.#options.store.settle?.();
    return flushed;
  }

  /** Writes down what the store has not taken and tells those who wait for it: nobody will wait any longer. */
  spillAndNotify(): void {
    if (this.#ended || this.idle) return;
    this.#writer.own.lastChance();
    if (this.#keepAll() && this.#writer.own.safe) this.#writer.notifyKept();
    const error = new PulseError("STORE_UNAVAILABLE", `${this.store.uri} has not taken it before the program ended.`);
    for (const log of this.#queue.all()) log.tell("lost", error);
  }

  #begin(): void {
    if (!this.#writer.own.usable) return;
    const { durability, flushIntervalMs, outboxes } = this.#options;
    // Looked at twice an interval, so that nothing is older than one when it is written down.
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

  /** Writes down what the store has not taken for half an interval. */
  #keepOverdue(): void {
    const { clock, flushIntervalMs } = this.#options;
    this.#keepTimer = undefined;
    this.#lookedAt = clock.now();
    if (this.#ended) return;
    this.#late.settle();
    this.#writer.keepFresh();
    this.#uploads?.keep();
    void this.#writer.own.safe; // a file that was removed is written anew
    // A store that writes on the event loop is either taking what there is, as fast as can be, or refuses it.
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

  /** With durability "outbox": everything of this turn is on disk at its end. */
  #keepAtEndOfTurn(): void {
    if (this.#keepScheduled || this.#ended || !this.#writer.own.usable) return;
    this.#keepScheduled = true;
    soon(() => {
      this.#keepScheduled = false;
      this.#late.settle();
      if (!this.#ended) this.#keepAll();
    });
  }

  /** Has a store that writes on the event loop write what is queued before it returns. */
  writeSync(): void {
    if (this.writesSync) while (this.#queue.ready && this.#dispatcher.writeSync(0) === true);
  }

  /** Has all that can be stored before it returns stored, files too: for tests, which look at once. */
  storeNow(): void {
    this.#late.settle();
    this.writeSync(); // files behind the runs they belong to
    this.#uploads?.writeSync();
    this.writeSync(); // tags of files that cannot be stored
  }

  /**
   * Has everything on disk before it returns: a store that writes on the event loop has it there just as well as the
   * outbox.
   */
  #keepAll(): boolean {
    this.writeSync();
    const queued = this.#writer.keepQueued(this.#queue.all().filter((log) => !log.kept));
    const files = this.#uploads?.keep() ?? true;
    return this.#writer.keepFresh() && queued && files;
  }

  /**
   * Runs the store has as open, and those it has not heard of yet. Short runs are over before either list knows them.
   */
  #openLogs(): RunBuffer[] {
    const unheard = this.#queue.all().filter((log) => !log.ended && log.ids === undefined);
    return [...new Set([...this.#writer.open, ...unheard, ...this.#writer.openLogs])];
  }

  #writeAll(): void {
    if (this.idle) return;
    this.#writer.own.lastChance();
    this.#activities.end(); // what becomes of those belongs to their runs
    this.#writeChanges();
    this.#uploads?.writeAll(); // behind the runs they belong to
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

  /** Whether nothing waits but files. */
  get #settledChanges(): boolean {
    return this.accounting.pending === 0;
  }

  /**
   * Something came after the end: at exit it is still written (another `exit` listener recorded it), after `close` it
   * is not.
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
