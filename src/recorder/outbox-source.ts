import type { Diagnostics } from "../diagnostics.js";
import { messageOf, PulseError } from "../errors.js";
import { NO_ANSWER, type Outcome, type RunChange, type StoredIds } from "../stores/tracking-store.js";
import type { Delivery, Parcel, Source } from "./delivery.js";
import { Failures } from "./failures.js";
import type { KeptChange, KeptRun } from "./kept.js";
import type { Outbox } from "./outbox.js";
import { conflictWarning, withoutParams } from "./param-conflict.js";
import { orphaned } from "./run-log.js";

const { setTimeout } = globalThis;

/** Most rows looked at to find runs that wait. */
const PAGE = 500;

/** Who is told what becomes of an outbox's runs. */
export interface OutboxListener {
  /** The store took `items` items of a run, all but `refused`; `ids` after its creation. */
  delivered(key: string, items: number, ids: StoredIds | undefined, refused: number): void;
  /** Nothing of the run is left in the outbox. */
  drained(key: string): void;
  /** Items of a run were set aside. */
  setAside(key: string, items: number, error: PulseError): void;
  /** Nothing more can be delivered. */
  idle?(): void;
  /** The store is away. */
  away(key: string, error: PulseError): void;
  /** The outbox itself can no longer be used. */
  broken(error: unknown): void;
}

/** A run's next changes, merged into one. */
interface Load {
  readonly key: string;
  readonly rows: readonly KeptChange[];
  readonly upTo: number;
  readonly items: number;
  readonly change: RunChange;
}

/** The runs of an outbox as a source of delivery: changes of a run in order, parents before their children. */
export class OutboxSource implements Source {
  readonly outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #diagnostics: Diagnostics;
  readonly #listener: OutboxListener;
  /** Runs with changes to deliver, in that order. */
  readonly #waiting = new Set<string>();
  /** Runs that are with the store, from here or from memory, or that rest after a failure. */
  readonly #busy = new Set<string>();
  /** Children that wait for their parent's creation. */
  readonly #children = new Map<string, Set<string>>();
  readonly #failures = new Map<string, Failures>();
  /** Runs whose changes go one by one, to find the one that is refused. */
  readonly #single = new Set<string>();
  #cursor = 0;
  #over = false;

  constructor(outbox: Outbox, delivery: Delivery, diagnostics: Diagnostics, listener: OutboxListener) {
    this.outbox = outbox;
    this.#delivery = delivery;
    this.#diagnostics = diagnostics;
    this.#listener = listener;
  }

  get ready(): boolean {
    return !this.#over && (this.#waiting.size > 0 || this.#cursor < this.outbox.lastSeq);
  }

  /** Whether anything is under way or may be delivered. */
  get idle(): boolean {
    return this.#over || (!this.ready && this.#busy.size === 0);
  }

  /** Whether a change of the run is with the store, or rests. */
  isBusy(key: string): boolean {
    return this.#busy.has(key);
  }

  /** Leaves a run alone: a change of it is with the store already. */
  block(key: string): void {
    this.#waiting.delete(key);
    this.#busy.add(key);
  }

  /** Goes on with a run. */
  unblock(key: string): void {
    this.#busy.delete(key);
    this.#guarded(() => this.#goOn(key));
  }

  /** Takes no notice of anything any more: the outbox is about to be closed. */
  stop(): void {
    this.#over = true;
  }

  /** Has the children of a run that is created, or never will be, follow. */
  freeChildren(key: string): void {
    for (const child of this.#children.get(key) ?? []) this.#waiting.add(child);
    this.#children.delete(key);
  }

  take(items: number, runs: number): Parcel | undefined {
    const loads: Load[] = [];
    this.#guarded(() => {
      let left = items;
      while (left > 0 && loads.length < runs) {
        const key = this.#next();
        if (key === undefined) break;
        this.#waiting.delete(key);
        const load = this.#load(key, left);
        if (load === undefined) continue;
        left -= load.items;
        this.#busy.add(key);
        loads.push(load);
      }
    });
    if (loads.length === 0) return undefined;
    return { changes: loads.map(({ change }) => change), settle: (outcomes) => this.#settle(loads, outcomes) };
  }

