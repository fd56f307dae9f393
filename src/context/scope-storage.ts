import { AsyncLocalStorage } from "node:async_hooks";

/** Carries a value through a call and all asynchronous work it starts. */
export interface ScopeStorage<T> {
  /** Returns the value of the innermost enclosing `run`, or undefined outside. */
  get(): T | undefined;
  /** Calls `fn` with `value` as the current value, also for everything it starts; code outside is not affected. */
  run<R>(value: T | undefined, fn: () => R): R;
}

/** Carries the open run through calls. The value is opaque. */
export type RunContext = ScopeStorage<unknown>;

/** @internal A storage that passes arguments through, so that no closure is needed to hold them. */
export interface CallStorage<T> extends ScopeStorage<T> {
  run<R, A extends readonly unknown[]>(value: T | undefined, fn: (...args: A) => R, ...args: A): R;
  /**
   * Sets the value from here on, if the storage supports it. The caller restores the previous value in a `finally`, as
   * `run` does. This avoids a stack frame of the storage per call, which matters in deep recursion.
   */
  enterWith?(value: T | undefined): void;
}

/** @internal The default storage, based on `AsyncLocalStorage`. */
export function asyncLocalScopes<T>(): CallStorage<T> {
  const storage = new AsyncLocalStorage<T | undefined>();
  // Extends the object itself: a wrapper around its `run` would add a frame to every stack.
  return Object.assign(storage, { get: () => storage.getStore() }) as CallStorage<T>;
}

/** @internal Adapts a custom storage by binding the arguments, which adds no frame either. */
export function callStorageOn<T>(storage: ScopeStorage<T>): CallStorage<T> {
  return {
    get: () => storage.get(),
    run: (value, fn, ...args) =>
      storage.run(value, Function.prototype.bind.call(fn, undefined, ...args) as () => ReturnType<typeof fn>),
  };
}
