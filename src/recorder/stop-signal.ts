import { sharedByProcess } from "../base/shared-state.js";

/** Our signal listeners and their state, shared by all loaded copies of the package. */
interface Signals {
  readonly listeners: Map<NodeJS.Signals, () => void>;
  /** Whether the process was asked to stop and has not started anything new since. */
  stopping: boolean;
  /** Whether the event loop has turned since: a run opened now is something new. */
  turned?: boolean;
}

export const signals: Signals = sharedByProcess("signals", () => ({ listeners: new Map(), stopping: false }));

/** Called when the process continues after a signal. */
export const survived: Set<() => void> = sharedByProcess("survived signals", () => new Set<() => void>());

/**
 * Notes that a run is opened. If this happens in a later turn than a signal, the program has survived it: the signal
 * then only counts for runs that were open when it came.
 */
export function opensRun(): void {
  if (signals.turned !== true) return;
  signals.turned = false;
  signals.stopping = false;
  for (const tell of survived) tell();
}
