import { AsyncResource } from "node:async_hooks";
import timers from "node:timers";

// Node's own, and taken now: a browser's that a test runner puts in their place, and fake ones of a test's, must not
// stop delivery.
const { setImmediate, setTimeout } = timers;

/**
 * Made when the package loads. What outlives a call is made in here: otherwise it would keep whatever the caller had in
 * its async context, and loggers, hooks and stores of the user's would be called in the context of whoever happened to
 * come first.
 */
// What looks for resources that are still open (Jest) is told at once that this one is none.
const outside = new AsyncResource("pulse-mlflow");
outside.emitDestroy(); // gives nothing in Bun

/** Calls a function outside of any call's async context. */
export function detached<R>(fn: () => R): R {
  return outside.runInAsyncScope(fn);
}

/** Sets a timer there. */
export function later(fn: () => void, ms: number): NodeJS.Timeout {
  return outside.runInAsyncScope(setTimeout as (fn: () => void, ms: number) => NodeJS.Timeout, undefined, fn, ms);
}

/**
 * Whether Node says `beforeExit`: a turn of the loop that is asked for now is none the program asks for, and has it
 * said once more.
 */
export const leaving: { now: boolean } = { now: false };

/** Has a function called there at the end of this turn of the event loop, if there is another one. */
export function soon(fn: () => void): NodeJS.Immediate {
  const immediate = outside.runInAsyncScope(setImmediate as (fn: () => void) => NodeJS.Immediate, undefined, fn);
  return leaving.now ? immediate.unref() : immediate;
}
