import { types } from "node:util";
import { systemClock } from "../base/clock.js";

/**
 * The threads of a process share these cells. When the process exits, its workers are torn down wherever they are; a
 * worker that is in the middle of a write then has the SQLite driver abort the process (Node 20, exit code 134), and
 * what it holds in memory is lost. So the main thread asks its workers to write everything and to leave, and waits for
 * them for a moment.
 */
const KEY = "pulse-mlflow/1 exit";
/** The process exits. */
const EXITING = 0;
/** How many workers record, and how many of them have left. */
const WORKERS = 1;
const LEFT = 2;
/** Until when, in seconds since the epoch, a worker may hold something that is not written. */
const BUSY_UNTIL = 3;
const BUSY_S = 2;
/** How many workers are writing everything at the moment. */
const LEAVING = 4;
const CELLS = 5;
/** Longest wait for workers to hear that the process exits: one that computes without recording does not. */
const MAX_WAIT_MS = 1_000;
/** Longest wait for those that have heard: one may be torn down in the middle of it. */
const MAX_LEAVING_MS = 10_000;
/** How often one looks whether those that are at it are done. */
const LOOK_MS = 50;

const seconds = (): number => Math.floor(systemClock.now() / 1_000);

/** Node's module, which is loaded at the first need: importing the package is to stay cheap. */
const threads = (): typeof import("node:worker_threads") => process.getBuiltinModule("node:worker_threads");

/** Whether this is the main thread. */
export const isMain = (): boolean => threads().isMainThread;

/** The cells; undefined in a worker whose main thread had no tracker when it was started. */
function findCells(): Int32Array | undefined {
  const { getEnvironmentData, isMainThread, setEnvironmentData } = threads();
  const known = getEnvironmentData(KEY);
  if (types.isInt32Array(known)) return known;
  if (!isMainThread) return undefined;
  const cells = new Int32Array(new SharedArrayBuffer(CELLS * Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(KEY, cells);
  return cells;
}

let cells: Int32Array | undefined;

/** What this worker does when its process exits. */
let leave: ((how: number) => void) | undefined;

/**
 * Has a worker `leave` when the process exits, told `how` by the main thread; once, and not when it has ended by itself
 * before and said so.
 */
export function joinThreads(leaving: (how: number) => void): void {
  cells ??= findCells();
  if (isMain() || cells === undefined) return;
  Atomics.add(cells, WORKERS, 1);
  leave = leaving;
  // A worker that waits is woken; one that records looks itself.
  const { waitAsync } = Atomics as unknown as {
    waitAsync?(cells: Int32Array, index: number, value: number): { value: unknown };
  };
  Promise.resolve(waitAsync?.(cells, EXITING, 0).value)
    .then(leaveIfAsked)
    .catch(() => undefined);
}

/** Has this worker leave if its process exits. Looking is cheap. */
export function leaveIfAsked(): void {
  const leaving = leave;
  const how = leaving === undefined || cells === undefined ? 0 : Atomics.load(cells, EXITING);
  if (leaving === undefined || how === 0) return;
  leave = undefined; // what is recorded while it leaves looks here, too
  change(LEAVING, 1);
  leaving(how);
  change(LEAVING, -1);
  change(LEFT, 1);
}

/** This worker ends by itself. */
export function sayLeft(): void {
  if (leave === undefined) return;
  leave = undefined;
  change(LEFT, 1);
}

function change(cell: number, by: number): void {
  if (cells === undefined) return;
  Atomics.add(cells, cell, by);
  Atomics.notify(cells, LEFT);
}

/** Takes note that this worker may hold something that is not written. */
export function sayBusy(): void {
  if (leave !== undefined && cells !== undefined) Atomics.store(cells, BUSY_UNTIL, seconds() + BUSY_S);
}

/** Asks the workers to write everything and leave; `how`, above 0, is handed on. */
export function askWorkers(how: number): void {
  if (cells === undefined || !isMain() || Atomics.load(cells, EXITING) !== 0) return;
  Atomics.store(cells, EXITING, how);
  Atomics.notify(cells, EXITING);
}

/**
 * Waits until they have, if they may hold something: for a moment to hear of it, and for those that have heard until
 * they are done.
 */
export function awaitWorkers(): void {
  if (cells === undefined || !isMain() || Atomics.load(cells, BUSY_UNTIL) < seconds()) return;
  const began = performance.now();
  for (;;) {
    const left = Atomics.load(cells, LEFT);
    const most = Atomics.load(cells, LEAVING) > 0 ? MAX_LEAVING_MS : MAX_WAIT_MS;
    if (left >= Atomics.load(cells, WORKERS) || performance.now() - began > most) return;
    Atomics.wait(cells, LEFT, left, LOOK_MS);
  }
}
