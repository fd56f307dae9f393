import assert from "node:assert/strict";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until something holds; `what` names it where it never does. */
export async function until(
  what: string,
  holds: () => boolean,
  { everyMs = 5, withinMs = 60_000 }: { readonly everyMs?: number; readonly withinMs?: number } = {},
): Promise<void> {
  for (const end = performance.now() + withinMs; !holds(); await sleep(everyMs))
    if (performance.now() > end) assert.fail(`not within ${withinMs} ms: ${what}`);
}
