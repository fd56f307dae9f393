import type { ArtifactContent } from "../contracts/artifact-repository.js";

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { setTimeout, clearTimeout } = globalThis;

/**
 * A server that carries out a request later than this, though nobody waits for its answer any more, is not reckoned
 * with.
 */
const LATEST_MS = 5_000;

interface Doubt {
  /** Undefined when it could not be read any more. */
  readonly digest: string | undefined;
  readonly until: number;
}

/**
 * Uploads of which nobody knows what became: the server may carry them out late, and put an older file in the place of
 * a newer one.
 */
export class Doubts {
  readonly #latestMs: number;
  readonly #doubts = new Map<string, Doubt>();

  constructor(requestTimeoutMs: number) {
    this.#latestMs = Math.min(requestTimeoutMs, LATEST_MS);
  }

  /** Takes note that this may still be stored under a path; gives its digest. */
  async note(path: string, content: ArtifactContent): Promise<string | undefined> {
    const until = performance.now() + this.#latestMs;
    const digest = await digestOf(content.open(0, content.size)).catch(() => undefined);
    for (const [each, doubt] of this.#doubts) if (doubt.until <= performance.now()) this.#doubts.delete(each);
    this.#doubts.set(path, { digest, until });
    return digest;
  }

  /**
   * Resolves when nothing else that was sent before can take the place of this under a path, or when the signal ends
   * it.
   */
  async settled(path: string, content: ArtifactContent, signal: AbortSignal | undefined): Promise<void> {
    const doubt = this.#doubts.get(path);
    if (doubt === undefined || doubt.until <= performance.now()) return;
    if (doubt.digest !== undefined && doubt.digest === (await digestOf(content.open(0, content.size)))) return;
    await pause(doubt.until - performance.now(), signal);
  }
}

/** What tells the bytes of a stream from others. */
export async function digestOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const { createHash } = await import("node:crypto"); // whose loading is dear
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest("hex");
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, Math.max(0, ms)).unref();
    signal?.addEventListener("abort", over);
    if (signal?.aborted) over();
  });
}
