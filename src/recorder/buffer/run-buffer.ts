import type { DatasetInput, ExperimentRef, Metric, Param, Tag } from "../../entities.js";
import type { PulseError } from "../../errors.js";
import {
  itemsOf,
  LIST_NAMES,
  type ListName,
  type RunChange,
  type RunEnd,
  type RunStart,
  type StoredIds,
} from "../../stores/tracking-store.js";
import { END_BYTES, type ItemKind, LIST_KINDS, type Lists, METRIC_BYTES, START_BYTES } from "../changes/item-kinds.js";
import type { Unfinished } from "../unfinished.js";

/** A change that is still being gathered, or at the head of its log. */
interface Gathering extends RunChange {
  ids: StoredIds | undefined;
  parentId: string | undefined;
  attempted: boolean;
  create: RunStart | undefined;
  metrics: Metric[];
  params: Param[];
  tags: Tag[];
  inputs: DatasetInput[];
  end: RunEnd | undefined;
}

/** Stand for lists without entries until the first one; most changes have no params, tags or inputs. */
const NONE: never[] = [];
const NO_MORE = { params: NONE, tags: NONE, inputs: NONE };

/** The metrics of a run's first result, each of step 0: most runs are one call and have no others. */
interface FirstResult {
  readonly keys: readonly string[];
  readonly values: readonly number[];
  readonly time: number;
}

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

/** One run's way to the store: the change being gathered, and the one that is handed over. Changes stay in order. */
export class RunBuffer {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  parent: RunBuffer | undefined;
  /** Items recorded so far, and how many of them are acknowledged, refused or dropped: what `flush` compares. */
  recorded = 0;
  settled = 0;
  /** Handed to the store, or to be handed again as it is. */
  head: RunChange | undefined;
  /** The head is with the store now. */
  flying = false;
  /** Where the outbox has the head, when that was written down while it was with the store. */
  headSeq: number | undefined;
  /** It goes through the outbox: what is recorded of it is written down there and delivered from there. */
  kept = false;
  /** The outbox knows that the run is open. */
  registered = false;
  /** Since when it holds something, on the clock that is never set back. */
  since = 0;
  /** When its head was handed over; what it holds behind the head is younger. */
  takenAt = 0;
  /** The recorder has it in its queue, in flight, or waiting for its parent. */
  queued = false;
  /** Where it is in the queue's list, or -1. */
  place = -1;
  /** What the store calls it, once created there. */
  ids: StoredIds | undefined;
  /** Why it never can be created. */
  refused: PulseError | undefined;
  /** Children that wait for this run's creation. */
  waiting: RunBuffer[] | undefined;
  #watchers: Set<RunWatcher> | undefined;
  readonly run: Unfinished;
  /** The run's end is recorded. */
  ended = false;
  /** It is about to be: what is recorded now is what all values came to. */
  closing = false;
  #intake: ChangeSink;
  #next: Gathering | undefined;
  /** It stands before the metrics of `#next`, and becomes some of them when those are looked at. */
  #first: FirstResult | undefined;
  /** How many of the gathered metrics have been handed over already: a long list is walked along, not copied for each batch. */
  #taken = 0;

  constructor(intake: ChangeSink, run: Unfinished, runKey: string, experiment: ExperimentRef, parent: RunBuffer | undefined) {
    this.#intake = intake;
    this.run = run;
    this.runKey = runKey;
    this.experiment = experiment;
    this.parent = parent;
  }

