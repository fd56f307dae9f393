import { constants, fdatasync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { throwIfAborted } from "../base/aborts.js";
import { asyncFiles } from "../base/builtins.js";
import { messageOf, PulseError, type PulseErrorCode } from "../base/errors.js";
import { makeFolder } from "../base/folders.js";
import type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "../contracts/artifact-repository.js";
import { isInside, leadsOut, realPath } from "./inside-folder.js";
import { checkedListing, type ListedEntry } from "./paths.js";
import { bytesOf, checkLength } from "./request-body.js";
import { isUnfinished, sweepUnfinished, unfinishedBeside } from "./temporary-names.js";

const flushed = promisify(fdatasync);
/** How many files are examined at once. */
const LOOKED_AT_ONCE = 32;

/**
 * A repository in a local folder. A file is written under a temporary name next to its destination and then moved
 * there, so it is either complete or absent. Folders are created as needed, with the permissions of the process
 * (umask). Links that leave the folder are never followed.
 */
export class LocalRepository implements ArtifactRepository {
  readonly uri: string;
  readonly #root: string;
  /** Folders already checked for leftovers of dead programs. */
  readonly #swept = new Set<string>();
  readonly #needPlace: (() => void) | undefined;
  /** Temporary files being written, by destination. */
  readonly #unfinished = new Map<string, string>();

  /**
   * @param root an absolute path; it does not have to exist
   * @param needPlace throws if nothing may be created there any more
   */
  constructor(root: string, needPlace?: () => void) {
    this.#root = root;
    this.#needPlace = needPlace;
    this.uri = pathToFileURL(root).href;
  }

  async upload(path: string, content: ArtifactContent, { signal, onProgress }: UploadOptions = {}): Promise<void> {
    throwIfAborted(signal);
    const target = this.#attempt("stored", path, () => this.#place(path));
    const temporary = unfinishedBeside(target);
    let handle: FileHandle | undefined;
    this.#unfinished.set(target, temporary);
    try {
      handle = await asyncFiles().open(temporary, "wx");
      let written = 0;
      for await (const chunk of bytesOf(content, 0, content.size, signal)) {
        throwIfAborted(signal);
        await writeAll(handle, chunk, written);
        written += chunk.length;
        onProgress?.(written);
      }
      // Once told that it is stored, the caller may delete the original.
      await flushed(handle.fd); // not the handle's own method, which the handles of Yarn (for reading in archives) lack
      await handle.close();
      handle = undefined;
      throwIfAborted(signal);
      await asyncFiles().rename(temporary, target);
    } catch (error) {
      await handle?.close().catch(() => {});
      await asyncFiles()
        .rm(temporary, { force: true })
        .catch(() => {});
      throwIfAborted(signal);
      throw this.#problem("stored", path, error);
    } finally {
      if (this.#unfinished.get(target) === temporary) this.#unfinished.delete(target);
    }
  }

  /**
   * Stores a file synchronously without syncing to disk: at process exit there are only milliseconds, and the machine
   * keeps running.
   */
  uploadSync(path: string, content: ArtifactContent): void {
    if (content.readSync === undefined)
      throw new PulseError("REJECTED", `${path} cannot be stored synchronously: its content can only be streamed.`);
    let bytes: Uint8Array;
    try {
      bytes = content.readSync();
    } catch (error) {
      throw new PulseError("REJECTED", `The content cannot be read: ${messageOf(error)}.`, error);
    }
    checkLength(bytes.length, content.size);
    this.#attempt("stored", path, () => {
      const target = this.#place(path);
      const temporary = unfinishedBeside(target);
      try {
        writeFileSync(temporary, bytes, { flag: "wx" });
        renameSync(temporary, target);
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      }
      this.#dropUnfinished(target);
    });
  }

  /** Removes the unfinished file of an upload that will not continue because the process exits. */
  #dropUnfinished(target: string): void {
    const begun = this.#unfinished.get(target);
    try {
      if (begun !== undefined) rmSync(begun, { force: true });
    } catch {
      // Windows cannot remove open files; the next upload into this folder does.
    }
  }

  async list(path: string = ""): Promise<readonly ArtifactInfo[]> {
    try {
      const folder = this.#existing(path);
      const entries = await asyncFiles().readdir(folder, { withFileTypes: true });
      const found: ListedEntry[] = [];
      for (let i = 0; i < entries.length; i += LOOKED_AT_ONCE) {
        const some = entries.slice(i, i + LOOKED_AT_ONCE).filter(({ name }) => !isUnfinished(name));
        found.push(...(await Promise.all(some.map(({ name }) => this.#entry(folder, name)))).flat());
      }
      return checkedListing(this.uri, path, found);
    } catch (error) {
      if (isAbsent(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR") return [];
      throw this.#problem("listed", path, error);
    }
  }

  async read(path: string, start: number = 0): Promise<Readable> {
    try {
      const place = this.#existing(path);
      if (!statSync(place).isFile())
        throw new PulseError("ARTIFACT_NOT_FOUND", `${path} in ${this.uri} is not a file.`);
      const handle = await asyncFiles().open(place, constants.O_RDONLY);
      return handle.createReadStream({ start, highWaterMark: 256 * 1024 });
    } catch (error) {
      if (isAbsent(error) || (error as NodeJS.ErrnoException).code === "ENOTDIR")
        throw new PulseError("ARTIFACT_NOT_FOUND", `There is no file ${path} in ${this.uri}.`, error);
      throw this.#problem("read", path, error);
    }
  }

  close(): void {}

  /** Returns the destination of a file, and creates its folder. */
  #place(path: string): string {
    this.#needPlace?.();
    const target = join(this.#root, ...path.split("/"));
    if (leadsOut(this.#root, dirname(target))) throw this.#leadsOut(path);
    makeFolder(dirname(target));
    if (leadsOut(this.#root, dirname(target))) throw this.#leadsOut(path); // check again, including what was created meanwhile
    if (!this.#swept.has(dirname(target))) {
      this.#swept.add(dirname(target));
      sweepUnfinished(dirname(target));
    }
    return target;
  }

  /** Returns the real path of an existing file or folder; links within the root are followed. */
  #existing(path: string): string {
    const root = realpathSync(this.#root);
    const place = realpathSync(path === "" ? root : join(root, ...path.split("/")));
    if (!isInside(place, root)) throw this.#leadsOut(path);
    return place;
  }

  /** Describes an entry of a folder. If its link leaves the root, it is listed without a size and cannot be read. */
  async #entry(folder: string, name: string): Promise<ListedEntry[]> {
    try {
      const place = join(folder, name);
      const stats = await asyncFiles().lstat(place);
      if (!stats.isSymbolicLink()) return [{ name, isDir: stats.isDirectory(), size: stats.size }];
      const real = realPath(place);
      if (real === undefined || !isInside(real, realpathSync(this.#root))) return [{ name, isDir: false }];
      const behind = statSync(real);
      return [{ name, isDir: behind.isDirectory(), size: behind.size }];
    } catch (error) {
      if (isAbsent(error)) return []; // removed meanwhile
      throw error;
    }
  }

  #leadsOut(path: string): PulseError {
    return new PulseError(
      "REJECTED",
      `${path} leads outside ${this.uri} through a symbolic link, which is not followed.`,
    );
  }

  #attempt<T>(done: string, path: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#problem(done, path, error);
    }
  }

  #problem(done: string, path: string, error: unknown): PulseError {
    if (error instanceof PulseError) return error;
    const code = CODES[String((error as NodeJS.ErrnoException).code)] ?? "NOT_WRITABLE";
    const why = REASONS[String((error as NodeJS.ErrnoException).code)] ?? messageOf(error);
    return new PulseError(code, `${path === "" ? "The root" : path} cannot be ${done} in ${this.uri}: ${why}.`, error);
  }
}

/** The meaning of file system errors; any other error concerns the folder. */
const CODES: Readonly<Record<string, PulseErrorCode>> = {
  ENOSPC: "DISK_FULL",
  EDQUOT: "DISK_FULL",
  EMFILE: "STORE_UNAVAILABLE",
  ENFILE: "STORE_UNAVAILABLE",
  EIO: "STORE_UNAVAILABLE",
  ESTALE: "STORE_UNAVAILABLE",
  ETIMEDOUT: "STORE_UNAVAILABLE",
  ENAMETOOLONG: "REJECTED",
  EISDIR: "REJECTED",
  ENOTDIR: "REJECTED",
  EEXIST: "REJECTED",
  ENOTEMPTY: "REJECTED",
  EINVAL: "REJECTED",
  EFBIG: "REJECTED",
};

/** Describes what is in the way of a file. */
const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "a folder has that name",
  ENOTDIR: "a file has the name of a folder above it",
  // Can only come from creating a folder, since temporary names are unique
  EEXIST: "a file has the name of a folder above it",
};

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException | null)?.code === "ENOENT";

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
