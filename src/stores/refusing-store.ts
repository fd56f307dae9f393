import type { PulseError } from "../base/errors.js";
import type { Outcome, ReadyStore, RunChange } from "../contracts/tracking-store.js";

/**
 * Used if a store cannot be created (a wrong URI in the environment). Refuses every change with that error, so that
 * nothing piles up.
 */
export class RefusingStore implements ReadyStore {
  readonly uri: string;
  readonly batchItems: number = 10_000;
  readonly durable: boolean = false;
  readonly #error: PulseError;

  constructor(uri: string, error: PulseError) {
    this.uri = uri;
    this.#error = error;
  }

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.resolve(this.applySync(changes));
  }

  applySync(changes: readonly RunChange[]): readonly Outcome[] {
    return changes.map(() => ({ kind: "rejected", error: this.#error }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
