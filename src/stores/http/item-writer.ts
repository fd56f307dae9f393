import type { MlflowError } from "../../base/errors.js";
import { refusedTags } from "../../contracts/refused-tags.js";
import type { RefusedItems } from "../../contracts/tracking-store.js";
import { type Items, logBatch } from "../../http/answers.js";
import { Failure, refusedAs } from "../../http/failure.js";
import type { TrackingApi } from "../../http/tracking-api.js";
import { type Batch, batches } from "./batches.js";
import type { Reconciler } from "./reconciler.js";
import { remedyFor } from "./refused-batch.js";
import { isAboutItems, isOfUser, RefusedItemsFinder } from "./refused-items.js";

/** Bounds of a request's body: proxies commonly refuse 1 MB; one that refuses less is given half as much. */
const MAX_BYTES = 900_000;
const MIN_BYTES = 30_000;

/** Sends the metrics, params and tags of runs that are there. */
export class ItemWriter {
  readonly #api: TrackingApi;
  readonly #late: Reconciler;
  readonly #runFailure: (error: unknown, runId: string) => unknown;
  readonly #finder: RefusedItemsFinder;
  #maxBytes = MAX_BYTES;

  constructor(api: TrackingApi, uri: string, late: Reconciler, runFailure: (error: unknown, runId: string) => unknown) {
    this.#api = api;
    this.#late = late;
    this.#runFailure = runFailure;
    this.#finder = new RefusedItemsFinder(uri);
  }

  /**
   * Sends items; gives the params that have another value already, and adds what the server will never take to
   * `refused`: tags of the run say so.
   */
  async log(runId: string, all: Items, refused: RefusedItems[]): Promise<readonly string[] | undefined> {
    const found: RefusedItems[] = [];
    const picked = this.#finder.pick(all, found);
    const told = found.length;
    const most = this.#maxBytes;
    for (const batch of batches(runId, { ...picked, tags: [...picked.tags, ...refusedTags(found)] }, most)) {
      try {
        await this.#send(runId, batch);
      } catch (error) {
        const conflicts = await this.#mend(runId, batch.items, most, error, found);
        if (conflicts) return conflicts;
      }
    }
    const users = found.filter(isOfUser);
    refused.push(...users);
    return users.length > told ? this.log(runId, { ...NOTHING, tags: refusedTags(users.slice(told)) }, []) : undefined;
  }

  /** Does what can be done about a batch that failed. */
  async #mend(
    runId: string,
    items: Items,
    most: number,
    error: unknown,
    refused: RefusedItems[],
  ): Promise<readonly string[] | undefined> {
    const failure = this.#runFailure(error, runId);
    if (failure !== error) throw failure; // the run itself is not there
    const remedy = await remedyFor(error, this.#api, runId, items).catch((why: unknown) => {
      // The run itself may not be there, which a server says only behind what it refuses
      throw this.#runFailure(why, runId);
    });
    if (remedy?.kind === "conflict") return remedy.params;
    if (remedy?.kind === "rest") return this.log(runId, remedy.items, refused);
    if (remedy?.kind === "smaller" && most > MIN_BYTES) {
      this.#maxBytes = Math.min(this.#maxBytes, Math.max(MIN_BYTES, Math.floor(most / 2)));
      return this.log(runId, items, refused);
    }
    const why = refusedAs(error);
    // A batch of nothing tells whether it is the items at all.
    if (
      !isAboutItems(why) ||
      (await this.#refusal(runId, [{ body: JSON.stringify({ run_id: runId }), items: NOTHING }]))
    )
      throw error;
    await this.#finder.find(items, why, (some) => this.#refusal(runId, batches(runId, some, this.#maxBytes)), refused);
    return undefined;
  }

  async #refusal(runId: string, some: readonly Batch[]): Promise<MlflowError | undefined> {
    try {
      for (const batch of some) await this.#send(runId, batch);
      return undefined;
    } catch (error) {
      const failure = this.#runFailure(error, runId);
      const why = refusedAs(failure);
      if (isAboutItems(why)) return why;
      throw failure;
    }
  }

  async #send(runId: string, { body, items }: Batch): Promise<void> {
    try {
      await logBatch(this.#api, runId, body, items);
      this.#late.tagsStored(runId, items.tags);
    } catch (error) {
      const answered = error instanceof Failure && (error.kind === "rejected" || error.kind === "denied");
      if (!answered) this.#late.tagsInDoubt(runId, items.tags);
      throw error;
    }
  }
}

const NOTHING: Items = { metrics: [], params: [], tags: [] };
