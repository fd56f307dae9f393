import { AsyncResource } from "node:async_hooks";
import timers from "node:timers";

// Node's own timers, captured at load time: neither the browser timers of a test environment nor a test's fake timers
// may stop delivery.
const { clearTimeout, setImmediate, setTimeout } = timers;

/**
 * The async context at load time. Everything that outlives a call is created in it. Otherwise it would keep the
 * caller's context alive, and the user's loggers, hooks and stores would run in the context of whichever call came
 * first.
 */
// Destroyed at once, so that tools that look for open resources (Jest) do not report it.
const outside = new AsyncResource("pulse-mlflow");
outside.emitDestroy(); // returns nothing in Bun

/** Calls a function outside any call's async context. */
export function detached<R>(fn: () => R): R {
  return outside.runInAsyncScope(fn);
}

/** Sets a timer outside any call's async context. */
export function later(fn: () => void, ms: number): NodeJS.Timeout {
  return outside.runInAsyncScope(setTimeout as (fn: () => void, ms: number) => NodeJS.Timeout, undefined, fn, ms);
}

/** The longest delay a Node timer supports. */
const FOREVER_MS = 2 ** 31 - 1;

/** Keeps the process alive until the work is done; our sockets do not, since recording must not. */
export async function keepAlive<R>(work: () => Promise<R>): Promise<R> {
  const timer = later(() => undefined, FOREVER_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Whether Node is emitting `beforeExit`. An immediate scheduled now is ours, not the program's, and must not keep the
 * event loop alive, since Node would then emit `beforeExit` again.
 */
export const leaving: { now: boolean } = { now: false };

/**
 * Calls a function at the end of this turn of the event loop, outside any call's async context. Does not run if the
 * process ends first.
 */
export function soon(fn: () => void): NodeJS.Immediate {
  const immediate = outside.runInAsyncScope(setImmediate as (fn: () => void) => NodeJS.Immediate, undefined, fn);
  return leaving.now ? immediate.unref() : immediate;
}
