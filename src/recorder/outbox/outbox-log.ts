import { later } from "../../base/detached.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import { PulseError } from "../../base/errors.js";
import { LIST_NAMES, type RunChange, refusedItems, type StoredIds } from "../../contracts/tracking-store.js";
import { orphaned } from "../buffer/run-buffer.js";
import type { Account } from "../changes/accounting.js";
import type { Lists } from "../changes/item-kinds.js";
import { withoutParams } from "../changes/param-conflict.js";
import type { Batch, ChangeLog, Decision } from "../dispatch/change-log.js";
import { experimentKey } from "../dispatch/denied-experiments.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "./outbox.js";
import type { ChangeRow, KeptRun } from "./rows.js";

/** The number of rows read at once to find waiting runs, and how often before the event loop gets its turn. */
const PAGE = 500;
const PAGES = 2;
/** The delay before decisions are written again after that failed. */
const AGAIN_MS = 100;

/** Called with what becomes of an outbox's runs. */
export interface OutboxListener {
  /** A run is created in the store. */
  created(key: string, ids: StoredIds): void;
  /** Nothing of the run is left in the outbox. */
  drained(key: string): void;
  /** Part of a run was set aside. */
  setAside(key: string, error: PulseError): void;
  /** Nothing more can be delivered. */
  idle?(): void;
  /** The store is unavailable. */
  away(key: string, error: PulseError): void;
  /** The outbox could not be written or read. After a failed read it is `paused` until its owner resumes it. */
  failed(error: unknown, what: "reading" | "writing"): void;
}

/** A run's next changes, merged into one. */
interface Load {
  readonly key: string;
  readonly experiment: string;
  readonly rows: readonly ChangeRow[];
  readonly upTo: number;
  readonly items: number;
  readonly change: RunChange;
}

/** The changes of an outbox as a change log: in order within a run, and parents before their children. */
export class OutboxLog implements ChangeLog<RunChange> {
  outbox: Outbox;
  /** Whether nothing is taken for now, because the disk fails. */
  paused = false;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #diagnostics: Diagnostics;
  readonly #account: Account;
  readonly #listener: OutboxListener;
  /** Runs with changes to deliver, in order, with their experiments if known. */
  readonly #waiting = new Map<string, string | undefined>();
  /** Runs that are with the store, from here or from memory, or back off after a failure. */
  readonly #busy = new Set<string>();
  /** Children that wait for their parent's creation. */
  readonly #children = new Map<string, Set<string>>();
  /** Runs whose changes are sent one by one, to find the one that is refused. */
  readonly #single = new Set<string>();
  #cursor = 0;
  #over = false;

  constructor(
    outbox: Outbox,
    dispatcher: Dispatcher<RunChange>,
    diagnostics: Diagnostics,
    account: Account,
    listener: OutboxListener,
  ) {
    this.outbox = outbox;
    this.#dispatcher = dispatcher;
    this.#diagnostics = diagnostics;
    this.#account = account;
    this.#listener = listener;
  }

  get ready(): boolean {
    return !this.#over && !this.paused && (this.#waiting.size > 0 || this.#cursor < this.outbox.lastSeq);
  }

  /** Whether nothing is in flight and nothing can be delivered. */
  get idle(): boolean {
    return this.#over || (!this.ready && !this.paused && this.#busy.size === 0);
  }

  /** Whether a change of the run is with the store, or backs off. */
  isBusy(key: string): boolean {
    return this.#busy.has(key);
  }

  /** Skips a run because one of its changes is already with the store. */
  block(key: string): void {
    this.#waiting.delete(key);
    this.#busy.add(key);
  }

  /** Continues with a run. */
  unblock(key: string): void {
    this.#busy.delete(key);
    this.#goOn(key);
    this.#tellIdle();
  }

  /** Ignores all further events, since the outbox is about to be closed. */
  stop(): void {
    this.#over = true;
  }

