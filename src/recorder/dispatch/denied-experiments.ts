import timers from "node:timers";
import { later } from "../../base/detached.js";
import type { ExperimentRef } from "../../base/entities.js";
import type { PulseError } from "../../base/errors.js";

// Captured now, so that a test that later installs fake timers does not stop delivery.
const { clearTimeout } = timers;

/** Bounds of the wait before a denied experiment is tried again, which doubles each time. */
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;
/** A refusal this soon after other work of the experiment was accepted concerns the run alone. */
const RECENT_MS = 1_000;
/** The number of experiments whose last acceptance is remembered. */
const MAX_REMEMBERED = 1_000;

/** Returns a key for an experiment, whether it is given by name or id. */
export const experimentKey = (ref: ExperimentRef): string =>
  JSON.stringify({ ...("id" in ref ? { id: ref.id } : { name: ref.name }), of: ref.of });

/** An experiment whose runs wait. */
interface Denied {
  readonly reason: string;
  readonly waitMs: number;
  timer: NodeJS.Timeout;
  /** Whether the next change may be sent as a probe. */
  due: boolean;
  /** Whether a probe is in flight. */
  probing: boolean;
}

/**
 * Experiments that the store denies to these credentials, while it accepts others. Their runs wait without a request
 * for each: from time to time one change is sent as a probe, and if it is accepted, all others follow.
 */
export class DeniedExperiments {
  readonly #denied = new Map<string, Denied>();
  readonly #accepted = new Map<string, number>();
  readonly #retry: () => void;

  /** `retry` is called when waiting work should be reconsidered. */
  constructor(retry: () => void) {
    this.#retry = retry;
  }

  /** Whether any experiment is denied. */
  get any(): boolean {
    return this.#denied.size > 0;
  }

  /** The reason for each denied experiment, by experiment key. */
  get reasons(): [experiment: string, reason: string][] {
    return [...this.#denied].map(([key, { reason }]) => [key, reason]);
  }

  /** Whether runs of an experiment wait. */
  has(experiment: string): boolean {
    return this.#denied.has(experiment);
  }

  /** Whether runs of an experiment wait and none may be sent now. */
  closed(experiment: string): boolean {
    return this.#denied.get(experiment)?.due === false;
  }

  /**
   * Whether a change of an experiment may be sent now. For a denied one, this lets one probe through when it is due.
   */
  admits(experiment: string): boolean {
    const denied = this.#denied.get(experiment);
    if (denied === undefined) return true;
    const { due } = denied;
    if (due) {
      // If the outcome is never reported (its outbox was released), another probe is due after a while.
      clearTimeout(denied.timer);
      denied.timer = later(() => this.undecided(experiment), MAX_WAIT_MS).unref();
      denied.probing = true;
    }
    denied.due = false;
    return due;
  }

  /** Makes the next probe due: the last one got no answer about its experiment, or its time has come. */
  undecided(experiment: string): void {
    const denied = this.#denied.get(experiment);
    if (denied === undefined) return;
    denied.due = true;
    denied.probing = false;
    this.#retry();
  }

  /** A change was refused. Returns whether its whole experiment waits now, or only its run. */
  refused(experiment: string, error: PulseError): "experiment" | "run" {
    const accepted = this.#accepted.get(experiment);
    if (accepted !== undefined && performance.now() - accepted < RECENT_MS) return "run";
    const before = this.#denied.get(experiment);
    if (before?.probing === false) return "experiment"; // it was in flight when the experiment was denied
    clearTimeout(before?.timer);
    const waitMs = before ? Math.min(MAX_WAIT_MS, before.waitMs * 2) : FIRST_WAIT_MS;
    const timer = later(() => this.undecided(experiment), waitMs).unref();
    this.#denied.set(experiment, { reason: error.message, waitMs, timer, due: false, probing: false });
    return "experiment";
  }

  /** A change was accepted, so the waiting work of its experiment may be sent. */
  accepted(experiment: string): void {
    this.#accepted.delete(experiment);
    this.#accepted.set(experiment, performance.now());
    if (this.#accepted.size > MAX_REMEMBERED) this.#accepted.delete(this.#accepted.keys().next().value as string);
    const denied = this.#denied.get(experiment);
    if (denied === undefined) return;
    clearTimeout(denied.timer);
    this.#denied.delete(experiment);
    this.#retry();
  }

  stop(): void {
    for (const { timer } of this.#denied.values()) clearTimeout(timer);
  }
}
