import { runInThisContext } from "node:vm";

/**
 * Node's own globals. Jest gives each test file its own, whose loader refuses to work and whose clock may be gone as
 * soon as the test is over, while recorded data still has to be written.
 */
export const realm: typeof globalThis =
  process.env["JEST_WORKER_ID"] === undefined ? globalThis : (runInThisContext("globalThis") as typeof globalThis);
