import { messageOf, PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import { shortHash } from "../base/text/keys.js";
import { REDACTED, redactText, shownText } from "../base/text/redact.js";
import type { StoreReader } from "../contracts/store-reader.js";
import {
  type ArtifactPlace,
  type Finding,
  itemsOf,
  type Outcome,
  type ProbeOptions,
  type ReadyStore,
  type RefusedItems,
  type RunChange,
  refusedItems,
  type StoredIds,
  type TrackingStore,
} from "../contracts/tracking-store.js";

const BATCH_ITEMS = 1_000;
/** Used in messages for a store without an address. */
const NO_ADDRESS = "the configured store";

/** Stores that already belong to a tracker, which closes them. */
const taken: WeakSet<TrackingStore> = shared("given stores", () => new WeakSet<TrackingStore>());

/** Wraps a user's store for one tracker; undefined if it already belongs to another. */
export function takeStore(store: TrackingStore): ReadyStore | undefined {
  if (taken.has(store)) return undefined;
  taken.add(store);
  return new CheckedStore(store);
}

/**
 * Removes the credentials from an address. Changes that wait for one user must not be delivered as another, so the user
 * name is kept as a hash, but the password is not.
 */
function addressOf(uri: string): string {
  const user = /^[^:]+:\/\/([^:@/?#]+)[:@]/.exec(uri)?.[1];
  const shown = redactText(uri);
  return user === undefined ? shown : shown.replace(`//${REDACTED}@`, `//[redacted-${shortHash(user)}]@`);
}

/**
 * Wraps a user's store for the recorder: fills in what the contract leaves open, and checks what the store returns, so
 * that a bug in it is reported once instead of stopping delivery. No changes are lost because of one.
 */
class CheckedStore implements ReadyStore {
  readonly uri: string;
  readonly durable: boolean;
  readonly volatile: boolean;
  readonly applySync?: (changes: readonly RunChange[], waitMs: number) => readonly Outcome[];
  readonly artifactsOf?: (ids: StoredIds) => ArtifactPlace | Promise<ArtifactPlace>;
  readonly tagOf?: (ids: StoredIds, key: string) => string | undefined | Promise<string | undefined>;
  readonly reader?: () => Promise<StoreReader>;
  readonly runUrl?: (ids: StoredIds) => string;
  readonly probe?: (options: ProbeOptions) => Promise<readonly Finding[]>;
  readonly #given: TrackingStore;

  constructor(given: TrackingStore) {
    this.#given = given;
    this.uri = given.uri === undefined ? NO_ADDRESS : addressOf(given.uri);
    this.volatile = given.volatile === true;
    this.durable = given.uri !== undefined && !this.volatile;
    if (given.applySync)
      this.applySync = (changes, waitMs) => this.#checked(changes, given.applySync?.([...changes], waitMs));
    if (given.tagOf) this.tagOf = (ids, key) => given.tagOf?.(ids, key);
    if (given.artifactsOf) this.artifactsOf = (ids) => given.artifactsOf?.(ids);
    const { reader } = given as ReadyStore; // of the package's own stores on clients of others
    if (typeof reader === "function") this.reader = () => reader.call(given);
    if (given.runUrl) this.runUrl = (ids) => String(given.runUrl?.(ids));
    if (given.probe) this.probe = async (options) => ((await given.probe?.(options)) ?? []).map(shownFinding);
  }

  get batchItems(): number {
    return atLeastOne(this.#given.batchItems) ?? BATCH_ITEMS;
  }

  get batchRuns(): number | undefined {
    return atLeastOne(this.#given.batchRuns);
  }

  get width(): number | undefined {
    return atLeastOne(this.#given.width);
  }

  get unsettled(): boolean {
    return this.#given.unsettled === true;
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return this.#checked(changes, await this.#given.apply([...changes]));
  }

  async settle(): Promise<void> {
    try {
      await this.#given.settle?.();
    } catch {
      // Nobody waits for this background work.
    }
  }

  async close(): Promise<void> {
    try {
      await this.#given.close();
    } catch (error) {
      throw error instanceof PulseError
        ? error
        : new PulseError("STORE_UNAVAILABLE", `${this.uri} could not be closed: ${messageOf(error)}.`, error);
    }
  }

  /**
   * Checks the outcomes and returns them unchanged. (The store is passed a copy of the changes, because it might modify
   * the array.)
   * @throws PulseError if they are invalid: the store counts as away, and everything is kept.
   */
  #checked(changes: readonly RunChange[], outcomes: unknown): readonly Outcome[] {
    const wrong = faultOfOutcomes(changes, outcomes);
    if (wrong === undefined) return outcomes as readonly Outcome[];
    throw new PulseError("STORE_UNAVAILABLE", `${this.uri} returned ${wrong}; this is a bug in the store.`);
  }
}

function shownFinding({ what, verdict, detail, todo }: Finding): Finding {
  return {
    what: shownText(String(what)),
    verdict,
    detail: shownText(String(detail)),
    ...(todo && { todo: shownText(String(todo)) }),
  };
}

function isRefused(refused: unknown, most: number): boolean {
  if (!Array.isArray(refused)) return false;
  const isOne = (each: RefusedItems | undefined): boolean =>
    typeof each?.key === "string" &&
    Number.isSafeInteger(each.items) &&
    each.items >= 0 &&
    each.error instanceof PulseError;
  return refused.every(isOne) && refusedItems(refused) <= most;
}

function atLeastOne(value: number | undefined): number | undefined {
  return typeof value === "number" && value >= 1 ? value : undefined;
}

/** Describes what is wrong with a store's outcomes; undefined if nothing is. */
export function faultOfOutcomes(changes: readonly RunChange[], outcomes: unknown): string | undefined {
  if (!Array.isArray(outcomes)) return "no list of outcomes";
  if (outcomes.length !== changes.length) return `${outcomes.length} outcomes for ${changes.length} changes`;
  return changes.map((change, i) => faultOfOutcome(outcomes[i], change)).find((fault) => fault !== undefined);
}

function faultOfOutcome(outcome: unknown, change: RunChange): string | undefined {
  const { create } = change;
  const { kind, ids, refused, error, params } = (outcome ?? {}) as Readonly<Record<string, unknown>>;
  switch (kind) {
    case "done": {
      const { runId, experimentId } = (ids ?? {}) as Partial<StoredIds>;
      if (refused !== undefined && !isRefused(refused, itemsOf(change))) return "invalid refused items";
      if (ids === undefined) return create && 'outcome "done" for a creation without ids';
      return typeof runId === "string" && typeof experimentId === "string" ? undefined : "ids that are not strings";
    }
    case "retry":
    case "away":
    case "denied":
    case "rejected":
      return error instanceof PulseError ? undefined : `outcome "${kind}" without a PulseError`;
    case "conflict":
      if (!Array.isArray(params) || params.length === 0) return 'outcome "conflict" without params';
      return params.every((key) => change.params.some((param) => param.key === key))
        ? undefined
        : "a conflict for params that are not in the change";
    default:
      return `an outcome of kind ${JSON.stringify(kind)}`;
  }
}