  #next(): string | undefined {
    while (this.#waiting.size === 0 && this.#cursor < this.outbox.lastSeq) {
      const { keys, upTo } = this.outbox.page(this.#cursor, PAGE);
      this.#cursor = upTo > this.#cursor ? upTo : this.outbox.lastSeq;
      for (const key of keys) if (!this.#busy.has(key)) this.#waiting.add(key);
    }
    return this.#waiting.values().next().value;
  }

  #load(key: string, items: number): Load | undefined {
    const run = this.outbox.find(key);
    if (run === undefined) return undefined;
    if (run.aside !== undefined) {
      const late = this.outbox.itemsOf(key);
      this.outbox.setAside(key, 0, run.aside, true);
      this.#listener.setAside(key, late, new PulseError("REJECTED", run.aside));
      return undefined;
    }
    const rows = this.outbox.changes(key, this.#single.has(key) ? 1 : items);
    const [first] = rows;
    if (first === undefined) return undefined;
    let { create } = first;
    let parentId = run.parentId;
    if (create?.parentKey !== undefined && parentId === undefined) {
      const parent = this.outbox.find(create.parentKey);
      if (parent?.aside !== undefined) create = orphaned(create);
      else if (parent?.ids !== undefined) parentId = parent.ids.runId;
      else if (parent !== undefined && this.outbox.holds(parent.key)) {
        const children = this.#children.get(parent.key);
        if (children) children.add(key);
        else this.#children.set(parent.key, new Set([key]));
        return undefined;
      }
    }
    const change = merged(run, rows, create, parentId);
    if (create && !first.attempted) this.outbox.markAttempted(first.seq);
    return { key, rows, upTo: (rows.at(-1) as KeptChange).seq, items: itemsIn(rows), change };
  }

  #settle(loads: readonly Load[], outcomes: readonly Outcome[]): void {
    this.#guarded(() =>
      this.outbox.transaction(() => {
        for (const [i, load] of loads.entries()) this.#book(load, outcomes[i] ?? NO_ANSWER);
      }),
    );
  }

  #book(load: Load, outcome: Outcome): void {
    const { key, change, upTo } = load;
    this.#busy.delete(key);
    if (outcome.kind === "done") {
      const ids = change.create ? (outcome.ids ?? { runId: key, experimentId: "" }) : undefined;
      if (ids) this.outbox.setIds(key, ids);
      this.outbox.remove(key, upTo);
      this.#failures.delete(key);
      this.#listener.delivered(key, load.items, ids, this.#diagnostics.refused(outcome.refused));
      if (ids) this.freeChildren(key);
      this.#goOn(key);
    } else if (outcome.kind === "rejected") this.#reject(load, outcome.error);
    else if (outcome.kind === "retry" || outcome.kind === "denied") this.#rest(load, outcome.error);
    else if (outcome.kind === "conflict") {
      this.#diagnostics.warnLater(conflictWarning(outcome.params));
      for (const row of load.rows)
        this.outbox.replace(row.seq, withoutParams({ ...change, params: row.params, tags: row.tags }, outcome.params), row.end);
      this.#waiting.add(key);
    } else {
      this.#waiting.add(key);
      this.#listener.away(key, outcome.error);
    }
  }

  #reject(load: Load, error: PulseError): void {
    const { key, rows, change, upTo } = load;
    if (rows.length > 1) {
      this.#single.add(key);
      this.#waiting.add(key);
      return;
    }
    this.#single.delete(key);
    this.#failures.delete(key);
    const whole = change.create !== undefined;
    const items = whole ? this.outbox.itemsOf(key) : itemsIn(rows);
    this.outbox.setAside(key, upTo, error.message, whole);
    this.#diagnostics.warnLater(error);
    this.#listener.setAside(key, items, error);
    if (whole) this.freeChildren(key);
    this.#goOn(key);
  }

  /** The store failed on this one: it waits alone, and is set aside when the store keeps failing on it and takes others. */
  #rest(load: Load, error: PulseError): void {
    const { key } = load;
    const failures = this.#failures.get(key) ?? new Failures();
    this.#failures.set(key, failures);
    if (failures.more(this.#delivery.lastAccepted)) {
      this.#reject(load, error);
      return;
    }
    this.#diagnostics.warnLater(error);
    this.#listener.away(key, error);
    this.#busy.add(key);
    setTimeout(() => {
      this.unblock(key);
      this.#delivery.schedule();
    }, this.#delivery.backoff(failures.doublings)).unref();
  }

  #goOn(key: string): void {
    if (this.outbox.holds(key)) this.#waiting.add(key);
    else {
      this.#single.delete(key);
      this.#listener.drained(key);
    }
  }

  /** Does something with the outbox; what fails there must reach nobody's call. */
  #guarded(body: () => void): void {
    if (this.#over) return;
    try {
      body();
    } catch (error) {
      this.#fail(error);
    }
    if (this.idle) this.#listener.idle?.();
  }

  #fail(error: unknown): void {
    this.#over = true;
    this.#diagnostics.warnLater(
      new PulseError("OUTBOX_FAILED", `The outbox ${this.outbox.path} cannot be read or written: ${messageOf(error)}.`, error),
    );
    this.#listener.broken(error);
  }
}

const itemsIn = (rows: readonly KeptChange[]): number => rows.reduce((sum, { items }) => sum + items, 0);

function merged(run: KeptRun, rows: readonly KeptChange[], create: RunChange["create"], parentId: string | undefined): RunChange {
  const { key, experiment, ids } = run;
  return {
    runKey: key,
    experiment,
    ids,
    parentId,
    attempted: rows.some(({ attempted }) => attempted),
    create,
    metrics: rows.flatMap(({ metrics }) => metrics),
    params: rows.flatMap(({ params }) => params),
    tags: rows.flatMap(({ tags }) => tags),
    end: rows.findLast(({ end }) => end !== undefined)?.end,
  };
}
