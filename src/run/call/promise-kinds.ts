import { types } from "node:util";

/** The prototype and `then` of native promises, whatever the program has replaced `Promise` with. */
const NATIVE_PROMISE = Object.getPrototypeOf((async () => undefined)()) as object;
export const NATIVE_THEN: Promise<unknown>["then"] = (NATIVE_PROMISE as Promise<unknown>).then;

/**
 * Whether `then` returns a promise of the same kind: true for native promises, and subclasses that change neither
 * `then` nor the species.
 */
export function derivesLikewise(promise: Promise<unknown>): boolean {
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
export function isPromiseOfProgram(thenable: object): boolean {
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
export function runsNothing(promise: Promise<unknown>): boolean {
  return Object.getPrototypeOf(promise) === NATIVE_PROMISE && !Object.hasOwn(promise, "then");
}

/**
 * Whether an object has enumerable fields that ordinary promises lack (async_hooks and some tracers add fields to
 * every promise). Cheaper than listing them.
 */
export function hasFields(object: object): boolean {
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
