import { later } from "../../base/detached.js";
import type { PulseError } from "../../base/errors.js";
import { itemsOf, type RunChange, refusedItems } from "../../contracts/tracking-store.js";
import type { Accounting } from "../changes/accounting.js";
import { bytesOf } from "../changes/item-kinds.js";
import { withoutParams } from "../changes/param-conflict.js";
import type { Batch, ChangeLog, Decision } from "../dispatch/change-log.js";
import { experimentKey } from "../dispatch/denied-experiments.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import { BufferList } from "./buffer-list.js";
import type { RunBuffer } from "./run-buffer.js";

/** The delay before spooling a run is tried again. */
const AGAIN_MS = 100;

/** The operations of the outbox that the memory log uses. */
export interface Spool {
  /** Spools everything in these buffers, which then go through the outbox; false if that is not possible. */
  keep(logs: readonly RunBuffer[]): boolean;
  /** Notes that these buffers are sent: if the process dies, the outcome of a creation may stay unknown. */
  sending(logs: readonly RunBuffer[]): void;
  /** Notes that these runs are created and still open. */
  opened(logs: readonly RunBuffer[]): void;
  /** Notes that the ends of these runs are stored. */
  ended(logs: readonly RunBuffer[]): void;
  /** Sets aside a change that the store will never accept. */
  setAside(log: RunBuffer, change: RunChange, error: PulseError): void;
  /** Notes that the pending change of a buffer that goes through the outbox has returned from the store. */
  completed(log: RunBuffer, stored: boolean): void;
}

/** The buffers with changes in memory, in the order in which they are handed over. */
export class MemoryLog implements ChangeLog<RunChange> {
  /** How often a batch was taken. */
  takes = 0;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #account: Accounting;
  readonly #writer: Spool;
  readonly #logs = new BufferList();
  /** Buffers that were with the store before and go first. */
  #first: RunBuffer[] = [];
  /** Buffers that wait for their next try after a failure. */
  readonly #backingOff = new Set<RunBuffer>();
  /** Buffers whose experiment is denied, by experiment key. */
  readonly #denied = new Map<string, Set<RunBuffer>>();
  /** The batches that are with the store now. */
  readonly #flights = new Set<InFlightBatch>();

  constructor(dispatcher: Dispatcher<RunChange>, account: Accounting, writer: Spool) {
    this.#dispatcher = dispatcher;
    this.#account = account;
    this.#writer = writer;
  }

  get ready(): boolean {
    return this.#logs.size > 0 || this.#first.length > 0;
  }

  /** Whether a batch is with the store now. */
  get inFlight(): boolean {
    return this.#flights.size > 0;
  }

  push(log: RunBuffer): void {
    this.#logs.push(log);
  }

  /**
   * Requeues buffers that wait for a permission: one as a probe for each experiment that is due, and all of
   * experiments that are no longer denied.
   */
  reopen(): void {
    const { denied } = this.#dispatcher;
    for (const [experiment, logs] of this.#denied) {
      if (denied.closed(experiment)) continue;
      const next = denied.has(experiment) ? [...logs].slice(0, 1) : logs;
      for (const log of next) {
        logs.delete(log);
        this.push(log);
      }
      if (logs.size === 0) this.#denied.delete(experiment);
    }
  }

  take(items: number, runs: number): Batch<RunChange> | undefined {
    const batch = this.takeLogs(items, runs);
    if (batch.length === 0) return undefined;
    this.takes++;
    this.#writer.sending(batch);
    const flight = new InFlightBatch(this, batch);
    this.#flights.add(flight);
    return flight;
  }

