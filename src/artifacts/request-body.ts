import { streams } from "../base/builtins.js";
import { messageOf, PulseError } from "../base/errors.js";
import type { ArtifactContent } from "../contracts/artifact-repository.js";
import type { Body } from "../http/transfer.js";

/** Returns a range of a content as a request body. */
export function bodyOf(content: ArtifactContent, start: number = 0, end: number = content.size): Body {
  return { length: end - start, open: (signal) => bytesOf(content, start, end, signal) };
}

/** Returns a whole content as a request body; `onSent` is called with the bytes sent so far. */
export function bodyTold(content: ArtifactContent, onSent: (bytes: number) => void = () => undefined): Body {
  async function* counted(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, void> {
    let sent = 0;
    for await (const bytes of bytesOf(content, 0, content.size, signal)) {
      yield bytes;
      sent += bytes.length;
      onSent(sent);
    }
  }
  return { length: content.size, open: counted };
}

/**
 * Yields exactly the bytes of a content from `start` to `end`.
 * @throws PulseError `REJECTED` if it cannot be read, or yields fewer or more bytes because it has changed.
 */
export async function* bytesOf(
  content: ArtifactContent,
  start: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const length = end - start;
  if (length === 0) return;
  let given = 0;
  try {
    const stream = content.open(start, end);
    for await (const chunk of signal ? streams().addAbortSignal(signal, stream) : stream) {
      const bytes: Uint8Array = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      given += bytes.length;
      if (given > length) break;
      if (bytes.length > 0) yield bytes;
    }
  } catch (error) {
    throw new PulseError("REJECTED", `The content cannot be read: ${messageOf(error)}.`, error);
  }
  checkLength(given, length);
}

/**
 * Checks that a content has its announced length.
 * @throws PulseError `REJECTED`
 */
export function checkLength(given: number, length: number): void {
  if (given === length) return;
  const found = given > length ? "longer" : `${given} bytes`;
  throw new PulseError(
    "REJECTED",
    `The content has changed meanwhile: ${length} bytes were expected, it has ${found}.`,
  );
}
