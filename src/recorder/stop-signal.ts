import { sharedByProcess } from "../base/shared-state.js";

/** Our listeners of signals, and what has come of them. Of all loaded copies of the package. */
interface Signals {
  readonly listeners: Map<NodeJS.Signals, () => void>;
  /** Somebody has asked the process to stop, and it has not gone on to something new since. */
  stopping: boolean;
  /** The loop has come round since: a run that is opened now is something new. */
  turned?: boolean;
}

export const signals: Signals = sharedByProcess("signals", () => ({ listeners: new Map(), stopping: false }));

/** Told when the process goes on. */
export const survived: Set<() => void> = sharedByProcess("survived signals", () => new Set<() => void>());

/**
 * A run is opened: a program that does so in a later turn than the one in which a signal came has survived it. The
 * signal still counts for the runs that were open when it came, and for no others.
 */
export function opensRun(): void {
  if (signals.turned !== true) return;
  signals.turned = false;
  signals.stopping = false;
  for (const tell of survived) tell();
}