  /** Continues with the children of a run that was created, or never will be. */
  freeChildren(key: string): void {
    for (const child of this.#children.get(key) ?? []) this.#waiting.set(child, undefined);
    this.#children.delete(key);
  }

  reopen(): void {
    this.#cursor = 0;
  }

  take(items: number, runs: number): Batch<RunChange> | undefined {
    const loads: Load[] = [];
    const { denied } = this.#dispatcher;
    try {
      let left = items;
      for (let pages = PAGES; left > 0 && loads.length < runs; ) {
        const [next] = this.#waiting;
        if (next === undefined) {
          if (pages-- === 0 || this.#cursor >= this.outbox.lastSeq) break;
          this.#turnPage();
          continue;
        }
        const [key, experiment] = next;
        // What is skipped here is found again: paging restarts when its experiment may be tried.
        let load =
          denied.any && experiment !== undefined && denied.closed(experiment) ? undefined : this.#load(key, left);
        if (load && denied.any && !denied.admits(load.experiment)) load = undefined;
        if (load?.change.create && !load.change.attempted) this.#markAttempted(load);
        this.#waiting.delete(key);
        if (load === undefined) continue;
        left -= load.items;
        this.#busy.add(key);
        loads.push(load);
      }
    } catch (error) {
      this.#failed(error);
    }
    this.#tellIdle();
    if (loads.length === 0) return undefined;
    return this.#batch(loads);
  }

  #batch(loads: readonly Load[]): Batch<RunChange> {
    const isOver = (): boolean => this.#over;
    return {
      work: loads.map(({ change }) => change),
      get recalled() {
        return isOver();
      },
      divisible: (index) => (loads[index] as Load).rows.length > 1,
      conclude: (decisions) => this.#conclude(loads, decisions),
    };
  }

  /** Records that a creation is about to be sent. */
  #markAttempted({ rows }: Load): void {
    try {
      this.outbox.markAttempted((rows[0] as ChangeRow).seq);
    } catch (error) {
      this.outbox.markUnsure();
      this.#listener.failed(error, "writing");
    }
  }

  /** Resumes after the outbox became writable again, and removes what was delivered meanwhile. */
  recovered(): void {
    this.paused = false;
    try {
      this.outbox.takeOutPassed();
    } catch (error) {
      this.#listener.failed(error, "writing");
    }
  }