  /**
   * @internal Takes the next buffers, with at most `items` items in their changes. Children of a parent that is not
   * created yet wait with the parent.
   */
  takeLogs(items: number, runs: number): RunBuffer[] {
    const batch: RunBuffer[] = [];
    let left = items;
    while (left > 0 && batch.length < runs) {
      const log = this.#first[0] ?? this.#logs.first;
      if (log === undefined) break;
      // A run that is split over two batches would stay open if the process is killed in between: only a change that
      // is too large for any batch is split.
      if (batch.length > 0 && log.nextItems > left) break;
      if (!this.#waits(log)) {
        const change = log.take(left);
        if (change && log.refused) {
          // The run's creation was refused, so later changes have no run to go to.
          this.release([log]);
          this.#reject(log, log.refused);
          continue;
        }
        if (change) {
          left -= itemsOf(change);
          batch.push(log);
        } else log.requeue();
      }
      if (this.#first[0] === log) this.#first.shift();
      else this.#logs.delete(log);
    }
    return batch;
  }

  /**
   * Whether a buffer cannot go now. It then waits with its parent, in the outbox, or for its experiment's permission.
   */
  #waits(log: RunBuffer): boolean {
    const { denied } = this.#dispatcher;
    const { parent } = log;
    if (parent?.uncreated && log.uncreated) {
      // A child in another experiment does not wait for a parent that may not be created.
      if (denied.any && isElsewhere(log, parent) && denied.closed(experimentKey(parent.experiment))) log.orphan();
      else if (!parent.kept) {
        parent.awaitedBy(log);
        return true;
      } else {
        // A child of a parent in the outbox goes through the outbox, too, as soon as the disk accepts it.
        if (!this.#writer.keep([log])) this.#pause(log, AGAIN_MS);
        return true;
      }
    }
    if (!denied.any || denied.admits(experimentKey(log.experiment))) return false;
    this.#deny(log);
    return true;
  }

  /** Lets a buffer wait for its experiment's permission. Its children in other experiments do not wait for it. */
  #deny(log: RunBuffer): void {
    const experiment = experimentKey(log.experiment);
    const logs = this.#denied.get(experiment);
    if (logs) logs.add(log);
    else this.#denied.set(experiment, new Set([log]));
    for (const child of log.free((each) => isElsewhere(each, log))) {
      child.orphan();
      this.push(child);
    }
  }

  /**
   * Takes back what is in flight or backing off. It may be stored already, but changes are idempotent and are simply
   * sent again.
   */
  recall(): void {
    const back: RunBuffer[] = [];
    for (const flight of this.#flights) {
      flight.recalled = true;
      for (const log of flight.logs) {
        log.recall();
        if (log.headSeq === undefined) back.push(log);
        else this.#forget(log);
      }
    }
    this.#flights.clear();
    this.#first = [...back, ...this.#backingOff, ...this.#first];
    this.#backingOff.clear();
  }

