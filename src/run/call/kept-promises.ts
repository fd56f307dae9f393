import { types } from "node:util";

/**
 * Most properties of an object, and most elements of a list or map, that are looked through; of larger ones only what
 * is there under an argument.
 */
const MAX_KEPT = 100;
/** Most of all of them together, for one call. */
const MAX_LOOKS = 1_000;
/** Objects that had more properties than this are not listed again: that alone would be dear. */
const WIDE = 1_000;
/** Most prototypes, with their classes, that are looked at. */
const MAX_CLASSES = 5;
/** Most properties of what lies in a list or map: of `{ promise, resolve, reject }` and the like. */
const FEW = 8;

const wide = new WeakSet<object>();

/**
 * Whether a promise that a function gave is somebody's: who keeps it handles it, and a derived one nobody would. Looked
 * for is it
 * - among the arguments;
 * - in the properties of `this`, of its prototypes and their classes (statics), of each argument, and of the function
 * itself,
 *   and in lists, maps, sets and objects that are such properties (`this.cache[key]`, `this.ready.promise`);
 * - in what lies in such a list or map (`this.pending.get(id).promise`), and in lists, maps and sets one object further
 * down. Getters and methods are not run, proxies not asked. What is kept in private fields or variables nobody can see.
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
  /** Arguments that may be keys of objects. */
  readonly #keys: readonly PropertyKey[];
  #left = MAX_LOOKS;

  constructor(promise: unknown, args: readonly unknown[]) {
    this.#promise = promise;
    this.#args = args.slice(0, FEW);
    this.#keys = this.#args.filter((arg): arg is PropertyKey => ["string", "number", "symbol"].includes(typeof arg));
  }

  /** Looks at what belongs to the call. */
  root(value: unknown): boolean {
    return isLookedInto(value) && (this.#collected(value, true) || this.#fields(value, (each) => this.#second(each)));
  }

  /** Looks at the prototypes of an object and their classes; of a class, at those it is derived from. */
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

  /** Looks at what is a property of that. */
  #second(value: unknown): boolean {
    if (typeof value !== "object" || !isLookedInto(value)) return false;
    return (
      this.#collected(value, true) ||
      this.#fields(value, (each) => typeof each === "object" && isLookedInto(each) && this.#collected(each, false))
    );
  }

  /** Whether a list, map or set has it; `inside`: or what lies in there. */
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

  /** Whether a property is it, or `holds` it. */
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
