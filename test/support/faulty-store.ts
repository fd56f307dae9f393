import type { PulseErrorCode } from "../../src/base/errors.js";
import { PulseError } from "../../src/base/errors.js";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { MemoryStore } from "../../src/stores/memory-store.js";

/** A memory store that refuses as told, and keeps each batch it was given. */
export class FaultyStore extends MemoryStore {
  override readonly batchItems: number;
  readonly batches: RunChange[][] = [];
  /** What to answer instead of storing; undefined stores. */
  fault: ((change: RunChange) => Outcome | undefined) | undefined;
  /** Milliseconds that `apply` takes. */
  delayMs = 0;

  constructor(batchItems = 1_000) {
    super();
    this.batchItems = batchItems;
  }

  override async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
    return this.applySync(changes);
  }

  override applySync(changes: readonly RunChange[]): readonly Outcome[] {
    this.batches.push([...changes]);
    return changes.map((change) => this.fault?.(change) ?? (super.applySync([change])[0] as Outcome));
  }
}

export const problem = (code: PulseErrorCode = "STORE_UNAVAILABLE"): PulseError => new PulseError(code, "Injected.");
export const away: Outcome = { kind: "away", error: problem() };
export const busy: Outcome = { kind: "away", afterMs: 5, error: problem("STORE_BUSY") };
