import { types } from "node:util";
import type { CallObserver } from "./call-observer.js";
import { isKept } from "./kept-promises.js";
import {
  derivesLikewise,
  hasFields,
  isPromiseOfProgram,
  isThenable,
  NATIVE_THEN,
  runsNothing,
} from "./promise-kinds.js";
import { isGenerator, observeGenerator } from "./result.js";
import { follow } from "./result-kinds.js";

type AnyFunction = (...args: never[]) => unknown;

/** The function that was called, and its wrapper. */
interface Called {
  readonly original: AnyFunction;
  readonly wrapper: AnyFunction | undefined;
}

/**
 * Observes a result that is not a generator, and returns what the caller gets: the result itself, or a promise
 * derived by its own `then`. `self`, `args` and the functions are searched for the promise: if one of them keeps it,
 * it must not be replaced.
 */
export function observeResult<R>(
  result: R,
  observer: CallObserver,
  self: unknown,
  args: readonly unknown[],
  { original, wrapper }: Called,
): R {
  if (typeof result !== "object" || result === null) {
    observer.done(result);
    return result;
  }
  const promise = types.isPromise(result);
  // What the call was made on or with may be in use elsewhere.
  const given = promise || result === self || args.includes(result) ? undefined : follow(result, observer);
  if (given !== undefined) return given as R;
  if (!promise && !isThenable(result)) observer.done(result);
  else if (promise ? derivesLikewise(result) && !hasFields(result) : isPromiseOfProgram(result)) {
    if (!isKept(result, self, args, wrapper ? [original, wrapper] : [original]))
      return derive(result as unknown as Promise<unknown>, observer, false) as R;
    watch(result as unknown as Promise<unknown>, observer);
  } else if (promise && runsNothing(result)) watch(result, observer);
  else observer.untouchable();
  return result;
}

/**
 * The derived promise for each original: a promise returned twice is derived once, so that its rejection is handled
 * once.
 */
const derived = new WeakMap<Promise<unknown>, Promise<unknown>>();

/**
 * Observes a promise and returns one derived from it. `fresh`: the promise is new with each call, so no function can
 * return it again.
 */
export function derive(promise: Promise<unknown>, observer: CallObserver, fresh: boolean): Promise<unknown> {
  const known = fresh ? undefined : derived.get(promise);
  if (known !== undefined) {
    // On the original, which already has a handler: the promise held by the callers stays unhandled until they handle
    // it.
    watch(promise, observer);
    return known;
  }
  const next = promise.then(
    (value) => settled(value, observer),
    (error: unknown) => {
      observer.failed(error);
      throw error;
    },
  );
  if (!fresh) derived.set(promise, next);
  return next;
}

/** Observes what a promise was fulfilled with, and returns what its owner gets: it may go on, as a stream does. */
function settled(value: unknown, observer: CallObserver): unknown {
  if (typeof value === "object" && value !== null) {
    if (isGenerator(value)) return observeGenerator(value, observer, false);
    const given = follow(value, observer);
    if (given !== undefined) return given;
  }
  observer.done(value);
  return value;
}

/**
 * Observes a promise without deriving one for the caller, who keeps the original. This counts as handling a
 * rejection.
 */
function watch(promise: Promise<unknown>, observer: CallObserver): void {
  const then = types.isPromise(promise) && !derivesLikewise(promise) ? NATIVE_THEN : promise.then;
  Reflect.apply(then, promise, [(value: unknown) => observer.done(value), (error: unknown) => observer.failed(error)]);
}
