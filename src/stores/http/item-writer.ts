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

/** Limits of a request body. Proxies often refuse 1 MB; if one refuses less, the size is halved. */
const MAX_BYTES = 900_000;
const MIN_BYTES = 30_000;

/** Sends the metrics, params and tags of existing runs. */
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
   * Sends items. Returns the params that already have another value. Items that the server will never accept are added
   * to `refused` and named in tags of the run.
   */
  async log(runId: string, all: Items, refused: RefusedItems[]): Promise<readonly string[] | undefined> {
    const found: RefusedItems[] = [];
    const picked = this.#finder.pick(all, found);
    const reported = found.length;
    const most = this.#maxBytes;
    for (const batch of batches(runId, { ...picked, tags: [...picked.tags, ...refusedTags(found)] }, most)) {
      try {
        await this.#send(runId, batch);
      } catch (error) {
        const conflicts = await this.#recover(runId, batch.items, most, error, found);
        if (conflicts) return conflicts;
      }
    }
    const users = found.filter(isOfUser);
    refused.push(...users);
    return users.length > reported
      ? this.log(runId, { ...NOTHING, tags: refusedTags(users.slice(reported)) }, [])
      : undefined;
  }

  /** Handles a batch that failed. */
  async #recover(
    runId: string,
    items: Items,
    most: number,
    error: unknown,
    refused: RefusedItems[],
  ): Promise<readonly string[] | undefined> {
    const failure = this.#runFailure(error, runId);
    if (failure !== error) throw failure; // the run itself does not exist
    const remedy = await remedyFor(error, this.#api, runId, items).catch((why: unknown) => {
      // The run itself may not exist; a server reports that only after what it refuses.
      throw this.#runFailure(why, runId);
    });
    if (remedy?.kind === "conflict") return remedy.params;
    if (remedy?.kind === "rest") return this.log(runId, remedy.items, refused);
    if (remedy?.kind === "smaller" && most > MIN_BYTES) {
      this.#maxBytes = Math.min(this.#maxBytes, Math.max(MIN_BYTES, Math.floor(most / 2)));
      return this.log(runId, items, refused);
    }
    const why = refusedAs(error);
    // An empty batch tells whether the items are the problem at all.
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
