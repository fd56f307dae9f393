import { types } from "node:util";
import type { CallObserver } from "./call-observer.js";
import { isKept } from "./kept-promises.js";

type AnyFunction = (...args: never[]) => unknown;

/** The function that was called, and the one in its place. */
interface Called {
  readonly original: AnyFunction;
  readonly wrapper: AnyFunction | undefined;
}

/**
 * Watches a result that is no generator, and gives back what the caller is to get: the very value, or a promise derived
 * by its own `then`. `self`, `args` and the functions: what the call was made on, with and of, which may keep the
 * promise and handle it.
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
  if (!promise && !isThenable(result)) observer.done(result);
  else if (promise ? derivesLikewise(result) && !hasFields(result) : isPromiseOfProgram(result)) {
    if (!isKept(result, self, args, wrapper ? [original, wrapper] : [original]))
      return derive(result as unknown as Promise<unknown>, observer, false) as R;
    watch(result as unknown as Promise<unknown>, observer);
  } else if (promise && runsNothing(result)) watch(result, observer);
  else observer.untouchable();
  return result;
}

/** What a promise that was given before became: who gets it twice gets the same one twice, and handles it once. */
const derived = new WeakMap<Promise<unknown>, Promise<unknown>>();

/**
 * Watches a promise and gives the derived one. `fresh`: it is new with each call, not one that the function may keep
 * and give again.
 */
export function derive(promise: Promise<unknown>, observer: CallObserver, fresh: boolean): Promise<unknown> {
  const known = fresh ? undefined : derived.get(promise);
  if (known !== undefined) {
    // On the original, which is handled already: what the callers hold stays unhandled until they handle it.
    watch(promise, observer);
    return known;
  }
  const next = promise.then(
    (value) => {
      observer.done(value);
      return value;
    },
    (error: unknown) => {
      observer.failed(error);
      throw error;
    },
  );
  if (!fresh) derived.set(promise, next);
  return next;
}

/** Watches a promise from the side: whoever has it goes on with the very one, and counts as who handles it. */
function watch(promise: Promise<unknown>, observer: CallObserver): void {
  const then = types.isPromise(promise) && !derivesLikewise(promise) ? NATIVE_THEN : promise.then;
  Reflect.apply(then, promise, [(value: unknown) => observer.done(value), (error: unknown) => observer.failed(error)]);
}

/** The prototype and `then` of native promises, whatever the program has put in place of the global ones. */
const NATIVE_PROMISE = Object.getPrototypeOf((async () => undefined)()) as object;
const NATIVE_THEN = (NATIVE_PROMISE as Promise<unknown>).then;

/**
 * Whether `then` gives a promise of the same kind: a native one, or a subclass that changes neither `then` nor its
 * species.
 */
function derivesLikewise(promise: Promise<unknown>): boolean {
  const proto: unknown = Object.getPrototypeOf(promise);
  // Zones and tracers put a `then` of their own on native promises, which is then that of all.
  if (proto === NATIVE_PROMISE) return !Object.hasOwn(promise, "then") && !Object.hasOwn(promise, "constructor");
  const { constructor: made, then } = promise as { constructor: { [Symbol.species]?: unknown }; then: unknown };
  const native = Object.getOwnPropertyDescriptor(promise, "constructor") === undefined && isNativeThen(then);
  return native && made[Symbol.species] === made;
}

/** `then` of this realm's promises, or of another realm's. */
function isNativeThen(then: unknown): boolean {
  return (
    then === NATIVE_THEN ||
    (typeof then === "function" && /^function then\(\) \{ \[native code\] \}$/.test(String(then)))
  );
}

/**
 * Whether a thenable that is no native promise is one all the same, made by the class the program has as its global
 * `Promise` or by another one with the statics of a promise class: its `then` gives another such promise, and runs
 * nothing. A query builder's would run the query.
 */
function isPromiseOfProgram(thenable: object): boolean {
  try {
    if (types.isProxy(thenable) || Object.hasOwn(thenable, "then")) return false;
    const made: unknown = (thenable as { constructor?: unknown }).constructor;
    if (typeof made !== "function") return false;
    const { resolve, reject, all } = made as unknown as Record<string, unknown>;
    return made === Promise || [resolve, reject, all].every((each) => typeof each === "function");
  } catch {
    return false;
  }
}

/**
 * Whether a native promise can be watched natively without a word to its class: it is a native one, with fields or a
 * constructor of its own at most.
 */
function runsNothing(promise: Promise<unknown>): boolean {
  return Object.getPrototypeOf(promise) === NATIVE_PROMISE && !Object.hasOwn(promise, "then");
}

/**
 * Whether an object has enumerable fields with names that not every promise has (async_hooks and some tracers mark
 * each). Cheaper than listing them.
 */
function hasFields(object: object): boolean {
  for (const key in object) if (Object.hasOwn(object, key) && !Object.hasOwn(marked(), key)) return true;
  return false;
}

/** A promise as everybody's is. */
const marked = (): object => Promise.resolve().then(() => undefined);

export function isThenable(value: object): boolean {
  try {
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false;
  }
}
