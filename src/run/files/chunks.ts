import { streams } from "../../base/builtins.js";
import { PulseError } from "../../base/errors.js";
import { shownValue } from "../../base/wrong-input.js";

/** A stream of bytes or text: a web stream, a Node stream, or anything that can be iterated with `for await`. */
export type ArtifactStream =
  | ReadableStream<Uint8Array | string>
  | NodeJS.ReadableStream
  | AsyncIterable<Uint8Array | string>;

/** @internal Whether a value is a stream. Does not read from it. */
export function isStream(value: unknown): value is ArtifactStream {
  if (typeof value !== "object" || value === null) return false;
  const { getReader, [Symbol.asyncIterator]: iterator } = value as {
    getReader?: unknown;
    [Symbol.asyncIterator]?: unknown;
  };
  return typeof iterator === "function" || typeof getReader === "function";
}

/**
 * @internal Reads a stream to its end, as bytes.
 * @throws PulseError `INVALID_VALUE` when a chunk is neither bytes nor text, or the stream was read before; whatever
 * the stream itself throws.
 */
export async function* chunksOf(stream: ArtifactStream): AsyncGenerator<Uint8Array, void, void> {
  let wasRead = streams().Readable.isDisturbed(stream as NodeJS.ReadableStream);
  /** A high surrogate whose other half comes with the next chunk. */
  let half = "";
  for await (const chunk of isIterable(stream) ? stream : read(stream as ReadableStream<unknown>)) {
    wasRead = false;
    if (typeof chunk === "string") {
      const text = half + chunk;
      half = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : "";
      yield Buffer.from(half === "" ? text : text.slice(0, -1));
    }
    // Copied, since the stream may reuse the memory for its next chunk.
    else if (ArrayBuffer.isView(chunk))
      yield Uint8Array.from(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    else
      throw new PulseError(
        "INVALID_VALUE",
        `a stream of bytes or texts is needed, this one gave ${shownValue(chunk)}.`,
      );
  }
  if (wasRead) throw new PulseError("INVALID_VALUE", "the stream was read to its end before it was logged.");
  if (half !== "") yield Buffer.from(half);
}

/** @internal Reads a stream to its end and ignores its chunks and errors. */
export async function drained(stream: ArtifactStream): Promise<void> {
  try {
    for await (const _ of isIterable(stream) ? stream : read(stream as ReadableStream<unknown>));
  } catch {
    // The stream failed.
  }
}

const isIterable = (stream: object): stream is AsyncIterable<unknown> =>
  typeof (stream as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator] === "function";

/** Reads a web stream that is not iterable, from another realm or a polyfill. */
async function* read(stream: ReadableStream<unknown>): AsyncGenerator<unknown, void, void> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.releaseLock();
  }
}
