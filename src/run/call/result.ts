import { types } from "node:util";
import { soon } from "../../base/detached.js";
import { scopes } from "../scope.js";
import type { CallObserver } from "./call-observer.js";
import { isThenable } from "./promise-kinds.js";

type AnyIterator = Iterator<unknown> & AsyncIterator<unknown>;

/** Finds a property without running a getter. */
function lookUp(object: object, key: PropertyKey): PropertyDescriptor | undefined {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, key);
    if (found) return found;
  }
  return undefined;
}

/** Whether a property can be overridden by an own property of the object. */
function isOpen(object: object, key: PropertyKey): boolean {
  const own = Object.getOwnPropertyDescriptor(object, key);
  return own === undefined ? Object.isExtensible(object) : own.configurable === true;
}

const isMethod = (object: object, key: PropertyKey): boolean => typeof lookUp(object, key)?.value === "function";

/**
 * Whether a result is a generator: an iterator that is its own iterable, and whose `next` and `return` can be
 * wrapped. Runs no getters and skips proxies.
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

/**
 * How often an iterator is wrapped already: one that is kept and returned by each call is not wrapped without limit.
 */
const layers = new WeakMap<object, number>();
const MAX_LAYERS = 8;

const abandoned = new FinalizationRegistry<CallObserver>((observer) => observer.abandoned());

/**
 * Generators returned in this turn of the event loop. Most have finished by its end and then need no entry in the
 * finalization registry, which is expensive.
 */
let young: Followed[] = [];
const MAX_YOUNG = 100;

function registerYoung(): void {
  for (const each of young) each.register();
  young = [];
}

/** The state of a generator that is observed. */
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

  /** Registers the generator, so that its loss to garbage collection is noticed. */
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
      return; // a getter that throws will throw for whoever reads the value
    }
    this.observer.step(value);
  }

  /** Marks the generator as finished; false if it already was. */
  #finish(): boolean {
    if (this.over) return false;
    this.over = true;
    if (this.#registered) abandoned.unregister(this.observer);
    return true;
  }
}

/** Returns the constructor's argument as `this`: a class derived from it can put private fields on any object. */
class Given {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return object;
  }
}

/**
 * Stores the state of a generator in a private field of it, invisible to others and many times faster than a
 * `WeakMap`.
 */
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

/** The prototypes from which all native generators inherit. */
const NATIVE: ReadonlySet<unknown> = new Set(
  [function* () {}, async function* () {}].map((fn) => (Object.getPrototypeOf(fn) as { prototype: object }).prototype),
);

/** Prototypes whose methods are wrapped already. */
const prepared = new WeakSet<object>();

/**
 * Wraps the methods of a generator's prototype, which belongs to the one function that made it, so that they follow
 * observed generators. Done once per function, since own properties on each generator would cost as much as a run.
 * Returns false if the program has changed the prototype.
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
 * Observes a generator: `next`, `return` and `throw` run in the call's context, each yield is a step, and its end is
 * the end of the call. The object stays the same, so everything else about it keeps working. `fresh`: a generator
 * function has just made it and nobody else has it.
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

/** Wraps a method on an observed iterator, or on a prototype of observed generators. */
function define(on: object, verb: Verb, known: Followed | undefined): void {
  const original = (on as AnyIterator)[verb] as Method | undefined;
  if (typeof original !== "function") return;
  // A single function, since each further one adds a frame to the stack of every error below it.
  const value = function (this: unknown, ...args: unknown[]): unknown {
    const followed = known ?? FollowedGenerator.follower(this);
    if (followed === undefined) return Reflect.apply(original, this, args);
    const { observer } = followed;
    const { storage } = scopes;
    const outer = storage.get();
    // The generator calls itself while it runs: not a step of the caller's.
    if (followed.begun && outer !== undefined && outer === observer.scope) return Reflect.apply(original, this, args);
    if (verb === "next" && !followed.begun) observer.begin();
    // Closed before its first step: it never has a run, whatever follows.
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
