import type { ArtifactContent } from "../contracts/artifact-repository.js";

// Captured at load time: fake timers of a test must not stop delivery.
const { setTimeout, clearTimeout } = globalThis;

/** A server is assumed not to carry out an abandoned request later than this. */
const LATEST_MS = 5_000;

interface Doubt {
  /** Undefined if the content could no longer be read. */
  readonly digest: string | undefined;
  readonly until: number;
}

/** Uploads with an unknown outcome. The server may carry them out late, and replace a newer file by an older one. */
export class Doubts {
  readonly #latestMs: number;
  readonly #doubts = new Map<string, Doubt>();

  constructor(requestTimeoutMs: number) {
    this.#latestMs = Math.min(requestTimeoutMs, LATEST_MS);
  }

  /** Notes that a content may still be stored under a path; returns its digest. */
  async note(path: string, content: ArtifactContent): Promise<string | undefined> {
    const until = performance.now() + this.#latestMs;
    const digest = await digestOf(content.open(0, content.size)).catch(() => undefined);
    for (const [each, doubt] of this.#doubts) if (doubt.until <= performance.now()) this.#doubts.delete(each);
    this.#doubts.set(path, { digest, until });
    return digest;
  }

  /** Resolves when no other content sent earlier can replace this one any more, or when the signal aborts. */
  async settled(path: string, content: ArtifactContent, signal: AbortSignal | undefined): Promise<void> {
    const doubt = this.#doubts.get(path);
    if (doubt === undefined || doubt.until <= performance.now()) return;
    if (doubt.digest !== undefined && doubt.digest === (await digestOf(content.open(0, content.size)))) return;
    await pause(doubt.until - performance.now(), signal);
  }
}

/** Returns a digest of a stream's bytes. */
export async function digestOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const { createHash } = await import("node:crypto"); // slow to load
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
