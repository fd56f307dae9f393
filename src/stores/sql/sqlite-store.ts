import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Clock } from "../../base/clock.js";
import { later } from "../../base/detached.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { refusedTags } from "../../contracts/refused-tags.js";
import type { StoreReader } from "../../contracts/store-reader.js";
import {
  type Finding,
  itemsOf,
  NO_CHANGE,
  type Outcome,
  type ProbeOptions,
  type ReadyStore,
  type RunChange,
  type StoredIds,
} from "../../contracts/tracking-store.js";
import { createFile, fileIdentity, fsCode, isBeingMade } from "./database-file.js";
import {
  type Database,
  FILE,
  needSqlite,
  openDatabase,
  rollback,
  SQLITE,
  type Statement,
  sqliteCode,
} from "./driver.js";
import { Apart, isRefusal, Restart } from "./refused-items.js";
import { createSchema, inspectSchema, type Schema, tableNames } from "./schema.js";
import { SqlWriter } from "./writer.js";

/**
 * Limits for the items of one transaction, and how many milliseconds it may block the event loop. It grows while it is
 * faster than that.
 */
const MIN_ITEMS = 400;
const MAX_ITEMS = 2_000;
const QUICK_MS = 2;
const SLOW_MS = 4;
/** The delay before asking for a lock again, randomised so that two processes do not stay in step. */
const BUSY_WAIT_MS = 20;
/**
 * The number of WAL pages at which SQLite checkpoints, which waits for the disk. Its default of 1000 is so frequent
 * that it would determine the 99th percentile.
 */
const CHECKPOINT_PAGES = 4_000;
/**
 * The limit within a user's call, which must not wait for the disk: the next write between turns checkpoints instead.
 */
const LATE_CHECKPOINT_PAGES = 8_000;

/** How long an administrator's change waits for locks, in milliseconds. */
const TRANSACT_MS = 5_000;

/** How often a change is restarted after a refused item rolled back its transaction. */
const MAX_RESTARTS = 50;

/** Dependencies of an SQLite store. */
export interface SqliteStoreOptions {
  readonly clock: Clock;
}

/** An open connection, with its schema as last read and the identity of its file. */
interface Connection {
  readonly db: Database;
  readonly begin: Statement;
  readonly commit: Statement;
  readonly version: Statement;
  readonly file: string;
  checkpointPages: number | undefined;
  schema: Schema;
  writer: SqlWriter;
}

/**
 * A store on MLflow's own SQLite database. Uses short IMMEDIATE transactions on the event loop and never waits for a
 * lock. A file made by another MLflow version is written as it is: its migrations are followed, but we never migrate
 * it.
 */
export class SqliteStore implements ReadyStore {
  readonly uri: string;
  batchItems: number = MIN_ITEMS;
  readonly durable: boolean = true;
  readonly #path: string;
  readonly #options: SqliteStoreOptions;
  #connection: Connection | undefined;
  /** When a file not opened yet was first seen, by a monotonic clock. */
  #seen: number | undefined;

  constructor(path: string, options: SqliteStoreOptions) {
    this.#path = path;
    this.#options = options;
    this.uri = `sqlite:///${path}`;
  }

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.resolve(this.#apply(changes));
  }

