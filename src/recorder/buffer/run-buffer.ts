import type { DatasetInput, ExperimentRef, Metric, Param, Tag } from "../../base/entities.js";
import type { PulseError } from "../../base/errors.js";
import {
  itemsOf,
  LIST_NAMES,
  type RunChange,
  type RunEnd,
  type RunStart,
  type StoredIds,
} from "../../contracts/tracking-store.js";
import { END_BYTES, type ItemKind, LIST_KINDS, type Lists, METRIC_BYTES, START_BYTES } from "../changes/item-kinds.js";
import { GatheredItems, type OtherLists } from "./gathered-items.js";
import type { Unfinished, UnfinishedEnd } from "./unfinished-end.js";

/** The end of a run that was open when the process was asked to stop. */
const STOPPED: UnfinishedEnd = { status: "KILLED", partial: false };

const NO_BUFFERS: never[] = [];

/** Receives the items of a run's buffer: the recorder, or the deferral of the run. */
export interface ChangeSink {
  /** Whether there is room for another metric, param or tag. @default there always is */
  readonly admits?: (kind: ItemKind, key: string) => boolean;
  /** Notes that the buffer holds `items` more items of `bytes` bytes in all. */
  added(buffer: RunBuffer, kind: ItemKind, bytes: number, items?: number): void;
  /** Notes that the end of a run is recorded that the store has as open. */
  ending(buffer: RunBuffer): void;
}

/** Called by a run's buffer for those who wait for the run. */
export interface RunWatcher {
  /** Everything recorded so far is stored. */
  stored?(ids: StoredIds): void;
  /** The run is created in the store. */
  created?(ids: StoredIds): void;
  /** The store is unavailable; `error.retryable` tells whether it may recover. */
  away?(error: PulseError): void;
  /** Part of the run was refused or dropped. */
  lost?(error: PulseError): void;
}

/**
 * The state of a run's buffer:
 * - `resting`: nothing waits.
 * - `queued`: from the first item until the store has everything. The buffer is in the queue, in flight, backing off,
 *   or waiting for its parent or a permission.
 * - `kept`: the run goes through the outbox: what is recorded is spooled there and delivered from there.
 *
 * ```
 *           enqueue            keep (spooled)
 * resting ----------> queued ----------------> kept
 *  ^  ^                | ^                     | |
 *  |  +--- requeue ----+ +----- abandoned -----+ |
 *  |      (if empty)         (if it holds items) |
 *  +--------- drained, or abandoned -------------+
 * ```
 *
 * `refuse` leads to `resting` from any state.
 */
type Where = "resting" | "queued" | "kept";

/**
 * The changes of one run on their way to the store: the items being gathered, and the head, which is the pending
 * change that is handed over. Changes stay in order. Callers report events; this class derives the state from them.
 */
export class RunBuffer extends GatheredItems {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly run: Unfinished;
  /** Whether the process was asked to stop while the run was open. */
  askedToStop = false;
  /** Its place in the queue's list, or -1. Managed by the list. */
  place = -1;
  #parent: RunBuffer | undefined;
  #children: RunBuffer[] | undefined;
  #where: Where = "resting";
  #recorded = 0;
  #settled = 0;
  #head: RunChange | undefined;
  #inFlight = false;
  #headSeq: number | undefined;
  #registered = false;
  #since = 0;
  #takenAt = 0;
  #ids: StoredIds | undefined;
  #refused: PulseError | undefined;
  #end: RunEnd | undefined;
  /** Whether the run is about to end, so that aggregates are recorded without a limit. */
  #closing = false;
  #watchers: RunWatcher[] | undefined;
  #intake: ChangeSink;

  constructor(
    intake: ChangeSink,
    run: Unfinished,
    runKey: string,
    experiment: ExperimentRef,
    parent: RunBuffer | undefined,
  ) {
    super();
    this.#intake = intake;
    this.run = run;
    this.runKey = runKey;
    this.experiment = experiment;
    this.#parent = parent;
  }

  /** The parent run, if this run is created as its child. */
  get parent(): RunBuffer | undefined {
    return this.#parent;
  }

  /**
   * The numbers of items recorded so far, and of those that are stored, refused, dropped or spooled. `flush` compares
   * them.
   */
  get recorded(): number {
    return this.#recorded;
  }
  get settled(): number {
    return this.#settled;
  }

  /** The pending change: with the store, or to be sent again unchanged. */
  get head(): RunChange | undefined {
    return this.#head;
  }
  /** Whether the head is with the store. */
  get inFlight(): boolean {
    return this.#inFlight;
  }
  /** The head's row in the outbox, if it was spooled while in flight. */
  get headSeq(): number | undefined {
    return this.#headSeq;
  }

  get queued(): boolean {
    return this.#where === "queued";
  }
  get kept(): boolean {
    return this.#where === "kept";
  }
  /** Since when it has held something, by the monotonic clock. */
  get since(): number {
    return this.#since;
  }

  /** Whether the outbox knows that the run is open. */
  get registered(): boolean {
    return this.#registered;
  }

