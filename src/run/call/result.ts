import { types } from "node:util";
import { soon } from "../../base/detached.js";
import { scopes } from "../scope.js";
import type { CallObserver } from "./call-observer.js";
import { isThenable } from "./promises.js";

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

/**
 * Whether a result is a generator: its own iterator, with `next` and `return` that can be followed. Getters are not
 * run, proxies not asked.
 */
export function isGenerator(value: unknown): value is AnyIterator {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return false;
  if (types.isGeneratorObject(value)) return isOpen(value, "next");
  try {
    if (!isMethod(value, "next") || !isMethod(value, "return") || !VERBS.every((verb) => isOpen(value, verb)))
      return false;
    const own: unknown = (lookUp(value, Symbol.asyncIterator) ?? lookUp(value, Symbol.iterator))?.value;
    return typeof own === "function" && Reflect.apply(own, value, []) === value;
  } catch {
    return false;
  }
}

/** How often an iterator is followed already. One that is kept and given by each call is not followed without end. */
const layers = new WeakMap<object, number>();
const MAX_LAYERS = 8;

const abandoned = new FinalizationRegistry<CallObserver>((observer) => observer.abandoned());

/**
 * Those that were given in this turn. Most are over at its end: then the registry, which is dear, need not hear of
 * them.
 */
let young: Followed[] = [];
const MAX_YOUNG = 100;

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
    else if (young.length === MAX_YOUNG) registerYoung();
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
 * Has the verbs of a generator's prototype, which belongs to the one function that made it, follow what is to be
 * followed. Done once for a function, since own properties for each generator cost as much as a run. False where
 * somebody has made a prototype of their own.
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
 * Follows a generator: its `next`, `return` and `throw` get versions that enter the call's context; each yield is a
 * step, its end is the call's end. The object stays the very one, so that whatever else it has goes on working.
 * `fresh`: it is what a generator function has just made, and nobody else has it.
 */
export function observeGenerator<G extends object>(generator: G, observer: CallObserver, fresh: boolean): G {
  if (!fresh) {
    const layer = (layers.get(generator) ?? 0) + 1;
    if (layer > MAX_LAYERS) {
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
    if (followed === undefined) return Reflect.apply(original, this, args);
    const { observer } = followed;
    const { storage } = scopes;
    const outer = storage.get();
    // What it asks of itself while it is asked is its own affair.
    if (followed.begun && outer !== undefined && outer === observer.scope) return Reflect.apply(original, this, args);
    if (verb === "next" && !followed.begun) observer.begin();
    // Closed before its first step: there is no run, whatever follows
    if (!followed.begun && verb !== "next") followed.over = true;
    followed.begun = true;
    if (storage.enterWith === undefined)
      return storage.run(observer.scope, drive, followed, verb, original, this, args);
    storage.enterWith(observer.scope);
    try {
      return drive(followed, verb, original, this, args);
    } finally {
      storage.enterWith(outer);
    }
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
  if (typeof result !== "object" || result === null || !isThenable(result))
    return followed.settle(verb, result as IteratorResult<unknown>);
  const promise = types.isPromise(result) ? result : Promise.resolve(result);
  return promise.then(
    (value) => followed.settle(verb, value as IteratorResult<unknown>),
    (error: unknown) => followed.fail(error),
  );
}

type Method = (...args: readonly unknown[]) => unknown;
const VERBS = ["next", "return", "throw"] as const;
type Verb = (typeof VERBS)[number];