  /** Returns every buffer with changes: in flight, backing off, queued, or waiting for its parent or a permission. */
  all(): RunBuffer[] {
    const denied = [...this.#denied.values()].flatMap((each) => [...each]);
    const inFlight = [...this.#flights].flatMap((flight) => flight.logs);
    const all = [...inFlight, ...this.#backingOff, ...denied, ...this.#first, ...this.#logs];
    // Appended while iterating, so that nested children are visited, too.
    for (const log of all) for (const child of log.children) all.push(child);
    return all;
  }

  /** Iterates over the same buffers in order, except those in flight. The queue may change meanwhile. */
  *waiting(): Generator<RunBuffer> {
    for (const logs of [...this.#denied.values(), this.#backingOff, this.#first, this.#logs])
      for (const log of logs) {
        yield log;
        yield* log.children;
      }
  }

  /** Whether a run waits for a permission. */
  isDenied(log: RunBuffer): boolean {
    return (
      this.#denied.get(experimentKey(log.experiment))?.has(log) === true ||
      (this.#backingOff.has(log) && this.#dispatcher.isDenied(log.runKey))
    );
  }

  /** Drops everything in a buffer and returns how many items it held. */
  drop(log: RunBuffer, error: PulseError): number {
    const held = log.recorded - log.settled;
    for (const piece of log.peek(held)) this.#account.released(bytesOf(piece));
    log.refuse(error);
    this.release([log]);
    log.parent?.free((each) => each === log);
    this.freeChildren(log);
    this.#account.dropped(held, error);
    return held;
  }

  /** Returns at most `limit` buffers that have been waiting since before `before`, in queue order. */
  overdue(before: number, limit: number): RunBuffer[] {
    const found: RunBuffer[] = [];
    const consider = (log: RunBuffer): void => {
      if (found.length < limit && log.since <= before && !log.kept) found.push(log);
    };
    for (const { logs } of this.#flights) logs.forEach(consider);
    this.#backingOff.forEach(consider);
    for (const logs of [...this.#denied.values(), this.#first, this.#logs])
      for (const log of logs) {
        if (found.length >= limit) return found;
        consider(log);
      }
    return found;
  }

  /** Removes buffers that now go through the outbox. */
  release(logs: readonly RunBuffer[]): void {
    for (const log of logs) {
      this.#logs.delete(log);
      this.#backingOff.delete(log);
      if (this.#denied.size > 0) this.#denied.get(experimentKey(log.experiment))?.delete(log);
    }
    if (this.#first.length === 0) return;
    const gone = new Set(logs);
    this.#first = this.#first.filter((log) => !gone.has(log));
  }

  clear(): void {
    this.#logs.clear();
    this.#first = [];
    this.#backingOff.clear();
    this.#denied.clear();
  }

  /** @internal Applies the dispatcher's decisions to a batch. */
  conclude(batch: readonly RunBuffer[], decisions: readonly Decision[]): void {
    const again: RunBuffer[] = [];
    const opened: RunBuffer[] = [];
    const ended: RunBuffer[] = [];
    for (let i = 0; i < batch.length; i++) {
      const log = batch[i] as RunBuffer;
      const decision = decisions[i] as Decision;
      if (decision.kind === "done") {
        const ends = log.head?.end !== undefined;
        this.#acknowledge(log, decision, opened);
        // A run that has ended may be registered again, by files that made its store create it anew.
        if (log.registered && (ends || (log.ended && log.empty))) ended.push(log);
      } else if (decision.kind === "rejected") this.#reject(log, decision.error);
      else {
        if ("error" in decision && decision.error) log.tell("away", decision.error);
        if (log.headSeq !== undefined) {
          this.#forget(log); // the outbox has it and continues with it
          this.#writer.completed(log, false);
        } else if (decision.kind === "denied") this.#deny(log);
        else if (decision.kind === "later") this.#pause(log, decision.afterMs);
        else {
          if (decision.kind === "withoutParams") this.#withoutConflicts(log, decision.params);
          again.push(log);
        }
      }
    }
    // When runs go one by one, the next try is another run's turn, so that a faulty run does not block the others.
    if (batch.length > 1) this.#first = again.concat(this.#first);
    else for (const log of again) this.push(log);
    if (opened.length > 0) this.#writer.opened(opened);
    if (ended.length > 0) this.#writer.ended(ended);
  }

  /** @internal Notes that a batch has returned. */
  completed(flight: InFlightBatch): void {
    this.#flights.delete(flight);
    for (const log of flight.logs) log.land();
  }

  #acknowledge(log: RunBuffer, { ids, refused }: Decision & { kind: "done" }, opened: RunBuffer[]): void {
    const change = this.#forget(log);
    this.#account.delivered(itemsOf(change), refusedItems(refused), refused?.[0]?.error);
    if (change.create) {
      log.created(ids ?? { runId: log.runKey, experimentId: "" });
      if (!log.ended && !log.kept) opened.push(log);
      this.freeChildren(log);
    }
    if (log.kept) this.#writer.completed(log, true);
    else this.#requeue(log);
  }

  #reject(log: RunBuffer, error: PulseError): void {
    this.#writer.setAside(log, log.head as RunChange, error);
    const change = this.#forget(log);
    this.#account.rejected(itemsOf(change), error);
    log.lose(error, change.create !== undefined);
    if (change.create) this.freeChildren(log);
    if (log.kept) this.#writer.completed(log, false);
    else this.#requeue(log);
  }

  #pause(log: RunBuffer, ms: number): void {
    this.#backingOff.add(log);
    later(() => {
      if (!this.#backingOff.delete(log)) return;
      this.push(log);
      this.#dispatcher.schedule();
    }, ms).unref();
  }

  /** Removes the pending change of a buffer and returns it. */
  #forget(log: RunBuffer): RunChange {
    const change = log.settleHead();
    this.#account.released(bytesOf(change));
    return change;
  }

  /** Requeues a buffer that still holds changes; otherwise notifies its watchers. */
  #requeue(log: RunBuffer): void {
    if (log.requeue()) this.push(log);
    else if (log.ids) log.tell("stored", log.ids);
  }

  /** Requeues the children of a run that was created, or never will be. */
  freeChildren(parent: RunBuffer): void {
    for (const child of parent.free()) {
      if (parent.refused) child.orphan();
      this.push(child);
    }
  }

  #withoutConflicts(log: RunBuffer, keys: readonly string[]): void {
    const change = log.head as RunChange;
    const left = withoutParams(change, keys);
    log.replaceHead(left);
    this.#account.released(bytesOf(change) - bytesOf(left));
  }
}

const isElsewhere = (child: RunBuffer, parent: RunBuffer): boolean =>
  experimentKey(child.experiment) !== experimentKey(parent.experiment);

/** A batch that is with the store. */
class InFlightBatch implements Batch<RunChange> {
  readonly work: readonly RunChange[];
  readonly logs: readonly RunBuffer[];
  recalled = false;
  readonly #queue: MemoryLog;

  constructor(queue: MemoryLog, logs: readonly RunBuffer[]) {
    this.#queue = queue;
    this.logs = logs;
    this.work = logs.map((log) => log.head as RunChange);
    const now = performance.now();
    for (const log of logs) log.fly(now);
  }

  divisible(): boolean {
    return false;
  }

  conclude(decisions: readonly Decision[]): void {
    this.#queue.completed(this);
    this.#queue.conclude(this.logs, decisions);
  }
}
