import { isUtf8 } from "node:buffer";

/** Longest text in a snapshot, in characters. */
const MAX_TEXT = 10_000;
const HASH_DIGITS = 16;

/** Files for a snapshot. */
export function artifactTexts(artifacts: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  const shown = (bytes: Uint8Array): string => {
    const text = bytes.length > MAX_TEXT * 4 ? undefined : textOf(bytes);
    return text === undefined || text.length > MAX_TEXT || text.includes("\0") ? sizeAndHash(bytes) : text;
  };
  return Object.fromEntries(Object.entries(artifacts).map(([path, bytes]) => [path, shown(bytes)]));
}

/** What is said of bytes that are no text, or a long one. */
export function sizeAndHash(bytes: Uint8Array): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(bytes).digest("hex");
  return `${bytes.length} bytes, sha256 ${hash.slice(0, HASH_DIGITS)}`;
}

/** What bytes are as a text; undefined when they are none. */
export function textOf(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : undefined;
}
