import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { addAbortSignal } from "node:stream";
import { throwIfAborted } from "../base/aborts.js";
import { keepAlive } from "../base/detached.js";
import { messageOf, PulseError } from "../base/errors.js";
import { makeFolder } from "../base/folders.js";
import { shared } from "../base/shared-state.js";
import type { ArtifactInfo, ArtifactRepository } from "../contracts/artifact-repository.js";
import { DownloadJournal, NO_LINKS } from "./download-journal.js";
import { isInside, leadsOut } from "./inside-folder.js";
import { parted } from "./paths.js";
import { walk } from "./walk.js";

/** Options of a download. */
export interface DownloadOptions {
  /**
   * Aborts the download; unfinished files are kept for the next attempt. The promise then rejects with the signal's
   * reason.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called on progress with a file, its bytes so far (including those of an earlier attempt), and how many were added.
   */
  readonly onProgress?: ((file: ArtifactInfo, bytes: number, added: number) => void) | undefined;
  /** Called when a file is complete; `earlier` means that an earlier attempt fetched it. */
  readonly onFile?: ((file: ArtifactInfo, place: string, earlier: boolean) => void) | undefined;
  /** Called for entries of a folder that are refused; the others continue. @default the download fails */
  readonly onRefused?: ((path: string, error: PulseError) => void) | undefined;
}

/** Codes of file system errors that concern a single name. */
const OF_ONE_NAME: ReadonlySet<unknown> = new Set([
  "EISDIR",
  "ENOTDIR",
  "EEXIST",
  "ENOTEMPTY",
  "ENAMETOOLONG",
  "EINVAL",
  "ELOOP",
]);

/**
 * Downloads a file, or a folder with everything in it, to `<target>/<path>`; returns that path. A file is written under
 * a temporary name next to its destination and moved there when complete. A file begun by an earlier attempt is resumed
 * if its size is unchanged and the last 64 KiB present are the same. In a folder whose download was not finished, files
 * are skipped if their size is unchanged and they were not modified. Memory use is limited to one folder listing per
 * level and the list of files fetched earlier. Nothing is written outside the target, whatever the repository returns.
 * @param path `""` for everything
 * @throws PulseError `ARTIFACT_NOT_FOUND` if the path does not exist; `NOT_WRITABLE`, `DISK_FULL` for the target;
 * `REJECTED` for more than 100,000 files or folders nested 100 deep; `STORE_UNAVAILABLE` for a file that ended early;
 * and what the repository throws.
 */
export async function download(
  repository: ArtifactRepository,
  path: string,
  target: string,
  options: DownloadOptions = {},
): Promise<string> {
  return keepAlive(async () => {
    try {
      throwIfAborted(options.signal);
      const job = new Download(repository, resolve(target), options);
      const { folder } = parted(path);
      const entry = path === "" ? undefined : (await repository.list(folder)).find((each) => each.path === path);
      if (entry !== undefined && !entry.isDir) await job.file(entry);
      else if (path === "" || entry !== undefined) await job.folder(path);
      else throw new PulseError("ARTIFACT_NOT_FOUND", `There is no ${path} in ${repository.uri}.`);
      return job.place(path);
    } catch (error) {
      throwIfAborted(options.signal);
      throw error;
    }
  });
}

class Download {
  readonly #repository: ArtifactRepository;
  readonly #target: string;
  readonly #options: DownloadOptions;

  constructor(repository: ArtifactRepository, target: string, options: DownloadOptions) {
    this.#repository = repository;
    this.#target = target;
    this.#options = options;
  }

