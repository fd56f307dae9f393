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

/** The wait before one looks again whether the outbox takes a run. */
const AGAIN_MS = 100;

/** What the queue has written down. */
export interface Spool {
  /** Writes everything of these logs down, which then go through the outbox; false when that cannot be done. */
  keep(logs: readonly RunBuffer[]): boolean;
  /** These logs are handed over; of a run that is created so, nobody may ever hear what became of it. */
  sending(logs: readonly RunBuffer[]): void;
  /** These runs are created and go on. */
  opened(logs: readonly RunBuffer[]): void;
  /** The ends of these runs are stored. */
  ended(logs: readonly RunBuffer[]): void;
  /** The store will never take this change. */
  setAside(log: RunBuffer, change: RunChange, error: PulseError): void;
  /** The head of a log that goes through the outbox is back from the store. */
  completed(log: RunBuffer, stored: boolean): void;
}

/** The run logs that hold something in memory, in the order in which they are to be handed over. */
export class MemoryLog implements ChangeLog<RunChange> {
  /** How often something was taken. */
  takes = 0;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #account: Accounting;
  readonly #writer: Spool;
  readonly #logs = new BufferList();
  /** Those that were with the store already and go before the others. */
  #first: RunBuffer[] = [];
  /** Those the store failed on and that wait for their next try. */
  readonly #backingOff = new Set<RunBuffer>();
  /** Those whose experiment is denied, by its key. */
  readonly #denied = new Map<string, Set<RunBuffer>>();
  /** What is with the store now. */
  readonly #flights = new Set<InFlightBatch>();

  constructor(dispatcher: Dispatcher<RunChange>, account: Accounting, writer: Spool) {
    this.#dispatcher = dispatcher;
    this.#account = account;
    this.#writer = writer;
  }

  get ready(): boolean {
    return this.#logs.size > 0 || this.#first.length > 0;
  }

  /** Whether something is with the store now. */
  get inFlight(): boolean {
    return this.#flights.size > 0;
  }

  push(log: RunBuffer): void {
    this.#logs.push(log);
  }

  /**
   * Looks again at what waits for its experiment: a probe of each that is due, and all of those that are denied no
   * longer.
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
   * @internal Takes the next logs, at most `items` items of their changes; children of uncreated parents stay with
   * their parent.
   */
  takeLogs(items: number, runs: number): RunBuffer[] {
    const batch: RunBuffer[] = [];
    let left = items;
    while (left > 0 && batch.length < runs) {
      const log = this.#first[0] ?? this.#logs.first;
      if (log === undefined) break;
      // A run that is cut in two would be left open by who is killed in between: only what is too large for any batch
      // is cut.
      if (batch.length > 0 && log.nextItems > left) break;
      if (!this.#waits(log)) {
        const change = log.take(left);
        if (change && log.refused) {
          // What follows a start that was refused has no run to go to.
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

  /** Whether a log cannot go now; it then waits with its parent, in the outbox, or with others of its experiment. */
  #waits(log: RunBuffer): boolean {
    const { denied } = this.#dispatcher;
    const { parent } = log;
    if (parent?.uncreated && log.uncreated) {
      // A parent that nobody may create is not waited for in another experiment.
      if (denied.any && isElsewhere(log, parent) && denied.closed(experimentKey(parent.experiment))) log.orphan();
      else if (!parent.kept) {
        parent.awaitedBy(log);
        return true;
      } else {
        // Behind a parent that goes through the outbox, a child does too, as soon as the disk takes it.
        if (!this.#writer.keep([log])) this.#pause(log, AGAIN_MS);
        return true;
      }
    }
    if (!denied.any || denied.admits(experimentKey(log.experiment))) return false;
    this.#deny(log);
    return true;
  }

  /** Has a log wait with others of its experiment; children elsewhere do not wait for it. */
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
   * Puts what is in flight or resting back: it may be stored already, but changes are idempotent, so it simply goes
   * again.
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

  /** Every log that holds something: in flight, resting, queued, or waiting for its parent. */
  all(): RunBuffer[] {
    const denied = [...this.#denied.values()].flatMap((each) => [...each]);
    const inFlight = [...this.#flights].flatMap((flight) => flight.logs);
    const all = [...inFlight, ...this.#backingOff, ...denied, ...this.#first, ...this.#logs];
    // Those are looked at in their turn, however deep they are nested
    for (const log of all) for (const child of log.children) all.push(child);
    return all;
  }

  /**
   * The same one after the other, in the order in which they came, without what is with the store; what comes and goes
   * meanwhile is no trouble.
   */
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

  /** Drops a whole log, and says how many items it held. */
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

  /** Logs that have held something since `before`, at most `limit` of them, the first ones of the queue. */
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

  /** Lets go of logs that go through the outbox now. */
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

  /** @internal Does with a batch what was decided. */
  conclude(batch: readonly RunBuffer[], decisions: readonly Decision[]): void {
    const again: RunBuffer[] = [];
    const opened: RunBuffer[] = [];
    const ended: RunBuffer[] = [];
    for (let i = 0; i < batch.length; i++) {
      const log = batch[i] as RunBuffer;
      const decision = decisions[i] as Decision;
      if (decision.kind === "done") {
        if (log.registered && log.head?.end) ended.push(log);
        this.#acknowledge(log, decision, opened);
      } else if (decision.kind === "rejected") this.#reject(log, decision.error);
      else {
        if ("error" in decision && decision.error) log.tell("away", decision.error);
        if (log.headSeq !== undefined) {
          this.#forget(log); // the outbox has it, and goes on with it
          this.#writer.completed(log, false);
        } else if (decision.kind === "denied") this.#deny(log);
        else if (decision.kind === "later") this.#pause(log, decision.afterMs);
        else {
          if (decision.kind === "withoutParams") this.#withoutConflicts(log, decision.params);
          again.push(log);
        }
      }
    }
    // Where runs go one by one, the next try is another run's: whatever is wrong with this one, it does not stand in
    // the way.
    if (batch.length > 1) this.#first = again.concat(this.#first);
    else for (const log of again) this.push(log);
    if (opened.length > 0) this.#writer.opened(opened);
    if (ended.length > 0) this.#writer.ended(ended);
  }

  /** @internal A flight is back. */
  completed(flight: InFlightBatch): void {
    this.#flights.delete(flight);
    for (const log of flight.logs) log.land();
  }

  #acknowledge(log: RunBuffer, { ids, refused }: Decision & { kind: "done" }, opened: RunBuffer[]): void {
    const change = this.#forget(log);
    this.#account.delivered(itemsOf(change), refusedItems(refused));
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

  /** Lets the change at a log's head go, and gives it. */
  #forget(log: RunBuffer): RunChange {
    const change = log.settleHead();
    this.#account.released(bytesOf(change));
    return change;
  }

  /** Queues a log again while it holds something, else lets it rest. */
  #requeue(log: RunBuffer): void {
    if (log.requeue()) this.push(log);
    else if (log.ids) log.tell("stored", log.ids);
  }

  /** Has the children of a run that is created, or never will be, follow. */
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
