import { streams } from "../../base/builtins.js";
import { PulseError } from "../../base/errors.js";
import { shownValue } from "../../base/wrong-input.js";

/**
 * What bytes can be read from as they come: a web stream, a stream of Node's, anything that can be walked along with
 * `for await`.
 */
export type ArtifactStream =
  | ReadableStream<Uint8Array | string>
  | NodeJS.ReadableStream
  | AsyncIterable<Uint8Array | string>;

/** @internal Whether a value is a stream, without reading from it. */
export function isStream(value: unknown): value is ArtifactStream {
  if (typeof value !== "object" || value === null) return false;
  const { getReader, [Symbol.asyncIterator]: iterator } = value as {
    getReader?: unknown;
    [Symbol.asyncIterator]?: unknown;
  };
  return typeof iterator === "function" || typeof getReader === "function";
}

/**
 * @internal Reads a stream to its end.
 * @throws PulseError `INVALID_VALUE` when it gives something that is neither bytes nor text; what the stream itself
 * throws.
 */
export async function* chunksOf(stream: ArtifactStream): AsyncGenerator<Uint8Array, void, void> {
  let wasRead = streams().Readable.isDisturbed(stream as NodeJS.ReadableStream);
  /** Half a character, whose other half comes with the next text. */
  let half = "";
  for await (const chunk of isIterable(stream) ? stream : read(stream as ReadableStream<unknown>)) {
    wasRead = false;
    if (typeof chunk === "string") {
      const text = half + chunk;
      half = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : "";
      yield Buffer.from(half === "" ? text : text.slice(0, -1));
    }
    // A copy: who gives it may use the memory for what comes next.
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

/** @internal Reads a stream to its end, whatever it gives, and however it ends. */
export async function drained(stream: ArtifactStream): Promise<void> {
  try {
    for await (const _ of isIterable(stream) ? stream : read(stream as ReadableStream<unknown>));
  } catch {
    // It has broken off.
  }
}

const isIterable = (stream: object): stream is AsyncIterable<unknown> =>
  typeof (stream as { [Symbol.asyncIterator]?: unknown })[Symbol.asyncIterator] === "function";

/** A web stream of another realm, or of a polyfill. */
async function* read(stream: ReadableStream<unknown>): AsyncGenerator<unknown, void, void> {
  const reader = stream.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  } finally {
    reader.releaseLock();
  }
}
