/**
 * Returns the reason an upload or download was aborted. Signals from other implementations, such as jsdom's, may lack
 * `reason`.
 */
export const reasonOf = (signal: AbortSignal): unknown =>
  signal.reason ?? Object.assign(new Error("This operation was aborted"), { name: "AbortError" });

/** @throws the abort reason, if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}
