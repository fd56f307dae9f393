import { types } from "node:util";
import { soon } from "../context/detached.js";
import { type Scope, scopes } from "./host.js";

/** What happens to a call as its result unfolds. Whoever implements it never throws. */
export interface CallObserver {
  /** The call's own context. */
  readonly scope: Scope | undefined;
  /** Whether this code runs in the call's own context, and in no further call's. */
  readonly inside: boolean;
  /** Has the call's context be one of its own, also where it shares the caller's run. */
  isolate(): void;
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

/** Finds a property without running a getter. */
function lookUp(object: object, key: PropertyKey): PropertyDescriptor | undefined {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, key);
    if (found) return found;
  }
  return undefined;
}

/** Whether a property can be replaced by one of the object's own. */
function isOpen(object: object, key: PropertyKey): boolean {
  const own = Object.getOwnPropertyDescriptor(object, key);
  return own === undefined ? Object.isExtensible(object) : own.configurable === true;
}

const isMethod = (object: object, key: PropertyKey): boolean => typeof lookUp(object, key)?.value === "function";

/** Whether a result is a generator: its own iterator, with `next` and `return` that can be followed. Getters are not run, proxies not asked. */
export function isGenerator(value: unknown): value is AnyIterator {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  if (types.isGeneratorObject(value)) return isOpen(value, "next");
  try {
    if (!isMethod(value, "next") || !isMethod(value, "return") || !VERBS.every((verb) => isOpen(value, verb))) return false;
    const own: unknown = (lookUp(value, Symbol.asyncIterator) ?? lookUp(value, Symbol.iterator))?.value;
    return typeof own === "function" && Reflect.apply(own, value, []) === value;
  } catch {
    return false;
  }
}

/**
 * Watches a result that is no generator, and gives back what the caller is to get: the very value, or a promise derived by its own `then`.
 * `owner`: what the call was made on, and its arguments, which may keep the promise and handle it.
 */
export function observeResult<R>(result: R, observer: CallObserver, self: unknown, args: readonly unknown[]): R {
  if (typeof result !== "object" || result === null) {
    observer.done(result);
    return result;
  }
  const promise = types.isPromise(result);
  if (!promise && !isThenable(result)) observer.done(result);
  else if (promise ? derivesLikewise(result) && !hasFields(result) : isPromiseOfProgram(result)) {
    if (!isKept(result, self, args)) return derive(result as unknown as Promise<unknown>, observer, false) as R;
    watch(result as unknown as Promise<unknown>, observer);
  } else if (promise && runsNothing(result)) watch(result, observer);
  else observer.untouchable();
  return result;
}

/** What a promise that was given before became: who gets it twice gets the same one twice, and handles it once. */
const derived = new WeakMap<Promise<unknown>, Promise<unknown>>();

/** Watches a promise and gives the derived one. `fresh`: it is new with each call, not one that the function may keep and give again. */
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

/** Most of an object's properties, and of a list or map in one of them, among which a promise is looked for. */
const MOST_KEPT = 100;

/** Whether a promise is its owner's: a property of `this`, in a list or map there, or an argument. The owner handles it, and a derived one nobody would. */
function isKept(promise: unknown, self: unknown, args: readonly unknown[]): boolean {
  if (args.includes(promise)) return true;
  if ((typeof self !== "object" && typeof self !== "function") || self === null || types.isProxy(self)) return false;
  let looked = 0;
  for (const key of Reflect.ownKeys(self)) {
    if (looked++ === MOST_KEPT) return false;
    const value: unknown = Object.getOwnPropertyDescriptor(self, key)?.value;
    if (value === promise) return true;
    if (Array.isArray(value) && value.length <= MOST_KEPT && value.includes(promise)) return true;
    if (types.isMap(value) && value.size <= MOST_KEPT && [...value.values()].includes(promise)) return true;
  }
  return false;
}

/** The prototype and `then` of native promises, whatever the program has put in place of the global ones. */
const NATIVE_PROMISE = Object.getPrototypeOf((async () => undefined)()) as object;
const NATIVE_THEN = (NATIVE_PROMISE as Promise<unknown>).then;

/** Whether `then` gives a promise of the same kind: a native one, or a subclass that changes neither `then` nor its species. */
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
  return then === NATIVE_THEN || (typeof then === "function" && /^function then\(\) \{ \[native code\] \}$/.test(String(then)));
}

/**
 * Whether a thenable that is no native promise is one all the same, made by the class the program has as its global `Promise` or by another one
 * with the statics of a promise class: its `then` gives another such promise, and runs nothing. A query builder's would run the query.
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

/** Whether a native promise can be watched natively without a word to its class: it is a native one, with fields or a constructor of its own at most. */
function runsNothing(promise: Promise<unknown>): boolean {
  return Object.getPrototypeOf(promise) === NATIVE_PROMISE && !Object.hasOwn(promise, "then");
}

/** Whether an object has enumerable fields with names that not every promise has (async_hooks and some tracers mark each). Cheaper than listing them. */
function hasFields(object: object): boolean {
  for (const key in object) if (Object.hasOwn(object, key) && !Object.hasOwn(marked(), key)) return true;
  return false;
}

/** A promise as everybody's is. */
const marked = (): object => Promise.resolve().then(() => undefined);

function isThenable(value: object): boolean {
  try {
    return typeof (value as { then?: unknown }).then === "function";
  } catch {
    return false;
  }
}

/** How often an iterator is followed already. One that is kept and given by each call is not followed without end. */
const layers = new WeakMap<object, number>();
const MOST_LAYERS = 8;

const abandoned = new FinalizationRegistry<CallObserver>((observer) => observer.abandoned());

/** Those that were given in this turn. Most are over at its end: then the registry, which is dear, need not hear of them. */
let young: Followed[] = [];
const MOST_YOUNG = 100;

