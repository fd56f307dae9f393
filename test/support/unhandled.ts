import { sleep } from "./wait.js";

/** The reasons that the program is told of as unhandled while `body` runs. */
export async function unhandled(body: () => unknown): Promise<unknown[]> {
  const seen: unknown[] = [];
  const note = (reason: unknown): void => void seen.push(reason);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
  try {
    await body();
    await sleep(10);
  } finally {
    process.removeListener("unhandledRejection", note);
    for (const listener of others) process.on("unhandledRejection", listener);
  }
  return seen;
}
