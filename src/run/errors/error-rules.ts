/** A class of errors, including one whose constructor is not public. */
// biome-ignore lint/suspicious/noExplicitAny: whatever its constructor takes
export type ErrorClass = abstract new (...args: any[]) => unknown;

/** @internal What a run's options say of errors. */
export interface ErrorRules {
  readonly ignore?: readonly (ErrorClass | string)[] | Asked | undefined;
  readonly aborted?: Asked | undefined;
}

/** @internal */
export type Asked = (error: never, args: never) => unknown;
