import { setTimeout as sleep } from "node:timers/promises";

export interface LoadOptions {
  readonly perSecond: number;
  readonly seconds: number;
  /** Ends the load early. */
  readonly signal: AbortSignal;
}

const TICK_MS = 10;
/** A service that cannot keep up is sent fewer requests. */
const MOST_UNDER_WAY = 200;

/** Sends requests at a steady rate, each for a different user; resolves when all are answered. */
export async function load(url: string, { perSecond, seconds, signal }: LoadOptions): Promise<void> {
  const start = performance.now();
  const underWay = new Set<Promise<void>>();
  let sent = 0;
  for (let elapsed = 0; elapsed < seconds && !signal.aborted; await sleep(TICK_MS)) {
    elapsed = Math.min(seconds, (performance.now() - start) / 1_000);
    while (sent < Math.floor(elapsed * perSecond) && underWay.size < MOST_UNDER_WAY) {
      const request = send(url, sent++).finally(() => underWay.delete(request));
      underWay.add(request);
    }
  }
  await Promise.all(underWay);
}

async function send(url: string, n: number): Promise<void> {
  const query = `user=${(n * 7_919) % 10_007}&basket=${10 + (n % 100)}`;
  try {
    await (await fetch(`${url}/score?${query}`)).arrayBuffer();
  } catch {
    // The service closed while the request was under way: it was not accepted.
  }
}
