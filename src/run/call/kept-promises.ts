import { types } from "node:util";

/**
 * The number of properties of an object, or elements of a list or map, that are searched. In larger ones, only
 * entries under one of the call's arguments are looked up.
 */
const MAX_KEPT = 100;
/** The limit of all searched values together, per call. */
const MAX_LOOKS = 1_000;
/** Objects with more properties than this are not listed a second time, since listing them is expensive. */
const WIDE = 1_000;
/** The number of prototypes, with their classes, that are searched. */
const MAX_CLASSES = 5;
/** The number of searched properties of an element of a list or map, such as `{ promise, resolve, reject }`. */
const FEW = 8;

const wide = new WeakSet<object>();

/**
 * Whether a promise returned by a function is kept somewhere else. Its keeper handles its rejection; a promise
 * derived from it would then be rejected without a handler. The search covers:
 * - the arguments;
 * - the properties of `this`, its prototypes and their classes (statics), each argument, and the function itself,
 *   including lists, maps, sets and objects found there (`this.cache[key]`, `this.ready.promise`);
 * - the elements of such a list or map (`this.pending.get(id).promise`), and lists, maps and sets one object further
 *   down.
 *
 * It runs no getters or methods and skips proxies. Private fields and local variables cannot be seen.
 */
export function isKept(
  promise: unknown,
  self: unknown,
  args: readonly unknown[],
  functions: readonly ((...args: never[]) => unknown)[],
): boolean {
  if (args.includes(promise)) return true;
  const search = new Search(promise, args);
  if (
    search.root(self) ||
    functions.some((fn) => search.root(fn)) ||
    args.slice(0, FEW).some((arg) => search.root(arg))
  )
    return true;
  return search.classes(self);
}

const isLookedInto = (value: unknown): value is object =>
  ((typeof value === "object" && value !== null) || typeof value === "function") &&
  !types.isProxy(value) &&
  !types.isPromise(value) &&
  !ArrayBuffer.isView(value);

class Search {
  readonly #promise: unknown;
  readonly #args: readonly unknown[];
  /** Arguments that may be property keys. */
  readonly #keys: readonly PropertyKey[];
  #left = MAX_LOOKS;

  constructor(promise: unknown, args: readonly unknown[]) {
    this.#promise = promise;
    this.#args = args.slice(0, FEW);
    this.#keys = this.#args.filter((arg): arg is PropertyKey => ["string", "number", "symbol"].includes(typeof arg));
  }

  /** Searches a value that belongs to the call. */
  root(value: unknown): boolean {
    return isLookedInto(value) && (this.#collected(value, true) || this.#fields(value, (each) => this.#second(each)));
  }

  /** Searches the prototypes of an object and their classes; for a class, those it is derived from. */
  classes(value: unknown): boolean {
    if (!isLookedInto(value)) return false;
    if (typeof value === "function" && this.root(Object.getOwnPropertyDescriptor(value, "prototype")?.value))
      return true;
    let at = Object.getPrototypeOf(value) as object | null;
    for (
      let n = 0;
      n < MAX_CLASSES && at !== null && !types.isProxy(at);
      n++, at = Object.getPrototypeOf(at) as object | null
    ) {
      if (at === Object.prototype || at === Function.prototype) return false;
      if (this.root(at) || this.root(Object.getOwnPropertyDescriptor(at, "constructor")?.value)) return true;
    }
    return false;
  }

  /** Searches a value found in a property. */
  #second(value: unknown): boolean {
    if (typeof value !== "object" || !isLookedInto(value)) return false;
    return (
      this.#collected(value, true) ||
      this.#fields(value, (each) => typeof each === "object" && isLookedInto(each) && this.#collected(each, false))
    );
  }

  /** Whether a list, map or set contains the promise; with `inside`, also in a property of an element. */
  #collected(value: object, inside: boolean): boolean {
    if (types.isSet(value)) return Reflect.apply(Set.prototype.has, value, [this.#promise]);
    const isMap = types.isMap(value);
    if (!isMap && !Array.isArray(value)) return false;
    if (isMap && this.#args.some((arg) => this.#isIt(Reflect.apply(Map.prototype.get, value, [arg]), inside)))
      return true;
    if (!isMap && (value.length > MAX_KEPT ? value.at(-1) === this.#promise : value.includes(this.#promise)))
      return true;
    if ((isMap ? value.size : value.length) > MAX_KEPT) return false;
    for (const each of isMap ? (Reflect.apply(Map.prototype.values, value, []) as Iterable<unknown>) : value)
      if (this.#left-- <= 0 || this.#isIt(each, inside)) return this.#left >= 0;
    return false;
  }

  #isIt(value: unknown, inside: boolean): boolean {
    if (value === this.#promise) return true;
    return (
      inside &&
      typeof value === "object" &&
      isLookedInto(value) &&
      !isCollection(value) &&
      this.#fields(value, () => false, FEW)
    );
  }

  /** Whether a property is the promise, or a value for which `holds` returns true. */
  #fields(object: object, holds: (value: unknown) => boolean, most = MAX_KEPT): boolean {
    if (Array.isArray(object)) return false;
    for (const key of this.#keys)
      if (Object.getOwnPropertyDescriptor(object, key)?.value === this.#promise) return true;
    if (wide.has(object) || this.#left <= 0) return false;
    const keys = Reflect.ownKeys(object);
    if (keys.length > WIDE) wide.add(object);
    for (let i = 0; i < keys.length && i < most; i++) {
      if (this.#left-- <= 0) return false;
      const value: unknown = Object.getOwnPropertyDescriptor(object, keys[i] as PropertyKey)?.value;
      if (value === this.#promise || holds(value)) return true;
    }
    return false;
  }
}

const isCollection = (value: object): boolean => Array.isArray(value) || types.isMap(value) || types.isSet(value);
