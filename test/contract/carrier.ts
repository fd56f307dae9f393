import type { Outcome, RunChange, StoredIds, TrackingStore } from "../../src/stores/tracking-store.js";

/** A run as any store can tell it. */
export interface ReadRun {
  readonly experiment: string;
  readonly name: string;
  readonly status: string;
  readonly startTime: number;
  readonly endTime: number | null;
  readonly params: Record<string, string>;
  readonly tags: Record<string, string>;
  /** `[step, timestamp, value]` of each point, sorted. */
  readonly metrics: Record<string, [number, number, number][]>;
}

/** A store under test and a way to read what is in it. */
export interface Subject {
  readonly store: TrackingStore;
  /** By the id the store gave. */
  read(runId: string): Promise<ReadRun | undefined>;
  /** Servers keep the end time of a run that is resumed. */
  readonly keepsEndTime?: boolean;
  dispose(): Promise<void>;
}

/** Hands changes over as a recorder does: with the ids the store gave, and what was handed over before marked so. */
export class Carrier {
  readonly #subject: Subject;
  readonly #ids = new Map<string, StoredIds>();
  readonly #tried = new Set<string>();

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    const outcomes = await this.#subject.store.apply(changes.map((each) => this.#prepared(each)));
    return this.#noted(changes, outcomes);
  }

  applySync(changes: readonly RunChange[], waitMs: number): readonly Outcome[] | undefined {
    const outcomes = this.#subject.store.applySync?.(
      changes.map((each) => this.#prepared(each)),
      waitMs,
    );
    return outcomes && this.#noted(changes, outcomes);
  }

  idOf(key: string): string {
    return this.#ids.get(key)?.runId ?? key;
  }

  /** As after a crash before the answer came. */
  forget(key: string): void {
    this.#ids.delete(key);
  }

  read(key: string): Promise<ReadRun | undefined> {
    return this.#subject.read(this.idOf(key));
  }

  close(): Promise<void> {
    return this.#subject.store.close();
  }

  #prepared(change: RunChange): RunChange {
    const { runKey, create } = change;
    const parent = create?.parentKey === undefined ? undefined : this.#ids.get(create.parentKey);
    const attempted = create !== undefined && this.#tried.has(runKey);
    if (create) this.#tried.add(runKey);
    return { ...change, attempted, ids: this.#ids.get(runKey), parentId: parent?.runId };
  }

  #noted(changes: readonly RunChange[], outcomes: readonly Outcome[]): readonly Outcome[] {
    changes.forEach(({ runKey }, i) => {
      const outcome = outcomes[i];
      if (outcome?.kind === "done" && outcome.ids) this.#ids.set(runKey, outcome.ids);
    });
    return outcomes;
  }
}
