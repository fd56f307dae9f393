import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { messageOf, PulseError } from "../errors.js";
import { makeFolder } from "../make-folder.js";
import type { ArtifactInfo, ArtifactRepository } from "./artifact-repository.js";
import { isInside, leadsOut } from "./inside.js";
import { MOST_ENTRIES, parted, tooMany } from "./paths.js";

/** Folders in folders; deeper ones are a listing's lie. */
const DEEPEST = 100;
/** Keeps the process alive: whoever downloads waits for it. */
const HOLD_MS = 60_000;

/** How a download is done. */
export interface DownloadOptions {
  /** Ends it; what is not whole stays, for the next time. The promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called as it goes on: the bytes of a file so far, those of an earlier attempt included. */
  readonly onProgress?: ((file: ArtifactInfo, bytes: number) => void) | undefined;
}

/**
 * Downloads a file, or a folder with all below it, to `<target>/<path>`, and gives that path. A file is written under a name of its own
 * beside its place, and moved there when it is whole; one that an earlier attempt began goes on where that ended, if it is still as
 * large. Nothing is held in memory but one folder's listing on each level; nothing is written outside the target, whatever the repository says.
 * @param path `""` for everything
 * @throws PulseError `ARTIFACT_NOT_FOUND` when there is nothing of that path; `NOT_WRITABLE`, `DISK_FULL` for the target; `REJECTED` for
 * more than 100,000 files or folders 100 deep; `STORE_UNAVAILABLE` for a file that ended early; and what the repository throws.
 */
export async function download(
  repository: ArtifactRepository,
  path: string,
  target: string,
  options: DownloadOptions = {},
): Promise<string> {
  const hold = setInterval(() => {}, HOLD_MS);
  try {
    options.signal?.throwIfAborted();
    const job = new Download(repository, resolve(target), options);
    const { folder } = parted(path);
    const entry = path === "" ? undefined : (await repository.list(folder)).find((each) => each.path === path);
    if (entry !== undefined && !entry.isDir) await job.file(entry);
    else if (path === "" || entry !== undefined) await job.folder(path, 0);
    else throw new PulseError("ARTIFACT_NOT_FOUND", `There is no ${path} in ${repository.uri}.`);
    return job.place(path);
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    throw error;
  } finally {
    clearInterval(hold);
  }
}

class Download {
  readonly #repository: ArtifactRepository;
  readonly #target: string;
  readonly #options: DownloadOptions;
  #files = 0;

  constructor(repository: ArtifactRepository, target: string, options: DownloadOptions) {
    this.#repository = repository;
    this.#target = target;
    this.#options = options;
  }

  /** Where something lies below the target. */
  place(path: string): string {
    const place = join(this.#target, ...path.split("/"));
    if (isInside(place, this.#target)) return place;
    throw new PulseError("REJECTED", `${path} in ${this.#repository.uri} leads out of the folder it is to be written to.`);
  }

  async folder(path: string, depth: number): Promise<void> {
    if (depth > DEEPEST)
      throw new PulseError("REJECTED", `The folders in ${this.#repository.uri} lie more than ${DEEPEST} deep in each other.`);
    this.#make(this.place(path));
    for (const entry of await this.#repository.list(path)) {
      this.#options.signal?.throwIfAborted();
      // A repository of somebody's own may say anything.
      if (parted(entry.path).folder !== path || /^\.{0,2}$/.test(parted(entry.path).name))
        throw new PulseError(
          "REJECTED",
          `The listing of "${path}" in ${this.#repository.uri} names ${entry.path}, which does not lie in it.`,
        );
      if (++this.#files > MOST_ENTRIES) throw tooMany(this.#repository.uri, path);
      if (entry.isDir) await this.folder(entry.path, depth + 1);
      else await this.file(entry);
    }
  }

  async file(entry: ArtifactInfo): Promise<void> {
    const { signal, onProgress } = this.#options;
    const place = this.place(entry.path);
    this.#make(dirname(place));
    const temporary = join(dirname(place), partName(this.#repository.uri, entry));
    const handle = await open(temporary, "a+").catch((error: unknown) => this.#unwritable(place, error));
    let bytes = 0;
    try {
      bytes = (await handle.stat()).size;
      if (entry.size === undefined || bytes > entry.size) {
        await handle.truncate(0); // it cannot be told whether it is the same file
        bytes = 0;
      }
      if (bytes !== entry.size || bytes === 0) {
        const stream = await this.#repository.read(entry.path, bytes);
        for await (const chunk of stream) {
          signal?.throwIfAborted();
          await handle.appendFile(chunk as Buffer).catch((error: unknown) => this.#unwritable(place, error));
          bytes += (chunk as Buffer).length;
          onProgress?.(entry, bytes);
          if (entry.size !== undefined && bytes > entry.size) break;
        }
      }
    } catch (error) {
      if (error instanceof PulseError || signal?.aborted) throw error;
      throw new PulseError("STORE_UNAVAILABLE", `${entry.path} has ended early: ${messageOf(error)}.`, error);
    } finally {
      await handle.close();
    }
    if (entry.size !== undefined && bytes !== entry.size) {
      if (bytes > entry.size) await rm(temporary, { force: true });
      const detail = `${entry.path} in ${this.#repository.uri} was to have ${entry.size} bytes, and has given ${bytes}${bytes > entry.size ? " or more" : ""}.`;
      throw new PulseError("STORE_UNAVAILABLE", detail);
    }
    await rename(temporary, place).catch((error: unknown) => this.#unwritable(place, error));
  }

  /** Makes a folder of the target; a link that is there and leads out of it is not followed. */
  #make(folder: string): void {
    if (leadsOut(this.#target, folder))
      throw new PulseError("REJECTED", `${folder} leads out of ${this.#target} by a symbolic link, which is not followed.`);
    try {
      makeFolder(folder);
    } catch (error) {
      this.#unwritable(folder, error);
    }
  }

  #unwritable(place: string, error: unknown): never {
    const code = /^(ENOSPC|EDQUOT)$/.test(String((error as NodeJS.ErrnoException).code)) ? "DISK_FULL" : "NOT_WRITABLE";
    throw new PulseError(code, `${place} cannot be written: ${messageOf(error)}.`, error);
  }
}

/** What an unfinished file is called: the same for the same file of the same size, whoever goes on with it. */
function partName(uri: string, { path, size }: ArtifactInfo): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([uri, path, size]))
    .digest("hex");
  return `.pulse-${hash.slice(0, 32)}.part`;
}
