import timers from "node:timers";
import { leaving, soon } from "../base/detached.js";
import type { TerminalStatus } from "../base/entities.js";
import { sharedByProcess } from "../base/shared-state.js";
import type { UnfinishedEnd } from "./buffer/unfinished-end.js";
import type { Recorder } from "./recorder.js";
import { signals, survived } from "./stop-signal.js";
import { askWorkers, awaitWorkers, joinThreads, sayLeft } from "./threads.js";

const { setImmediate, setTimeout } = timers;

/**
 * The recorders that may still hold something when the process ends. One set of listeners serves them all, across all
 * loaded copies of the package. Exit codes and other handlers are not touched.
 */
const recorders: Set<Recorder> = sharedByProcess("recorders", () => new Set<Recorder>());

const KILLED: UnfinishedEnd = { status: "KILLED", partial: false };
const FAILED: UnfinishedEnd = { status: "FAILED", partial: false };
const PARTIAL: UnfinishedEnd = { status: "FINISHED", partial: true };

/** The ends a main thread can ask its workers for, by index from 1. */
const ENDS: readonly UnfinishedEnd[] = [PARTIAL, FAILED, KILLED];

/** Signals that end a process without a listener. */
const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Prevents records made at `beforeExit` from keeping the process alive, whatever the store. */
export function watchLeaving(): void {
  sharedByProcess("leaving", () => process.prependListener("beforeExit", beginLeaving));
}

/**
 * Delivers a recorder's changes at `beforeExit` (asynchronously), at a signal, and at `exit` (synchronously, also
 * after `process.exit()`).
 */
export function guardAtExit(recorder: Recorder): void {
  sharedByProcess("exit listeners", () => {
    process.on("beforeExit", () => {
      const end = endAt(Number(process.exitCode ?? (isEntryUnsettled() ? UNSETTLED_CODE : 0)));
      for (const each of recorders) {
        // The last chance for stores that cannot write synchronously: nothing else will end these runs.
        if (each.idle && !each.writesSync) each.endOpenRuns(end);
      }
    });
    // Only monitored: other handlers of uncaught errors keep working.
    process.on("uncaughtExceptionMonitor", () => note("FAILED"));
    const exit = (code: unknown): void => {
      // Node may set the exit code in an earlier listener.
      const end = endAt(Number(process.exitCode ?? code));
      askWorkers(ENDS.indexOf(end) + 1);
      for (const each of recorders) each.drainSync(end);
      awaitWorkers();
      sayLeft();
    };
    process.on("exit", exit);
    // `deno test` ends without `exit`; it only fires `unload`.
    const { Deno: deno, addEventListener } = globalThis as { Deno?: { exitCode?: number } } & Partial<EventTarget>;
    if (deno) addEventListener?.("unload", () => exit(deno.exitCode ?? 0));
    joinThreads(leave);
    joinTestRunner();
    for (const signal of SIGNALS) listen(signal);
    survived.add(() => {
      for (const each of recorders) each.forgetDeath?.();
    });
    return true;
  });
  // Once everything is written, for all trackers: a logger may end the process at once. (Recorders of version 0.1.0
  // have reported by then.)
  sharedByProcess("last warnings", () => process.on("exit", sayAll));
  if (recorders.size === 0) for (const [signal, listener] of signals.listeners) listenAgain(signal, listener);
  recorders.add(recorder);
}

/**
 * Delivery takes turns of the event loop, after which Node emits `beforeExit` again: code that records something at
 * every `beforeExit` would keep the process alive forever. So delivery is only repeated if something was recorded by
 * other code in between; the rest is spooled at `exit`.
 */
const departure = { recorded: -1 };

function depart(fresh: boolean): void {
  for (const each of recorders)
    if (each.writesSync) each.writeSync();
    else if (fresh && !each.settled && !finishing.has(each)) void finish(each);
}

function beginLeaving(): void {
  const fresh = recorded() !== departure.recorded;
  leaving.now = true;
  // After all listeners, and what they started that needs no turn of the event loop.
  process.nextTick(() => queueMicrotask(() => process.nextTick(depart, fresh)));
  const after = (): void => {
    leaving.now = false;
    departure.recorded = recorded();
  };
  // Bun wakes up for an unref'd immediate and emits `beforeExit` again, forever.
  if (process.versions["bun"] === undefined) setImmediate(after).unref();
  else setTimeout(after, 0).unref();
}

/** Returns how much has been recorded for stores that outlive the process. */
function recorded(): number {
  let sum = 0;
  for (const { stats } of recorders) sum += stats.delivered + stats.pending + stats.dropped + stats.rejected;
  return sum;
}

/** Node's exit code when top-level await never settles. */
const UNSETTLED_CODE = 13;

/** Whether top-level await is still pending: until then Node keeps a listener for that case. */
function isEntryUnsettled(): boolean {
  return process.listeners("exit").some(({ name }) => name === "handleProcessExit");
}

/**
 * Vitest ends its worker threads without `exit`, but awaits its cleanup callbacks. Nothing is written afterwards: if
 * a thread ends in the middle of a write, the SQLite driver aborts the process.
 */
