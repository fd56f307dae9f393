import { isUtf8 } from "node:buffer";

/** The number of characters of the longest text in a snapshot. */
const MAX_TEXT = 10_000;
const HASH_DIGITS = 16;

/** Returns the files of a run for a snapshot. */
export function artifactTexts(artifacts: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  const shown = (bytes: Uint8Array): string => {
    const text = bytes.length > MAX_TEXT * 4 ? undefined : textOf(bytes);
    return text === undefined || text.length > MAX_TEXT || text.includes("\0") ? sizeAndHash(bytes) : text;
  };
  return Object.fromEntries(Object.entries(artifacts).map(([path, bytes]) => [path, shown(bytes)]));
}

/** Describes bytes that are not text, or are too long. */
export function sizeAndHash(bytes: Uint8Array): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(bytes).digest("hex");
  return `${bytes.length} bytes, sha256 ${hash.slice(0, HASH_DIGITS)}`;
}

/** Decodes bytes as text; undefined if they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : undefined;
}
