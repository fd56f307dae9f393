import { shared } from "../base/shared-state.js";
import { asyncLocalScopes, type CallStorage, type RunContext } from "../context/scope-storage.js";

/** What carries the current scope. */
export interface ScopeCarrier<T> {
  storage: CallStorage<T>;
  /** The context given by the program, if any. */
  context: RunContext | undefined;
  readonly usual: CallStorage<T>;
}

/**
 * The carrier shared by all loaded copies of the package. Apart from `scope.ts`, which knows what a scope is: a run
 * enters itself.
 */
export const scopeCarrier: ScopeCarrier<never> = shared("scopes", (): ScopeCarrier<never> => {
  const usual = asyncLocalScopes<never>();
  return { storage: usual, context: undefined, usual };
});
