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

/** The default storage, on `AsyncLocalStorage.run` (never `enterWith`, which leaks into the caller). */
export function asyncLocalScopes<T>(): ScopeStorage<T> {
  const storage = new AsyncLocalStorage<T | undefined>();
  return { get: () => storage.getStore(), run: (value, fn) => storage.run(value, fn) };
}