function registerYoung(): void {
  for (const each of young) each.register();
  young = [];
}

/** A generator that is followed. */
class Followed {
  readonly observer: CallObserver;
  begun: boolean;
  over = false;
  readonly #generator: object;
  #registered = false;

  constructor(generator: object, observer: CallObserver) {
    this.#generator = generator;
    this.observer = observer;
    this.begun = observer.begun;
    if (young.push(this) === 1) soon(registerYoung).unref();
    else if (young.length === MOST_YOUNG) registerYoung();
  }

  /** Has the registry tell when it is lost. */
  register(): void {
    if (this.over) return;
    this.#registered = true;
    abandoned.register(this.#generator, this.observer, this.observer);
  }

  settle(verb: Verb, result: IteratorResult<unknown>): IteratorResult<unknown> {
    if (result?.done !== true) {
      if (!this.over) this.#step(result);
    } else if (this.#finish()) {
      if (verb === "return") this.observer.abandoned();
      else this.observer.exhausted();
    }
    return result;
  }

  fail(error: unknown): never {
    if (this.#finish()) this.observer.failed(error);
    throw error;
  }

  #step(result: IteratorResult<unknown>): void {
    let value: unknown;
    try {
      value = result?.value;
    } catch {
      return; // a getter that throws is for who looks at the value
    }
    this.observer.step(value);
  }

  /** Whether this is its end, and no later one. */
  #finish(): boolean {
    if (this.over) return false;
    this.over = true;
    if (this.#registered) abandoned.unregister(this.observer);
    return true;
  }
}

/** Gives what its constructor is given: a class on top of it puts its private fields on any object. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return object;
  }
}

/** A generator with what follows it in a private field, which nobody sees; a `WeakMap` is many times as dear. */
class FollowedGenerator extends Given {
  readonly #followed: Followed;

  constructor(generator: object, followed: Followed) {
    super(generator);
    this.#followed = followed;
  }

  static follower(value: unknown): Followed | undefined {
    return typeof value === "object" && value !== null && #followed in value ? value.#followed : undefined;
  }
}

/** What the prototypes of all native generators lead to. */
const NATIVE: ReadonlySet<unknown> = new Set(
  [function* () {}, async function* () {}].map((fn) => (Object.getPrototypeOf(fn) as { prototype: object }).prototype),
);

/** Prototypes whose verbs follow the generators on them that are followed. */
const prepared = new WeakSet<object>();

/**
 * Has the verbs of a generator's prototype, which belongs to the one function that made it, follow what is to be followed. Done once for a function,
 * since own properties for each generator cost as much as a run. False where somebody has made a prototype of their own.
 */
function prepare(generator: object): boolean {
  const prototype = Object.getPrototypeOf(generator) as object | null;
  if (prototype === null) return false;
  if (prepared.has(prototype)) return true;
  if (!NATIVE.has(Object.getPrototypeOf(prototype)) || !Object.isExtensible(prototype)) return false;
  if (VERBS.some((verb) => Object.hasOwn(prototype, verb))) return false;
  for (const verb of VERBS) define(prototype, verb, undefined);
  prepared.add(prototype);
  return true;
}

/**
 * Follows a generator: its `next`, `return` and `throw` get versions that enter the call's context; each yield is a step,
 * its end is the call's end. The object stays the very one, so that whatever else it has goes on working. `fresh`: it is what a generator
 * function has just made, and nobody else has it.
 */
export function observeGenerator<G extends object>(generator: G, observer: CallObserver, fresh: boolean): G {
  if (!fresh) {
    const layer = (layers.get(generator) ?? 0) + 1;
    if (layer > MOST_LAYERS) {
      observer.exhausted();
      return generator;
    }
    layers.set(generator, layer);
  }
  observer.isolate();
  const followed = new Followed(generator, observer);
  if (fresh && prepare(generator)) new FollowedGenerator(generator, followed);
  else for (const verb of VERBS) define(generator, verb, followed);
  return generator;
}

/** Puts a verb on an iterator that is followed, or on a prototype of some. */
function define(on: object, verb: Verb, known: Followed | undefined): void {
  const original = (on as AnyIterator)[verb] as Method | undefined;
  if (typeof original !== "function") return;
  // In one function, since each further one is a frame in the stack of every error below.
  const value = function (this: unknown, ...args: unknown[]): unknown {
    const followed = known ?? FollowedGenerator.follower(this);
    // What it asks of itself while it is asked is its own affair.
    if (followed === undefined || (followed.begun && followed.observer.inside)) return Reflect.apply(original, this, args);
    const { observer } = followed;
    if (verb === "next" && !followed.begun) observer.begin();
    if (!followed.begun && verb !== "next") followed.over = true; // closed before its first step: there is no run, whatever follows
    followed.begun = true;
    return scopes.storage.run(observer.scope, drive, followed, verb, original, this, args);
  };
  Object.defineProperty(on, verb, { value, writable: true, configurable: true });
}

function drive(followed: Followed, verb: Verb, original: Method, self: unknown, args: readonly unknown[]): unknown {
  let result: unknown;
  try {
    result = Reflect.apply(original, self, args);
  } catch (error) {
    return followed.fail(error);
  }
  if (typeof result !== "object" || result === null || !isThenable(result)) return followed.settle(verb, result as IteratorResult<unknown>);
  const promise = types.isPromise(result) ? result : Promise.resolve(result);
  return promise.then(
    (value) => followed.settle(verb, value as IteratorResult<unknown>),
    (error: unknown) => followed.fail(error),
  );
}

type Method = (...args: readonly unknown[]) => unknown;
const VERBS = ["next", "return", "throw"] as const;
type Verb = (typeof VERBS)[number];
