import { needFunction, wrongInput } from "../base/wrong-input.js";
import { storeFault } from "../contracts/tracking-store.js";
import { Carrier } from "./carrier.js";
import { CASES } from "./contract-cases.js";
import { REPLAY_CASES } from "./replay-cases.js";
import type { StoreContractCase, StoreSubject } from "./store-subject.js";

/**
 * Returns the test cases that every tracking store must pass, for any test runner. `makeSubject` provides a new store
 * with an empty place for each case.
 * @experimental
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { test } from "node:test";
 * import { type StoreSubject, trackingStoreContract } from "pulse-mlflow/testing";
 * const makeSubject = async (): Promise<StoreSubject> => assert.fail("your store, and how to read what is in it");
 * for (const { name, run } of trackingStoreContract(makeSubject)) test.skip(name, run); // test(name, run) in yours
 * ```
 */
export function trackingStoreContract(makeSubject: () => Promise<StoreSubject>): readonly StoreContractCase[] {
  needFunction("trackingStoreContract", "makeSubject", makeSubject);
  return Object.entries({ ...CASES, ...REPLAY_CASES }).map(([name, body]) => ({
    name,
    run: async () => {
      const subject = await makeSubject();
      const { store, reader, dispose } = (subject ?? {}) as Partial<StoreSubject>;
      const whole =
        storeFault(store) === undefined && typeof reader?.readRun === "function" && typeof dispose === "function";
      if (!whole)
        throw wrongInput("trackingStoreContract", "the result of makeSubject", "{ store, reader, dispose }", subject);
      const carrier = new Carrier(subject.store, subject.reader);
      const errors: unknown[] = [];
      for (const step of [() => body(carrier, subject), () => carrier.close(), () => subject.dispose()])
        try {
          await step();
        } catch (error) {
          errors.push(error);
        }
      if (errors.length > 0) throw errors[0]; // later errors may only be consequences of the first
    },
  }));
}
