import type { Readable } from "node:stream";

/**
 * What is to be stored. It can be read as often as it takes, in parts too, and gives the same each time.
 * @experimental
 */
export interface ArtifactContent {
  /** In bytes. */
  readonly size: number;
  /** The bytes from `start` up to, and without, `end`. */
  open(start: number, end: number): Readable;
  /** All of it before it returns, where that can be done; for the process's exit. */
  readSync?(): Uint8Array;
}

/**
 * A file or folder of a repository.
 * @experimental
 */
export interface ArtifactInfo {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly isDir: boolean;
  /** In bytes; undefined for folders, and where the repository does not say. */
  readonly size: number | undefined;
}

/**
 * How an upload is done.
 * @experimental
 */
export interface UploadOptions {
  /**
   * Ends it, and takes away what is stored of it so far, that of `state` included; the promise then rejects with the
   * signal's reason.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * What `onState` was told last of the same upload, by this process or an earlier one: it goes on from there. @default
   * from the beginning
   */
  readonly state?: unknown;
  /**
   * Called with what has to be kept to go on later (a JSON value), whenever a part is stored; with undefined when there
   * is nothing to go on with any more. It may let in whoever has it to that one upload for an hour (addresses of parts
   * that are signed): it is to be kept as the file itself is. Without this, an upload that fails takes away what is
   * stored of it.
   */
  readonly onState?: ((state: unknown) => void) | undefined;
  /** Called with the bytes stored so far, or sent to be stored. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Where the files of a run are kept. `upload` is idempotent: the same again ends the same, a file is there whole or not
 * at all.
 *
 * What fails rejects with a `PulseError`, whose code says what follows: `STORE_UNAVAILABLE`, `STORE_BUSY`,
 * `SERVER_ERROR`, `TLS_FAILED`, `UNAUTHORIZED`, `NO_MLFLOW`, `NOT_WRITABLE`, `DISK_FULL`: the same again later;
 * `FORBIDDEN`: not with these credentials; `REJECTED`: never; `ARTIFACT_NOT_FOUND`: there is no such file. Paths are
 * relative to the root, with `/`, already checked by `artifactPath`.
 * @experimental It may still change in a minor version.
 */
export interface ArtifactRepository {
  /** The root's URI, without credentials. */
  readonly uri: string;
  /** Stores a file, in place of one that is there. */
  upload(path: string, content: ArtifactContent, options?: UploadOptions): Promise<void>;
  /** The same before it returns; for the process's exit. */
  uploadSync?(path: string, content: ArtifactContent): void;
  /**
   * What a folder holds, in the order of names, without what lies deeper; empty when there is no such folder. @default
   * the root
   */
  list(path?: string): Promise<readonly ArtifactInfo[]>;
  /** A file's bytes, from `start` on. */
  read(path: string, start?: number): Promise<Readable>;
  /** Lets go of connections; idempotent. */
  close(): void;
}
