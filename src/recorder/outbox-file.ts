import { fstatSync, readdirSync, realpathSync, statSync } from "node:fs";
import { shared } from "../registry.js";
import { type Database, FILE, openDatabase, rollback, type SqlValue, type Statement } from "../stores/sql/driver.js";
import { OUTBOX_VERSION, TABLES } from "./kept.js";

/** The outboxes that trackers of this thread hold, whatever the copy of the package. */
const owned: Set<string> = shared("outboxes", () => new Set<string>());

/**
 * Whether somebody in this process has the file open. POSIX locks are the process's: another copy of the driver, in a worker
 * thread or of another version, would be given the same lock. Must be asked before the file is opened: closing it drops that lock.
 */
export function isOpenHere(path: string): boolean {
  try {
    if (owned.has(realPath(path))) return true;
    const { dev, ino } = statSync(path);
    return readdirSync("/dev/fd").some((descriptor) => isFile(Number(descriptor), dev, ino));
  } catch {
    return false; // no such file, or a system without /dev/fd: Windows locks for each handle
  }
}

/** The path without links, or as it is where that may not be asked. */
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

/** An SQLite file held exclusively: whoever can lock it owns it. */
export class OutboxFile {
  readonly path: string;
  readonly #realPath: string;
  readonly #db: Database;
  readonly #prepared = new Map<string, Statement>();
  #depth = 0;

  /**
   * Opens a file and locks it.
   * @throws the driver's error when another tracker holds it, or it is none of ours.
   */
  constructor(path: string, created?: { readonly uri: string; readonly now: number }) {
    this.path = path;
    this.#db = openDatabase(path, { exclusive: true });
    try {
      // Looked at before anything is changed: what is not ours stays as it is.
      const version = Number(this.#db.prepare(`PRAGMA ${FILE}.user_version`).get()?.["user_version"]);
      if (version !== (created ? 0 : OUTBOX_VERSION)) throw new Error(`${path} is an outbox of version ${version}, not ${OUTBOX_VERSION}`);
      this.#db.exec(`PRAGMA ${FILE}.journal_mode = WAL`);
      // A crash of the process loses nothing that is written; only a power cut may.
      this.#db.exec(`PRAGMA ${FILE}.synchronous = NORMAL`);
      this.#db.exec("BEGIN IMMEDIATE");
      if (created) {
        this.#db.exec(TABLES);
        this.run("INSERT INTO meta VALUES ('uri', ?), ('created', ?)", created.uri, String(created.now));
      }
      this.#db.exec("COMMIT");
      this.#realPath = realPath(path);
      owned.add(this.#realPath);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Does several things in one transaction. */
  transaction<R>(body: () => R): R {
    if (this.#depth > 0) return body();
    this.#db.exec("BEGIN IMMEDIATE");
    this.#depth++;
    try {
      const result = body();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      rollback(this.#db);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** Lets the file go, so that others may own it. */
  close(): void {
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

  protected run(sql: string, ...values: SqlValue[]): { lastInsertRowid: number | bigint } {
    return this.#statement(sql).run(...values);
  }

  protected get(sql: string, ...values: SqlValue[]): Record<string, unknown> | undefined {
    return this.#statement(sql).get(...values);
  }

  protected all(sql: string, ...values: SqlValue[]): Record<string, unknown>[] {
    return this.#statement(sql).all(...values);
  }
}
