import { messageOf, PulseError } from "../../base/errors.js";
import { load, locate, searched } from "../../base/loading.js";
import { sharedByProcess } from "../../base/shared-state.js";
import type { SqlValue } from "./sql-values.js";

export type { SqlValue } from "./sql-values.js";

/** A prepared statement, as `node:sqlite` has it. */
export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get(...values: SqlValue[]): Record<string, unknown> | undefined;
  all(...values: SqlValue[]): Record<string, unknown>[];
}

/** An open database, as `node:sqlite` has it. */
export interface Database {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Driver {
  DatabaseSync: new (path: string, options?: { timeout?: number }) => Database;
}

/** The driver where Node has none of its own. */
const PACKAGE = "@photostructure/sqlite";
/** The first Node where `node:sqlite` exists and does not print a warning. */
const BUILT_IN_SINCE = 24;

/** The name of the opened file within its connection; whatever names no table of the file must say it. */
export const FILE = "file" as const;

/** How a file is opened. */
export interface OpenOptions {
  /** How long a lock is waited for, in milliseconds. @default 0 */
  readonly waitMs?: number;
  /** Takes the lock for as long as the file is open. */
  readonly exclusive?: boolean;
}

/**
 * Opens a database file; the driver is loaded at the first need, so that importing the package stays cheap. It is
 * attached to a connection that has no file of its own: @photostructure/sqlite finalizes statements only when they are
 * collected, and a connection keeps its main file open, with its locks, until then; what is detached is closed at once.
 */
export function openDatabase(path: string, { waitMs = 0, exclusive = false }: OpenOptions = {}): Database {
  const { DatabaseSync } = needSqlite();
  const db = new DatabaseSync(":memory:", { timeout: waitMs });
  try {
    if (exclusive) db.exec("PRAGMA locking_mode = EXCLUSIVE");
    db.exec(`ATTACH '${path.replaceAll("'", "''")}' AS ${FILE}`);
  } catch (error) {
    db.close();
    throw error;
  }
  return {
    get isTransaction() {
      return db.isTransaction;
    },
    exec: (sql) => db.exec(sql),
    prepare: (sql) => db.prepare(sql),
    close: () => {
      try {
        rollback(db);
        db.exec(`DETACH ${FILE}`);
      } finally {
        db.close();
      }
    },
  };
}

/** Gives up the open transaction, if there is one. */
export function rollback(db: Pick<Database, "exec">): void {
  try {
    db.exec("ROLLBACK");
  } catch {
    // SQLite has rolled back by itself (disk full, I/O error), or no transaction was begun.
  }
}

/** Node's own where it has one that prints no warning, and the package: a Node may have been built without. */
const driverNames = (): readonly string[] =>
  Number.parseInt(process.versions.node, 10) >= BUILT_IN_SINCE ? ["node:sqlite", PACKAGE] : [PACKAGE];

/** One for all copies of this package: a POSIX lock is the process's, so two drivers would not see each other's. */
function loadDriver(): Driver {
  let failure: unknown;
  for (const name of driverNames())
    try {
      const driver = load(name) as Driver;
      if (typeof driver.DatabaseSync !== "function") throw new Error("it has no DatabaseSync");
      return driver;
    } catch (error) {
      failure = error;
    }
  throw new PulseError(
    "DRIVER_MISSING",
    `The SQLite driver ${PACKAGE} ${whyMissing(failure)} (Node ${process.versions.node}).`,
    failure,
  );
}

/** Whether it is not installed where the program can see it, or is and does not load. */
function whyMissing(error: unknown): string {
  try {
    const path = locate(PACKAGE);
    const denied = /^ERR_(?:ACCESS_DENIED|DLOPEN_DISABLED)$/.test(String((error as NodeJS.ErrnoException).code));
    const rights = denied ? "; start Node with --allow-addons, and --allow-fs-read for its files" : "";
    return `is at ${path} and could not be loaded: ${messageOf(error).split("\n")[0]?.replace(/\.$/, "")}${rights}`;
  } catch {
    return `is not found from ${searched().join(" or ") || "any place"}`;
  }
}

/** Loads the driver. @throws PulseError `DRIVER_MISSING` */
export const needSqlite = (): Driver => sharedByProcess("sqlite driver", loadDriver);

/**
 * Loads the driver and opens a database in memory; gives its name, SQLite's version, and where it lies ("" for Node's
 * own).
 * @throws PulseError `DRIVER_MISSING`, or the driver's own error.
 */
export function trySqlite(): { readonly name: string; readonly version: string; readonly path: string } {
  const driver = needSqlite();
  const db = new driver.DatabaseSync(":memory:");
  try {
    const version = String(db.prepare("SELECT sqlite_version() AS version").get()?.["version"]);
    return { version, ...placeOf(driver) };
  } finally {
    db.close();
  }
}

/** Another copy of this package may have loaded it, from a place that this one does not see. */
function placeOf(driver: Driver): { readonly name: string; readonly path: string } {
  try {
    const name = driverNames().find((each) => load(each) === driver) ?? PACKAGE;
    return { name, path: name === PACKAGE ? locate(name) : "" };
  } catch {
    return { name: PACKAGE, path: "" };
  }
}

/**
 * Gives a double as it must be bound to a FLOAT column. @photostructure/sqlite 1.2.1 binds what is up to 2.2e-16 above
 * an integer as that integer, so that 1e-20 would become 0; as text the column's affinity makes it the same double.
 */
export function real(value: number): SqlValue {
  const above = value - Math.floor(value);
  return above > 0 && above < Number.EPSILON ? String(value) : value;
}

/** SQLite's primary result codes that ask for different answers. */
export const SQLITE = {
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  TOOBIG: 18,
  CONSTRAINT: 19,
  MISMATCH: 20,
  NOTADB: 26,
} as const;

/** Gives the primary result code of a driver's error, or undefined when it is none of SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, errcode, message } = error as { code?: unknown; errcode?: unknown; message?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  // @photostructure/sqlite's `all()` throws without a result code.
  if (code !== "ERR_SQLITE_ERROR") return undefined;
  return /locked|busy/i.test(String(message)) ? SQLITE.BUSY : SQLITE.IOERR;
}

/** Whether a driver's error says that the file is no database any more: what was in it cannot be read. */
export function isDamaged(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}
