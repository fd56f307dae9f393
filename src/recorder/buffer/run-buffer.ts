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
import type { Unfinished, UnfinishedEnd } from "./unfinished.js";

/** How a run ends that was open when the process was asked to stop. */
const STOPPED: UnfinishedEnd = { status: "KILLED", partial: false };

const NO_BUFFERS: never[] = [];

/** Who takes note of what a run's buffer holds: the recorder, or who defers the run. */
export interface ChangeSink {
  /** Whether there is room for one more metric, param or tag. @default there always is */
  readonly admits?: (kind: ItemKind, key: string) => boolean;
  /** The buffer holds so many items more, of this many bytes in all. */
  added(buffer: RunBuffer, kind: ItemKind, bytes: number, items?: number): void;
  /** The end of a run that the store has as open is recorded. */
  ending(buffer: RunBuffer): void;
}

/** How a run fares in the store, told to those who wait for it. */
export interface RunWatcher {
  /** Everything recorded so far is stored. */
  stored?(ids: StoredIds): void;
  /** The run is created in the store. */
  created?(ids: StoredIds): void;
  /** The store is away; `error.retryable` says whether it may come back. */
  away?(error: PulseError): void;
  /** Some of the run was refused or dropped. */
  lost?(error: PulseError): void;
}

/**
 * Where a run's buffer is: `resting` when nothing of it waits; `queued` from the first item until the store has
 * everything, be it in the queue, in flight, or waiting for its parent; `kept` when it goes through the outbox: what is
 * recorded of it is written down there and delivered from there.
 */
type Where = "resting" | "queued" | "kept";

/**
 * One run's way to the store: the change being gathered, and its head, the one that is handed over. Changes stay in
 * order. Whoever carries it further says what has happened; what that makes of its state is decided here.
 */
export class RunBuffer extends GatheredItems {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly run: Unfinished;
  /** A signal that asks the process to stop came while it was open. */
  askedToStop = false;
  /** Its place in the queue's list, or -1; the list's own. */
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
  /** It is about to end: what is recorded now is what all values came to. */
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

  /** The run it is a child of, as far as it is to be created as one. */
  get parent(): RunBuffer | undefined {
    return this.#parent;
  }

  /**
   * Items recorded so far, and how many of them are acknowledged, refused, dropped or on disk: what `flush` compares.
   */
  get recorded(): number {
    return this.#recorded;
  }
  get settled(): number {
    return this.#settled;
  }

  /** What is with the store, or to be handed to it again as it is. */
  get head(): RunChange | undefined {
    return this.#head;
  }
  /** The head is with the store now. */
  get inFlight(): boolean {
    return this.#inFlight;
  }
  /** Where the outbox has the head, when that was written down while it was with the store. */
  get headSeq(): number | undefined {
    return this.#headSeq;
  }

  get queued(): boolean {
    return this.#where === "queued";
  }
  get kept(): boolean {
    return this.#where === "kept";
  }
  /** Since when it holds something, on the clock that is never set back. */
  get since(): number {
    return this.#since;
  }

  /** The outbox knows that the run is open. */
  get registered(): boolean {
    return this.#registered;
  }

  /** What the store calls it, once created there. */
  get ids(): StoredIds | undefined {
    return this.#ids;
  }
  /** Why it never can be created. */
  get refused(): PulseError | undefined {
    return this.#refused;
  }
  /** Whether the creation is still to be stored. */
  get uncreated(): boolean {
    return this.#ids === undefined && this.#refused === undefined;
  }
  /** The run's end is recorded. */
  get ended(): boolean {
    return this.#end !== undefined;
  }
  /** How it has ended. */
  get ending(): RunEnd | undefined {
    return this.#end;
  }

  /** Children that wait for this run's creation. */
  get children(): readonly RunBuffer[] {
    return this.#children ?? NO_BUFFERS;
  }

  /** The process or the tracker ends with this run open. */
  endUnfinished(end: UnfinishedEnd): void {
    this.run.endUnfinished(this.askedToStop ? STOPPED : end);
  }

  /** Has a watcher told how the run fares. */
  watch(watcher: RunWatcher): void {
    this.#watchers ??= [];
    this.#watchers.push(watcher);
  }

  /** Whether somebody waits for news of it. */
  get watched(): boolean {
    return this.#watchers !== undefined;
  }

  /** Tells the watchers, if any. */
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

  /** Takes a result as a row, its values and then their time; false when it has to come metric by metric. */
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

  /** Has `record` record what all values came to, for which there is always room; the run's end follows. */
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

  /** What of it is gathered and not handed over. */
  get gathered(): Pick<RunChange, "metrics" | "end"> | undefined {
    return this.holds ? this.everything : undefined;
  }

