import { types } from "node:util";
import type { CallObserver } from "./call-observer.js";
import { isKept } from "./kept-promises.js";

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

/**
 * Observes a promise without deriving one for the caller, who keeps the original. This counts as handling a
 * rejection.
 */
function watch(promise: Promise<unknown>, observer: CallObserver): void {
  const then = types.isPromise(promise) && !derivesLikewise(promise) ? NATIVE_THEN : promise.then;
  Reflect.apply(then, promise, [(value: unknown) => observer.done(value), (error: unknown) => observer.failed(error)]);
}

/** The prototype and `then` of native promises, whatever the program has replaced `Promise` with. */
const NATIVE_PROMISE = Object.getPrototypeOf((async () => undefined)()) as object;
const NATIVE_THEN = (NATIVE_PROMISE as Promise<unknown>).then;

/**
 * Whether `then` returns a promise of the same kind: true for native promises, and subclasses that change neither
 * `then` nor the species.
 */
function derivesLikewise(promise: Promise<unknown>): boolean {
  const proto: unknown = Object.getPrototypeOf(promise);
  // Zones and tracers patch `then` on the native prototype, which all promises then share.
  if (proto === NATIVE_PROMISE) return !Object.hasOwn(promise, "then") && !Object.hasOwn(promise, "constructor");
  const { constructor: made, then } = promise as { constructor: { [Symbol.species]?: unknown }; then: unknown };
  const native = Object.getOwnPropertyDescriptor(promise, "constructor") === undefined && isNativeThen(then);
  return native && made[Symbol.species] === made;
}

/** Whether this is the native `then` of this or another realm. */
function isNativeThen(then: unknown): boolean {
  return (
    then === NATIVE_THEN ||
    (typeof then === "function" && /^function then\(\) \{ \[native code\] \}$/.test(String(then)))
  );
}

/**
 * Whether a thenable that is not a native promise is a promise nevertheless: made by the program's global `Promise`,
 * or by a class with the statics of one. Its `then` returns another such promise and has no side effects, unlike that
 * of a query builder, which would run the query.
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
 * Whether a native promise can be observed without running code of its class: at most it has additional fields or its
 * own `constructor`.
 */
function runsNothing(promise: Promise<unknown>): boolean {
  return Object.getPrototypeOf(promise) === NATIVE_PROMISE && !Object.hasOwn(promise, "then");
}

/**
 * Whether an object has enumerable fields that ordinary promises lack (async_hooks and some tracers add fields to
 * every promise). Cheaper than listing them.
 */
function hasFields(object: object): boolean {
  for (const key in object) if (Object.hasOwn(object, key) && !Object.hasOwn(marked(), key)) return true;
  return false;
}

/** A fresh promise, with the fields that every promise has. */
const marked = (): object => Promise.resolve().then(() => undefined);

export function isThenable(value: object): boolean {
  try {
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false;
  }
}
