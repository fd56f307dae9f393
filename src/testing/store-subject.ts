import type { TrackingReader } from "../contracts/tracking-reader.js";
import type { TrackingStore } from "../contracts/tracking-store.js";
import type { Carrier } from "./carrier.js";

/**
 * A store under test.
 * @experimental
 */
export interface StoreSubject {
  readonly store: TrackingStore;
  /**
   * Reads what is stored. It must read the place itself, not the store's memory, or a store that never writes would
   * pass. It is used repeatedly, also after `reopen`, and must see the latest state whichever store wrote it.
   */
  readonly reader: TrackingReader;
  /**
   * Opens another store on the same place, as the next process would; the first one is closed by then. Only required
   * for stores that are not `volatile`.
   */
  readonly reopen?: (() => TrackingStore | Promise<TrackingStore>) | undefined;
  /** Whether a resumed run keeps its end time until it ends again, as on MLflow's servers. @default false */
  readonly keepsEndTime?: boolean | undefined;
  /** Releases the place after each case, even a failed one. The stores are closed by then, if possible. */
  dispose(): Promise<void> | void;
}

/**
 * One rule of the contract. `run` rejects if the store breaks it, with a message that says how.
 * @experimental
 */
export interface StoreContractCase {
  readonly name: string;
  run(): Promise<void>;
}

/** @internal The body of a case, which gets a fresh store. */
export type CaseBody = (store: Carrier, subject: StoreSubject) => Promise<void>;
