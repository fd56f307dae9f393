import { runInThisContext } from "node:vm";

/**
 * The globals of Node itself. Jest gives each test file others, whose loader refuses everything and whose clock may be
 * gone as soon as the test is over, while what was recorded still has to be written.
 */
export const realm: typeof globalThis =
  process.env["JEST_WORKER_ID"] === undefined ? globalThis : (runInThisContext("globalThis") as typeof globalThis);
