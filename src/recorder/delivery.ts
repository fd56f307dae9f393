import { AsyncResource } from "node:async_hooks";
import type { Clock } from "../clock.js";
import type { Diagnostics } from "../diagnostics.js";
import type { ExperimentRef } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import type { Outcome, RunChange, TrackingStore } from "../stores/tracking-store.js";
import { DeniedExperiments, experimentKey } from "./denied-experiments.js";

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { setImmediate, setTimeout, clearTimeout } = globalThis;
/** Delivery is nobody's call: what it does must not be seen in the async context of whoever happened to record last. */
const nobody = new AsyncResource("pulse-mlflow");
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Bounds of the wait between two tries, doubled each time, with full jitter. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 30_000;
const MOST_DOUBLINGS = 16;
/** So many calls have to be accepted before one more may be under way after the store failed. */
const WIDER_AFTER = 20;
/** A store that has been busy this long is worth a warning; shorter is everyday contention. */
const BUSY_WARN_MS = 5_000;

/** What delivery works with. */
export interface DeliveryOptions {
  readonly store: TrackingStore;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
}

/** Changes on their way to the store, and who books what became of them. */
export interface Parcel {
  readonly changes: readonly RunChange[];
  /** Somebody else has taken over (the process is exiting): what comes back is of no interest any more. */
  readonly recalled?: boolean;
  settle(outcomes: readonly Outcome[]): void;
}

/** Where changes come from: what is in memory, or an outbox. */
export interface Source {
  /** Whether `take` may give something. */
  readonly ready: boolean;
  /** Gives the next changes, at most `items` items of at most `runs` runs; nothing although it is ready when it has to look further. */
  take(items: number, runs: number): Parcel | undefined;
  /** Looks again at what it has passed over because its experiment was denied. */
  retryDenied?(): void;
}

/**
 * Brings changes from their sources to the store, as many at once as the store likes. A store that is away is a circuit
 * that is open: nothing is sent for a while, then one parcel as a probe, and all of it again when that was accepted.
 */
export class Delivery {
  /** When the store last accepted something, on the clock that is never set back. */
  lastAccepted: number = Number.NEGATIVE_INFINITY;
  readonly #options: DeliveryOptions;
  readonly #sources: Source[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #scheduled = false;
  #stopped = false;
  #pause: NodeJS.Timeout | undefined;
  #pauseUntil = 0;
  #probing = false;
  #tries = 0;
  #refusingSince: number | undefined;
  #settled: (() => void)[] = [];
  /** How many calls of `apply` may be under way now: halved when the store fails, and one more each time it has accepted many. */
  #width: number;
  #accepted = 0;
  /** The experiments whose runs wait apart. */
  readonly denied: DeniedExperiments = new DeniedExperiments(() => {
    for (const source of this.#sources) source.retryDenied?.();
    this.schedule();
  });

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#width = options.store.width ?? 1;
  }

  /** Has delivery also take from this source. */
  add(source: Source): void {
    this.#sources.push(source);
  }

  /** Lets a source go. */
  remove(source: Source): void {
    const at = this.#sources.indexOf(source);
    if (at >= 0) this.#sources.splice(at, 1);
  }

  /** Has delivery begin at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#pause !== undefined || this.#full) return;
    this.#scheduled = true;
    // Referenced for this one turn: an unreferenced immediate does not wake an idle loop, which would wait for its next event.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** Begins at once, cutting a wait short. */
  wake(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#pump();
  }

