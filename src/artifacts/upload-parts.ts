import { reasonOf } from "../base/aborts.js";
import { messageOf, PulseError } from "../base/errors.js";
import type { ArtifactContent, UploadOptions } from "../contracts/artifact-repository.js";
import { Failure } from "../http/failure.js";
import { list, record, text } from "../http/json.js";

/** The size from which a file is uploaded in parts, and the size of a part, in bytes; lower in tests. */
export interface PartSizes {
  /** @default 64 MiB */
  readonly from: number;
  /** @default 16 MiB, more if that would take over 10,000 parts */
  readonly size: number;
}

export const PART_SIZES: PartSizes = { from: 64 * 1024 * 1024, size: 16 * 1024 * 1024 };

/** S3's limit. */
const MAX_PARTS = 10_000;
const AT_ONCE = 4;
const MIB = 1024 * 1024;

/** A stored part. */
export interface Part {
  /** Starts at 1. */
  readonly number: number;
  readonly etag: string;
}

/** The state of an unfinished upload in parts. */
export interface PartedUpload {
  readonly uploadId: string;
  /** The size of the file, and of each part except the last. */
  readonly size: number;
  readonly partSize: number;
  /** The parts already stored. */
  readonly parts: readonly Part[];
}

/** Returns the part size for a file. */
export function partSizeFor(bytes: number, { size }: PartSizes): number {
  return Math.max(size, Math.ceil(bytes / MAX_PARTS / MIB) * (bytes > size * MAX_PARTS ? MIB : 0));
}

export const partCount = ({ size, partSize }: Pick<PartedUpload, "size" | "partSize">): number =>
  Math.ceil(size / partSize);

/** Parses the saved state of an upload; undefined if it is not one of a file of that size. */
export function keptUpload(state: unknown, bytes: number): PartedUpload | undefined {
  const given = record(state);
  const uploadId = text(given?.["uploadId"]);
  const [size, partSize] = [given?.["size"], given?.["partSize"]];
  if (uploadId === undefined || size !== bytes || typeof partSize !== "number" || !(partSize >= 1)) return undefined;
  const count = partCount({ size: bytes, partSize });
  const parts = list(given?.["parts"]).flatMap(({ number, etag }) =>
    Number.isInteger(number) && Number(number) >= 1 && Number(number) <= count && text(etag) !== undefined
      ? [{ number: Number(number), etag: String(etag) }]
      : [],
  );
  return { uploadId, size: bytes, partSize, parts };
}

/** The input of `uploadParts`. */
export interface PartsJob extends Pick<UploadOptions, "signal" | "onProgress"> {
  readonly content: ArtifactContent;
  readonly upload: PartedUpload;
  /** Stores the bytes from `start` to `end` as a part and returns its ETag. */
  readonly put: (part: { number: number; start: number; end: number }, signal: AbortSignal) => Promise<string>;
  /** Called after each part with all parts stored so far. */
  readonly onParts?: (parts: readonly Part[]) => void;
  /** Store only this part, if it is missing. @default all parts */
  readonly only?: number | undefined;
}

/**
 * Stores the missing parts, four at a time, and returns all parts in order.
 * @throws the first error, once the other parts in flight have ended.
 */
export async function uploadParts({
  upload,
  put,
  onParts,
  onProgress,
  signal,
  only,
}: PartsJob): Promise<readonly Part[]> {
  const done = new Map(upload.parts.map((part) => [part.number, part]));
  const all = Array.from({ length: partCount(upload) }, (_, i) => i + 1);
  const missing = all.filter((number) => !done.has(number) && (only === undefined || number === only));
  const giveUp = new AbortController();
  const stop = (): void => giveUp.abort(signal && reasonOf(signal));
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop, { once: true });
  const range = (number: number) => ({
    number,
    start: (number - 1) * upload.partSize,
    end: Math.min(upload.size, number * upload.partSize),
  });
  let failed: { readonly error: unknown } | undefined;
  const work = async (): Promise<void> => {
    for (let number = missing.shift(); number !== undefined && failed === undefined; number = missing.shift()) {
      try {
        done.set(number, { number, etag: await put(range(number), giveUp.signal) });
      } catch (error) {
        failed ??= { error };
        return giveUp.abort();
      }
      const parts = [...done.values()].sort((a, b) => a.number - b.number);
      onParts?.(parts);
      onProgress?.(parts.map(({ number: each }) => range(each)).reduce((sum, { start, end }) => sum + end - start, 0));
    }
  };
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    signal?.removeEventListener("abort", stop);
  }
  if (failed) throw failed.error;
  return [...done.values()].sort((a, b) => a.number - b.number);
}

/** Converts any error to the one an artifact repository rejects with. */
export function problemOf(error: unknown): PulseError {
  if (error instanceof Failure) return error.error;
  return error instanceof PulseError ? error : new PulseError("STORE_UNAVAILABLE", `${messageOf(error)}.`, error);
}
