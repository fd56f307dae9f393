import { types } from "node:util";

/** What happens to a call as its result unfolds. Whoever implements it never throws. */
export interface CallObserver {
  /** Runs a part of the call in the call's own context. */
  enter<R>(part: () => R): R;
  /** The call's body has begun; a generator function's begins with the first `next`. */
  readonly begun: boolean;
  /** A generator is iterated for the first time. */
  begin(): void;
  /** A generator yielded. */
  step(value: unknown): void;
  /** The call returned, or its promise was fulfilled; `value` is the result. */
  done(value: unknown): void;
  /** The call threw, or its promise was rejected. */
  failed(error: unknown): void;
  /** A generator was left early or lost to the garbage collector. */
  abandoned(): void;
  /** A generator has run to its end. */
  exhausted(): void;
  /** The result is a thenable that must not be touched. */
  untouchable(): void;
}

type AnyIterator = Iterator<unknown> & AsyncIterator<unknown>;

/** Whether a result is a generator: its own iterator, with `next` and `return`. A frozen object cannot be stood in for. */
export function isGenerator(value: unknown): value is AnyIterator {
  if (types.isGeneratorObject(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const object = value as Record<PropertyKey, unknown>;
  try {
    if (typeof object["next"] !== "function" || typeof object["return"] !== "function" || Object.isFrozen(value)) return false;
    const own = object[Symbol.asyncIterator] ?? object[Symbol.iterator];
    return typeof own === "function" && Reflect.apply(own, value, []) === value;
  } catch {
    return false;
  }
}

/**
 * Watches a result that is no generator, and gives back what the caller is to get: the very value, or a promise derived by its own `then`.
 */
export function observeResult<R>(result: R, observer: CallObserver): R {
  if (typeof result !== "object" || result === null) {
    observer.done(result);
    return result;
  }
  if (types.isPromise(result)) {
    // Own properties (a child process on its promise, a query handle) would be lost on a derived promise, and a promise with a `then`
    // or a species of its own (a lazy one) is not what `then` gives.
    if (hasFields(result) || !derivesLikewise(result)) observer.untouchable();
    else return derive(result, observer, false) as R;
  } else if (isThenable(result)) observer.untouchable();
  else observer.done(result);
  return result;
}

/** What a promise that was given before became: who gets it twice gets the same one twice, and handles it once. */
const derived = new WeakMap<Promise<unknown>, Promise<unknown>>();

/** Watches a promise and gives the derived one. `fresh`: it is new with each call, not one that the function may keep and give again. */
export function derive(promise: Promise<unknown>, observer: CallObserver, fresh: boolean): Promise<unknown> {
  const known = fresh ? undefined : derived.get(promise);
  if (known !== undefined) {
    // On the original, which is handled already: what the callers hold stays unhandled until they handle it.
    promise.then(
      (value) => observer.done(value),
      (error: unknown) => observer.failed(error),
    );
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

/** Whether `then` gives a promise of the same kind: a plain one, or a subclass that changes neither `then` nor its species. */
function derivesLikewise(promise: Promise<unknown>): boolean {
  const proto: unknown = Object.getPrototypeOf(promise);
  if (proto === Promise.prototype) return true;
  const { constructor: made, then } = promise as { constructor: { [Symbol.species]?: unknown }; then: unknown };
  const native = Object.getOwnPropertyDescriptor(promise, "constructor") === undefined && isNativeThen(then);
  return native && made[Symbol.species] === made;
}

/** `then` of this realm's promises, or of another realm's. */
function isNativeThen(then: unknown): boolean {
  return then === Promise.prototype.then || (typeof then === "function" && /^function then\(\) \{ \[native code\] \}$/.test(String(then)));
}

/** Whether an object has enumerable fields with names (async_hooks puts symbols on every promise). Cheaper than listing them. */
function hasFields(object: object): boolean {
  for (const key in object) if (Object.hasOwn(object, key)) return true;
  return false;
}

function isThenable(value: object): boolean {
  try {
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false;
  }
}

const abandoned = new FinalizationRegistry<CallObserver>((observer) => observer.abandoned());

/**
 * Gives a stand-in for a generator with the same prototype: each `next`, `return` and `throw` enters the call's context,
 * each yield is a step, its end is the call's end.
 */
export function observeGenerator<G extends object>(generator: G, observer: CallObserver): G {
  const target = generator as unknown as AnyIterator;
  const native = types.isGeneratorObject(generator);
  let begun = observer.begun;
  let over = false;
  const finish = (end: () => void): void => {
    if (over) return;
    over = true;
    abandoned.unregister(observer);
    end();
  };
  const settle = (verb: Verb, result: IteratorResult<unknown>): IteratorResult<unknown> => {
    if (result?.done === true) finish(() => (verb === "return" ? observer.abandoned() : observer.exhausted()));
    else if (!over) observer.step(result?.value);
    return result;
  };
  const fail = (error: unknown): never => {
    finish(() => observer.failed(error));
    throw error;
  };
  const drive = (verb: Verb, args: readonly unknown[]): unknown => {
    if (verb === "next" && !begun) observer.begin();
    begun ||= verb === "next";
    if (!begun) over = true; // closed before its first step: there is no run
    return observer.enter(() => {
      let result: unknown;
      try {
        result = Reflect.apply(target[verb] as (...values: readonly unknown[]) => unknown, generator, args);
      } catch (error) {
        return fail(error);
      }
      if (types.isPromise(result)) return result.then((value) => settle(verb, value as IteratorResult<unknown>), fail);
      if (typeof result === "object" && result !== null && isThenable(result)) {
        return Promise.resolve(result).then((value) => settle(verb, value as IteratorResult<unknown>), fail);
      }
      return settle(verb, result as IteratorResult<unknown>);
    });
  };
  const verbs: Record<string, unknown> = {
    next: (...args: unknown[]) => drive("next", args),
    return: (...args: unknown[]) => drive("return", args),
    ...(typeof target.throw === "function" && { throw: (...args: unknown[]) => drive("throw", args) }),
  };
  const standIn: G = new Proxy(generator, {
    set: (object, key, value) => Reflect.set(object, key, value, object),
    get(object, key) {
      if (typeof key === "string" && Object.hasOwn(verbs, key)) return verbs[key];
      if (key === Symbol.iterator || key === Symbol.asyncIterator) return key in object ? () => standIn : undefined;
      // A native generator's other members work through the stand-in; those of a class may need its private fields.
      const value: unknown = Reflect.get(object, key, native ? standIn : object);
      return typeof value === "function" && !native ? value.bind(object) : value;
    },
  });
  abandoned.register(standIn, observer, observer);
  return standIn;
}

type Verb = "next" | "return" | "throw";
