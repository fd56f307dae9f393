import { closeSync, existsSync, fstatSync, openSync, readdirSync, realpathSync, statSync } from "node:fs";
import timers from "node:timers";
import { soon } from "../../base/detached.js";
import { sharedByProcess } from "../../base/shared-state.js";
import { type Database, FILE, openDatabase, rollback, type SqlValue, type Statement } from "../../stores/sql/driver.js";
import { NO_FILES, OUTBOX_VERSION, TABLES } from "./rows.js";

const { clearImmediate } = timers;
/** The suffixes of its files. */
const SUFFIXES = ["", "-wal"];
/** The suffix of the marker file of an outbox whose rows may have been sent without being marked so. */
export const UNSURE = ".unsure";
/** The size of the WAL, in bytes, above which it is checkpointed. It is checked every `LOOK_EVERY` commits. */
const LARGE_WAL = 4 * 1024 * 1024;
/** At this size the checkpoint does not wait for the end of the turn, which may be far away. */
const HUGE_WAL = 16 * 1024 * 1024;
const LOOK_EVERY = 16;

/** The outboxes held by trackers of this thread, from any copy of the package. */
const owned: Set<string> = sharedByProcess("outboxes", () => new Set<string>());

/**
 * Whether this process has the file open. POSIX locks belong to the process: another copy of the driver, in a worker
 * thread or of another version, would get the same lock. Must be checked before the file is opened, since closing it
 * would drop that lock.
 */
export function isOpenHere(path: string): boolean {
  try {
    if (owned.has(realPath(path))) return true;
    const { dev, ino } = statSync(path);
    return readdirSync("/dev/fd").some((descriptor) => isFile(Number(descriptor), dev, ino));
  } catch {
    return false; // no such file, or a system without /dev/fd: Windows locks per handle
  }
}

/** Resolves links in a path; returns it unchanged if that is not permitted. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isFile(descriptor: number, dev: number, ino: number): boolean {
  try {
    const stat = fstatSync(descriptor);
    return stat.dev === dev && stat.ino === ino;
  } catch {
    return false; // closed meanwhile
  }
}

/** An SQLite file that is locked exclusively: whoever holds the lock owns it. */
export class OutboxFile {
  readonly path: string;
  /** Whether any creation in it may have been sent without being marked as attempted. */
  unsure: boolean;
  readonly #realPath: string;
  readonly #db: Database;
  readonly #prepared = new Map<string, Statement>();
  /** The last known state of its files. Only a checkpoint makes them smaller. */
  #files: readonly FileState[] = [];
  #depth = 0;
  #commits = 0;
  #checkpointing: NodeJS.Immediate | undefined;

