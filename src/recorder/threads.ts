import { types } from "node:util";
import { systemClock } from "../base/clock.js";

/**
 * Cells shared by the threads of a process. When the process exits, its workers are torn down wherever they are: what
 * a worker holds in memory is lost, and if it is in the middle of a write, the SQLite driver aborts the process (Node
 * 20, exit code 134). So the main thread asks its workers to write everything and leave, and waits for them briefly.
 */
const KEY = "pulse-mlflow/1 exit";
/** Above 0 when the process exits: how the workers' runs end. */
const EXITING = 0;
/** The numbers of workers that record, and of those that have left. */
const WORKERS = 1;
const LEFT = 2;
/** Until when, in seconds since the epoch, a worker may hold unwritten changes. */
const BUSY_UNTIL = 3;
const BUSY_S = 2;
/** The number of workers that are writing everything now. */
const LEAVING = 4;
const CELLS = 5;
/** The longest wait for workers to notice the exit. A worker that computes without recording never does. */
const MAX_WAIT_MS = 1_000;
/** The longest wait for workers that have noticed it; one may be torn down in between. */
const MAX_LEAVING_MS = 10_000;
/** The interval at which their progress is checked. */
const LOOK_MS = 50;

const seconds = (): number => Math.floor(systemClock.now() / 1_000);

/** Node's module, loaded on demand to keep importing the package cheap. */
const threads = (): typeof import("node:worker_threads") => process.getBuiltinModule("node:worker_threads");

/** Whether this is the main thread. */
export const isMain = (): boolean => threads().isMainThread;

/** Returns the cells; undefined in a worker that was started before its main thread had a tracker. */
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

/** Called in this worker when the process exits. */
let leave: ((how: number) => void) | undefined;

/**
 * Calls `leaving` in a worker when the process exits, with the main thread's value. Called at most once, and not if
 * the worker has ended before.
 */
export function joinThreads(leaving: (how: number) => void): void {
  cells ??= findCells();
  if (isMain() || cells === undefined) return;
  Atomics.add(cells, WORKERS, 1);
  leave = leaving;
  // Wakes up an idle worker; one that records checks for itself.
  const { waitAsync } = Atomics as unknown as {
    waitAsync?(cells: Int32Array, index: number, value: number): { value: unknown };
  };
  Promise.resolve(waitAsync?.(cells, EXITING, 0).value)
    .then(leaveIfAsked)
    .catch(() => undefined);
}

/** Leaves if the process exits. The check is cheap. */
export function leaveIfAsked(): void {
  const leaving = leave;
  const how = leaving === undefined || cells === undefined ? 0 : Atomics.load(cells, EXITING);
  if (leaving === undefined || how === 0) return;
  leave = undefined; // records made while leaving check this, too
  change(LEAVING, 1);
  leaving(how);
  change(LEAVING, -1);
  change(LEFT, 1);
}

/** Notes that this worker has ended by itself. */
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

/** Notes that this worker may hold unwritten changes. */
export function sayBusy(): void {
  if (leave !== undefined && cells !== undefined) Atomics.store(cells, BUSY_UNTIL, seconds() + BUSY_S);
}

/** Asks the workers to write everything and leave. `how`, above 0, is passed on to them. */
export function askWorkers(how: number): void {
  if (cells === undefined || !isMain() || Atomics.load(cells, EXITING) !== 0) return;
  Atomics.store(cells, EXITING, how);
  Atomics.notify(cells, EXITING);
}

/**
 * Waits for the workers to leave, if they may hold unwritten changes: briefly for them to notice, and longer for
 * those that are writing.
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
