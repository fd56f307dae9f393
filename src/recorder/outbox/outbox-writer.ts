import { amount } from "../../base/amounts.js";
import type { TerminalStatus } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { itemsOf, type RunChange, type StoredIds } from "../../contracts/tracking-store.js";
import { MemoryLog, type Spool } from "../buffer/memory-log.js";
import type { RunBuffer } from "../buffer/run-buffer.js";
import { bytesOf } from "../changes/item-kinds.js";
import type { Outbox } from "./outbox.js";
import { OwnOutbox, type OwnOutboxOptions } from "./own-outbox.js";

/** The parts of an outbox writer. */
export interface OutboxWriterOptions extends OwnOutboxOptions {
  /** Whether the store answers asynchronously, so that the process may crash in between. */
  readonly remote: boolean;
  /** The number of items of one row: what the store accepts at once. */
  readonly pieceItems: number;
}

/** The number of runs spooled at once while the program runs, since this blocks the event loop. */
export const MAX_AT_ONCE = 100;
/** The cost of spooling a run besides its items, in items. */
const RUN_ITEMS = 10;

/** Spools run buffers into this tracker's own outbox, and notifies them of what becomes of them there. */
export class OutboxWriter implements Spool {
  readonly own: OwnOutbox;
  /** The buffers with changes in memory. */
  readonly queue: MemoryLog;
  /** Runs that are created in the store and have not ended. */
  readonly open: Set<RunBuffer> = new Set();
  readonly #options: OutboxWriterOptions;
  /** Buffers that go through the outbox and must be notified. */
  readonly #live = new Map<string, RunBuffer>();
  /** Buffers that go through the outbox and hold new items in memory. */
  readonly #fresh = new Set<RunBuffer>();

  constructor(options: OutboxWriterOptions) {
    this.#options = options;
    this.queue = new MemoryLog(options.dispatcher, options.account, this);
    options.dispatcher.add(this.queue);
    this.own = new OwnOutbox(options, {
      created: (key, ids) => this.#created(key, ids),
      drained: (key) => this.#drained(key),
      setAside: (key, error) => this.#wasSetAside(key, error),
      away: (key, error) => this.#live.get(key)?.tell("away", error),
      recovered: () => {
        this.#register([...this.open].filter((log) => !log.registered));
        options.dispatcher.schedule();
      },
      lost: (error) => this.#abandon(error),
      dropped: (key, error) => this.#dropped(key, error),
    });
  }

  /** Notes that something was recorded for a run that goes through the outbox. */
  added(log: RunBuffer): void {
    this.#fresh.add(log);
    this.#live.set(log.runKey, log);
  }

  /** Buffers that go through the outbox and hold items in memory. */
  get fresh(): ReadonlySet<RunBuffer> {
    return this.#fresh;
  }

