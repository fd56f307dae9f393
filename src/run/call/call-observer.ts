import type { Scope } from "../scope.js";

/** Receives the events of a call. Implementations never throw. */
export interface CallObserver {
  /** The scope in which the call's body runs. */
  readonly scope: Scope | undefined;
  /** Gives the call a scope object of its own, even where it shares the caller's run. */
  isolate(): void;
  /** Whether streams are kept as files, and thereby read. */
  readonly keepsStreams: boolean;
  /** Whether the call's body has begun; a generator function's body begins with the first `next`. */
  readonly begun: boolean;
  /** A generator is iterated for the first time. */
  begin(): void;
  /** A generator yielded. */
  step(value: unknown): void;
  /** The call returned, or its promise was fulfilled; `value` is the result. */
  done(value: unknown): void;
  /** The call threw, or its promise was rejected. */
  failed(error: unknown): void;
  /** A generator, or what else is followed, was left early or garbage collected. */
  abandoned(status?: "FINISHED" | "KILLED"): void;
  /** A generator ran to its end. */
  exhausted(): void;
  /** The result is a thenable whose `then` may have side effects, so it is not called. */
  untouchable(): void;
  /** What follows the result failed; the program gets its result all the same. */
  broken(what: string, error: unknown): void;
}
