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

/** What the name of the folder beside an outbox ends with. */
const SUFFIX = ".files";

/** The folder of files that wait with an outbox. */
const stagingFolder = (outbox: string): string => outbox + SUFFIX;

export type StagedFile = UploadSource & { readonly kind: "staged" };

/** A file beside the outbox that is still being written. */
export interface StagedWriter {
  write(bytes: Uint8Array): Promise<void>;
  end(): Promise<StagedFile>;
  /** Gives back what was written, as far as that went well, and takes the file away. */
  takeBack(): Promise<Uint8Array>;
  /** Takes away what was written. */
  abandon(): Promise<void>;
}

/** A file beside the outbox, which nobody else changes or takes away: a second name of the user's own, or a copy. */
export class Staging {
  readonly #outbox: () => string | undefined;
  readonly #newName: () => string;

  /** `outbox` gives where the outbox lies; undefined while there is none. */
  constructor(outbox: () => string | undefined, newName: () => string) {
    this.#outbox = outbox;
    this.#newName = newName;
  }

  /** Where a staged file lies now. */
  locate(source: UploadSource): UploadSource {
    const outbox = this.#outbox();
    return source.kind === "staged" && outbox !== undefined
      ? { ...source, path: join(stagingFolder(outbox), source.name) }
      : source;
  }

  /**
   * Gives a file of the user's a second name here.
   * @throws the error of the file system: another one, a file that may not be linked, or no outbox.
   */
  link(file: SourceFile): StagedFile {
    // Of a link it is the file that counts.
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

  /** The same without holding the event loop. */
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

  /** Writes bytes. */
  write(bytes: Uint8Array): StagedFile {
    const { name, path } = this.#made((to) => writeFileSync(to, bytes, { mode: OWNER_FILE, flag: "wx" }));
    return staged(name, path);
  }

  /** Begins a file that is written bit by bit. */
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

  /** Makes a file by `put`; of one that fails nothing stays. */
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

/**
 * Takes away what came of a file before something failed: the disk may be full. Its name is new, so it is nobody
 * else's.
 */
function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is swept later.
  }
}

/** Removes the folder beside an outbox that is no more, with what is in it. */
export function removeStaged(outbox: string): void {
  try {
    rmSync(stagingFolder(outbox), { recursive: true, force: true });
  } catch {
    // It is for the next one to try.
  }
}

/** Has what lies beside an outbox lie beside another one. */
export function moveStaged(from: string, to: string): void {
  try {
    renameSync(stagingFolder(from), stagingFolder(to));
  } catch {
    // There is none, or it was removed with the outbox.
  }
}

/** The size of what lies beside an outbox, in bytes. */
export function stagedBytes(outbox: string): number {
  const folder = stagingFolder(outbox);
  try {
    return readdirSync(folder).reduce(
      (sum, name) => sum + (lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
  } catch {
    return 0; // there is none
  }
}

/** Removes what lies beside an outbox and is in none of its rows; its owner died between the two. */
export function sweepStaged(outbox: string, names: ReadonlySet<string>): void {
  const folder = stagingFolder(outbox);
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch {
    return; // there is none
  }
  for (const name of files) if (!names.has(name)) rmSync(join(folder, name), { force: true });
  try {
    rmdirSync(folder);
  } catch {
    // Some are still needed.
  }
}
