import type { Clock } from "../clock.js";
import type { Diagnostics } from "../diagnostics.js";
import type { TerminalStatus } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import { itemsOf, type RunChange } from "../stores/tracking-store.js";
import type { Delivery } from "./delivery.js";
import type { Outbox } from "./outbox.js";
import { type OutboxFolder, removeOutbox } from "./outbox-folder.js";
import { OutboxSource } from "./outbox-source.js";
import { bytesOf, type RunLog } from "./run-log.js";
import type { QueueKeeper, RunQueue } from "./run-queue.js";

/** What a keeper works with. */
export interface KeeperOptions {
  /** Undefined keeps nothing on disk. */
  readonly folder: OutboxFolder | undefined;
  /** The store answers later: a crash may come in between. */
  readonly remote: boolean;
  /** Bound of the outbox in bytes. */
  readonly maxBytes: number;
  /** Most items of one row: what the store takes at once. */
  readonly pieceItems: number;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  readonly delivery: Delivery;
}

/** A full outbox is emptied to this share of its bound. */
const EMPTIED_TO = 0.9;

/** Writes run logs down in this tracker's own outbox, made when first needed, and tells them what becomes of them there. */
export class Keeper implements QueueKeeper {
  source: OutboxSource | undefined;
  /** Runs that are created in the store and have not ended. */
  readonly open: Set<RunLog> = new Set();
  readonly #options: KeeperOptions;
  /** Logs that go through the outbox and may be told of it. */
  readonly #live = new Map<string, RunLog>();
  /** Logs that go through the outbox and hold something new in memory. */
  readonly #fresh = new Set<RunLog>();
  #unusable = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#unusable = options.folder === undefined;
  }

  /** The queue whose logs it keeps. */
  queue: RunQueue | undefined;

  /** Whether something can be written down. */
  get usable(): boolean {
    return !this.#unusable;
  }

  /** Something was recorded of a run that goes through the outbox. */
  added(log: RunLog): void {
    this.#fresh.add(log);
    this.#live.set(log.runKey, log);
  }

  /** Logs that go through the outbox and hold something in memory. */
  get fresh(): readonly RunLog[] {
    return [...this.#fresh];
  }

  /** Logs that go through the outbox and have not ended. */
  get openLogs(): readonly RunLog[] {
    return [...this.#live.values()].filter((log) => !log.ended);
  }

  /** Writes everything of these logs down; false when that cannot be done. */
  keep(logs: readonly RunLog[]): boolean {
    if (logs.length === 0) return true;
    const source = this.#ownSource();
    if (source === undefined) return false;
    try {
      source.outbox.transaction(() => {
        for (const log of logs) this.#write(log, source);
      });
    } catch (error) {
      this.broken(error);
      return false;
    }
    this.#cap(source.outbox);
    this.#options.delivery.schedule();
    return true;
  }

  /** Writes down what is new of the logs that go through the outbox. */
  keepFresh(): boolean {
    const logs = [...this.#fresh];
    this.#fresh.clear();
    if (this.keep(logs)) return true;
    for (const log of logs) this.#fresh.add(log);
    return false;
  }

  sending(logs: readonly RunLog[]): void {
    // A store that writes on the event loop has answered before anything else can happen.
    if (this.#options.remote) this.#register(logs);
  }

  opened(logs: readonly RunLog[]): void {
    for (const log of logs) this.open.add(log);
    this.#register(logs);
  }

  #register(logs: readonly RunLog[]): void {
    this.#note(logs, (outbox, log) => {
      log.registered = true;
      outbox.putRun({ ...stateOf(log), ended: false }, this.#options.clock.now()); // its end may be recorded, but is not stored
    });
  }

  ended(logs: readonly RunLog[]): void {
    this.#note(logs, (outbox, log) => {
      log.registered = false;
      outbox.ended(log.runKey);
    });
  }

  setAside(log: RunLog, change: RunChange, error: PulseError): void {
    if (log.headSeq !== undefined) {
      const seq = log.headSeq;
      this.#note([log], (outbox) => outbox.setAside(log.runKey, seq, error.message, change.create !== undefined));
    } else
      this.#note([log], (outbox) => {
        outbox.putRun(stateOf(log), this.#options.clock.now());
        outbox.append(change, itemsOf(change), false, error.message);
        if (change.create) outbox.setAside(log.runKey, 0, error.message, true);
      });
  }

  landed(log: RunLog, stored: boolean): void {
    const seq = log.headSeq;
    log.headSeq = undefined;
    if (seq === undefined) return;
    if (stored)
      this.#note([log], (outbox) => {
        if (log.ids) outbox.setIds(log.runKey, log.ids);
        outbox.remove(log.runKey, seq);
      });
    this.source?.freeChildren(log.runKey);
    this.source?.unblock(log.runKey);
  }

  /** Whether something written down up to `seq` still waits for the store. */
  waitsUpTo(seq: number): boolean {
    return seq > 0 && this.source !== undefined && !this.#unusable && this.source.outbox.waitsUpTo(seq);
  }

  /** Says that what is left is kept, and tells those who wait for it. */
  sayKept(): void {
    const { diagnostics, folder } = this.#options;
    const error = new PulseError(
      "KEPT_FOR_LATER",
      `${diagnostics.stats.pending} items that ${folder?.uri} has not taken are kept in ${this.source?.outbox.path}.`,
    );
    for (const log of this.#live.values()) log.tell("lost", error);
    diagnostics.warnLater(error);
  }

  /** Takes note of what open runs end as if the process dies now. */
  noteDeath(status: TerminalStatus): void {
    const { source } = this;
    if (source === undefined || this.#unusable) return;
    try {
      source.outbox.noteDeath(status);
    } catch (error) {
      this.broken(error);
    }
  }

  /** Lets go of the outbox; its file stays when it holds something. */
  close(): void {
    const { source } = this;
    if (source === undefined) return;
    this.source = undefined;
    this.#unusable = true;
    this.#options.delivery.remove(source);
    try {
      const empty = source.outbox.empty;
      source.outbox.close();
      if (empty) removeOutbox(source.outbox.path);
    } catch {
      // What cannot be removed now is empty, and is removed by whoever finds it.
    }
  }

  // What the outbox's own delivery tells.

  delivered(key: string, items: number, ids: RunLog["ids"]): void {
    const { stats } = this.#options.diagnostics;
    stats.delivered += items;
    stats.pending -= items;
    const log = this.#live.get(key);
    if (log && ids) {
      log.created(ids);
      this.queue?.freeChildren(log);
    }
  }

  drained(key: string): void {
    const log = this.#live.get(key);
    if (log === undefined || log.headSeq !== undefined) return;
    this.#live.delete(key);
    log.kept = false;
    log.queued = false;
    log.registered = log.ids !== undefined; // the run's row stays until its end is stored
    // Nothing waits on disk: what is new goes the short way again.
    if (this.#fresh.delete(log) && this.queue) {
      log.queued = true;
      this.queue.push(log);
      this.#options.delivery.schedule();
    } else if (log.ids) log.tell("stored", log.ids);
  }

  asideLater(key: string, items: number, error: PulseError): void {
    const { stats } = this.#options.diagnostics;
    stats.rejected += items;
    stats.pending -= items;
    const log = this.#live.get(key);
    if (log === undefined) return;
    if (log.ids === undefined) log.refused = error;
    log.tell("lost", error);
    this.queue?.freeChildren(log);
  }

  away(key: string, error: PulseError): void {
    this.#live.get(key)?.tell("away", error);
  }

  broken(error: unknown): void {
    if (this.#unusable) return;
    this.#unusable = true;
    const where = this.source?.outbox.path ?? this.#options.folder?.path;
    this.#options.diagnostics.warnLater(
      new PulseError("OUTBOX_FAILED", `Nothing can be written down in ${where}: ${messageOf(error)}.`, error),
    );
  }

  #write(log: RunLog, source: OutboxSource): void {
    const { outbox } = source;
    const { queue } = this;
    const flying = log.flying && log.headSeq === undefined ? log.head : undefined;
    outbox.putRun(stateOf(log), this.#options.clock.now());
    if (flying) log.headSeq = outbox.append(flying, itemsOf(flying), true);
    if (log.flying) source.block(log.runKey);
    for (const piece of log.takeOut(this.#options.pieceItems)) {
      const items = itemsOf(piece);
      outbox.append(piece, items, piece.attempted);
      log.settled += items;
      if (queue) queue.bytes -= bytesOf(piece);
    }
    log.kept = true;
    log.registered = false; // its row is there for the changes' sake now, and goes with them
    if (!log.ended || log.watched || log.flying) this.#live.set(log.runKey, log);
    else this.#live.delete(log.runKey);
    for (const child of log.waiting ?? []) this.#write(child, source);
    log.waiting = undefined;
  }

  #note(logs: readonly RunLog[], write: (outbox: Outbox, log: RunLog) => void): void {
    const source = logs.length > 0 ? this.#ownSource() : undefined;
    if (source === undefined) return;
    try {
      source.outbox.transaction(() => {
        for (const log of logs) write(source.outbox, log);
      });
    } catch (error) {
      this.broken(error);
    }
  }

  #ownSource(): OutboxSource | undefined {
    const { folder, clock, delivery, diagnostics } = this.#options;
    if (this.#unusable || folder === undefined) return undefined;
    if (this.source === undefined) {
      try {
        this.source = new OutboxSource(folder.create(clock.now(), clock.id()), delivery, diagnostics, {
          delivered: (key, items, ids) => this.delivered(key, items, ids),
          drained: (key) => this.drained(key),
          setAside: (key, items, error) => this.asideLater(key, items, error),
          away: (key, error) => this.away(key, error),
          broken: (error) => this.broken(error),
        });
        delivery.add(this.source);
      } catch (error) {
        this.broken(error);
      }
    }
    return this.source;
  }

  #cap(outbox: Outbox): void {
    const { maxBytes, diagnostics } = this.#options;
    if (outbox.bytes <= maxBytes) return;
    const dropped = outbox.dropOldestMetrics(maxBytes * EMPTIED_TO);
    if (dropped === 0) return;
    diagnostics.stats.dropped += dropped;
    diagnostics.stats.pending -= dropped;
    diagnostics.warnLater(
      new PulseError("OUTBOX_FULL", `The outbox ${outbox.path} holds ${maxBytes} bytes; its oldest metrics were dropped (stats().dropped counts them).`),
    );
  }
}

function stateOf(log: RunLog): Parameters<Outbox["putRun"]>[0] {
  const { runKey, experiment, parent, ids, ended } = log;
  return { key: runKey, experiment, parent: parent?.runKey, parentId: parent?.ids?.runId, ids, ended };
}