  applySync(changes: readonly RunChange[], waitMs: number): readonly Outcome[] {
    const until = performance.now() + waitMs;
    for (;;) {
      const left = until - performance.now();
      const outcomes = this.#apply(
        changes,
        Math.max(0, Math.ceil(left)),
        waitMs > 0 ? CHECKPOINT_PAGES : LATE_CHECKPOINT_PAGES,
      );
      if (left <= 0 || !isBusy(outcomes[0])) return outcomes;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_WAIT_MS);
    }
  }

  artifactsOf({ runId }: StoredIds): string {
    const row = this.#read("SELECT artifact_uri FROM runs WHERE run_uuid = ?", runId);
    if (row === undefined) throw new PulseError("RUN_NOT_FOUND", `There is no run ${runId} in ${this.#path}.`);
    return String(row["artifact_uri"] ?? "");
  }

  tagOf({ runId }: StoredIds, key: string): string | undefined {
    const value = this.#read("SELECT value FROM tags WHERE run_uuid = ? AND key = ?", runId, key)?.["value"];
    return typeof value === "string" ? value : undefined;
  }

  #read(sql: string, ...values: readonly string[]): Record<string, unknown> | undefined {
    try {
      // Reading must not create the file.
      if (this.#connection === undefined && !existsSync(this.#path))
        throw new PulseError("RUN_NOT_FOUND", `There is no such run: the file ${this.#path} does not exist.`);
      return this.#connect(0)
        .db.prepare(sql)
        .get(...values) as Record<string, unknown> | undefined;
    } catch (error) {
      const outcome = this.#outcomeOf(error);
      throw "error" in outcome && outcome.kind === "away" ? outcome.error : error;
    }
  }

  /** Loaded on demand. */
  async reader(): Promise<StoreReader> {
    const { SqliteReader } = await import("./sqlite-reader.js");
    return new SqliteReader(this, this.#path);
  }

  /**
   * @internal Runs work in a transaction of the store's connection, waiting for locks between turns of the event loop.
   * @throws (rejects) what the work throws; PulseError if the file cannot be written
   */
  async transact<R>(work: (db: Database, schema: Schema) => R): Promise<R> {
    const until = performance.now() + TRANSACT_MS;
    for (;;) {
      try {
        const connection = this.#connect(0);
        this.#begin(connection);
        try {
          this.#followMigration(connection);
          const result = work(connection.db, connection.schema);
          connection.commit.run();
          return result;
        } catch (error) {
          rollback(connection.db);
          throw error;
        }
      } catch (error) {
        if (error instanceof PulseError && error.code !== "STORE_BUSY") throw error;
        if (!isBusy(this.#outcomeOf(error)) || performance.now() > until) throw this.problemOf(error);
        await new Promise((resolve) => later(() => resolve(undefined), BUSY_WAIT_MS));
      }
    }
  }

  /** @internal Returns the error that says what is wrong with the file. */
  problemOf(error: unknown): unknown {
    const outcome = this.#outcomeOf(error);
    return "error" in outcome ? outcome.error : error;
  }

  /** @internal Returns the artifact location of an experiment. */
  locate(experimentId: number): string {
    return this.#locate(experimentId);
  }

  /** Loaded on demand: only `doctor` uses it. */
  async probe(options: ProbeOptions): Promise<readonly Finding[]> {
    const { probeFile } = await import("./probe.js");
    return probeFile(this, this.#path, options);
  }

  close(): Promise<void> {
    this.#disconnect();
    return Promise.resolve();
  }

  #apply(changes: readonly RunChange[], waitMs = 0, checkpointPages = CHECKPOINT_PAGES): readonly Outcome[] {
    let connection: Connection;
    try {
      connection = this.#connect(waitMs);
      if (connection.checkpointPages !== checkpointPages) {
        connection.db.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`);
        connection.checkpointPages = checkpointPages;
      }
      if (waitMs > 0) connection.db.exec(`PRAGMA busy_timeout = ${waitMs}`);
    } catch (error) {
      this.#disconnect();
      return changes.map(() => this.#outcomeOf(error));
    }
    const started = performance.now();
    const outcomes = this.#transaction(connection, changes);
    this.#adapt(performance.now() - started, changes);
    if (waitMs > 0 && this.#connection === connection) connection.db.exec("PRAGMA busy_timeout = 0");
    return outcomes;
  }

  /**
   * Adapts the transaction size to the machine: large ones are cheaper per row, small ones block the event loop less.
   */
  #adapt(ms: number, changes: readonly RunChange[]): void {
    if (ms > SLOW_MS) this.batchItems = Math.max(MIN_ITEMS, Math.floor(this.batchItems * 0.7));
    else if (ms < QUICK_MS && this.batchItems < MAX_ITEMS) {
      const items = changes.reduce((sum, change) => sum + itemsOf(change), 0);
      if (items > this.batchItems * 0.8) this.batchItems = Math.min(MAX_ITEMS, Math.ceil(this.batchItems * 1.3));
    }
  }

  #transaction(connection: Connection, changes: readonly RunChange[]): readonly Outcome[] {
    try {
      this.#begin(connection);
      this.#followMigration(connection);
      const outcomes = changes.map((change) => connection.writer.write(change));
      connection.commit.run();
      return outcomes;
    } catch (error) {
      rollback(connection.db);
      const outcome = this.#outcomeOf(error);
      // A statement was refused because of its values: find the change it belongs to, and write the others.
      if (outcome.kind === "rejected") {
        const [change] = changes;
        return changes.length === 1 && change
          ? [this.#apart(connection, change, outcome)]
          : this.#oneByOne(connection, changes);
      }
      if (outcome.kind === "away" && !isBusy(outcome)) this.#disconnect();
      return changes.map(() => outcome);
    }
  }

  #begin({ db, begin, writer }: Connection): void {
    if (db.isTransaction) rollback(db); // the process is exiting from within it
    begin.run();
    writer.begin();
  }

  #oneByOne(connection: Connection, changes: readonly RunChange[]): readonly Outcome[] {
    let away: Outcome | undefined;
    return changes.map((change) => {
      const outcome = away ?? (this.#transaction(connection, [change])[0] as Outcome);
      if (outcome.kind === "away") away = outcome; // the connection is gone: the rest is for the next one
      return outcome;
    });
  }

  /** Stores everything of a change except the refused items; returns `otherwise` if items are not the cause. */
  #apart(connection: Connection, change: RunChange, otherwise: Outcome): Outcome {
    const apart = new Apart(connection.db, this.#path);
    for (let tries = 0; tries < MAX_RESTARTS; tries++) {
      try {
        this.#begin(connection);
        const outcome = connection.writer.write(change, apart.write);
        const refused = apart.refused(change);
        const { runKey, experiment } = change;
        if (refused.length > 0)
          connection.writer.write({ ...NO_CHANGE, runKey, experiment, tags: refusedTags(refused) }, apart.write);
        connection.commit.run();
        return outcome.kind === "done" && refused.length > 0 ? { ...outcome, refused } : outcome;
      } catch (error) {
        rollback(connection.db);
        if (!(error instanceof Restart)) return isRefusal(error) ? otherwise : this.#outcomeOf(error);
      }
    }
    return otherwise;
  }

  /** Reads the schema again if MLflow has migrated the file since the last transaction. */
  #followMigration(connection: Connection): void {
    if (Number(connection.version.get()?.["schema_version"]) === connection.schema.version) return;
    connection.schema = inspectSchema(connection.db, this.#path);
    connection.writer = this.#writer(connection.db, connection.schema);
  }

  #connect(waitMs: number): Connection {
    const open = this.#connection;
    if (open) {
      if (fileIdentity(this.#path) === open.file) return open;
      this.#disconnect(); // the file was removed or replaced: further writes would go to a file nobody can open
    }
    needSqlite(); // before creating an empty file that would never be filled
    if (!createFile(this.#path)) this.#seen ??= performance.now();
    if (this.#seen !== undefined && isBeingMade(this.#path, this.#seen)) {
      throw new PulseError(
        "STORE_BUSY",
        `${this.#path} is empty and new: another program seems to be creating it right now.`,
      );
    }
    const db = openDatabase(this.#path, { waitMs });
    try {
      db.exec("PRAGMA foreign_keys = ON");
      if (tableNames(db).length === 0) this.#create(db);
      const schema = inspectSchema(db, this.#path);
      // In WAL mode, NORMAL loses nothing if the process crashes. Files in other modes keep SQLite's default.
      if (db.prepare(`PRAGMA ${FILE}.journal_mode`).get()?.["journal_mode"] === "wal") {
        db.exec(`PRAGMA ${FILE}.synchronous = NORMAL`);
      }
      db.exec("PRAGMA busy_timeout = 0");
      this.#connection = {
        db,
        begin: db.prepare("BEGIN IMMEDIATE"),
        commit: db.prepare("COMMIT"),
        version: db.prepare(`PRAGMA ${FILE}.schema_version`),
        file: fileIdentity(this.#path),
        checkpointPages: undefined,
        schema,
        writer: this.#writer(db, schema),
      };
      this.#seen = undefined;
      return this.#connection;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Creates MLflow's tables in an empty file; another process may be doing the same. */
  #create(db: Database): void {
    db.exec(`PRAGMA ${FILE}.journal_mode = WAL`);
    db.exec("BEGIN IMMEDIATE");
    try {
      if (tableNames(db).length === 0) createSchema(db, this.#locate(0), this.#options.clock.now());
      db.exec("COMMIT");
    } catch (error) {
      rollback(db);
      throw error;
    }
  }

  #writer(db: Database, schema: Schema): SqlWriter {
    return new SqlWriter(db, schema, {
      locate: (id) => this.#locate(id),
      now: this.#options.clock.now,
      id: this.#options.clock.id,
    });
  }

  /**
   * Returns the artifact location of an experiment: an absolute URI next to the database, as in MLflow's Python client.
   */
  #locate(experimentId: number): string {
    return pathToFileURL(join(dirname(this.#path), "mlruns", String(experimentId))).href;
  }

  #disconnect(): void {
    const open = this.#connection;
    this.#connection = undefined;
    try {
      // Checkpoint even if another program has the file open, so that the main file is complete when it is copied or
      // moved.
      open?.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // If it is busy, the next connection does it.
    }
    try {
      open?.db.close();
    } catch {
      // A broken connection cannot be closed properly, and has nothing left to save.
    }
  }

  #busy(error: PulseError): Outcome {
    return { kind: "away", afterMs: Math.ceil(BUSY_WAIT_MS * (0.5 + this.#options.clock.random())), error };
  }

  #outcomeOf(error: unknown): Outcome {
    if (error instanceof PulseError) return error.code === "STORE_BUSY" ? this.#busy(error) : { kind: "away", error };
    const why = (code: ConstructorParameters<typeof PulseError>[0], what: string): PulseError =>
      new PulseError(code, `${this.#path}: ${what} (${messageOf(error)}).`, error);
    switch (sqliteCode(error) ?? fsCode(error)) {
      case SQLITE.BUSY:
      case SQLITE.LOCKED:
        return this.#busy(why("STORE_BUSY", "the database is locked by another process"));
      case SQLITE.FULL:
      case "ENOSPC":
        return { kind: "away", error: why("DISK_FULL", "the disk is full") };
      case SQLITE.IOERR:
        return { kind: "away", error: why("STORE_UNAVAILABLE", "the file cannot be read or written now") };
      case SQLITE.NOTADB:
      case SQLITE.CORRUPT:
        return { kind: "away", error: why("NOT_A_DATABASE", "the file is not an SQLite database, or a damaged one") };
      case SQLITE.READONLY:
      case SQLITE.CANTOPEN:
        return { kind: "away", error: why("NOT_WRITABLE", "the database cannot be written") };
      case SQLITE.CONSTRAINT:
      case SQLITE.TOOBIG:
      case SQLITE.MISMATCH:
        return { kind: "rejected", error: why("REJECTED", "the database refused a value") };
      case undefined:
        return { kind: "rejected", error: why("REJECTED", "the change could not be written") };
      default:
        return { kind: "away", error: why("NOT_WRITABLE", "the database cannot be opened") };
    }
  }
}

function isBusy(outcome: Outcome | undefined): boolean {
  return outcome?.kind === "away" && outcome.error.code === "STORE_BUSY";
}
