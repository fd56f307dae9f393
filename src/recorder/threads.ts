/**
 * The threads of a process share these cells. When the process exits, its workers are torn down wherever they are; a worker that is in the
 * middle of a write then has the SQLite driver abort the process (Node 20, exit code 134), and what it holds in memory is lost. So the
 * main thread asks its workers to write everything and to leave, and waits for them for a moment.
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
/** Longest wait for workers that may hold something: one that computes without recording does not hear of it. */
const MAX_WAIT_MS = 1_000;

const seconds = (): number => Math.floor(Date.now() / 1_000);

/** Node's module, which is loaded at the first need: importing the package is to stay cheap. */
const threads = (): typeof import("node:worker_threads") => process.getBuiltinModule("node:worker_threads");

/** Whether this is the main thread. */
export const isMain = (): boolean => threads().isMainThread;

/** The cells; undefined in a worker whose main thread had no tracker when it was started. */
function findCells(): Int32Array | undefined {
  const { getEnvironmentData, isMainThread, setEnvironmentData } = threads();
  const known = getEnvironmentData(KEY);
  if (known instanceof Int32Array || !isMainThread) return known instanceof Int32Array ? known : undefined;
  const cells = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(KEY, cells);
  process.on("exit", (code) => {
    askWorkers(Number(process.exitCode ?? code) === 0 ? PARTIAL : FAILED);
    awaitWorkers();
  });
  return cells;
}

/** How runs that are open in workers end. */
const PARTIAL = 1;
export const FAILED = 2;
export const KILLED = 3;

let cells: Int32Array | undefined;

/** What this worker does when its process exits. */
let leave: ((how: number) => void) | undefined;

/** Has a worker `leave` when the process exits, told `how` by the main thread; once, also when the worker ends by itself and says so. */
export function joinThreads(leaving: (how: number) => void): void {
  cells ??= findCells();
  if (isMain() || cells === undefined) return;
  Atomics.add(cells, WORKERS, 1);
  leave = leaving;
  // A worker that waits is woken; one that records looks itself.
  const { waitAsync } = Atomics as unknown as { waitAsync?(cells: Int32Array, index: number, value: number): { value: unknown } };
  Promise.resolve(waitAsync?.(cells, EXITING, 0).value)
    .then(leaveIfAsked)
    .catch(() => undefined);
}

/** Has this worker leave if its process exits. Looking is cheap. */
export function leaveIfAsked(): void {
  const how = leave === undefined || cells === undefined ? 0 : Atomics.load(cells, EXITING);
  if (how > 0) {
    leave?.(how);
    sayLeft();
  }
}

/** This worker is gone, or as good as. */
export function sayLeft(): void {
  if (leave === undefined || cells === undefined) return;
  leave = undefined;
  Atomics.add(cells, LEFT, 1);
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

/** Waits until they have, if they may hold something. */
export function awaitWorkers(): void {
  if (cells === undefined || !isMain() || Atomics.load(cells, BUSY_UNTIL) < seconds()) return;
  const until = performance.now() + MAX_WAIT_MS;
  for (;;) {
    const left = Atomics.load(cells, LEFT);
    const wait = until - performance.now();
    if (left >= Atomics.load(cells, WORKERS) || wait <= 0) return;
    Atomics.wait(cells, LEFT, left, wait);
  }
}