function joinTestRunner(): void {
  const { __vitest_worker__: runner } = globalThis as {
    __vitest_worker__?: { onCleanup?(callback: () => Promise<unknown>): void };
  };
  runner?.onCleanup?.(async () => {
    await Promise.all([...recorders].map((each) => each.flush(each.exitTimeoutMs)));
    leave(ENDS.indexOf(PARTIAL) + 1);
  });
}

/** Writes everything in a worker whose process exits, and nothing after that. */
function leave(how: number): void {
  for (const each of recorders) {
    each.drainSync(ENDS[how - 1] ?? PARTIAL);
    each.seal?.();
  }
}

function sayAll(): void {
  for (const each of recorders) each.sayAll?.();
}

/** Recorders with a last delivery in progress. */
const finishing = new WeakSet<Recorder>();
/**
 * How much each recorder had delivered when the store stopped accepting changes, and the start of its last delivery.
 */
const gaveUp = new WeakMap<Recorder, number>();
const since = new WeakMap<Recorder, number>();

/**
 * Delivers at the end of the process, including what is recorded meanwhile, as long as the store accepts changes and
 * `patienceMs` has not passed.
 */
async function finish(recorder: Recorder): Promise<void> {
  if (gaveUp.get(recorder) === recorder.stats.delivered) return;
  finishing.add(recorder);
  const began = since.get(recorder) ?? performance.now();
  since.set(recorder, began);
  try {
    while (!recorder.settled && (await recorder.settle()) && performance.now() - began < recorder.patienceMs)
      await new Promise((resolve) => setImmediate(resolve));
  } catch {
    // What cannot be delivered is left for `exit`.
  }
  finishing.delete(recorder);
  if (recorder.settled) return;
  gaveUp.set(recorder, recorder.stats.delivered);
  recorder.giveUp();
}

/** Stops tracking a closed recorder. */
export function unguard(recorder: Recorder): void {
  recorders.delete(recorder);
  // With nothing to write, signals do what they do without us: a program may end itself by one. Two turns later: Node
  // reads what has been sent at the beginning of a turn, and drops it if the last listener has gone by then.
  soon(() => soon(ignoreSignals));
}

function ignoreSignals(): void {
  if (recorders.size > 0 || dying) return;
  for (const [signal, listener] of signals.listeners) process.removeListener(signal, listener);
}

function listenAgain(signal: NodeJS.Signals, listener: NodeJS.SignalsListener): void {
  if (!process.listeners(signal).includes(listener)) process.prependListener(signal, listener);
}

/** Returns how open runs end when a tracker shuts down. Runs that were open at a signal end KILLED in any case. */
export function endAt(code: number): UnfinishedEnd {
  if (signals.stopping) return KILLED;
  return code === 0 ? PARTIAL : FAILED;
}

/** Spools everything because the process may die now, with the status that open runs get if it does. */
function note(status: TerminalStatus): void {
  for (const each of recorders) each.writeDown(status);
}

/** Listens to a signal, before other listeners. */
function listen(signal: NodeJS.Signals): void {
  const listener = (): void => {
    // A container's first process survives signals it does not handle: they have no default action there.
    if (process.listenerCount(signal) > 1 || process.pid === 1) {
      // Removed while other listeners run: some (signal-exit) only act if they are the only one.
      process.removeListener(signal, listener);
      // A SIGHUP listener may only reload configuration; the other signals ask the process to stop.
      if (signal !== "SIGHUP") {
        signals.stopping = true;
        signals.turned = false;
        for (const each of recorders) each.askedToStop?.();
      }
      note("KILLED");
      setImmediate(() => {
        signals.turned = signals.stopping;
        if (!dying && recorders.size > 0) listenAgain(signal, listener);
      }).unref();
    } else void die(signal);
  };
  signals.listeners.set(signal, listener);
  process.prependListener(signal, listener);
}

let dying = false;

/** Does what the signal does to a process without listeners. */
function kill(signal: NodeJS.Signals): void {
  for (const each of SIGNALS) process.removeListener(each, kill);
  process.kill(process.pid, signal);
}

/**
 * Handles a signal that nothing else handles: ends open runs, gives delivery its time, and repeats the signal's
 * default action.
 */
async function die(signal: NodeJS.Signals): Promise<void> {
  signals.stopping = true;
  dying = true;
  // From now on a second signal, of any kind, kills the process once everything is spooled. Listeners are added
  // before others are removed, since Node drops a pending signal when its last listener goes.
  for (const [each, listener] of signals.listeners) {
    process.on(each, kill);
    process.removeListener(each, listener);
  }
  for (const each of recorders) {
    each.endOpenRuns(KILLED);
    each.writeDown("KILLED");
  }
  try {
    await Promise.all([...recorders].map((each) => each.flush(each.exitTimeoutMs)));
    askWorkers(ENDS.indexOf(KILLED) + 1);
    for (const each of recorders) each.drainSync(KILLED);
    awaitWorkers();
    sayAll();
  } finally {
    kill(signal);
  }
}
