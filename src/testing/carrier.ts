import type { DatasetInput } from "../base/entities.js";
import { messageOf } from "../base/errors.js";
import type { ReadRun, TrackingReader } from "../contracts/tracking-reader.js";
import type { Outcome, RunChange, StoredIds, TrackingStore } from "../contracts/tracking-store.js";
import { faultOfOutcomes } from "../inner/testing.js";
import { assert } from "./assert.js";

/**
 * Passes changes to a store as the recorder does: with the ids the store returned, and marked as attempted when
 * repeated.
 */
export class Carrier {
  store: TrackingStore;
  readonly #reader: TrackingReader;
  readonly #ids = new Map<string, StoredIds>();
  /** Creations, and changes without one, that were passed to the store before. */
  readonly #tried = new WeakSet<object>();

  constructor(store: TrackingStore, reader: TrackingReader) {
    this.store = store;
    this.#reader = reader;
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    const given = this.#prepared(changes);
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.store.apply(given);
    } catch (error) {
      throw new Error(`apply threw, which means that the store is unavailable: ${messageOf(error)}`, { cause: error });
    }
    return this.#noted(given, outcomes, "apply");
  }

  applySync(changes: readonly RunChange[], waitMs: number): readonly Outcome[] {
    const given = this.#prepared(changes);
    return this.#noted(given, this.store.applySync?.(given, waitMs), "applySync");
  }

  /** Applies changes one by one and asserts that each is stored. */
  async deliver(...changes: readonly RunChange[]): Promise<void> {
    for (const each of changes) assertDone(await this.outcomeOf(each));
  }

  async outcomeOf(change: RunChange): Promise<Outcome> {
    const [outcome] = await this.apply([change]);
    return outcome as Outcome;
  }

  /** Marks a change as attempted, as if it had been sent and lost. */
  lost(change: RunChange): void {
    this.#tried.add(change.create ?? change);
  }

  idOf(key: string): string {
    return this.#ids.get(key)?.runId ?? key;
  }

  /** Forgets a run's ids, as after a crash before the answer arrived. */
  forget(key: string): void {
    this.#ids.delete(key);
  }

  /**
   * Returns what is stored of a run, with points and datasets in a fixed order and without additional fields of the
   * reader.
   */
  async read(key: string): Promise<Required<ReadRun> | undefined> {
    let run: ReadRun | undefined;
    try {
      run = await this.#reader.readRun(this.idOf(key));
    } catch (error) {
      throw new Error(`readRun of the reader failed: ${messageOf(error)}`, { cause: error });
    }
    if (run === undefined) return undefined;
    const { experiment, name, status, startTime, endTime, params, tags, metrics, inputs = [] } = run;
    const sorted = Object.entries(metrics).map(([metric, points]) => [metric, [...points].sort(inOrder)]);
    return {
      ...{ experiment, name, status, startTime, endTime, params: { ...params }, tags: { ...tags } },
      metrics: Object.fromEntries(sorted),
      inputs: inputs.map(comparable).sort(byText),
    };
  }

  close(): Promise<void> {
    return this.store.close();
  }

  #prepared(changes: readonly RunChange[]): readonly RunChange[] {
    const prepared = changes.map((change) => {
      const { runKey, create } = change;
      const parentId = create?.parentKey === undefined ? undefined : this.#ids.get(create.parentKey)?.runId;
      const attempted = this.#tried.has(create ?? change);
      this.#tried.add(create ?? change);
      return { ...change, attempted, ids: this.#ids.get(runKey), parentId };
    });
    // Each time new, frozen objects: a store must not rely on identity or change them.
    return frozen(structuredClone(prepared));
  }

  #noted(changes: readonly RunChange[], outcomes: unknown, by: string): readonly Outcome[] {
    const fault = faultOfOutcomes(changes, outcomes);
    if (fault !== undefined) assert.fail(`${by} gave ${fault}`);
    changes.forEach(({ runKey }, i) => {
      const outcome = (outcomes as readonly Outcome[])[i];
      if (outcome?.kind === "done" && outcome.ids) this.#ids.set(runKey, outcome.ids);
    });
    return outcomes as readonly Outcome[];
  }
}

/** Asserts that a change was stored, with the store's answer in the message. */
export function assertDone(outcome: Outcome | undefined): void {
  if (outcome?.kind === "done" && (outcome.refused ?? []).length === 0) return;
  const { kind, error, params, refused } = (outcome ?? {}) as {
    kind?: string;
    error?: Error;
    params?: string[];
    refused?: object[];
  };
  const why = [error?.message, params && `params ${params}`, refused && `refused: ${JSON.stringify(refused)}`]
    .filter(Boolean)
    .join("; ");
  assert.fail(`a change that can be stored was answered "${kind}"${why && ` (${why})`}`);
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const each of Object.values(Object.freeze(value))) frozen(each);
  return value;
}

/** Copies a dataset without undefined fields, which JSON drops. */
function comparable({ name, digest, sourceType, source, schema, profile, tags }: DatasetInput): DatasetInput {
  const optional = { schema: schema ?? undefined, profile: profile ?? undefined };
  return {
    name,
    digest,
    sourceType,
    source,
    ...optional,
    tags: tags.map(({ key, value }) => ({ key, value })).sort(byText),
  };
}

function byText(a: object, b: object): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

function inOrder(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => !Object.is(value, b[i]));
  return at < 0 ? 0 : Number(a[at]) - Number(b[at]);
}