  /** Returns the destination of a path. */
  place(path: string): string {
    const place = join(this.#target, ...path.split("/"));
    if (isInside(place, this.#target)) return place;
    throw new PulseError(
      "REJECTED",
      `${path} in ${this.#repository.uri} leads outside the folder it would be written to.`,
    );
  }

  async folder(path: string): Promise<void> {
    this.#make(this.place(path));
    const journal = new DownloadJournal(
      join(this.#target, partName(this.#repository.uri, { path: `${path}/`, isDir: true, size: undefined })),
    );
    const { signal, onRefused } = this.#options;
    const refused: string[] = [];
    for await (const entry of walk(this.#repository, path, true, onRefused)) {
      throwIfAborted(signal);
      if (refused.some((folder) => entry.path.startsWith(`${folder}/`))) continue;
      try {
        await this.#entry(entry, journal);
      } catch (error) {
        if (onRefused === undefined || !isRefusal(error)) throw error;
        onRefused(entry.path, error);
        if (entry.isDir) refused.push(entry.path);
      }
    }
    journal.finish();
  }

  async #entry(entry: ArtifactInfo, journal: DownloadJournal): Promise<void> {
    const place = this.place(entry.path);
    if (entry.isDir) this.#make(place);
    else if (!leadsOut(this.#target, dirname(place)) && journal.has(entry, place))
      this.#options.onFile?.(entry, place, true);
    else {
      await this.file(entry);
      journal.add(entry, place);
    }
  }

  async file(entry: ArtifactInfo): Promise<void> {
    const place = this.place(entry.path);
    this.#make(dirname(place));
    const temporary = join(dirname(place), partName(this.#repository.uri, entry));
    // Both would append to one file, also after the first of them has moved it to its place.
    if (underWay.has(temporary)) throw alsoWritten(place);
    underWay.add(temporary);
    try {
      await this.#fetch(entry, place, temporary);
    } finally {
      underWay.delete(temporary);
    }
  }

  async #fetch(entry: ArtifactInfo, place: string, temporary: string): Promise<void> {
    const { signal, onProgress } = this.#options;
    let told: { readonly error: unknown } | undefined;
    const flags = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | NO_LINKS;
    const handle = await open(temporary, flags).catch((error: unknown) => this.#unwritable(place, error));
    let bytes = 0;
    let written = 0;
    try {
      bytes = (await handle.stat()).size;
      if (entry.size === undefined || bytes > entry.size) {
        await handle.truncate(0); // impossible to tell whether it is the same file
        bytes = 0;
      }
      // The data present may belong to another file of the same size; its last part tells.
      let known: Buffer = await lastOf(handle, bytes);
      let isOther = false;
      do {
        if (isOther) {
          await handle.truncate(0);
          [bytes, known, isOther] = [0, Buffer.alloc(0), false];
        }
        const stream = await this.#repository.read(entry.path, bytes - known.length);
        for await (const all of signal ? addAbortSignal(signal, stream) : stream) {
          throwIfAborted(signal);
          const same = Math.min(known.length, (all as Buffer).length);
          isOther = !known.subarray(0, same).equals((all as Buffer).subarray(0, same));
          if (isOther) break;
          known = known.subarray(same);
          const chunk = (all as Buffer).subarray(same);
          if (chunk.length === 0) continue;
          await handle.appendFile(chunk).catch((error: unknown) => this.#unwritable(place, error));
          bytes += chunk.length;
          try {
            onProgress?.(entry, bytes, chunk.length);
          } catch (error) {
            told = { error };
            throw error;
          }
          if (entry.size !== undefined && bytes > entry.size) break;
        }
      } while (isOther);
      written = (await handle.stat()).size;
    } catch (error) {
      if (error instanceof PulseError || signal?.aborted || told !== undefined) throw error;
      throw new PulseError("STORE_UNAVAILABLE", `${entry.path} has ended early: ${messageOf(error)}.`, error);
    } finally {
      await handle.close();
    }
    if (entry.size !== undefined && bytes !== entry.size) {
      if (bytes > entry.size) await rm(temporary, { force: true });
      const detail = `${entry.path} in ${this.#repository.uri} should have ${entry.size} bytes, but returned ${bytes}${bytes > entry.size ? " or more" : ""}.`;
      throw new PulseError("STORE_UNAVAILABLE", detail);
    }
    if (written !== bytes) {
      await rm(temporary, { force: true });
      throw alsoWritten(place);
    }
    await rename(temporary, place).catch((error: unknown) => this.#unwritable(place, error));
    this.#options.onFile?.(entry, place, false);
  }

  /** Creates a folder in the target. Links that lead outside the target are not followed. */
  #make(folder: string): void {
    if (leadsOut(this.#target, folder))
      throw new PulseError(
        "REJECTED",
        `${folder} leads outside ${this.#target} through a symbolic link, which is not followed.`,
      );
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

/** The unfinished files that this process is writing. */
const underWay: Set<string> = shared("downloads", () => new Set<string>());

const alsoWritten = (place: string): PulseError =>
  new PulseError("REJECTED", `${place} is being written by another download; wait for that one.`);

/** How many bytes are compared with the repository before resuming a file. */
const COMPARED = 64 * 1024;

/** Returns the last bytes of a file of the given size. */
async function lastOf(handle: FileHandle, bytes: number): Promise<Buffer> {
  const last = Buffer.alloc(Math.min(bytes, COMPARED));
  await handle.read(last, 0, last.length, bytes - last.length);
  return last;
}

/** Whether an error concerns a single file or folder. */
function isRefusal(error: unknown): error is PulseError {
  if (!(error instanceof PulseError)) return false;
  if (error.code !== "NOT_WRITABLE") return error.code === "REJECTED";
  return OF_ONE_NAME.has((error.cause as NodeJS.ErrnoException | undefined)?.code);
}

/**
 * Returns the name of an unfinished file: always the same for the same file and size, so that any attempt can resume
 * it.
 */
function partName(uri: string, { path, size }: ArtifactInfo): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([uri, path, size]))
    .digest("hex");
  return `.pulse-${hash.slice(0, 32)}.part`;
}
