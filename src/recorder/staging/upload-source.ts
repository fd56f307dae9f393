import { closeSync, createReadStream, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { streams } from "../../base/builtins.js";
import { PulseError } from "../../base/errors.js";
import type { ArtifactContent } from "../../contracts/artifact-repository.js";

/** The message for a file that existed when it was logged. */
const GONE =
  "no longer exists: a file on another file system than the outbox cannot be linked, and must stay until `await flush()`";

/** Larger files are not read into memory as a whole. */
const MAX_IN_MEMORY = 16 * 1024 * 1024;
/** How much of a file is read at once. */
const CHUNK_BYTES = 256 * 1024;

/** A file as it was when it was logged. */
export interface SourceFile {
  readonly path: string;
  readonly size: number;
  readonly changedMs: number;
}

/** Bytes in memory that nothing else changes. */
export interface HeldBytes {
  readonly kind: "bytes";
  readonly size: number;
  readonly bytes: Uint8Array;
}

/** Longer texts are encoded at once: a text may be a slice that keeps a much longer one in memory. */
const MAX_TEXT = 4096;

/** A short text, encoded when it is stored or spooled: inside the call, that would be the most expensive part. */
class ShortText implements HeldBytes {
  readonly kind = "bytes";
  readonly size: number;
  #held: string | Uint8Array;

  constructor(text: string) {
    this.size = Buffer.byteLength(text);
    this.#held = text;
  }

  get bytes(): Uint8Array {
    if (typeof this.#held === "string") this.#held = Buffer.from(this.#held);
    return this.#held;
  }
}

export const heldBytes = (bytes: Uint8Array): HeldBytes => ({ kind: "bytes", size: bytes.length, bytes });
export const heldText = (text: string): HeldBytes =>
  text.length <= MAX_TEXT ? new ShortText(text) : heldBytes(Buffer.from(text));

/** Where the content of an artifact is until it is stored. */
export type UploadSource =
  | HeldBytes
  /** A file at the user's own path. */
  | ({ readonly kind: "file" } & SourceFile)
  /** A file staged beside the outbox, by its name there. */
  | ({ readonly kind: "staged"; readonly name: string } & SourceFile);

/** A source that is about to be stored, in its current state. */
export interface OpenSource {
  readonly content: ArtifactContent;
  /** Whether it has changed since it was logged. */
  readonly rewritten: boolean;
  /**
   * Whether it has grown since it was opened; what it held then is stored.
   * @throws PulseError `ARTIFACT_UNREADABLE` when it was changed in any other way.
   */
  grown(): boolean;
}

/**
 * Opens a source, to be stored in its current state under `artifact`.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is gone or cannot be read.
 */
export function openSource(source: UploadSource, artifact: string): OpenSource {
  if (source.kind === "bytes") {
    const { bytes, size } = source;
    const open = (start: number, end: number): Readable => streams().Readable.from([bytes.subarray(start, end)]);
    return { content: { size, open, readSync: () => bytes }, rewritten: false, grown: () => false };
  }
  const { path } = source;
  // The names of staged files mean nothing to users.
  const shown = source.kind === "staged" ? `The file logged as ${JSON.stringify(artifact)}` : path;
  const { size, changedMs } = sourceFile(path, GONE, shown);
  const content: ArtifactContent = {
    size,
    // A stream must not end before it starts.
    open: (start, end) =>
      start >= end
        ? streams().Readable.from([])
        : createReadStream(path, { start, end: end - 1, highWaterMark: CHUNK_BYTES }),
    readSync: () => readFileSync(path),
  };
  const grown = (): boolean => {
    const now = sourceFile(path, GONE, shown);
    if (now.size > size) return true;
    if (now.size !== size || now.changedMs !== changedMs)
      throw new PulseError("ARTIFACT_UNREADABLE", `${shown} was changed while it was read.`);
    return false;
  };
  return { content, rewritten: size !== source.size || changedMs !== source.changedMs, grown };
}

/** Reads a user's file into memory. Returns large files and other content unchanged. */
export function inMemory<C extends object>(content: C): C | Uint8Array {
  if (!("path" in content && "copy" in content && "size" in content)) return content;
  if (Number(content.size) > MAX_IN_MEMORY) return content;
  try {
    return readFileSync(String(content.path));
  } catch {
    return content; // the error is reported when it is stored
  }
}

function unreadable(path: string, error: unknown, gone: string): PulseError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why =
    code === "ENOENT"
      ? gone
      : code === "EISDIR"
        ? "is a folder: logArtifacts() logs those"
        : `cannot be read: ${message}`;
  return new PulseError("ARTIFACT_UNREADABLE", `${path} ${why}.`, error);
}

/**
 * Examines a file that is logged. `gone`: the message if it does not exist; `shown`: its name in messages.
 * @throws PulseError `ARTIFACT_UNREADABLE` when it is not a file or cannot be read.
 */
export function sourceFile(path: string, gone: string = "does not exist", shown: string = path): SourceFile {
  let descriptor: number | undefined;
  try {
    if (statSync(path).isFIFO()) throw new Error("it is not a file"); // opening one would wait for a writer
    descriptor = openSync(path, "r"); // an existing file may still be unreadable
    const stats = fstatSync(descriptor);
    if (!stats.isFile())
      throw Object.assign(new Error("it is not a file"), { code: stats.isDirectory() ? "EISDIR" : "" });
    return { path, size: stats.size, changedMs: stats.mtimeMs };
  } catch (error) {
    throw unreadable(shown, error, gone);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
