import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { asyncFiles } from "../../base/builtins.js";
import { makeFolder } from "../../base/folders.js";
import type { SourceFile, UploadSource } from "./upload-source.js";

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;

/** The suffix of the folder beside an outbox. */
const SUFFIX = ".files";

/** Returns the folder of the files staged beside an outbox. */
const stagingFolder = (outbox: string): string => outbox + SUFFIX;

export type StagedFile = UploadSource & { readonly kind: "staged" };

/** Writes a staged file piece by piece. */
export interface StagedWriter {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<StagedFile>;
  /** Returns what was written successfully, and removes the file. */
  takeBack(): Promise<Uint8Array>;
  /** Removes the file. */
  abandon(): Promise<void>;
}

/**
 * The folder beside an outbox, where files are safe from changes and removal: as hard links to the user's files, or
 * as copies.
 */
export class Staging {
  readonly #outbox: () => string | undefined;
  readonly #newName: () => string;

  /** `outbox` returns the path of the outbox; undefined while there is none. */
  constructor(outbox: () => string | undefined, newName: () => string) {
    this.#outbox = outbox;
    this.#newName = newName;
  }

  /** Returns a source with the current path of a staged file. */
  locate(source: UploadSource): UploadSource {
    const outbox = this.#outbox();
    return source.kind === "staged" && outbox !== undefined
      ? { ...source, path: join(stagingFolder(outbox), source.name) }
      : source;
  }

  /**
   * Creates a hard link to a user's file.
   * @throws the file system's error, for instance if the file is on another file system, or an Error if there is no
   * outbox.
   */
  link(file: SourceFile): StagedFile {
    // The target of a symbolic link is linked, not the link itself.
    return { ...file, kind: "staged", ...this.#made((to) => linkSync(realpathSync(file.path), to)) };
  }

  /** Copies a file. */
  copySync(file: SourceFile): StagedFile {
    const made = this.#made((to) => {
      copyFileSync(file.path, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(to, OWNER_FILE);
    });
    return { ...file, kind: "staged", ...made };
  }

  /** Copies a file without blocking the event loop. */
  async copy(file: SourceFile): Promise<StagedFile> {
    const { name, path } = this.#next();
    try {
      await asyncFiles().copyFile(file.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(path, OWNER_FILE);
      return staged(name, path);
    } catch (error) {
      discard(path);
      throw error;
    }
  }

  /** Writes bytes to a file. */
  write(bytes: Uint8Array): StagedFile {
    const { name, path } = this.#made((to) => writeFileSync(to, bytes, { mode: OWNER_FILE, flag: "wx" }));
    return staged(name, path);
  }

  /** Starts a file that is written piece by piece. */
  async writer(): Promise<StagedWriter> {
    const { name, path } = this.#next();
    const file = await asyncFiles().open(path, "wx", OWNER_FILE);
    let written = 0;
    return {
      write: async (bytes) => {
        await file.writeFile(bytes);
        written += bytes.length;
      },
      end: async () => {
        await file.close();
        return staged(name, (this.locate({ kind: "staged", name, path, size: 0, changedMs: 0 }) as StagedFile).path);
      },
      takeBack: async () => {
        await file.close();
        try {
          return (await asyncFiles().readFile(path)).subarray(0, written);
        } finally {
          discard(path);
        }
      },
      abandon: async () => {
        await file.close();
        this.remove({ kind: "staged", name, path, size: 0, changedMs: 0 });
      },
    };
  }

  remove(source: UploadSource): void {
    const { kind, path } =
      source.kind === "bytes" ? { kind: source.kind, path: "" } : (this.locate(source) as StagedFile);
    if (kind === "staged") rmSync(path, { force: true });
  }

  /** Creates a file by `put`; if that fails, nothing is left behind. */
  #made(put: (to: string) => void): { name: string; path: string } {
    const made = this.#next();
    try {
      put(made.path);
    } catch (error) {
      discard(made.path);
      throw error;
    }
    return made;
  }

  #next(): { name: string; path: string } {
    const outbox = this.#outbox();
    if (outbox === undefined) throw new Error("there is no outbox");
    const folder = stagingFolder(outbox);
    makeFolder(folder, OWNER_FOLDER);
    const name = this.#newName();
    return { name, path: join(folder, name) };
  }
}

function staged(name: string, path: string): StagedFile {
  const { size, mtimeMs } = statSync(path);
  return { kind: "staged", name, path, size, changedMs: mtimeMs };
}

/** Removes a partly written file, since the disk may be full. Its name is new, so it cannot be another file. */
function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is swept later.
  }
}

/** Removes the folder of an outbox that no longer exists. */
export function removeStaged(outbox: string): void {
  try {
    rmSync(stagingFolder(outbox), { recursive: true, force: true });
  } catch {
    // Left for the next attempt.
  }
}

/** Moves the staged files of an outbox to another one. */
export function moveStaged(from: string, to: string): void {
  try {
    renameSync(stagingFolder(from), stagingFolder(to));
  } catch {
    // There is no such folder, or it was removed with the outbox.
  }
}

/** Returns the size of the files staged beside an outbox, in bytes. */
export function stagedBytes(outbox: string): number {
  const folder = stagingFolder(outbox);
  try {
    return readdirSync(folder).reduce(
      (sum, name) => sum + (lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), // there is no such folder
      0,
    );
  } catch {
    return 0; // there is none
  }
}

/** Removes staged files that are in no row of the outbox, because their owner died in between. */
export function sweepStaged(outbox: string, names: ReadonlySet<string>): void {
  const folder = stagingFolder(outbox);
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch {
    return; // there is no such folder
  }
  for (const name of files) if (!names.has(name)) rmSync(join(folder, name), { force: true });
  try {
    rmdirSync(folder);
  } catch {
    // Some files are still needed.
  }
}