  /**
   * Opens and locks the file.
   * @throws the driver's error when another tracker holds it, or an Error when it is not an outbox of this version.
   */
  constructor(path: string, created?: { readonly uri: string; readonly now: number }) {
    this.path = path;
    this.unsure = existsSync(path + UNSURE);
    this.#db = openDatabase(path, { exclusive: true });
    try {
      // Checked before anything is changed: a file that is not ours stays untouched.
      const version = Number(this.#db.prepare(`PRAGMA ${FILE}.user_version`).get()?.["user_version"]);
      // Its creator may have been killed while creating it: its creation is completed here, and it holds nothing.
      const isBlank = version === 0 && this.#db.prepare(`SELECT 1 FROM ${FILE}.sqlite_master`).get() === undefined;
      if (version !== OUTBOX_VERSION && !isBlank)
        throw new Error(`${path} is an outbox of version ${version}, not ${OUTBOX_VERSION}`);
      this.#db.exec(`PRAGMA ${FILE}.journal_mode = WAL`);
      // A crash of the process loses nothing that is written; only a power cut may.
      this.#db.exec(`PRAGMA ${FILE}.synchronous = NORMAL`);
      // A checkpoint waits for the disk: it is made between turns, not in the call that happens to write the
      // thousandth page.
      this.#db.exec("PRAGMA wal_autocheckpoint = 0");
      this.#db.exec("BEGIN IMMEDIATE");
      if (isBlank) {
        this.#db.exec(TABLES);
        this.run("INSERT INTO meta VALUES ('uri', ?), ('created', ?)", created?.uri ?? "", String(created?.now ?? ""));
      }
      this.#db.exec("COMMIT");
      if (this.get(`SELECT 1 FROM ${FILE}.sqlite_master WHERE name = 'files'`) === undefined) this.#db.exec(NO_FILES);
      this.#files = this.#look();
      if (this.#files[0]?.identity === "") throw new Error(`${path} was removed while it was opened`);
      this.#realPath = realPath(path);
      owned.add(this.#realPath);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Whether its files are still in place. What is written into removed files is lost. */
  get inPlace(): boolean {
    return this.#compare() === "as it was";
  }

  /** Whether its files are in place but one of them was truncated by somebody else. */
  get isCut(): boolean {
    return this.#compare() === "cut";
  }

  #compare(): "as it was" | "cut" | "gone" {
    const files = this.#look();
    if (files.some(({ identity }, i) => identity !== this.#files[i]?.identity)) return "gone";
    if (files.some(({ size }, i) => size < (this.#files[i]?.size ?? 0))) return "cut";
    this.#files = files;
    return "as it was";
  }

  #look(): FileState[] {
    return SUFFIXES.map((suffix) => stateOf(this.path + suffix));
  }

  /**
   * Creates an empty file beside it, which fits on a full disk, to record that rows may have been sent without being
   * marked so.
   */
  markUnsure(): void {
    if (!this.unsure) closeSync(openSync(this.path + UNSURE, "w", 0o600));
    this.unsure = true;
  }

  /** Copies everything into a new file, which must be empty or absent. */
  copyTo(path: string): void {
    this.#db.prepare(`VACUUM ${FILE} INTO ?`).run(path);
  }

  /** Runs several operations in one transaction. */
  transaction<R>(body: () => R): R {
    if (this.#depth > 0) return body();
    this.#db.exec("BEGIN IMMEDIATE");
    this.#depth++;
    let result: R;
    try {
      result = body();
      this.#db.exec("COMMIT");
    } catch (error) {
      rollback(this.#db);
      throw error;
    } finally {
      this.#depth--;
    }
    this.#checkpointSoon();
    return result;
  }

  /**
   * Rolls back the open transaction, if any: the process is exiting inside it, and later writes must not be part of
   * it.
   */
  abandon(): void {
    if (this.#depth > 0) rollback(this.#db);
    this.#depth = 0;
  }

  #checkpointSoon(): void {
    if (++this.#commits % LOOK_EVERY > 0) return;
    const { size } = stateOf(`${this.path}-wal`);
    if (size >= HUGE_WAL) this.checkpoint();
    else if (size >= LARGE_WAL)
      this.#checkpointing ??= soon(() => {
        this.#checkpointing = undefined;
        this.checkpoint();
      }).unref();
  }

  /** Checkpoints the WAL into the file, and truncates it. */
  checkpoint(): void {
    try {
      this.#db.exec(`PRAGMA ${FILE}.wal_checkpoint(TRUNCATE)`);
    } catch {
      // The next checkpoint may succeed.
    }
    const files = this.#look();
    this.#files = this.#files.map(({ identity }, i) => ({ identity, size: files[i]?.size ?? 0 }));
  }

  /** Closes the file, so that others may own it. */
  close(): void {
    clearImmediate(this.#checkpointing);
    this.#prepared.clear();
    try {
      this.#db.close();
    } finally {
      owned.delete(this.#realPath);
    }
  }

  #statement(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  run(sql: string, ...values: SqlValue[]): { lastInsertRowid: number | bigint } {
    return this.#statement(sql).run(...values);
  }

  get(sql: string, ...values: SqlValue[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: SqlValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }
}

/** Identity and size of the file at a path. Without a file the identity is empty. */
interface FileState {
  readonly identity: string;
  readonly size: number;
}

function stateOf(path: string): FileState {
  try {
    const { dev, ino, size } = statSync(path);
    return { identity: `${dev}:${ino}`, size };
  } catch {
    return { identity: "", size: 0 };
  }
}