  /** Goes over to another intake, with everything gathered so far. */
  handOver(intake: ChangeSink): void {
    this.#intake = intake;
    // Read before: the first of it that is taken note of may have all of it handed to the store.
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

  /** How many items there are to hand over, without what follows a head that is to be handed over again. */
  get nextItems(): number {
    return this.#head ? itemsOf(this.#head) : this.metricsLeft + this.othersLeft;
  }

  /**
   * Gives the change to hand over next, at most `limit` items of it when it is all metrics; what follows stays in
   * order.
   */
  take(limit: number): RunChange | undefined {
    if (this.#head) {
      this.#head = { ...this.#head, ids: this.#ids, attempted: true };
      return this.#head;
    }
    if (!this.holds) return undefined;
    // The metrics are what can be many: the first part goes with the start and the params, the rest and the end follow.
    const count = Math.max(1, limit - this.othersLeft);
    this.#head = this.piece(0, count, this);
    this.forget(count);
    return this.#head;
  }

  /**
   * What is not with the store, in pieces of about `limit` items, for writing it down. With `most`, only about as many
   * metrics of it; the rest, and the end, stay for the next time.
   */
  peek(limit: number, most: number = Number.POSITIVE_INFINITY): RunChange[] {
    // A head that is here has been handed over before, and nobody knows what became of it.
    const pieces = this.#head && !this.#inFlight ? [{ ...this.#head, attempted: true }] : [];
    if (!this.holds) return pieces;
    const count = Math.min(this.metricsLeft, most);
    for (let from = 0; ; from += limit) {
      pieces.push(this.piece(from, Math.min(limit, count - from), this));
      if (from + limit >= count) return pieces;
    }
  }

  // What happens to it, each told by who sees it happen.

  /** So many more items of it are on their way. */
  count(items: number): void {
    this.#recorded += items;
  }

  /** It holds something that waits; `since` then, when anybody looks how long. */
  enqueue(since?: number): void {
    this.#where = "queued";
    if (since !== undefined) this.#since = since;
  }

  /** The queue has let it go: false when it holds nothing, else it is to be queued again. */
  requeue(): boolean {
    this.#where = this.empty ? "resting" : "queued";
    this.#since = this.#takenAt; // what it holds behind its head is younger than that
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

  /** Its head is taken back without an answer: nobody knows what has become of it. */
  recall(): void {
    this.#inFlight = false;
    if (this.#head) this.#head = { ...this.#head, attempted: true };
  }

  /** Other items are to be tried in place of the head's. */
  replaceHead(change: RunChange): void {
    this.#head = change;
  }

  /** Nothing more is to become of its head; gives it. */
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

  /** The store will not take some of it; without its creation, nothing at all. */
  lose(error: PulseError, creation: boolean): void {
    if (creation && this.#ids === undefined) this.#refused ??= error;
    this.tell("lost", error);
  }

  /** What `peek` gave with the same `most` is in the outbox, the head, if it is with the store, at `headSeq`. */
  keep(headSeq: number | undefined, items: number, most: number): void {
    this.#where = "kept";
    this.#headSeq = headSeq;
    this.#registered = false; // its row is there for the changes' sake now, and goes with them
    this.#settled += items;
    if (!this.#inFlight) this.#head = undefined;
    this.forget(most);
  }

  /** The outbox need not know any more where the head is. */
  completeHead(): void {
    this.#headSeq = undefined;
  }

  /** The outbox knows that the run is open, or has forgotten it. */
  register(registered: boolean): void {
    this.#registered = registered;
  }

  /** The outbox has nothing of it any more: all is stored. */
  drained(): void {
    this.#where = "resting";
    this.#registered = this.#ids !== undefined; // the run's row stays until its end is stored
  }

  /** The outbox is no more, and what was in it is lost; `holds`: there is something in memory that goes on. */
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

  /** Has the children that wait, or those of them, wait no more, and gives them. */
  free(which: (child: RunBuffer) => boolean = () => true): RunBuffer[] {
    if (this.#children === undefined) return NO_BUFFERS;
    const free: RunBuffer[] = [];
    const left: RunBuffer[] = [];
    for (const child of this.#children) (which(child) ? free : left).push(child);
    this.#children = left.length > 0 ? left : undefined;
    return free;
  }

  /** Cuts the tie to a parent the store refused: the child stands alone, with a tag that names it. */
  orphan(): void {
    this.#parent = undefined;
    if (this.#head?.create) this.#head = { ...this.#head, create: orphaned(this.#head.create) };
    else this.replaceStart(orphaned);
  }

  /**
   * Takes note that the oldest metrics are dropped, at most `most` of those not yet handed over, and says how many they
   * were.
   */
  dropMetrics(most: number = Number.POSITIVE_INFINITY): number {
    const count = Math.min(most, this.metricsLeft);
    if (count > 0) this.advance(count);
    this.#settled += count;
    return count;
  }

  /** Forgets what is not stored, and says that it is lost. */
  refuse(error: PulseError): void {
    this.#where = "resting";
    this.#head = undefined;
    this.#settled = this.#recorded;
    this.forget(Number.POSITIVE_INFINITY);
    this.lose(error, true);
  }
}

/** The start of a child whose parent never will be: it stands alone, with a tag that names it. */
export function orphaned(create: RunStart): RunStart {
  const { parentKey, sourceTags } = create;
  if (parentKey === undefined) return create;
  return {
    ...create,
    parentKey: undefined,
    sourceTags: [...sourceTags, { key: "pulse.parent_key", value: parentKey }],
  };
}