  /** The store's ids, once the run is created. */
  get ids(): StoredIds | undefined {
    return this.#ids;
  }
  /** Why the run can never be created. */
  get refused(): PulseError | undefined {
    return this.#refused;
  }
  /** Whether the run still has to be created. */
  get uncreated(): boolean {
    return this.#ids === undefined && this.#refused === undefined;
  }
  /** Whether the run's end is recorded. */
  get ended(): boolean {
    return this.#end !== undefined;
  }
  /** The recorded end. */
  get ending(): RunEnd | undefined {
    return this.#end;
  }

  /** Children that wait for this run's creation. */
  get children(): readonly RunBuffer[] {
    return this.#children ?? NO_BUFFERS;
  }

  /** Ends the run because the process or the tracker ends while it is open. */
  endUnfinished(end: UnfinishedEnd): void {
    this.run.endUnfinished(this.askedToStop ? STOPPED : end);
  }

  /** Registers a watcher. */
  watch(watcher: RunWatcher): void {
    this.#watchers ??= [];
    this.#watchers.push(watcher);
  }

  /** Whether anybody waits for news of the run. */
  get watched(): boolean {
    return this.#watchers !== undefined;
  }

  /** Notifies the watchers. */
  tell<K extends keyof RunWatcher>(what: K, about: Parameters<Required<RunWatcher>[K]>[0]): void {
    if (this.#watchers === undefined) return;
    for (const watcher of this.#watchers) (watcher as { [each in K]?: (about: unknown) => void })[what]?.(about);
  }

  start(start: RunStart): void {
    this.putStart(start);
    this.#intake.added(this, "runs", START_BYTES);
  }

  metric(metric: Metric): void {
    if (!this.#closing && this.#intake.admits?.("metrics", metric.key) === false) return;
    this.putMetric(metric);
    this.#intake.added(this, "metrics", METRIC_BYTES);
  }

  /** Adds a result as a row of values and their time. Returns false if its metrics must be added one by one. */
  result(keys: readonly string[], row: readonly number[], step: number): boolean {
    if (this.#intake.admits !== undefined || !this.putRow(keys, row, step)) return false;
    this.#intake.added(this, "metrics", METRIC_BYTES * keys.length, keys.length);
    return true;
  }

  param(param: Param): void {
    this.#add("params", param, param.key);
  }

  tag(tag: Tag): void {
    this.#add("tags", tag, tag.key);
  }

  input(input: DatasetInput): void {
    this.#add("inputs", input, input.name);
  }

  #add<K extends keyof OtherLists>(name: K, item: Lists[K][number], key: string): void {
    if (this.#intake.admits?.(name, key) === false) return;
    this.putItem(name, item);
    this.#intake.added(this, name, (LIST_KINDS[name] as { bytes(item: unknown): number }).bytes(item));
  }

  /** Calls `record` to record aggregates, for which there is always room. The run's end follows. */
  closing(record: () => void): void {
    this.#closing = true;
    try {
      record();
    } finally {
      this.#closing = false;
    }
  }

  end(end: RunEnd): void {
    this.putEnd(end);
    this.#end = end;
    if (this.#ids) this.#intake.ending(this);
    this.#intake.added(this, "ends", END_BYTES);
  }

  /** The items gathered and not handed over yet. */
  get gathered(): Pick<RunChange, "create" | "metrics" | "end"> | undefined {
    return this.holds ? this.everything : undefined;
  }

  /** Switches to another sink and passes on everything gathered so far. */
  handOver(intake: ChangeSink): void {
    this.#intake = intake;
    // Read first: the first item passed on may cause everything to be handed over.
    const { create, end, ...lists } = this.everything;
    if (create) intake.added(this, "runs", START_BYTES);
    for (const name of LIST_NAMES) {
      const { bytes } = LIST_KINDS[name] as { bytes(item: unknown): number };
      for (const item of lists[name]) intake.added(this, name, bytes(item));
    }
    if (end) intake.added(this, "ends", END_BYTES);
  }

  /** Whether there is nothing to hand over. */
  get empty(): boolean {
    return this.#head === undefined && !this.holds;
  }

  /** The number of items in the next change. Items behind a pending head do not count. */
  get nextItems(): number {
    return this.#head ? itemsOf(this.#head) : this.metricsLeft + this.othersLeft;
  }

  /**
   * Returns the next change to hand over, with at most `limit` items where metrics allow it. The rest follows later,
   * in order.
   */
  take(limit: number): RunChange | undefined {
    if (this.#head) {
      this.#head = { ...this.#head, ids: this.#ids, attempted: true };
      return this.#head;
    }
    if (!this.holds) return undefined;
    // Only metrics are numerous: the first part goes with the start and the params; the rest and the end follow.
    const count = Math.max(1, limit - this.othersLeft);
    this.#head = this.piece(0, count, this);
    this.forget(count);
    return this.#head;
  }

  /**
   * Returns what is not with the store, in pieces of about `limit` items, for spooling. `most` limits the number of
   * metrics; the others and the end then stay for the next time.
   */
  peek(limit: number, most: number = Number.POSITIVE_INFINITY): RunChange[] {
    // A head that is not in flight was sent before, and its outcome is unknown.
    const pieces = this.#head && !this.#inFlight ? [{ ...this.#head, attempted: true }] : [];
    if (!this.holds) return pieces;
    const count = Math.min(this.metricsLeft, most);
    for (let from = 0; ; from += limit) {
      pieces.push(this.piece(from, Math.min(limit, count - from), this));
      if (from + limit >= count) return pieces;
    }
  }

  // Events, reported by whoever observes them.

  /** More items were recorded. */
  count(items: number): void {
    this.#recorded += items;
  }

  /** The buffer now holds something that waits, `since` the given time. */
  enqueue(since?: number): void {
    this.#where = "queued";
    if (since !== undefined) this.#since = since;
  }

  /** The queue has released it. Returns true if it still holds something and must be queued again. */
  requeue(): boolean {
    this.#where = this.empty ? "resting" : "queued";
    this.#since = this.#takenAt; // what it holds behind its head is younger
    return this.queued;
  }

  /** Its head is with the store from now on. */
  fly(now: number): void {
    this.#inFlight = true;
    this.#takenAt = now;
  }

  /** Its head is back. */
  land(): void {
    this.#inFlight = false;
  }

  /** Its head was taken back without an answer: its outcome is unknown. */
  recall(): void {
    this.#inFlight = false;
    if (this.#head) this.#head = { ...this.#head, attempted: true };
  }

  /** Replaces the head by a change to try instead. */
  replaceHead(change: RunChange): void {
    this.#head = change;
  }

  /** Its head is settled. Returns it. */
  settleHead(): RunChange {
    const change = this.#head as RunChange;
    this.#head = undefined;
    this.#settled += itemsOf(change);
    return change;
  }

  /** The run is created in the store. */
  created(ids: StoredIds): void {
    this.#ids = ids;
    this.tell("created", ids);
  }

  /** The store refuses part of it; without its creation, all of it. */
  lose(error: PulseError, creation: boolean): void {
    if (creation && this.#ids === undefined) this.#refused ??= error;
    this.tell("lost", error);
  }

  /** What `peek` returned with the same `most` is in the outbox; if the head is in flight, its row is `headSeq`. */
  keep(headSeq: number | undefined, items: number, most: number): void {
    this.#where = "kept";
    this.#headSeq = headSeq;
    this.#registered = false; // its row now exists for the changes, and goes with them
    this.#settled += items;
    if (!this.#inFlight) this.#head = undefined;
    this.forget(most);
  }

  /** The outbox no longer needs to know where the head is. */
  completeHead(): void {
    this.#headSeq = undefined;
  }

  /** The outbox now knows that the run is open, or has forgotten it. */
  register(registered: boolean): void {
    this.#registered = registered;
  }

  /** The outbox has nothing of it left: everything is stored. */
  drained(): void {
    this.#where = "resting";
    this.#registered = this.#ids !== undefined; // the run's row stays until its end is stored
  }

  /** The outbox became unusable and its content is lost. `holds`: there is something in memory that continues. */
  abandoned(error: PulseError, holds: boolean): void {
    this.#headSeq = undefined;
    this.#where = holds || this.#inFlight ? "queued" : "resting";
    this.lose(error, !this.#inFlight);
  }

  /** A child waits for this run's creation. */
  awaitedBy(child: RunBuffer): void {
    this.#children ??= [];
    this.#children.push(child);
  }

  /** Releases and returns the waiting children, or those that `which` selects. */
  free(which: (child: RunBuffer) => boolean = () => true): RunBuffer[] {
    if (this.#children === undefined) return NO_BUFFERS;
    const free: RunBuffer[] = [];
    const left: RunBuffer[] = [];
    for (const child of this.#children) (which(child) ? free : left).push(child);
    this.#children = left.length > 0 ? left : undefined;
    return free;
  }

  /** Detaches the run from a refused parent: it becomes a root with a tag that names the parent. */
  orphan(): void {
    this.#parent = undefined;
    if (this.#head?.create) this.#head = { ...this.#head, create: orphaned(this.#head.create) };
    else this.replaceStart(orphaned);
  }

  /** Drops the oldest metrics not handed over yet, at most `most`. Returns how many were dropped. */
  dropMetrics(most: number = Number.POSITIVE_INFINITY): number {
    const count = Math.min(most, this.metricsLeft);
    if (count > 0) this.advance(count);
    this.#settled += count;
    return count;
  }

  /** Drops everything that is not stored, and notifies the watchers. */
  refuse(error: PulseError): void {
    this.#where = "resting";
    this.#head = undefined;
    this.#settled = this.#recorded;
    this.forget(Number.POSITIVE_INFINITY);
    this.lose(error, true);
  }
}

/** Turns the start of a child whose parent will never exist into that of a root, with a tag that names the parent. */
export function orphaned(create: RunStart): RunStart {
  const { parentKey, sourceTags } = create;
  if (parentKey === undefined) return create;
  return {
    ...create,
    parentKey: undefined,
    sourceTags: [...sourceTags, { key: "pulse.parent_key", value: parentKey }],
  };
}
