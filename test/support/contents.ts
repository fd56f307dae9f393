import { Readable } from "node:stream";
import type { ArtifactContent } from "../../src/contracts/artifact-repository.js";
import { Random } from "./random.js";

/** Bytes as a content; `opened` is told which parts are read. */
export function contentOf(
  bytes: Uint8Array | string,
  opened: (start: number, end: number) => void = () => {},
): ArtifactContent {
  const all = Buffer.from(bytes);
  return {
    size: all.length,
    open(start, end) {
      opened(start, end);
      return Readable.from(chunks(all.subarray(start, end)));
    },
    readSync: () => all,
  };
}

/** Bytes of which no part looks like another. */
export function someBytes(length: number, seed: number = 1): Buffer {
  const bytes = Buffer.alloc(length);
  const random = new Random(seed);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(random.below(2 ** 32), i);
  return bytes;
}

/**
 * A content that gives its first bytes and then nothing, for as long as it is wanted; `stalled` is called when it does.
 */
export function stalling(bytes: Uint8Array, after: number, stalled: () => void = () => {}): ArtifactContent {
  return {
    size: bytes.length,
    open(start, end) {
      const given = Math.max(0, Math.min(end, after) - start);
      if (start + given >= end) return Readable.from(chunks(Buffer.from(bytes).subarray(start, end)));
      let first = true;
      return new Readable({
        read() {
          if (first && given > 0) this.push(Buffer.from(bytes).subarray(start, start + given));
          else stalled();
          first = false;
        },
      });
    },
  };
}

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += 65_536) yield bytes.subarray(i, i + 65_536);
}

/** Everything a stream gives. */
export async function allOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of stream) parts.push(chunk as Buffer);
  return Buffer.concat(parts);
}
