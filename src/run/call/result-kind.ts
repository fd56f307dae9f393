/** A call that lasts as long as its result. Only the first of `done`, `fail` and `leave` counts. */
export interface FollowedCall {
  /** Calls `fn` in the call's run, and returns what it returns. */
  enter<R>(fn: () => R): R;
  /**
   * Follows a part of the result of a built-in kind, such as a stream in it: the call ends as the part does, or at once
   * if it is of no such kind. Returns what takes the part's place.
   */
  follow<T extends object>(part: T): T;
  /** Captures a value that the result has given, as one that a generator yields: each is a step. */
  step(value: unknown): void;
  /** Ends the call. `value`, if given, is captured as its result. */
  done(value?: unknown): void;
  /** Ends the call as if it had thrown. */
  fail(error: unknown): void;
  /** Ends the call because its result was left before its end, with tag `pulse.partial`. @default "FINISHED" */
  leave(status?: "FINISHED" | "KILLED"): void;
}

/** A kind of results that are not complete when they are returned. */
export interface ResultKind<T = unknown> {
  /** For messages, such as `"knex"`. */
  readonly name: string;
  /** Whether a result is of this kind. Called with each object that a tracked call returns or resolves with. */
  matches(result: object): boolean;
  /**
   * Follows a result: tells the call what comes of it. Returns what the caller gets, which should be the result itself;
   * a result that is not iterated, awaited or read must not be so because of this. A call that returns what an inner
   * call has returned to it lasts as long, and is told the same.
   */
  follow(result: T, call: FollowedCall): T;
}
