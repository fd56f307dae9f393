import type { ReadRun } from "../contracts/tracking-reader.js";
import { assert } from "./assert.js";
import type { Carrier } from "./carrier.js";

/** The rule of the contract for each part of a run. */
const PROMISES: Readonly<Record<keyof ReadRun, string>> = {
  experiment: "a run is in the experiment that its creation named",
  name: "a run has the name of its creation, or of its tag mlflow.runName since",
  status: "a run is RUNNING until it ends, and then has the status of its end",
  startTime: "a run has the start time of its creation",
  endTime: "a run has the end time of its end, and none before",
  params: "each param is there with its first value",
  tags: "each tag is there with its last value",
  metrics: "each point is there once, told apart by key, step, timestamp and value",
  inputs: "each dataset is there once, as it was used first, told apart by name and digest",
};

/** Asserts that a run is stored as expected. Parts that are not given are as in a plain creation. */
export async function expectRun(store: Carrier, key: string, expected: Partial<ReadRun>, when: string): Promise<void> {
  const run = await store.read(key);
  assert.ok(run, `A created run can be read under the id that was returned; ${when} it cannot.`);
  const { name = "a run" } = expected;
  const whole: Required<ReadRun> = {
    ...{ experiment: "Contract", name, status: "RUNNING", startTime: 1_000, endTime: null, params: {}, metrics: {} },
    ...expected,
    tags: { "mlflow.runName": name, "mlflow.user": "me", ...expected.tags },
    inputs: expected.inputs ?? [],
  };
  for (const part of Object.keys(PROMISES) as (keyof ReadRun)[])
    same(run[part], whole[part], `${PROMISES[part]}; ${when}`);
}

/** Asserts equality; the message names the rule that is broken. */
export function same(actual: unknown, expected: unknown, promise: string): void {
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    const message = `Broken: ${promise}.\n${(error as Error).message}`;
    throw new assert.AssertionError({ message, actual, expected, operator: "deepStrictEqual", stackStartFn: same });
  }
}
