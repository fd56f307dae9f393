import type { DatasetInput } from "../entities.js";
import type { ReadRun, TrackingReader } from "../stores/tracking-reader.js";
import type { Outcome, RunChange, StoredIds, TrackingStore } from "../stores/tracking-store.js";

/** Hands changes over as a recorder does: with the ids the store gave, and what was handed over before marked so. */
export class Carrier {
  store: TrackingStore;
  readonly #reader: TrackingReader;
  readonly #ids = new Map<string, StoredIds>();
  readonly #tried = new Set<string>();

  constructor(store: TrackingStore, reader: TrackingReader) {
    this.store = store;
    this.#reader = reader;
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    const outcomes = await this.store.apply(changes.map((each) => this.#prepared(each)));
    return this.#noted(changes, outcomes);
  }

  applySync(changes: readonly RunChange[], waitMs: number): readonly Outcome[] | undefined {
    const outcomes = this.store.applySync?.(
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

  /** What is stored of a run; what a reader has beside it, and in which order it gives points, is its own. */
  async read(key: string): Promise<ReadRun | undefined> {
    const run = await this.#reader.readRun(this.idOf(key));
    if (run === undefined) return undefined;
    const { experiment, name, status, startTime, endTime, params, tags, metrics } = run;
    const sorted = Object.entries(metrics).map(([metric, points]) => [metric, [...points].sort(inOrder)]);
    return { experiment, name, status, startTime, endTime, params, tags, metrics: Object.fromEntries(sorted) };
  }

  /** The datasets that are stored of a run, in an order that does not depend on the store. */
  async inputs(key: string): Promise<readonly DatasetInput[]> {
    const { inputs = [] } = (await this.#reader.readRun(this.idOf(key))) ?? {};
    const byText = (a: object, b: object): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    return inputs
      .map(({ name, digest, sourceType, source, schema, profile, tags }) => {
        const optional = { schema: schema ?? undefined, profile: profile ?? undefined }; // JSON drops what is undefined
        return { name, digest, sourceType, source, ...optional, tags: [...tags].sort(byText) };
      })
      .sort(byText);
  }

  close(): Promise<void> {
    return this.store.close();
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

function inOrder(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : Number(a[at]) - Number(b[at]);
}