  /** Sends nothing more. */
  stop(): void {
    this.#stopped = true;
    this.denied.stop();
    clearTimeout(this.#pause);
  }

  /** Resolves at the next booking, or after `withinMs` milliseconds. */
  nextSettled(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(withinMs, LONGEST_TIMER_MS)); // referenced: only who waits for delivery keeps the process alive
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** How long the store has been refusing, in milliseconds; 0 while it accepts. */
  get refusingFor(): number {
    return this.#refusingSince === undefined ? 0 : performance.now() - this.#refusingSince;
  }

  /** Has the store write one parcel before it returns, waiting for locks at most `waitMs`: true when it took it, false when there was none, else why not. */
  writeSync(waitMs: number): boolean | PulseError {
    const { store } = this.#options;
    const parcel = this.#take(Number.POSITIVE_INFINITY);
    if (parcel === undefined) return false;
    let outcomes: readonly Outcome[];
    try {
      outcomes = store.applySync?.(parcel.changes, waitMs) ?? allAway(parcel.changes, undefined);
    } catch (error) {
      outcomes = allAway(parcel.changes, error);
    }
    return this.book(parcel, outcomes) ?? true;
  }

  /** A wait before something is tried again: longer each time, spread so that many clients do not come at once. */
  backoff(tries: number): number {
    const ceiling = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(tries, MOST_DOUBLINGS));
    return Math.ceil(ceiling * this.#options.clock.random());
  }

  /** Books what became of a parcel; gives the reason when the store takes nothing now. */
  book(parcel: Parcel, outcomes: readonly Outcome[]): PulseError | undefined {
    const away = outcomes.findLast((outcome) => outcome.kind === "away");
    if (outcomes.some(({ kind }) => kind === "done")) {
      this.lastAccepted = performance.now();
      if (++this.#accepted % WIDER_AFTER === 0) this.#width = Math.min(this.#options.store.width ?? 1, this.#width + 1);
    } else if (outcomes.some(isTrouble)) {
      this.#width = Math.max(1, this.#width >> 1);
      this.#accepted = 0;
    }
    parcel.settle(outcomes);
    if (away) this.#postpone(away);
    else if (outcomes.some(({ kind }) => kind !== "retry")) {
      this.#tries = 0;
      this.#probing = false;
      this.#refusingSince = undefined;
    }
    for (const notify of this.#settled.splice(0)) notify();
    return away?.error;
  }

  /** Takes note that the store took a change of an experiment; one that writes on the event loop denies none. */
  accepted(experiment: ExperimentRef): void {
    if (this.#options.store.applySync === undefined) this.denied.accepted(experimentKey(experiment));
  }

  get #full(): boolean {
    return this.#stopped || this.#underWay.size >= (this.#probing ? 1 : this.#width);
  }

  /** Takes the next changes, of at most `runs` runs, from each source in turn: what is kept on disk must not wait until memory is empty. */
  #take(runs: number): Parcel | undefined {
    for (const source of this.#sources) {
      const parcel = source.ready ? source.take(this.#options.store.batchItems, runs) : undefined;
      if (parcel === undefined) continue;
      this.remove(source);
      this.add(source);
      return parcel;
    }
    return undefined;
  }

  #pump(): void {
    nobody.runInAsyncScope(() => this.#sendAll());
  }

  #sendAll(): void {
    const { batchRuns = Number.POSITIVE_INFINITY } = this.#options.store;
    while (this.#pause === undefined && !this.#full) {
      const parcel = this.#take(batchRuns);
      if (parcel === undefined) {
        if (this.#sources.some(({ ready }) => ready)) this.schedule();
        return;
      }
      const sending = this.#send(parcel).finally(() => {
        this.#underWay.delete(sending);
        // The next one waits for the loop to come round, so that a long queue never holds it.
        if (this.#sources.some(({ ready }) => ready)) this.schedule();
      });
      this.#underWay.add(sending);
    }
  }

  async #send(parcel: Parcel): Promise<void> {
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#options.store.apply(parcel.changes);
    } catch (error) {
      outcomes = allAway(parcel.changes, error);
    }
    if (parcel.recalled) return;
    try {
      this.book(parcel, outcomes);
    } catch (error) {
      // Whatever goes wrong here must not end the program.
      this.#options.diagnostics.warnLater(new PulseError("STORE_UNAVAILABLE", `Booking failed: ${messageOf(error)}.`, error));
    }
  }

  #postpone({ error, afterMs }: Outcome & { kind: "away" }): void {
    this.#probing = true;
    this.#refusingSince ??= performance.now();
    if (error.code !== "STORE_BUSY" || this.refusingFor >= BUSY_WARN_MS) this.#options.diagnostics.warnLater(error);
    // What else was under way fails for the same reason: one interruption is one try.
    const first = this.#pause === undefined;
    const wait = Math.max(afterMs ?? 0, first && error.code !== "STORE_BUSY" ? this.backoff(this.#tries++) : 0);
    const until = performance.now() + wait;
    if (!first && until <= this.#pauseUntil) return;
    clearTimeout(this.#pause);
    this.#pauseUntil = until;
    this.#pause = setTimeout(() => this.wake(), wait).unref();
  }
}

/** Whether an outcome says that the store cannot keep up. (One that is locked is asked again soon anyway.) */
function isTrouble(outcome: Outcome): boolean {
  return outcome.kind === "retry" || (outcome.kind === "away" && outcome.error.code !== "STORE_BUSY");
}

/** The outcomes when a store fails as a whole. */
function allAway(changes: readonly RunChange[], error: unknown): Outcome[] {
  const problem =
    error instanceof PulseError ? error : new PulseError("STORE_UNAVAILABLE", `The store failed unexpectedly: ${messageOf(error)}.`, error);
  return changes.map(() => ({ kind: "away", error: problem }));
}
