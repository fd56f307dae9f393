import { types } from "node:util";
import { detached } from "./detached.js";
import type { PulseError } from "./errors.js";

/** What a tracker tells those who listen, by the name of the event. */
export interface TrackerEvents {
  /** The store takes nothing any more; told once, with the first reason. What is recorded waits. */
  unavailable: { readonly uri: string; readonly error: PulseError };
  /** The store takes changes again. `afterMs`: how long it did not, in milliseconds. */
  available: { readonly uri: string; readonly afterMs: number };
  /** So many changes are lost, for want of memory or disk, or at the end. `error`: why, where one reason is known. */
  dropped: { readonly changes: number; readonly error: PulseError | undefined };
  /** The store refused so many changes for what they are. `error`: the first reason, where it is known. */
  rejected: { readonly changes: number; readonly error: PulseError | undefined };
}

type Listener<E extends keyof TrackerEvents> = (event: TrackerEvents[E]) => unknown;
type Counted = "dropped" | "rejected";

/** @internal Who listens to one tracker, and how they are told: behind our own work, outside of any call. */
export class Events {
  readonly #listeners = new Map<keyof TrackerEvents, Set<Listener<never>>>();
  /** What is to be told, in order; the counts of one kind become one event. */
  #waiting: { readonly name: keyof TrackerEvents; event: TrackerEvents[keyof TrackerEvents] }[] = [];
  readonly #failed: (name: keyof TrackerEvents, error: unknown) => void;
  /** The process is about to end: there is no later. */
  atOnce = false;

  /** `failed` is told when a listener throws or rejects. */
  constructor(failed: (name: keyof TrackerEvents, error: unknown) => void) {
    this.#failed = failed;
  }

  /** Has a function told of an event; gives how to end that. */
  on<E extends keyof TrackerEvents>(name: E, listener: Listener<E>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    const own: Listener<never> = (event) => listener(event); // the same function may listen twice
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Tells of an event. */
  emit<E extends keyof TrackerEvents>(name: E, event: TrackerEvents[E]): void {
    if (!this.#listeners.get(name)?.size) return;
    this.#waiting.push({ name, event });
    this.#soon();
  }

  /** Tells of lost changes, those of one turn together. */
  count(name: Counted, changes: number, error: PulseError | undefined): void {
    if (changes === 0 || !this.#listeners.get(name)?.size) return;
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

  /** Tells what waits. */
  tellAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { name, event } of waiting)
      for (const listener of [...(this.#listeners.get(name) ?? [])])
        this.#tell(name, listener as Listener<never>, event);
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