  /** Buffers that go through the outbox and have not ended. */
  get openLogs(): readonly RunBuffer[] {
    return [...this.#live.values()].filter((log) => !log.ended);
  }

  keep(logs: Iterable<RunBuffer>): boolean {
    return this.#keep(logs, Number.POSITIVE_INFINITY) !== undefined;
  }

  /** Spools everything in these queued buffers and removes them from the queue; false if that is not possible. */
  keepQueued(logs: readonly RunBuffer[]): boolean {
    if (!this.keep(logs)) return false;
    this.queue.release(logs);
    return true;
  }

  /** Spools new items of buffers that go through the outbox. */
  keepFresh(): boolean {
    return this.keep(this.#fresh);
  }

  /** Spools about `items` items of what is in memory; false if that is not possible. */
  keepSome(items: number): boolean {
    const written = this.#keep(
      [...first(this.#fresh, MAX_AT_ONCE), ...this.queue.overdue(Number.POSITIVE_INFINITY, MAX_AT_ONCE)],
      items,
    );
    this.queue.release(written ?? []);
    return written !== undefined;
  }

  /**
   * Spools buffers until there are about `items` items, and returns those it reached; undefined if that is not
   * possible now.
   */
  #keep(logs: Iterable<RunBuffer>, items: number): RunBuffer[] | undefined {
    const [next] = logs;
    if (next === undefined) return [];
    const after = new Map<RunBuffer, () => void>();
    const written = this.own.write((outbox) => {
      const budget = { items };
      for (const log of logs) if (budget.items > 0) this.#write(log, outbox, after, budget);
    });
    if (!written) return undefined;
    for (const each of after.values()) each();
    this.#options.dispatcher.schedule();
    return [...after.keys()];
  }

  sending(logs: readonly RunBuffer[]): void {
    // A synchronous store answers before anything else can happen, unless the process is killed: then a run that was
    // created without its end would stay open.
    const { remote } = this.#options;
    this.#register(
      logs.filter(
        ({ registered, head }) => !registered && head?.create !== undefined && (remote || head.end === undefined),
      ),
    );
  }

  opened(logs: readonly RunBuffer[]): void {
    for (const log of logs) this.open.add(log);
    this.#register(this.#options.remote ? logs : logs.filter(({ registered }) => !registered));
  }

  ended(logs: readonly RunBuffer[]): void {
    this.own.mustWrite((outbox) => {
      for (const log of logs) outbox.ended(log.runKey);
    });
    for (const log of logs) log.register(false);
  }

  setAside(log: RunBuffer, change: RunChange, error: PulseError): void {
    if (!this.own.usable) return;
    const { runKey, headSeq } = log;
    const whole = change.create !== undefined;
    const state = stateOf(log);
    let behind = 0;
    const body = (outbox: Outbox): void => {
      if (headSeq === undefined) {
        outbox.putRun(state, this.#options.clock.now());
        outbox.append(change, itemsOf(change), false, error.message);
      } else if (whole) behind = outbox.itemsOf(runKey) - itemsOf(change);
      outbox.setAside(runKey, headSeq ?? 0, error.message, whole);
    };
    this.own.mustWrite(body, () => this.#options.account.rejected(behind, error));
  }

  completed(log: RunBuffer, stored: boolean): void {
    const { headSeq, runKey, ids } = log;
    if (headSeq === undefined) return;
    log.completeHead();
    const goOn = (): void => {
      this.own.source?.freeChildren(runKey);
      this.own.source?.unblock(runKey);
    };
    const body = (outbox: Outbox): void => {
      if (ids) outbox.setIds(runKey, ids);
      outbox.remove(runKey, headSeq);
    };
    // A refusal must be on disk before the run continues.
    if (stored || this.own.owes) this.own.mustWrite(stored ? body : () => undefined, goOn);
    else goOn();
  }

  /** Warns that what is left is spooled. */
  sayKept(): void {
    this.#options.diagnostics.warnAsync(this.notifyKept());
  }

  /** Notifies those who wait that what is left is spooled. */
  notifyKept(): PulseError {
    const { account, folder } = this.#options;
    const detail = `${amount(account.pending)} that ${folder?.uri} has not accepted ${account.pending === 1 ? "is" : "are"} kept in ${this.own.path}.`;
    const error = new PulseError("KEPT_FOR_LATER", detail);
    for (const log of this.#live.values()) log.tell("lost", error);
    return error;
  }

  /** Drops what is left, because its outbox was removed. */
  loseKept(): void {
    const { account, diagnostics, folder } = this.#options;
    const detail = `${amount(account.pending)} that ${folder?.uri} has not accepted ${account.pending === 1 ? "was" : "were"} in ${this.own.path}, which was removed.`;
    const error = new PulseError("LOST_AT_EXIT", detail);
    account.dropped(account.pending, error);
    for (const log of this.#live.values()) log.tell("lost", error);
    diagnostics.warnAsync(error);
  }

  /** Notifies a run of what becomes of it, even if it is only in the outbox. */
  follow(log: RunBuffer): void {
    if (log.kept) this.#live.set(log.runKey, log);
  }

  /** Records the status that open runs get if the process dies now; undefined removes it again. */
  recordExitStatus(status: TerminalStatus | undefined): void {
    if (this.own.source) this.own.write((outbox) => outbox.recordExitStatus(status));
  }

  #register(logs: readonly RunBuffer[]): void {
    if (logs.length === 0) return;
    const written = this.own.write((outbox) => {
      // Its end may be recorded already, but is not stored.
      for (const log of logs) outbox.putRun({ ...stateOf(log), ended: false }, this.#options.clock.now());
    });
    if (written) for (const log of logs) log.register(true);
  }

  /** Spools a buffer and those that wait for its creation. Memory is only changed once everything is on disk. */
  #write(root: RunBuffer, outbox: Outbox, after: Map<RunBuffer, () => void>, budget: { items: number }): void {
    const logs = [root];
    for (const log of logs) {
      if (after.has(log) || (log !== root && budget.items <= 0)) continue;
      this.#writeOne(log, outbox, after, budget);
      for (const child of log.children) logs.push(child); // nested children are visited, too
    }
  }

  #writeOne(log: RunBuffer, outbox: Outbox, after: Map<RunBuffer, () => void>, budget: { items: number }): void {
    const most = Math.max(1, budget.items);
    const whole = log.metricsLeft <= most;
    outbox.putRun({ ...stateOf(log), ended: log.ended && whole }, this.#options.clock.now());
    const inFlight = log.inFlight && log.headSeq === undefined ? log.head : undefined;
    const headSeq = inFlight ? outbox.append(inFlight, itemsOf(inFlight), true) : log.headSeq;
    const pieces = log.peek(this.#options.pieceItems, most);
    for (const piece of pieces) outbox.append(piece, itemsOf(piece), piece.attempted);
    const items = pieces.reduce((sum, piece) => sum + itemsOf(piece), 0);
    budget.items -= items + RUN_ITEMS;
    const { children } = log;
    after.set(log, () => {
      if (log.inFlight) this.own.source?.block(log.runKey);
      log.keep(headSeq, items, most);
      log.free();
      this.#options.account.released(pieces.reduce((sum, piece) => sum + bytesOf(piece), 0));
      if (whole) this.#fresh.delete(log);
      else this.#fresh.add(log);
      if (!whole || !log.ended || log.watched || log.inFlight) this.#live.set(log.runKey, log);
      else this.#live.delete(log.runKey);
      for (const child of children) if (!after.has(child)) this.queue.push(child);
    });
  }

  // Events of the outbox's own delivery.

  #created(key: string, ids: StoredIds): void {
    const log = this.#live.get(key);
    if (log === undefined) return;
    log.created(ids);
    this.queue.freeChildren(log);
  }

  #drained(key: string): void {
    const log = this.#live.get(key);
    if (log === undefined || log.headSeq !== undefined) return;
    this.#live.delete(key);
    log.drained();
    if (!log.ended && log.ids) this.open.add(log);
    // Nothing is left on disk, so new items are sent from memory again.
    if (this.#fresh.delete(log)) {
      log.enqueue();
      this.queue.push(log);
      this.#options.dispatcher.schedule();
    } else if (log.ids) log.tell("stored", log.ids);
  }

  /** Handles an outbox that can no longer be read: what was in it is lost, and what is in memory is sent from there. */
  #abandon(error: PulseError): void {
    const { account } = this.#options;
    const logs = new Set([...this.queue.all(), ...this.#fresh]);
    const inMemory = [...logs].reduce((sum, { recorded, settled }) => sum + recorded - settled, 0);
    account.dropped(account.pending - inMemory, error);
    for (const log of this.#live.values()) {
      log.abandoned(error, this.#fresh.delete(log));
      if (log.queued && !log.inFlight) this.queue.push(log); // what is in flight comes back by itself
    }
    this.#live.clear();
    for (const log of this.open) log.register(false);
    this.#register([...this.open]);
    this.#options.dispatcher.schedule();
  }

  /** Drops the items in memory of a run whose items in the outbox were dropped. */
  #dropped(key: string, error: PulseError): void {
    const log = this.#live.get(key);
    this.#live.delete(key);
    this.own.source?.freeChildren(key);
    if (log === undefined) return;
    this.#fresh.delete(log);
    this.queue.drop(log, error);
  }

  #wasSetAside(key: string, error: PulseError): void {
    const log = this.#live.get(key);
    if (log === undefined) return;
    log.lose(error, true);
    this.queue.freeChildren(log);
  }
}

export function stateOf(log: RunBuffer): Parameters<Outbox["putRun"]>[0] {
  const { runKey, experiment, parent, ids, ended } = log;
  return { key: runKey, experiment, parent: parent?.runKey, parentId: parent?.ids?.runId, ids, ended };
}

function first<T>(all: Iterable<T>, most: number): T[] {
  const found: T[] = [];
  for (const each of all) {
    if (found.length === most) break;
    found.push(each);
  }
  return found;
}
