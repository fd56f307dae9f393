import type { ExperimentRef, Metric } from "../../entities.js";
import type { ListName, RunChange, RunEnd, RunStart, StoredIds } from "../../stores/tracking-store.js";
import type { Lists } from "../changes/item-kinds.js";

/** The lists of a change but the metrics. */
export type OtherLists = { -readonly [K in Exclude<ListName, "metrics">]: Lists[K] };

/** Stand for lists without entries until the first one; most changes have no params, tags or inputs. */
const NONE: never[] = [];
const NO_LISTS: OtherLists = { params: NONE, tags: NONE, inputs: NONE };

/** Whose change a piece is. */
export interface ChangeOwner {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly ids: StoredIds | undefined;
  readonly parent: { readonly ids: StoredIds | undefined } | undefined;
}

/**
 * What is gathered of a run and not handed over yet: its start, its lists, its end, in pieces. The base of a run's buffer and no object of
 * its own, since there may be a hundred thousand of them.
 */
export class GatheredItems {
  #create: RunStart | undefined;
  #metrics: Metric[] = NONE;
  #lists = NO_LISTS;
  #end: RunEnd | undefined;
  /** The run's first result, each key with step 0, until somebody looks at its metrics: most runs are one call and have no others. */
  #keys: readonly string[] | undefined;
  #values: readonly number[] = NONE;
  #time = 0;
  /** How many of the gathered metrics have been handed over already: a long list is walked along, not copied for each batch. */
  #taken = 0;

  protected putStart(start: RunStart): void {
    this.#create = start;
  }

  protected putMetric(metric: Metric): void {
    const metrics = this.#allMetrics();
    if (metrics === NONE) this.#metrics = [metric];
    else metrics.push(metric);
  }

  /** Takes the first result as a whole; false when there is something already. */
  protected putResult(keys: readonly string[], values: readonly number[], time: number): boolean {
    if (this.#keys !== undefined || this.#metrics.length > 0) return false;
    this.#keys = keys;
    this.#values = values;
    this.#time = time;
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

  /** All of it, whatever has been handed over of the metrics. */
  protected get everything(): Pick<RunChange, "create" | "end"> & Lists {
    return { create: this.#create, ...this.#lists, metrics: this.#allMetrics(), end: this.#end };
  }

  protected get holds(): boolean {
    return this.#create !== undefined || this.#end !== undefined || this.#lists !== NO_LISTS || this.metricsLeft > 0;
  }

  /** How many metrics are not handed over. */
  get metricsLeft(): number {
    return this.#keys?.length ?? this.#metrics.length - this.#taken;
  }

  /** How many items are no metrics. */
  protected get othersLeft(): number {
    const { params, tags, inputs } = this.#lists;
    return (this.#create ? 1 : 0) + params.length + tags.length + inputs.length + (this.#end ? 1 : 0);
  }

  /**
   * The `count` metrics, at most, behind the first `from` of those that are left, as a change; what is no metric goes with the first of those
   * that are left, the end with the last.
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

  /** Lets go of everything but the metrics behind the first `count` that are left, and the end behind them. */
  protected forget(count: number): void {
    this.#create = undefined;
    this.#lists = NO_LISTS;
    if (count < this.metricsLeft) this.advance(count);
    else {
      this.#keys = undefined;
      this.#metrics = NONE;
      this.#taken = 0;
      this.#end = undefined;
    }
  }

  /** Lets go of the first `count` metrics that are left: behind a store that never catches up the list would only grow. */
  protected advance(count: number): void {
    const metrics = this.#allMetrics();
    this.#taken += count;
    if (this.#taken <= metrics.length / 2) return;
    this.#metrics = metrics.slice(this.#taken);
    this.#taken = 0;
  }

  /** The metrics gathered, those handed over and not let go of yet among them. */
  #allMetrics(): Metric[] {
    const [keys, values, timestamp] = [this.#keys, this.#values, this.#time];
    if (keys === undefined) return this.#metrics;
    this.#metrics = keys.map((key, i) => ({ key, value: values[i] as number, timestamp, step: 0 }));
    this.#keys = undefined;
    this.#values = NONE;
    return this.#metrics;
  }
}
