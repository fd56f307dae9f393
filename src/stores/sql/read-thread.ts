import { existsSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { detached } from "../../base/detached.js";
import { PulseError } from "../../base/errors.js";
import { fileIdentity } from "./database-file.js";
import { type Database, openDatabase, trySqlite } from "./driver.js";
import type { SqlValue } from "./sql-values.js";

/** A statement that reads. */
export interface Query {
  readonly sql: string;
  readonly values: readonly SqlValue[];
  /** More values: the statement runs once for each of them, and the result has the rows of all. */
  readonly each?: readonly (readonly SqlValue[])[];
}

/** The columns of a result, all of the same length. Columns of numbers only are arrays of doubles. */
export type Columns = readonly (Float64Array | readonly unknown[])[];

/** How long the thread waits for a lock, in milliseconds. */
const WAIT_MS = 5_000;

/**
 * The program of the thread, as text: a file of its own would be missing in bundles, and test runners would transform
 * it. It gets the module of the driver, which must be the same as the program's: POSIX locks belong to the process.
 */
const PROGRAM = `"use strict";
const { parentPort, workerData } = require("node:worker_threads");
const { state } = workerData;
function left() {
  Atomics.store(state, 0, 0);
  Atomics.notify(state, 0);
}
let DatabaseSync;
try {
  ({ DatabaseSync } = require(workerData.driver));
} finally {
  left();
}
let db;
const statements = new Map();
function prepared(sql) {
  let statement = statements.get(sql);
  if (statement === undefined) {
    if (statements.size > 100) statements.clear();
    statement = db.prepare(sql);
    statement.setReturnArrays?.(true);
    statements.set(sql, statement);
  }
  return statement;
}
function columnsOf(rows, transfer) {
  if (rows.length === 0) return [];
  const keys = Object.keys(rows[0]);
  return keys.map((key) => {
    const column = rows.map((row) => row[key]);
    if (!column.every((value) => typeof value === "number")) return column;
    const numbers = Float64Array.from(column);
    transfer.push(numbers.buffer);
    return numbers;
  });
}
parentPort.on("message", (message) => {
  Atomics.store(state, 0, 1);
  if (Atomics.load(state, 1) === 0) answer(message);
  left();
});
function answer({ id, queries }) {
  if (queries === undefined) {
    statements.clear();
    try { db?.exec("DETACH file"); db?.close(); } catch {}
    parentPort.close();
    return;
  }
  const transfer = [];
  try {
    if (db === undefined) {
      const opened = new DatabaseSync(":memory:", { timeout: workerData.waitMs });
      opened.exec("ATTACH '" + workerData.path.replaceAll("'", "''") + "' AS file");
      opened.exec("PRAGMA query_only = ON");
      opened.exec("PRAGMA temp_store = MEMORY");
      opened.exec("PRAGMA file.cache_size = -65536");
      db = opened;
    }
    const results = queries.map(({ sql, values, each }) => {
      const statement = prepared(sql);
      return columnsOf(each?.flatMap((more) => statement.all(...values, ...more)) ?? statement.all(...values), transfer);
    });
    parentPort.postMessage({ id, results }, transfer);
  } catch (error) {
    const { message, code, errcode } = error;
    parentPort.postMessage({ id, error: { message, code, errcode } });
  }
}`;

/** What a thread and the program tell each other: whether it is in the driver, and whether it must not go there. */
const [BUSY, STOP] = [0, 1] as const;
/** How long the exit of the process waits for a query, in milliseconds. */
const EXIT_MS = 30_000;

/** The states of all threads, for the exit of the process. */
const states = new Set<Int32Array>();

/**
 * Lets threads leave the driver before Node ends them: @photostructure/sqlite aborts the process if its thread is ended
 * within a query.
 */
function waitAtExit(): void {
  for (const state of states) Atomics.store(state, STOP, 1);
  for (const state of states) Atomics.wait(state, BUSY, 1, EXIT_MS);
}

function watched(state: Int32Array): void {
  if (states.size === 0) process.on("exit", waitAtExit);
  states.add(state);
}

function unwatched(state: Int32Array): void {
  states.delete(state);
  if (states.size === 0) process.off("exit", waitAtExit);
}

interface Answer {
  readonly id: number;
  readonly results?: readonly Columns[];
  readonly error?: { readonly message: string };
}

interface Waiting {
  readonly worker: Worker;
  readonly resolve: (results: readonly Columns[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads a database file in a thread of its own, so that no query holds the event loop. Where there can be no thread, it
 * reads on the event loop.
 */
export class ReadThread {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #inline: Database | undefined;
  #file = "";
  #lastId = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Runs queries one after the other and resolves with their columns.
   * @throws (rejects) PulseError `STORE_NOT_FOUND` if there is no file; the driver's error
   */
  async read(queries: readonly Query[]): Promise<readonly Columns[]> {
    if (!existsSync(this.#path)) {
      void this.close(); // reading must not create it
      throw new PulseError("STORE_NOT_FOUND", `The file ${this.#path} does not exist.`);
    }
    const file = fileIdentity(this.#path);
    if (file !== this.#file) void this.close(); // it was replaced
    this.#file = file;
    const worker = this.#started();
    if (worker === undefined) return this.#readHere(queries);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { worker, resolve, reject });
      worker.ref(); // keeps the process alive while somebody waits
      worker.postMessage({ id, queries });
    });
  }

  /** Ends the thread. What is being read is still answered. Resolves when the file is closed. Idempotent. */
  async close(): Promise<void> {
    const [worker, inline] = [this.#worker, this.#inline];
    this.#worker = undefined;
    this.#inline = undefined;
    this.#file = "";
    inline?.close();
    if (worker === undefined) return;
    worker.ref();
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    worker.postMessage({});
    await ended;
  }

  #started(): Worker | undefined {
    if (this.#inline !== undefined) return undefined;
    if (this.#worker !== undefined) return this.#worker;
    const driver = driverModule();
    if (driver === undefined) return undefined;
    try {
      const { Worker } = process.getBuiltinModule("node:worker_threads");
      const state = new Int32Array(new SharedArrayBuffer(8));
      state[BUSY] = 1; // it loads the driver
      const workerData = { driver, path: this.#path, waitMs: WAIT_MS, state };
      // The program's own loaders and hooks are nothing for this thread.
      const worker = detached(
        () => new Worker(PROGRAM, { eval: true, workerData, execArgv: [], env: {}, name: "pulse-mlflow reader" }),
      );
      worker.on("message", (answer: Answer) => this.#answered(worker, answer));
      worker.on("error", (error) => this.#failed(worker, error));
      watched(state);
      worker.on("exit", () => {
        unwatched(state);
        this.#failed(worker, new PulseError("STORE_UNAVAILABLE", "The reading thread ended."));
      });
      worker.unref();
      this.#worker = worker;
      return worker;
    } catch {
      return undefined; // no threads are allowed here (Node's permission model)
    }
  }

  #answered(worker: Worker, { id, results, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    // One that is being closed keeps the process alive until it has ended.
    const isLeft = worker === this.#worker && [...this.#waiting.values()].every((each) => each.worker !== worker);
    if (isLeft) worker.unref();
    if (results) waiting?.resolve(results);
    else waiting?.reject(Object.assign(new Error(error?.message), error));
  }

  #failed(worker: Worker, error: unknown): void {
    if (this.#worker === worker) this.#worker = undefined;
    for (const [id, waiting] of this.#waiting) {
      if (waiting.worker !== worker) continue; // of the one that reads the file that took its place
      this.#waiting.delete(id);
      waiting.reject(error);
    }
  }

  #readHere(queries: readonly Query[]): readonly Columns[] {
    this.#inline ??= openDatabase(this.#path, { waitMs: 0 });
    const db = this.#inline;
    return queries.map(({ sql, values, each }) => {
      const statement = db.prepare(sql);
      const rows = each?.flatMap((more) => statement.all(...values, ...more)) ?? statement.all(...values);
      return Object.keys(rows[0] ?? {}).map((key) => rows.map((row) => row[key]));
    });
  }
}

/** Returns the module that a thread loads the same driver from; undefined if it is not known. */
function driverModule(): string | undefined {
  const { name, path } = trySqlite();
  if (name === "node:sqlite") return name;
  return path === "" ? undefined : path;
}
