import { appendFileSync, closeSync, constants, lstatSync, openSync, readFileSync, rmSync } from "node:fs";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";

/**
 * Which files of a folder an unfinished download has brought: the next attempt need not bring them again. A file counts
 * as long as it is in the repository as large as it was, and here as it was left.
 */
export class DownloadJournal {
  readonly #path: string;
  /** The times of files by their path and size. */
  readonly #brought = new Map<string, number>();

  /** @param path of the file that remembers it; it is made with the first file that is brought */
  constructor(path: string) {
    this.#path = path;
    for (const line of this.#lines()) {
      const [key, changedMs] = parsed(line);
      if (typeof key === "string" && typeof changedMs === "number") this.#brought.set(key, changedMs);
    }
  }

  /** Whether a file is at its place already. */
  has(entry: ArtifactInfo, place: string): boolean {
    const changedMs = this.#brought.get(keyOf(entry));
    if (changedMs === undefined || entry.size === undefined) return false;
    const stats = lstatSync(place, { throwIfNoEntry: false });
    return stats?.isFile() === true && stats.size === entry.size && stats.mtimeMs === changedMs;
  }

  /** A file has been brought. What cannot be remembered is only brought once more. */
  add(entry: ArtifactInfo, place: string): void {
    if (entry.size === undefined) return;
    try {
      const line = JSON.stringify([keyOf(entry), lstatSync(place).mtimeMs]);
      this.#with(constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, (file) =>
        appendFileSync(file, `${line}\n`),
      );
    } catch {
      // As if it had not been brought.
    }
  }

  /** All files have been brought. */
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

/** A link that somebody has put there is not followed (Windows cannot say so). */
export const NO_LINKS: number = constants.O_NOFOLLOW ?? 0;

const keyOf = ({ path, size }: ArtifactInfo): string => `${size} ${path}`;

/** Of a line that was cut off there is nothing. */
function parsed(line: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(line);
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
