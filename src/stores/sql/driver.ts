import { messageOf, PulseError } from "../../base/errors.js";
import { load, locate, searched } from "../../base/loading.js";
import { sharedByProcess } from "../../base/shared-state.js";
import type { SqlValue } from "./sql-values.js";

export type { SqlValue } from "./sql-values.js";

/** A prepared statement, as in `node:sqlite`. */
export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  get(...values: SqlValue[]): Record<string, unknown> | undefined;
  all(...values: SqlValue[]): Record<string, unknown>[];
}

/** An open database, as in `node:sqlite`. */
export interface Database {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

interface Driver {
  DatabaseSync: new (path: string, options?: { timeout?: number }) => Database;
}

/** The driver for Node versions without a built-in one. */
const PACKAGE = "@photostructure/sqlite";
/** The first Node version in which `node:sqlite` exists without printing a warning. */
const BUILT_IN_SINCE = 24;

/** The schema name of the attached file; statements that do not name a table of the file must use it. */
export const FILE = "file" as const;

/** Options for opening a file. */
export interface OpenOptions {
  /** How long to wait for a lock, in milliseconds. @default 0 */
  readonly waitMs?: number;
  /** Whether to hold the lock as long as the file is open. */
  readonly exclusive?: boolean;
}

/**
 * Opens a database file. Loads the driver on first use, to keep importing the package cheap. The file is attached to an
 * in-memory connection: @photostructure/sqlite finalizes statements only on garbage collection, and until then a
 * connection keeps its main file open, with its locks; a detached file is closed at once.
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

/** Rolls back the open transaction, if there is one. */
export function rollback(db: Pick<Database, "exec">): void {
  try {
    db.exec("ROLLBACK");
  } catch {
    // SQLite has already rolled back (disk full, I/O error), or no transaction was open.
  }
}

/** The built-in driver if it exists and prints no warning, then the package, since Node may be built without SQLite. */
const driverNames = (): readonly string[] =>
  Number.parseInt(process.versions.node, 10) >= BUILT_IN_SINCE ? ["node:sqlite", PACKAGE] : [PACKAGE];

/**
 * Shared by all copies of this package: POSIX locks belong to the process, so two drivers would not see each other's.
 */
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

/** Describes whether the driver is not installed, or installed but failing to load. */
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
 * Loads the driver and opens a database in memory. Returns the driver's name, SQLite's version, and the driver's path
 * ("" for Node's own).
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

/** Another copy of this package may have loaded it from a place this copy cannot see. */
function placeOf(driver: Driver): { readonly name: string; readonly path: string } {
  try {
    const name = driverNames().find((each) => load(each) === driver) ?? PACKAGE;
    return { name, path: name === PACKAGE ? locate(name) : "" };
  } catch {
    return { name: PACKAGE, path: "" };
  }
}

/**
 * Returns a double in the form to bind to a FLOAT column. @photostructure/sqlite 1.2.1 binds a value up to 2.2e-16
 * above an integer as that integer, so 1e-20 would become 0; passed as text, the column's affinity converts it to the
 * same double.
 */
export function real(value: number): SqlValue {
  const above = value - Math.floor(value);
  return above > 0 && above < Number.EPSILON ? String(value) : value;
}

/** SQLite's primary result codes that need different handling. */
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

/** Returns the primary result code of a driver's error; undefined if it is not an SQLite error. */
export function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, errcode, message } = error as { code?: unknown; errcode?: unknown; message?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  // @photostructure/sqlite's `all()` throws without a result code.
  if (code !== "ERR_SQLITE_ERROR") return undefined;
  return /locked|busy/i.test(String(message)) ? SQLITE.BUSY : SQLITE.IOERR;
}

/** Whether the error means that the file is damaged and its contents are unreadable. */
export function isDamaged(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE.CORRUPT || code === SQLITE.NOTADB;
}
