import timers from "node:timers";
import { leaving } from "../base/detached.js";
import type { TerminalStatus } from "../base/entities.js";
import { sharedByProcess } from "../base/shared-state.js";
import type { UnfinishedEnd } from "./buffer/unfinished.js";
import type { Recorder } from "./recorder.js";
import { signals, survived } from "./stop-signal.js";
import { askWorkers, awaitWorkers, joinThreads, sayLeft } from "./threads.js";

const { setImmediate, setTimeout } = timers;

/**
 * The recorders that still may hold something when the process ends. One set of listeners serves them all, in every
 * loaded copy of the package; exit codes and other people's handlers are left alone.
 */
const recorders: Set<Recorder> = sharedByProcess("recorders", () => new Set<Recorder>());

const KILLED: UnfinishedEnd = { status: "KILLED", partial: false };
const FAILED: UnfinishedEnd = { status: "FAILED", partial: false };
const PARTIAL: UnfinishedEnd = { status: "FINISHED", partial: true };

/** How the main thread says to its workers which of them it is: by place, from 1. */
const ENDS: readonly UnfinishedEnd[] = [PARTIAL, FAILED, KILLED];

/** Signals that end a process which does not listen to them. */
const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Has what is recorded at `beforeExit` not keep the process, whatever the store. */
export function watchLeaving(): void {
  sharedByProcess("leaving", () => process.prependListener("beforeExit", beginLeaving));
}

/**
 * Has a recorder delivered at `beforeExit` (asynchronously), at a signal, and at `exit` (synchronously, also after
 * `process.exit()`).
 */
export function guardAtExit(recorder: Recorder): void {
  sharedByProcess("exit listeners", () => {
    process.on("beforeExit", () => {
      const end = endAt(Number(process.exitCode ?? (isEntryUnsettled() ? UNSETTLED_CODE : 0)));
      for (const each of recorders) {
        // What cannot be written synchronously has its last chance here: nobody is left to end these runs.
        if (each.idle && !each.writesSync) each.endOpenRuns(end);
      }
    });
    // Only watched: whoever handles uncaught errors goes on doing so.
    process.on("uncaughtExceptionMonitor", () => note("FAILED"));
    const exit = (code: unknown): void => {
      // Node itself may set it in a listener before this one.
      const end = endAt(Number(process.exitCode ?? code));
      askWorkers(ENDS.indexOf(end) + 1);
      for (const each of recorders) each.flushSync(end);
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
      for (const each of recorders) each.forgetExitStatus?.();
    });
    return true;
  });
  // When everything is written, of all trackers: a logger may end the process at once. (Recorders of version 0.1.0 have
  // said it by then.)
  sharedByProcess("last warnings", () => process.on("exit", sayAll));
  recorders.add(recorder);
}

/**
 * Delivery takes turns of the loop, and after them Node says `beforeExit` once more: whoever records something each
 * time would keep the process for ever. So it is delivered again only when something was recorded by code that runs for
 * a reason of its own; the rest is written down at `exit`.
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
  // Behind all listeners, and what they have begun that needs no turn of the loop.
  process.nextTick(() => queueMicrotask(() => process.nextTick(depart, fresh)));
  const after = (): void => {
    leaving.now = false;
    departure.recorded = recorded();
  };
  // Bun comes round for an immediate that nobody waits for, and says `beforeExit` again, for ever.
  if (process.versions["bun"] === undefined) setImmediate(after).unref();
  else setTimeout(after, 0).unref();
}

/** How much the trackers of stores that outlive the process have recorded. */
function recorded(): number {
  let sum = 0;
  for (const { stats } of recorders) sum += stats.delivered + stats.pending + stats.dropped + stats.rejected;
  return sum;
}

/** What Node exits with when the program's top level waits for something that never comes. */
const UNSETTLED_CODE = 13;

/** Whether the program's top level has not ended: Node keeps a listener for that case until then. */
function isEntryUnsettled(): boolean {
  return process.listeners("exit").some(({ name }) => name === "handleProcessExit");
}

/**
 * Vitest ends the threads of its pools without an exit; what it calls back before that, it waits for. Nothing is
 * written from then on: a thread that is ended in the middle of a write has the SQLite driver abort the process, as
 * above.
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

/** This is a worker whose process exits: writes everything, and nothing more from then on. */
function leave(how: number): void {
  for (const each of recorders) {
    each.flushSync(ENDS[how - 1] ?? PARTIAL);
    each.seal?.();
  }
}

function sayAll(): void {
  for (const each of recorders) each.sayAll?.();
}

/** The recorders whose last delivery is under way. */
const finishing = new WeakSet<Recorder>();
/** How much each had delivered when the store took nothing any more, and since when its last delivery goes on. */
const gaveUp = new WeakMap<Recorder, number>();
const since = new WeakMap<Recorder, number>();

/**
 * Delivers at the end of the process, and what is recorded meanwhile, too, for as long as the store accepts and
 * `patienceMs` allow.
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
    // What cannot be delivered is for `exit`.
  }
  finishing.delete(recorder);
  if (recorder.settled) return;
  gaveUp.set(recorder, recorder.stats.delivered);
  recorder.spillAndNotify();
}

/** Lets a closed recorder go. */
export function unguard(recorder: Recorder): void {
  recorders.delete(recorder);
}

/** How runs end that are open when a tracker is shut down; those that a signal has met end KILLED in any case. */
export function endAt(code: number): UnfinishedEnd {
  if (signals.stopping) return KILLED;
  return code === 0 ? PARTIAL : FAILED;
}

/** The process may die now, or not: everything is written down, with what its open runs are to end as if it does. */
function note(status: TerminalStatus): void {
  for (const each of recorders) each.writeDown(status);
}

/** Listens to a signal before everybody else. */
function listen(signal: NodeJS.Signals): void {
  const listener = (): void => {
    // The first process of a container has no default action to fall back to: what nobody handles, it survives.
    if (process.listenerCount(signal) > 1 || process.pid === 1) {
      // Those that look whether anybody else listens (signal-exit) must not count it.
      process.removeListener(signal, listener);
      // Whoever listens to SIGHUP may only read its configuration anew; the others ask for the end.
      if (signal !== "SIGHUP") {
        signals.stopping = true;
        signals.turned = false;
        for (const each of recorders) each.askedToStop?.();
      }
      note("KILLED");
      setImmediate(() => {
        signals.turned = signals.stopping;
        if (!dying) process.prependListener(signal, listener);
      }).unref();
    } else void die(signal);
  };
  signals.listeners.set(signal, listener);
  process.prependListener(signal, listener);
}

let dying = false;

/** Does what a signal does to a process that does not listen. */
function kill(signal: NodeJS.Signals): void {
  for (const each of SIGNALS) process.removeListener(each, kill);
  process.kill(process.pid, signal);
}

/**
 * Nobody else handles the signal: open runs end, delivery gets its time, and the signal does what it would have done.
 */
async function die(signal: NodeJS.Signals): Promise<void> {
  signals.stopping = true;
  dying = true;
  // A second signal, of whatever kind, kills as soon as everything is written down. Somebody has to listen all the
  // time: Node drops a signal that has arrived when its last listener goes.
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
    for (const each of recorders) each.flushSync(KILLED);
    awaitWorkers();
    sayAll();
  } finally {
    kill(signal);
  }
}
