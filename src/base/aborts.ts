/**
 * What an upload or download is given up for. A signal may be none of Node's: those of jsdom do not have all that
 * theirs have.
 */
export const reasonOf = (signal: AbortSignal): unknown =>
  signal.reason ?? Object.assign(new Error("This operation was aborted"), { name: "AbortError" });

/** @throws what it is given up for, if it is. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}
