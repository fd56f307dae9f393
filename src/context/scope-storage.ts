import { AsyncLocalStorage } from "node:async_hooks";

/** Carries one value along a call and everything asynchronous that it starts. */
export interface ScopeStorage<T> {
  /** The value of the innermost `run` this code was started in, or undefined outside. */
  get(): T | undefined;
  /** Calls `fn` with `value` in force inside it and in all it starts; outside nothing changes. */
  run<R>(value: T | undefined, fn: () => R): R;
}

/** How the open run is carried along; what it carries is opaque. */
export type RunContext = ScopeStorage<unknown>;

/** @internal A storage that also hands arguments on, so that no function has to stand in a stack only to hold them. */
export interface CallStorage<T> extends ScopeStorage<T> {
  run<R, A extends readonly unknown[]>(value: T | undefined, fn: (...args: A) => R, ...args: A): R;
  /**
   * Puts a value in force from here on, where the storage can. Whoever does that puts the former one back in a
   * `finally`, as `run` does: a call between the two needs no frame of the storage's, of which deep recursion would
   * have one for each level.
   */
  enterWith?(value: T | undefined): void;
}

/** @internal The default storage, on `AsyncLocalStorage`. */
export function asyncLocalScopes<T>(): CallStorage<T> {
  const storage = new AsyncLocalStorage<T | undefined>();
  // The very object: a function that calls its `run` would be one more frame in every stack below.
  return Object.assign(storage, { get: () => storage.getStore() }) as CallStorage<T>;
}

/** @internal A storage of somebody else's with arguments bound, which takes no frame either. */
export function callStorageOn<T>(storage: ScopeStorage<T>): CallStorage<T> {
  return {
    get: () => storage.get(),
    run: (value, fn, ...args) =>
      storage.run(value, Function.prototype.bind.call(fn, undefined, ...args) as () => ReturnType<typeof fn>),
  };
}