  #turnPage(): void {
    const { denied } = this.#dispatcher;
    const { runs, upTo } = this.outbox.page(this.#cursor, PAGE);
    this.#cursor = upTo > this.#cursor ? upTo : this.outbox.lastSeq;
    for (const [key, experiment] of runs)
      if (!this.#busy.has(key) && !(denied.any && denied.closed(experiment))) this.#waiting.set(key, experiment);
  }

  #load(key: string, items: number): Load | undefined {
    const run = this.outbox.find(key);
    if (run === undefined) return undefined;
    if (run.aside !== undefined) {
      const late = this.outbox.itemsOf(key);
      this.outbox.setAside(key, 0, run.aside, true);
      const error = new PulseError("REJECTED", run.aside);
      this.#account.rejected(late, error);
      this.#listener.setAside(key, error);
      this.freeChildren(key);
      return undefined;
    }
    const { found: rows, damaged } = this.outbox.changes(key, this.#single.has(key) ? 1 : items);
    for (const each of damaged) {
      const error = new PulseError("REJECTED", each.reason);
      this.#diagnostics.warnAsync(error);
      this.#account.rejected(each.items, error);
      this.#listener.setAside(key, error);
    }
    const [first] = rows;
    if (first === undefined) {
      if (damaged.length > 0) return this.#load(key, items);
      this.#drained(key);
      return undefined;
    }
    let { create } = first;
    let parentId = run.parentId;
    if (create?.parentKey !== undefined && parentId === undefined) {
      const parent = this.outbox.find(create.parentKey);
      if (parent?.aside !== undefined || (parent && this.#isDeniedElsewhere(parent, run))) create = orphaned(create);
      else if (parent?.ids !== undefined) parentId = parent.ids.runId;
      else if (parent !== undefined && this.outbox.holds(parent.key)) {
        const children = this.#children.get(parent.key);
        if (children) children.add(key);
        else this.#children.set(parent.key, new Set([key]));
        return undefined;
      }
    }
    const change = merged(run, rows, create, parentId);
    const upTo = (rows.at(-1) as ChangeRow).seq;
    return { key, experiment: experimentKey(run.experiment), rows, upTo, items: itemsIn(rows), change };
  }

  /** Whether a parent waits for permission in another experiment, which its child does not need. */
  #isDeniedElsewhere(parent: KeptRun, child: KeptRun): boolean {
    const [theirs, own] = [experimentKey(parent.experiment), experimentKey(child.experiment)];
    return theirs !== own && parent.ids === undefined && this.#dispatcher.denied.closed(theirs);
  }

  /**
   * Writes decisions down and then applies them. If they cannot be written, stored changes are skipped from now on;
   * the other decisions are held until they can be.
   */
  #conclude(loads: readonly Load[], decisions: readonly Decision[]): void {
    if (this.#over) return;
    let effects: (() => void)[];
    try {
      effects = this.outbox.transaction(() => loads.map((load, i) => this.#book(load, decisions[i] as Decision)));
    } catch (error) {
      this.#listener.failed(error, "writing");
      if (!this.#over) this.#concludeLater(loads, decisions);
      return;
    }
    for (const effect of effects) effect();
    this.#tellIdle();
  }

  #concludeLater(loads: readonly Load[], decisions: readonly Decision[]): void {
    const rest: [Load, Decision][] = [];
    for (const [i, load] of loads.entries()) {
      const decision = decisions[i] as Decision;
      if (decision.kind === "done") {
        this.outbox.pass(load.key, load.upTo, idsOf(load, decision));
        this.#stored(load, decision);
      } else rest.push([load, decision]);
    }
    this.#tellIdle();
    if (rest.length === 0) return;
    later(() => {
      this.#conclude(
        rest.map(([load]) => load),
        rest.map(([, decision]) => decision),
      );
      this.#dispatcher.schedule();
    }, AGAIN_MS).unref();
  }

  /** Applies the acceptance of changes by the store. */
  #stored(load: Load, decision: Decision & { kind: "done" }): void {
    const { key, items } = load;
    const ids = idsOf(load, decision);
    this.#busy.delete(key);
    const { refused } = decision;
    this.#account.delivered(items, refusedItems(refused), refused?.[0]?.error);
    if (ids) {
      this.#listener.created(key, ids);
      this.freeChildren(key);
    }
    this.#goOn(key);
  }

  /** Writes one decision down and returns what to do once it is on disk. */
  #book(load: Load, decision: Decision): () => void {
    const { key, upTo, rows, experiment } = load;
    const again = (): void => {
      this.#busy.delete(key);
      this.#waiting.set(key, experiment);
    };
    switch (decision.kind) {
      case "done": {
        const ids = idsOf(load, decision);
        if (ids) this.outbox.setIds(key, ids);
        this.outbox.remove(key, upTo);
        return () => this.#stored(load, decision);
      }
      case "rejected":
        return this.#reject(load, decision.error);
      case "split":
        this.#single.add(key);
        return again;
      case "withoutParams":
        for (const row of rows) this.outbox.replace(row.seq, withoutParams(row, decision.params));
        return again;
      case "later":
        return () => {
          this.#listener.away(key, decision.error);
          later(() => {
            this.unblock(key);
            this.#dispatcher.schedule();
          }, decision.afterMs).unref();
        };
      case "denied":
        return () => {
          this.#busy.delete(key);
          this.freeChildren(key); // those in other experiments do not wait
          this.#listener.away(key, decision.error);
        };
      case "again":
        return () => {
          again();
          if (decision.error) this.#listener.away(key, decision.error);
        };
    }
  }

  #reject({ key, rows, change, upTo }: Load, error: PulseError): () => void {
    const whole = change.create !== undefined;
    const items = whole ? this.outbox.itemsOf(key) : itemsIn(rows);
    this.outbox.setAside(key, upTo, error.message, whole);
    return () => {
      this.#busy.delete(key);
      this.#single.delete(key);
      this.#account.rejected(items, error);
      this.#listener.setAside(key, error);
      if (whole) this.freeChildren(key);
      this.#goOn(key);
    };
  }

  #goOn(key: string): void {
    if (this.#over) return;
    try {
      if (this.outbox.holds(key)) this.#waiting.set(key, undefined);
      else this.#drained(key);
    } catch (error) {
      this.#waiting.set(key, undefined); // reconsidered when the disk works again
      this.#failed(error);
    }
  }

  #drained(key: string): void {
    this.#single.delete(key);
    this.#listener.drained(key);
  }

  #tellIdle(): void {
    if (!this.#over && this.idle) this.#listener.idle?.();
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    this.paused = true;
    this.#listener.failed(error, "reading");
  }
}

const idsOf = ({ key, change }: Load, { ids }: Decision & { kind: "done" }): StoredIds | undefined =>
  ids ?? (change.create ? { runId: key, experimentId: "" } : undefined);

const itemsIn = (rows: readonly ChangeRow[]): number => rows.reduce((sum, { items }) => sum + items, 0);

function merged(
  run: KeptRun,
  rows: readonly ChangeRow[],
  create: RunChange["create"],
  parentId: string | undefined,
): RunChange {
  const { key, experiment, ids } = run;
  return {
    runKey: key,
    experiment,
    ids,
    parentId,
    attempted: rows.some(({ attempted }) => attempted),
    create,
    ...(Object.fromEntries(
      LIST_NAMES.map((name) => [name, rows.flatMap((row) => row[name] as unknown[])]),
    ) as unknown as Lists),
    end: rows.findLast(({ end }) => end !== undefined)?.end,
  };
}
