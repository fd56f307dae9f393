import type { Readable } from "node:stream";

/**
 * The bytes of a file to store. They can be read any number of times, whole or in parts, and are the same each time.
 * @experimental
 */
export interface ArtifactContent {
  /** Size in bytes. */
  readonly size: number;
  /** Opens a stream of the bytes from `start` (inclusive) to `end` (exclusive). */
  open(start: number, end: number): Readable;
  /** Reads the whole content synchronously, for use at process exit. Absent if that is not possible. */
  readSync?(): Uint8Array;
}

/**
 * A file or folder in a repository.
 * @experimental
 */
export interface ArtifactInfo {
  /** Relative to the repository's root, with `/` as the separator. */
  readonly path: string;
  readonly isDir: boolean;
  /** Size in bytes; undefined for folders, and if the repository does not report it. */
  readonly size: number | undefined;
}

/**
 * Options of one upload.
 * @experimental
 */
export interface UploadOptions {
  /**
   * Aborts the upload and removes whatever has been stored of it so far, including what `state` refers to. The promise
   * then rejects with the signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The last value passed to `onState` for the same upload, by this process or an earlier one; the upload resumes
   * there.
   * @default start from the beginning
   */
  readonly state?: unknown;
  /**
   * Called with the state needed to resume later (a JSON value) whenever a part has been stored, and with undefined
   * once there is nothing left to resume. The state may contain signed part URLs, which grant access to this upload for
   * an hour: protect it like the file itself. Without this callback, a failed upload removes what it has stored.
   */
  readonly onState?: ((state: unknown) => void) | undefined;
  /** Called with the number of bytes stored, or sent, so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Stores the files of a run. `upload` is idempotent: repeating it gives the same result, and a file is either stored
 * completely or not at all.
 *
 * Failures reject with a `PulseError`. Its code says whether to retry: `STORE_UNAVAILABLE`, `STORE_BUSY`,
 * `SERVER_ERROR`, `TLS_FAILED`, `UNAUTHORIZED`, `NO_MLFLOW`, `NOT_WRITABLE` and `DISK_FULL` can be retried later;
 * `FORBIDDEN` fails with these credentials; `REJECTED` always fails; `ARTIFACT_NOT_FOUND` means that the file does not
 * exist. Paths are relative to the root, with `/`, and already checked by `artifactPath`.
 * @experimental It may still change in a minor version.
 */
export interface ArtifactRepository {
  /** The URI of the root, without credentials. */
  readonly uri: string;
  /** Stores a file, replacing an existing one. */
  upload(path: string, content: ArtifactContent, options?: UploadOptions): Promise<void>;
  /** Stores a file synchronously, for use at process exit. */
  uploadSync?(path: string, content: ArtifactContent): void;
  /**
   * Lists the direct children of a folder, sorted by name; empty if the folder does not exist.
   * @default the root
   */
  list(path?: string): Promise<readonly ArtifactInfo[]>;
  /** Reads a file from byte `start` on. */
  read(path: string, start?: number): Promise<Readable>;
  /** Closes connections. Idempotent. */
  close(): void;
}
