import { appendFileSync, closeSync, constants, lstatSync, openSync, readFileSync, rmSync } from "node:fs";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";

/**
 * Remembers which files of a folder an unfinished download has fetched, so that the next attempt can skip them. A file
 * is skipped if its size in the repository is unchanged and the local file was not modified.
 */
export class DownloadJournal {
  readonly #path: string;
  /** Modification times by path and size. */
  readonly #brought = new Map<string, number>();

  /** @param path of the journal file; created when the first file is fetched */
  constructor(path: string) {
    this.#path = path;
    for (const line of this.#lines()) {
      const [key, changedMs] = parsed(line);
      if (typeof key === "string" && typeof changedMs === "number") this.#brought.set(key, changedMs);
    }
  }

  /** Whether a file was already fetched. */
  has(entry: ArtifactInfo, place: string): boolean {
    const changedMs = this.#brought.get(keyOf(entry));
    if (changedMs === undefined || entry.size === undefined) return false;
    const stats = lstatSync(place, { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size === entry.size && stats.mtimeMs === changedMs;
  }

  /** Notes that a file was fetched. If that fails, the file will be fetched again. */
  add(entry: ArtifactInfo, place: string): void {
    if (entry.size === undefined) return;
    try {
      const line = JSON.stringify([keyOf(entry), lstatSync(place).mtimeMs]);
      this.#with(constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, (file) =>
        appendFileSync(file, `${line}\n`),
      );
    } catch {
      // Treated as not fetched.
    }
  }

  /** Removes the journal when all files were fetched. */
  finish(): void {
    rmSync(this.#path, { force: true });
  }

  #lines(): readonly string[] {
    try {
      return this.#with(constants.O_RDONLY, (file) => readFileSync(file, "utf8")).split("\n");
    } catch {
      return []; // there is none
    }
  }

  #with<R>(flags: number, use: (file: number) => R): R {
    const file = openSync(this.#path, flags | NO_LINKS);
    try {
      return use(file);
    } finally {
      closeSync(file);
    }
  }
}

/** Do not follow a link in the file's place (not supported on Windows). */
export const NO_LINKS: number = constants.O_NOFOLLOW ?? 0;

const keyOf = ({ path, size }: ArtifactInfo): string => `${size} ${path}`;

/** A line that was cut off is ignored. */
function parsed(line: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
