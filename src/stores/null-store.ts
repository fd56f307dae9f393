import { DONE, type Outcome, type ReadyStore, type RunChange } from "../contracts/tracking-store.js";

const BATCH_ITEMS = 10_000;

/** Accepts everything and discards it. For measuring the overhead of tracking. */
export class NullStore implements ReadyStore {
  readonly uri: string = "null:";
  readonly batchItems: number = BATCH_ITEMS;
  readonly durable: boolean = false;
  readonly volatile: boolean = true;

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.resolve(this.applySync(changes));
  }

  applySync(changes: readonly RunChange[]): readonly Outcome[] {
    return changes.map((change) =>
      change.create ? { kind: "done", ids: { runId: change.runKey, experimentId: "0" } } : DONE,
    );
  }

  artifactsOf(): undefined {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
