import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { query } from "../support/database.js";

/** Room for the outboxes of a schedule where the disk may be full. */
const DISK = "size=12m";
const PIECE = Buffer.alloc(64 * 1024);
const BALLAST = "ballast";
/** How long a stream that was cut off may take to give its next piece. */
const TRY_MS = 50;
const MAX_TRIES = 200;

type DiskTrouble = "full" | "gone" | "barred";

/**
 * The folder of a schedule's outboxes, and what happens to it: the disk is full, or somebody removes what is in it, and
 * it may be barred from being made anew for a while.
 */
export class OutboxDisk {
  readonly folder: string;
  readonly #mounted: boolean;
  #barred: string[] = [];
  /** The disk has been full. */
  wasFull = false;

  /** A disk of its own needs root on Linux; elsewhere a folder that is barred stands for a disk that is full. */
  constructor(folder: string, ownDisk: boolean) {
    this.folder = folder;
    this.#mounted = ownDisk && spawnSync("mount", ["-t", "tmpfs", "-o", DISK, "tmpfs", folder]).status === 0;
  }

  begin(what: DiskTrouble): void {
    this.wasFull ||= what === "full";
    if (what === "full" && this.#mounted) return void fill(join(this.folder, BALLAST));
    const folders = readdirSync(this.folder).map((name) => join(this.folder, name));
    for (const path of folders) rmSync(path, { recursive: true });
    if (what === "gone") return;
    for (const path of folders) writeFileSync(path, "");
    this.#barred = folders;
  }

  end(): void {
    for (const path of [join(this.folder, BALLAST), ...this.#barred]) rmSync(path, { force: true });
    this.#barred = [];
  }

  /** Whether it is a disk of its own. */
  get isOwn(): boolean {
    return this.#mounted;
  }

  /** The outboxes there are, and what lies beside them. */
  outboxes(): string[] {
    return outboxesIn(this.folder);
  }

  /** Waits for what a stream has left that was cut off: it goes when the next piece comes. */
  async quiet(): Promise<void> {
    const outboxes = this.outboxes().filter((path) => path.endsWith(".outbox"));
    for (let tries = 0; tries < MAX_TRIES && outboxes.some((path) => keptIn(path).unnamed.length > 0); tries++)
      await sleep(TRY_MS);
  }

  /** What these warnings promise to be kept here, and is not; and the outboxes they name. */
  promised(warnings: readonly string[]): { paths: string[]; untrue: string[] } {
    const untrue: string[] = [];
    const paths = warnings
      .filter((warning) => warning.includes("KEPT_FOR_LATER"))
      .flatMap((warning) => {
        const from = warning.indexOf(this.folder);
        const path = from < 0 ? "" : (warning.slice(from).split(/\.?(?:\s|$)/)[0] ?? "");
        const [, count = "", what] = /([\d,]+) (change|file)/.exec(warning) ?? [];
        const { items, files, unnamed } = keptIn(path);
        const [said, kept] = [Number(count.replaceAll(",", "")), what === "file" ? files : items];
        untrue.push(...unnamed.map((name) => `${name} lies beside ${basename(path)}, which does not name it`));
        // From a full disk what was delivered cannot be taken out: it comes again, which does no harm.
        if (this.wasFull ? kept < said : kept !== said)
          untrue.push(`${kept} items are kept in ${basename(path)}, not what was said: ${warning}`);
        return path === "" ? [] : [path];
      });
    return { paths, untrue };
  }

  close(): void {
    if (this.#mounted) spawnSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The outboxes in a folder and below it. */
export function outboxesIn(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && !/^(uri|ballast)$|-(wal|shm|journal)$|\.unsure$/.test(entry.name),
  );
  return files.map(({ parentPath, name }) => join(parentPath, name));
}

/** How many items wait in an outbox. */
export const itemsKept = (path: string): number => keptIn(path).items;

/**
 * How many items and files wait in an outbox, and what lies beside it without being named in it. Read from a copy: a
 * look would be in the way of who takes it over, and where the disk is full there is none.
 */
function keptIn(path: string): { items: number; files: number; unnamed: string[] } {
  const folder = mkdtempSync(join(tmpdir(), "pulse-kept-"));
  try {
    const copy = join(folder, "outbox");
    for (const suffix of ["", "-wal"]) if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    if (!existsSync(copy)) return { items: 0, files: 0, unnamed: [] };
    const items = Number(query(copy, "SELECT total(items) AS n FROM changes WHERE aside IS NULL")[0]?.["n"]);
    const files = query(copy, "SELECT place FROM files");
    const named = new Set(files.map(({ place }) => place));
    const beside = existsSync(`${path}.files`) ? readdirSync(`${path}.files`) : [];
    return { items, files: files.length, unnamed: beside.filter((name) => !named.has(name)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes until nothing fits any more. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, PIECE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}
