import type { ExperimentRef, Metric } from "../../base/entities.js";
import type { ListName, RunChange, RunEnd, RunStart, StoredIds } from "../../contracts/tracking-store.js";
import type { Lists } from "../changes/item-kinds.js";

/** The lists of a change except the metrics. */
export type OtherLists = { -readonly [K in Exclude<ListName, "metrics">]: Lists[K] };

/** Placeholders until a list gets its first entry: most changes have no params, tags or inputs. */
const NONE: never[] = [];
const NO_LISTS: OtherLists = { params: NONE, tags: NONE, inputs: NONE };

/** The run that a piece of a change belongs to. */
export interface ChangeOwner {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly ids: StoredIds | undefined;
  readonly parent: { readonly ids: StoredIds | undefined } | undefined;
}

/**
 * The items of a run that were recorded but not handed over yet: its start, its lists and its end. A base class of
 * `RunBuffer` rather than a separate object, since there may be a hundred thousand of them.
 */
export class GatheredItems {
  #create: RunStart | undefined;
  #metrics: Metric[] = NONE;
  #lists = NO_LISTS;
  #end: RunEnd | undefined;
  /** The keys of results stored as rows, until their metrics are needed. Each row is one step of all keys. */
  #keys: readonly string[] | undefined;
  /** All rows, one after the other: the values in the order of the keys, followed by their time. */
  #rows: number[] = NONE;
  #firstStep = 0;
  /** The number of metrics already handed over. The list is advanced instead of copied for each batch. */
  #taken = 0;

  protected putStart(start: RunStart): void {
    this.#create = start;
  }

  protected putMetric(metric: Metric): void {
    const metrics = this.#allMetrics();
    if (metrics === NONE) this.#metrics = [metric];
    else metrics.push(metric);
  }

  /** Adds a result as a row, if it is the first item or follows rows with the same keys; returns false otherwise. */
  protected putRow(keys: readonly string[], row: readonly number[], step: number): boolean {
    if (this.#keys === undefined) {
      if (this.#metrics.length > 0) return false;
      this.#keys = keys;
      this.#rows = row as number[];
      this.#firstStep = step;
      return true;
    }
    if (this.#keys !== keys) return false;
    for (let i = 0; i <= keys.length; i++) this.#rows.push(row[i] as number);
    return true;
  }

  protected putItem<K extends keyof OtherLists>(name: K, item: Lists[K][number]): void {
    if (this.#lists === NO_LISTS) this.#lists = { ...NO_LISTS };
    const lists: { [name in K]: readonly unknown[] } = this.#lists;
    if (lists[name] === NONE) lists[name] = [item];
    else (lists[name] as unknown[]).push(item);
  }

  protected putEnd(end: RunEnd): void {
    this.#end = end;
  }

  protected replaceStart(change: (start: RunStart) => RunStart): void {
    if (this.#create) this.#create = change(this.#create);
  }

  /** Everything, including metrics that were handed over but are still in the list. */
  protected get everything(): Pick<RunChange, "create" | "end"> & Lists {
    return { create: this.#create, ...this.#lists, metrics: this.#allMetrics(), end: this.#end };
  }

  protected get holds(): boolean {
    return this.#create !== undefined || this.#end !== undefined || this.#lists !== NO_LISTS || this.metricsLeft > 0;
  }

  /** The number of metrics not handed over yet. */
  get metricsLeft(): number {
    const keys = this.#keys;
    return keys === undefined
      ? this.#metrics.length - this.#taken
      : (this.#rows.length / (keys.length + 1)) * keys.length;
  }

  /** The number of other items not handed over yet. */
  protected get othersLeft(): number {
    const { params, tags, inputs } = this.#lists;
    return (this.#create ? 1 : 0) + params.length + tags.length + inputs.length + (this.#end ? 1 : 0);
  }

  /**
   * Returns a change with up to `count` metrics, after the first `from` of those left. Other items go with the first
   * piece, the end with the last.
   */
  protected piece(from: number, count: number, { runKey, experiment, ids, parent }: ChangeOwner): RunChange {
    const metrics = this.#allMetrics();
    const first = this.#taken + from;
    const to = Math.min(metrics.length, first + count);
    const create = from === 0 ? this.#create : undefined;
    const { params, tags, inputs } = from === 0 ? this.#lists : NO_LISTS;
    return {
      runKey,
      experiment,
      ids,
      parentId: create && parent?.ids?.runId,
      attempted: false,
      create,
      metrics: first === 0 && to === metrics.length ? metrics : metrics.slice(first, to),
      params,
      tags,
      inputs,
      end: to === metrics.length ? this.#end : undefined,
    };
  }

  /** Removes everything except the metrics after the first `count`, and the end. */
  protected forget(count: number): void {
    this.#create = undefined;
    this.#lists = NO_LISTS;
    if (count < this.metricsLeft) this.advance(count);
    else {
      this.#keys = undefined;
      this.#rows = NONE;
      this.#metrics = NONE;
      this.#taken = 0;
      this.#end = undefined;
    }
  }

  /**
   * Removes the first `count` metrics that are left. The list is compacted, since it would only grow if the store
   * never catches up.
   */
  protected advance(count: number): void {
    const metrics = this.#allMetrics();
    this.#taken += count;
    if (this.#taken <= metrics.length / 2) return;
    this.#metrics = metrics.slice(this.#taken);
    this.#taken = 0;
  }

  /** The metrics in the list, including those already handed over. */
  #allMetrics(): Metric[] {
    const keys = this.#keys;
    if (keys === undefined) return this.#metrics;
    const rows = this.#rows;
    const first = this.#firstStep;
    const metricsOf = (from: number, step: number): Metric[] => {
      const timestamp = rows[from + keys.length] as number;
      return keys.map((key, i) => ({ key, value: rows[from + i] as number, timestamp, step }));
    };
    const metrics = metricsOf(0, first);
    for (let row = 1; row * (keys.length + 1) < rows.length; row++)
      for (const metric of metricsOf(row * (keys.length + 1), first + row)) metrics.push(metric);
    this.#metrics = metrics;
    this.#keys = undefined;
    this.#rows = NONE;
    return metrics;
  }
}
