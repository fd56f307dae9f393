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
   * Reads what is stored: the place itself, not what the store has in memory, or a store that forgets to write passes.
   * It is asked again and again, behind `reopen` too, and must see what was stored last, by whichever store.
   */
  readonly reader: TrackingReader;
  /**
   * Makes another store on the same place, as the next process has one; the first is closed by then. Only a store that
   * is `volatile` needs none.
   */
  readonly reopen?: (() => TrackingStore | Promise<TrackingStore>) | undefined;
  /** The end time of a run that is resumed stays until it ends again, as on MLflow's servers. @default false */
  readonly keepsEndTime?: boolean | undefined;
  /** Lets go of the place, after each case, also one that fails; the stores are closed by then, if they can be. */
  dispose(): Promise<void> | void;
}

/**
 * One promise of the contract: `run` rejects when the store does not keep it, with a message that says what is wrong.
 * @experimental
 */
export interface StoreContractCase {
  readonly name: string;
  run(): Promise<void>;
}

/** @internal What a case does with a fresh store. */
export type CaseBody = (store: Carrier, subject: StoreSubject) => Promise<void>;
