import type { Scope } from "../scope.js";

/** What happens to a call as its result unfolds. Whoever implements it never throws. */
export interface CallObserver {
  /** The call's own context. */
  readonly scope: Scope | undefined;
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
