import { types } from "node:util";
import { messageOf, PulseError } from "../../base/errors.js";
import type { ArtifactRepository, UploadOptions } from "../../contracts/artifact-repository.js";
import { DONE, type Outcome, type ReadyStore, type StoredIds } from "../../contracts/tracking-store.js";
import type { Target, Work } from "../dispatch/change-log.js";
import { openSource, type UploadSource } from "../staging/upload-source.js";

/** The upload of a file to its run's artifacts. */
export interface Upload extends Work {
  readonly ids: StoredIds;
  /** The path in the run's artifacts. */
  readonly path: string;
  readonly source: UploadSource;
  readonly options: UploadOptions;
  /** Called when the file has changed since it was logged; its current content is stored. */
  rewritten(): void;
}

/** The number of uploads in flight at once. */
const WIDTH = 8;
/** The number of runs whose repository is remembered. */
const MAX_KNOWN = 1_000;
/** Errors of the place where artifacts are stored, temporary or until somebody fixes it. */
const AWAY: ReadonlySet<string> = new Set([
  "STORE_UNAVAILABLE",
  "STORE_BUSY",
  "DISK_FULL",
  "TLS_FAILED",
  "UNAUTHORIZED",
  "NO_MLFLOW",
  "NOT_WRITABLE",
  "SERVER_ERROR",
]);

/** Where a run's files are stored. */
interface Known {
  readonly place: string | ArtifactRepository | undefined;
  readonly repository: ArtifactRepository | undefined;
  /** Whether the store may have been replaced, and must be asked again. */
  stale?: boolean;
}

/** Opens the repository at a root that the store has named. */
export type OpenRepository = (root: string) => ArtifactRepository;

/** Uploads files to where the store says that their run keeps them. */
export class UploadTarget implements Target<Upload> {
  readonly batchItems: number = 1;
  readonly batchRuns: number = 1;
  readonly width: number = WIDTH;
  readonly #store: ReadyStore;
  readonly #open: OpenRepository;
  readonly #repositories = new Map<string, Known>();

  constructor(store: ReadyStore, open: OpenRepository) {
    this.#store = store;
    this.#open = open;
  }

  async apply(uploads: readonly Upload[]): Promise<readonly Outcome[]> {
    return Promise.all(uploads.map((each) => this.#upload(each)));
  }

  /** Stores a file synchronously; false if that is not possible. */
  uploadSync({ ids, path, source, rewritten }: Upload): boolean {
    const known = this.#repositories.get(ids.runId);
    let repository = known?.repository;
    if (known === undefined || known.stale) {
      const root = this.#store.artifactsOf?.(ids);
      if (types.isPromise(root)) {
        root.catch(() => undefined);
        return false;
      }
      repository = this.#remember(ids, root);
    }
    if (repository !== undefined && repository.uploadSync === undefined) return false;
    if (repository === undefined) return true;
    const open = openSource(source, path);
    if (open.rewritten) rewritten();
    repository.uploadSync?.(path, open.content);
    return true;
  }

  /**
   * Reads a whole file; undefined if there is none.
   * @throws PulseError as the repository does.
   */
  async read(ids: StoredIds, path: string): Promise<Uint8Array | undefined> {
    try {
      const repository = await this.repository(ids);
      const parts: Uint8Array[] = [];
      for await (const chunk of (await repository?.read(path)) ?? []) parts.push(chunk as Uint8Array);
      return repository && Buffer.concat(parts);
    } catch (error) {
      if (error instanceof PulseError && error.code === "ARTIFACT_NOT_FOUND") return undefined;
      throw error;
    }
  }

  /**
   * Returns the repository of a run's files; undefined if the store discards files.
   * @throws PulseError as the store does; `ARTIFACT_ROOT` if the store has no place for files, or has named one that
   * must not be used.
   */
  async repository(ids: StoredIds): Promise<ArtifactRepository | undefined> {
    const known = this.#repositories.get(ids.runId);
    if (known && !known.stale) return known.repository;
    if (this.#store.artifactsOf === undefined) {
      const detail = `The store ${this.#store.uri} has no place for artifacts.`;
      throw new PulseError("ARTIFACT_ROOT", detail);
    }
    return this.#remember(ids, await this.#store.artifactsOf(ids));
  }

  /**
   * Asks the store again where files are stored, since it may be another one after it was unavailable. (A store that
   * returned its own repository is not asked again.)
   */
  doubt(): void {
    for (const known of this.#repositories.values()) known.stale = typeof known.place === "string";
  }

  /** Closes connections. */
  close(): void {
    for (const { repository } of this.#repositories.values()) repository?.close();
    this.#repositories.clear();
  }

  async #upload({ ids, path, source, options, rewritten }: Upload): Promise<Outcome> {
    try {
      const repository = await this.repository(ids);
      if (repository === undefined) return DONE; // a store that discards files
      const open = openSource(source, path);
      await repository.upload(path, open.content, options);
      if (open.grown() || open.rewritten) rewritten();
      return DONE;
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome.kind === "away") this.doubt();
      return outcome;
    }
  }

  #remember({ runId }: StoredIds, place: string | ArtifactRepository | undefined): ArtifactRepository | undefined {
    const known = this.#repositories.get(runId);
    if (known && known.place === place) {
      known.stale = false;
      return known.repository;
    }
    known?.repository?.close();
    const repository = typeof place === "string" ? this.#open(place) : place;
    this.#repositories.set(runId, { place, repository });
    if (this.#repositories.size > MAX_KNOWN) {
      const [[oldest, { repository: least }] = ["", { repository }]] = this.#repositories;
      least?.close();
      this.#repositories.delete(oldest);
    }
    return repository;
  }
}

/** Classifies the error of an upload. */
function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof PulseError))
    return {
      kind: "retry",
      error: new PulseError("STORE_UNAVAILABLE", `The upload failed: ${messageOf(error)}.`, error),
    };
  if (AWAY.has(error.code)) return { kind: "away", error, afterMs: (error as { afterMs?: number }).afterMs };
  return { kind: error.code === "FORBIDDEN" ? "denied" : "rejected", error };
}