  /** Has a watcher told how the run fares. */
  watch(watcher: RunWatcher): void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
  }

  /** Whether somebody waits for news of it. */
  get watched(): boolean {
    return (this.#watchers?.size ?? 0) > 0;
  }

  /** Takes note of what the store calls the run. */
  created(ids: StoredIds): void {
    this.ids = ids;
    this.tell("created", ids);
  }

  /** Tells the watchers, if any. */
  tell<K extends keyof RunWatcher>(what: K, about: Parameters<Required<RunWatcher>[K]>[0]): void {
    if (this.#watchers === undefined) return;
    for (const watcher of this.#watchers) (watcher[what] as ((about: unknown) => void) | undefined)?.(about);
  }

  start(start: RunStart): void {
    this.#gathering().create = start;
    this.#intake.added(this, "runs", START_BYTES);
  }

  metric(metric: Metric): void {
    if (!this.closing && this.#intake.admits?.("metrics", metric.key) === false) return;
    const next = this.#unfold(this.#gathering());
    if (next.metrics === NONE) next.metrics = [metric];
    else next.metrics.push(metric);
    this.#intake.added(this, "metrics", METRIC_BYTES);
  }

  /** Takes a whole result; false when it has to come metric by metric. */
  result(result: FirstResult): boolean {
    if (this.#intake.admits !== undefined || this.#first !== undefined || this.#gathering().metrics.length > 0) return false;
    this.#first = result;
    const { length } = result.keys;
    this.#intake.added(this, "metrics", METRIC_BYTES * length, length);
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

  #add<K extends Exclude<ListName, "metrics">>(name: K, item: Lists[K][number], key: string): void {
    if (this.#intake.admits?.(name, key) === false) return;
    const next = this.#gathering();
    if (next[name] === NONE) next[name] = [];
    (next[name] as unknown[]).push(item);
    this.#intake.added(this, name, (LIST_KINDS[name] as { bytes(item: unknown): number }).bytes(item));
  }

  end(end: RunEnd): void {
    this.#gathering().end = end;
    this.ended = true;
    if (this.ids) this.#intake.ending(this);
    this.#intake.added(this, "ends", END_BYTES);
  }

  /** What of it is gathered and not handed over. */
  get gathered(): Pick<RunChange, "metrics" | "end"> | undefined {
    return this.#whole;
  }

  /** Goes over to another intake, with everything gathered so far. */
  handOver(intake: ChangeSink): void {
    this.#intake = intake;
    const next = this.#whole;
    if (next === undefined) return;
    if (next.create) intake.added(this, "runs", START_BYTES);
    for (const name of LIST_NAMES) {
      const { bytes } = LIST_KINDS[name] as { bytes(item: unknown): number };
      for (const item of next[name]) intake.added(this, name, bytes(item));
    }
    if (next.end) intake.added(this, "ends", END_BYTES);
  }

  /** Whether there is nothing to hand over. */
  get empty(): boolean {
    return this.head === undefined && this.#next === undefined;
  }

  /** How many metrics are not handed over. */
  get metricsLeft(): number {
    return (this.#whole?.metrics.length ?? 0) - this.#taken;
  }

  /** Whether the creation is still to be stored. */
  get uncreated(): boolean {
    return this.ids === undefined && this.refused === undefined;
  }

  /** Gives the change to hand over next, at most `limit` items of it when it is all metrics; what follows stays in order. */
  take(limit: number): RunChange | undefined {
    if (this.head) {
      this.head = { ...this.head, ids: this.ids, attempted: true };
      return this.head;
    }
    const next = this.#whole;
    if (next === undefined) return undefined;
    next.ids = this.ids;
    if (next.create) next.parentId = this.parent?.ids?.runId;
    const metrics = next.metrics.length - this.#taken;
    const excess = itemsOf(next) - this.#taken - limit;
    if (excess > 0 && metrics > 1) {
      // The metrics are what can be many: the first part goes with the start and the params, the rest and the end follow.
      const upTo = this.#taken + Math.max(1, metrics - excess);
      this.head = { ...next, metrics: next.metrics.slice(this.#taken, upTo), end: undefined };
      this.#next = { ...next, create: undefined, ...NO_MORE };
      this.#advance(upTo);
    } else {
      this.head = this.#taken === 0 ? next : { ...next, metrics: next.metrics.slice(this.#taken) };
      this.#next = undefined;
      this.#taken = 0;
    }
    return this.head;
  }

  /**
   * What is not with the store, in pieces of about `limit` items, for writing it down. With `most`, only about as many metrics of it;
   * the rest, and the end, stay for the next time.
   */
  peek(limit: number, most: number = Number.POSITIVE_INFINITY): RunChange[] {
    // A head that is here has been handed over before, and nobody knows what became of it.
    const pieces = this.head && !this.flying ? [{ ...this.head, attempted: true }] : [];
    const next = this.#whole;
    if (next === undefined) return pieces;
    const parentId = this.parent?.ids?.runId;
    const upTo = Math.min(next.metrics.length, this.#taken + most);
    for (let from = this.#taken; ; from += limit) {
      const metrics = next.metrics.slice(from, Math.min(from + limit, upTo));
      const last = from + limit >= upTo;
      const piece = { ...next, ids: this.ids, parentId, metrics, end: last && upTo === next.metrics.length ? next.end : undefined };
      pieces.push(from === this.#taken ? piece : { ...piece, create: undefined, ...NO_MORE });
      if (last) return pieces;
    }
  }

  /** Lets go of what `peek` gave with the same `most`; false when something stays. */
  clear(most: number = Number.POSITIVE_INFINITY): boolean {
    if (!this.flying) this.head = undefined;
    const next = this.#whole;
    if (next && this.#taken + most < next.metrics.length) {
      this.#next = { ...next, create: undefined, ...NO_MORE };
      this.#advance(this.#taken + most);
      return false;
    }
    this.#next = undefined;
    this.#taken = 0;
    return true;
  }

  /** Drops the oldest metrics not yet handed over, at most `most` of them, and says how many they were. */
  dropMetrics(most: number = Number.POSITIVE_INFINITY): number {
    const next = this.#whole;
    const count = Math.min(most, this.metricsLeft);
    if (next && count > 0) this.#advance(this.#taken + count);
    return count;
  }

  /** Cuts the tie to a parent the store refused: the child stands alone, with a tag that names it. */
  orphan(): void {
    const cut = (change: RunChange): RunChange => (change.create ? { ...change, create: orphaned(change.create) } : change);
    this.parent = undefined;
    if (this.head) this.head = cut(this.head);
    else if (this.#next) this.#next = cut(this.#next) as Gathering;
  }

  /** Takes note that the metrics up to there were handed over, and lets go of them: behind a store that never catches up the list would only grow. */
  #advance(upTo: number): void {
    this.#taken = upTo;
    const next = this.#next as Gathering;
    if (upTo <= next.metrics.length / 2) return;
    next.metrics = next.metrics.slice(upTo);
    this.#taken = 0;
  }

  /** Forgets what is not stored, and says that it is lost. */
  refuse(error: PulseError): void {
    if (this.ids === undefined) this.refused ??= error;
    this.tell("lost", error);
    this.kept = false;
    this.head = undefined;
    this.#next = undefined;
    this.#first = undefined;
    this.#taken = 0;
  }

  /** What is gathered, the first result as metrics among the others. */
  get #whole(): Gathering | undefined {
    return this.#first && this.#next ? this.#unfold(this.#next) : this.#next;
  }

  #unfold(next: Gathering): Gathering {
    if (this.#first === undefined) return next;
    const { keys, values, time } = this.#first;
    this.#first = undefined;
    next.metrics = keys.map((key, i) => ({ key, value: values[i] as number, timestamp: time, step: 0 }));
    return next;
  }

  #gathering(): Gathering {
    this.#next ??= {
      runKey: this.runKey,
      experiment: this.experiment,
      ids: undefined,
      parentId: undefined,
      attempted: false,
      create: undefined,
      metrics: NONE,
      params: NONE,
      tags: NONE,
      inputs: NONE,
      end: undefined,
    };
    return this.#next;
  }
}

/** The start of a child whose parent never will be: it stands alone, with a tag that names it. */
export function orphaned(create: RunStart): RunStart {
  const { parentKey, sourceTags } = create;
  if (parentKey === undefined) return create;
  return { ...create, parentKey: undefined, sourceTags: [...sourceTags, { key: "pulse.parent_key", value: parentKey }] };
}
