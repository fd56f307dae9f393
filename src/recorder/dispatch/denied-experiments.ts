import timers from "node:timers";
import { later } from "../../base/detached.js";
import type { ExperimentRef } from "../../base/entities.js";
import type { PulseError } from "../../base/errors.js";

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { clearTimeout } = timers;

/** Bounds of the wait before a denied experiment is tried again, doubled each time. */
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;
/** A refusal this soon after something else of the experiment was accepted is about the run alone. */
const RECENT_MS = 1_000;
/** Experiments whose last acceptance is remembered. */
const MAX_REMEMBERED = 1_000;

/** One text for an experiment, whether it is named or has an id. */
export const experimentKey = (ref: ExperimentRef): string =>
  JSON.stringify({ ...("id" in ref ? { id: ref.id } : { name: ref.name }), of: ref.of });

/** An experiment whose runs wait. */
interface Denied {
  readonly reason: string;
  readonly waitMs: number;
  timer: NodeJS.Timeout;
  /** The next change that asks may go, to see whether the answer is still the same. */
  due: boolean;
  /** One is on its way. */
  probing: boolean;
}

/**
 * The experiments that the store refuses to these credentials, which it accepts elsewhere. Their runs wait apart,
 * without a request for each: from time to time one goes as a probe, and when it is accepted all the others follow.
 */
export class DeniedExperiments {
  readonly #denied = new Map<string, Denied>();
  readonly #accepted = new Map<string, number>();
  readonly #retry: () => void;

  /** `retry` is called when what was passed over is to be looked at again. */
  constructor(retry: () => void) {
    this.#retry = retry;
  }

  /** Whether there is any: nothing has to be asked otherwise. */
  get any(): boolean {
    return this.#denied.size > 0;
  }

  /** Why the runs of each experiment wait, by its key. */
  get reasons(): [experiment: string, reason: string][] {
    return [...this.#denied].map(([key, { reason }]) => [key, reason]);
  }

  /** Whether runs of an experiment wait. */
  has(experiment: string): boolean {
    return this.#denied.has(experiment);
  }

  /** Whether runs of an experiment wait and none of them may go now. */
  closed(experiment: string): boolean {
    return this.#denied.get(experiment)?.due === false;
  }

  /** Whether a change of an experiment may go now; of a denied one, one at a time when it is due. */
  admits(experiment: string): boolean {
    const denied = this.#denied.get(experiment);
    if (denied === undefined) return true;
    const { due } = denied;
    if (due) {
      // Should nobody say what became of it (the outbox it came from was let go), the next one asks after a while.
      clearTimeout(denied.timer);
      denied.timer = later(() => this.undecided(experiment), MAX_WAIT_MS).unref();
      denied.probing = true;
    }
    denied.due = false;
    return due;
  }

  /** The one that was let through has got no answer about its experiment, or it is time again: the next may ask. */
  undecided(experiment: string): void {
    const denied = this.#denied.get(experiment);
    if (denied === undefined) return;
    denied.due = true;
    denied.probing = false;
    this.#retry();
  }

  /** A change was refused: says whether its whole experiment waits now, or the run alone is to. */
  refused(experiment: string, error: PulseError): "experiment" | "run" {
    const accepted = this.#accepted.get(experiment);
    if (accepted !== undefined && performance.now() - accepted < RECENT_MS) return "run";
    const before = this.#denied.get(experiment);
    if (before?.probing === false) return "experiment"; // what was under way when it was denied
    clearTimeout(before?.timer);
    const waitMs = before ? Math.min(MAX_WAIT_MS, before.waitMs * 2) : FIRST_WAIT_MS;
    const timer = later(() => this.undecided(experiment), waitMs).unref();
    this.#denied.set(experiment, { reason: error.message, waitMs, timer, due: false, probing: false });
    return "experiment";
  }

  /** A change was accepted: what waits of its experiment may go. */
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
