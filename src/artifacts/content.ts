import { streams } from "../base/builtins.js";
import { messageOf, PulseError } from "../base/errors.js";
import type { ArtifactContent } from "../contracts/artifact-repository.js";
import type { Body } from "../http/transfer.js";

/** A part of a content as the body of a request. */
export function bodyOf(content: ArtifactContent, start: number = 0, end: number = content.size): Body {
  return { length: end - start, open: (signal) => bytesOf(content, start, end, signal) };
}

/** All of a content as the body of a request; `onSent` is told how much of it is sent, as it goes on. */
export function bodyTold(content: ArtifactContent, onSent: (bytes: number) => void = () => undefined): Body {
  async function* told(signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, void> {
    let sent = 0;
    for await (const bytes of bytesOf(content, 0, content.size, signal)) {
      yield bytes;
      sent += bytes.length;
      onSent(sent);
    }
  }
  return { length: content.size, open: told };
}

/**
 * The bytes of a content from `start` up to `end`: exactly so many.
 * @throws PulseError `REJECTED` when it cannot be read, or gives fewer or more: then it has changed since it was given.
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
    throw new PulseError("REJECTED", `What was to be stored cannot be read: ${messageOf(error)}.`, error);
  }
  checkLength(given, length);
}

/**
 * Says so when a content is not as long as was said.
 * @throws PulseError `REJECTED`
 */
export function checkLength(given: number, length: number): void {
  if (given === length) return;
  const found = given > length ? "longer" : `${given} bytes`;
  throw new PulseError(
    "REJECTED",
    `What was to be stored has changed meanwhile: ${length} bytes were expected, it has ${found}.`,
  );
}
