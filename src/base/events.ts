import { types } from "node:util";
import { detached } from "./detached.js";
import type { PulseError } from "./errors.js";

/** The events of a tracker, by name. */
export interface TrackerEvents {
  /** The tracking store no longer accepts anything. Emitted once per outage, with the first error; recorded data waits. */
  unavailable: { readonly uri: string; readonly error: PulseError };
  /** The tracking store answers again. `afterMs` is the length of the outage in milliseconds. */
  available: { readonly uri: string; readonly afterMs: number };
  /** Changes were lost because memory or disk was full, or at exit. `error` is the first reason, if known. */
  dropped: { readonly changes: number; readonly error: PulseError | undefined };
  /** The store refused changes because of their content. `error` is the first reason, if known. */
  rejected: { readonly changes: number; readonly error: PulseError | undefined };
}

type Listener<E extends keyof TrackerEvents> = (event: TrackerEvents[E]) => unknown;
type Counted = "dropped" | "rejected";

/** @internal The listeners of one tracker. They are called after our own work is done, outside any call. */
export class Events {
  readonly #listeners = new Map<keyof TrackerEvents, Set<Listener<never>>>();
  /** A listener that records on a closed tracker causes events itself, which would never end: they are left out. */
  #telling = false;
  /** Pending events, in order; the counts of one kind are merged into one event. */
  #waiting: { readonly name: keyof TrackerEvents; event: TrackerEvents[keyof TrackerEvents] }[] = [];
  readonly #failed: (name: keyof TrackerEvents, error: unknown) => void;
  /** Whether to emit synchronously, because the process is about to end. */
  atOnce = false;

  /** `failed` is called when a listener throws or rejects. */
  constructor(failed: (name: keyof TrackerEvents, error: unknown) => void) {
    this.#failed = failed;
  }

  /** Adds a listener; returns a function that removes it. */
  on<E extends keyof TrackerEvents>(name: E, listener: Listener<E>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    const own: Listener<never> = (event) => listener(event); // a new function, because the same listener may be added twice
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Emits an event. */
  emit<E extends keyof TrackerEvents>(name: E, event: TrackerEvents[E]): void {
    if (this.#telling || !this.#listeners.get(name)?.size) return;
    this.#waiting.push({ name, event });
    this.#soon();
  }

  /** Counts lost changes; all those of one turn become one event. */
  count(name: Counted, changes: number, error: PulseError | undefined): void {
    if (changes === 0 || this.#telling || !this.#listeners.get(name)?.size) return;
    const same = this.#waiting.find((each) => each.name === name);
    if (same === undefined) {
      this.emit(name, { changes, error });
      return;
    }
    const before = same.event as TrackerEvents[Counted];
    same.event = { changes: before.changes + changes, error: before.error ?? error };
  }

  #soon(): void {
    if (this.atOnce) this.tellAll();
    else if (this.#waiting.length === 1) detached(() => queueMicrotask(() => this.tellAll()));
  }

  /** Calls the listeners for all pending events. */
  tellAll(): void {
    if (this.#telling) return;
    this.#telling = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { name, event } of waiting)
      for (const listener of [...(this.#listeners.get(name) ?? [])])
        this.#tell(name, listener as Listener<never>, event);
    this.#telling = false;
  }

  #tell(name: keyof TrackerEvents, listener: Listener<never>, event: unknown): void {
    try {
      const given = listener(event as never);
      if (types.isPromise(given)) given.catch((error) => this.#failed(name, error));
    } catch (error) {
      this.#failed(name, error);
    }
  }
}
