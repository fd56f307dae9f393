import timers from "node:timers";
import type { Clock } from "../../base/clock.js";
import { detached, soon } from "../../base/detached.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import { experimentLabel } from "../../base/entities.js";
import { MlflowError, messageOf, PulseError } from "../../base/errors.js";
import { NO_ANSWER, type Outcome } from "../../contracts/tracking-store.js";
import { conflictWarning } from "../changes/param-conflict.js";
import { backOff, CircuitBreaker } from "./breaker.js";
import type { Batch, ChangeLog, Decision, Target, Work } from "./change-log.js";
import { DeniedExperiments, experimentKey } from "./denied-experiments.js";
import { Failures } from "./failures.js";

// Captured now, so that a test that later installs fake timers does not stop delivery.
const { setTimeout, clearTimeout } = timers;
/** The longest delay of a timer; with a longer one it would fire at once. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;
/** How long a store may be busy before a warning is given; shorter contention is normal. */
const BUSY_WARN_MS = 5_000;

/** The parts and callbacks of a dispatcher. */
export interface DispatcherOptions<W extends Work> {
  readonly store: Target<W>;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
  /** Called with the reason whenever the store is unavailable. */
  readonly onAway?: ((error: PulseError) => void) | undefined;
  /** Called when outcomes have been handled. */
  readonly onSettled?: (() => void) | undefined;
  /** Called in each turn before work is taken. */
  readonly turn?: (() => void) | undefined;
}

/**
 * Sends work from change logs to the store, with as much parallelism as the store allows, and decides what each
 * outcome means: retries, back-off, waiting for permission, setting aside. This is the only place that does,
 * whichever log the work comes from.
 */
export class Dispatcher<W extends Work> {
  /** When the store last accepted something, by the monotonic clock. */
  lastAccepted: number = Number.NEGATIVE_INFINITY;
  readonly #options: DispatcherOptions<W>;
  readonly #logs: ChangeLog<W>[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #breaker: CircuitBreaker;
  /** Failures by run. */
  readonly #failures = new Map<string, Failures>();
  /** The experiments whose runs wait for permission. */
  readonly denied: DeniedExperiments;
  #scheduled = false;
  #stopped = false;
  #settled: (() => void)[] = [];
  /** When "unavailable" was reported to listeners; undefined while the store is available for them. */
  #toldAwayAt: number | undefined;

  constructor(options: DispatcherOptions<W>) {
    const { store, clock } = options;
    this.#options = options;
    this.#breaker = new CircuitBreaker(
      store.width ?? 1,
      () => clock.random(),
      () => this.#turn(),
    );
    this.denied = new DeniedExperiments(() => {
      for (const log of this.#logs) log.reopen();
      this.schedule();
    });
  }

  /** Adds a log to take work from. */
  add(log: ChangeLog<W>): void {
    this.#logs.push(log);
  }

  /** Removes a log. */
  remove(log: ChangeLog<W>): void {
    const at = this.#logs.indexOf(log);
    if (at >= 0) this.#logs.splice(at, 1);
  }

  /** Starts sending at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#breaker.open || this.#full) return;
    this.#scheduled = true;
    // Ref'd for this one turn: an unref'd immediate does not wake an idle event loop.
    soon(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    this.#options.turn?.();
    this.#pump();
  }

  /** Starts sending at once, without waiting for a back-off. */
  wake(): void {
    this.#breaker.cut();
    this.#pump();
  }

  /** Stops sending. */
  stop(): void {
    this.#stopped = true;
    this.denied.stop();
    this.#breaker.cut();
  }

  /** Resolves when outcomes have been handled, or after `withinMs` milliseconds. */
  nextSettled(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      // Ref'd: whoever waits for delivery keeps the process alive.
      const timer = setTimeout(resolve, Math.min(withinMs, MAX_TIMER_MS));
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Wakes up those who wait, because something was handled here or elsewhere. */
  notifySettled(): void {
    for (const notify of this.#settled.splice(0)) notify();
  }

  /** How long the store has been refusing, in milliseconds; 0 while it accepts. */
  get refusingFor(): number {
    return this.#breaker.refusingFor;
  }

  /** Whether a run backs off because the store denies that run alone. */
  isDenied(runKey: string): boolean {
    return this.#failures.get(runKey)?.isDenied === true;
  }

  /**
   * Writes one batch synchronously, waiting for locks at most `waitMs` milliseconds. Returns true if the store
   * accepted it, false if there was none, otherwise the reason.
   */
  writeSync(waitMs: number): boolean | PulseError {
    const { store } = this.#options;
    const batch = this.#take(Number.POSITIVE_INFINITY);
    if (batch === undefined) return false;
    let outcomes: readonly Outcome[];
    try {
      outcomes = detached(() => store.applySync?.(batch.work, waitMs)) ?? allAway(batch.work, undefined);
    } catch (error) {
      outcomes = allAway(batch.work, error);
    }
    return this.#book(batch, outcomes) ?? true;
  }

  /** Whether something was sent and not answered yet. */
  get unanswered(): boolean {
    return this.#underWay.size > 0;
  }

  get #full(): boolean {
    return this.#stopped || this.#underWay.size >= this.#breaker.concurrency;
  }

  /**
   * Takes work of at most `runs` runs from the next log that has some. Logs take turns (round-robin), so that the
   * outbox does not wait until memory is empty.
   */
  #take(runs: number): Batch<W> | undefined {
    for (const log of this.#logs) {
      const batch = log.ready ? log.take(this.#options.store.batchItems, runs) : undefined;
      if (batch === undefined) continue;
      this.remove(log);
      this.add(log);
      return batch;
    }
    return undefined;
  }

  #pump(): void {
    detached(() => this.#sendAll());
  }

  #sendAll(): void {
    const { batchRuns = Number.POSITIVE_INFINITY } = this.#options.store;
    while (!this.#breaker.open && !this.#full) {
      const batch = this.#take(batchRuns);
      if (batch === undefined) {
        if (this.#logs.some(({ ready }) => ready)) this.schedule();
        return;
      }
      const sending = this.#send(batch).finally(() => {
        this.#underWay.delete(sending);
        // The next batch waits for the event loop to turn, so that a long queue does not block it.
        if (this.#logs.some(({ ready }) => ready)) this.schedule();
      });
      this.#underWay.add(sending);
    }
  }

  async #send(batch: Batch<W>): Promise<void> {
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#options.store.apply(batch.work);
    } catch (error) {
      outcomes = allAway(batch.work, error);
    }
    if (batch.recalled) {
      // If it was a probe, another one may be sent.
      if (this.denied.any) for (const { experiment } of batch.work) this.denied.undecided(experimentKey(experiment));
      return;
    }
    try {
      this.#book(batch, outcomes);
    } catch (error) {
      // An error here must not end the program.
      this.#options.diagnostics.warnAsync(
        new PulseError("STORE_UNAVAILABLE", `Handling the store's answer failed: ${messageOf(error)}.`, error),
      );
    }
  }

  /** Handles the outcomes of a batch. Returns the reason if the store is unavailable. */
  #book(batch: Batch<W>, outcomes: readonly Outcome[]): PulseError | undefined {
    let away: (Outcome & { kind: "away" }) | undefined;
    // A loop, since there may be thousands of outcomes.
    for (const outcome of outcomes) if (outcome.kind === "away") away = outcome;
    if (outcomes.some(({ kind }) => kind === "done")) {
      this.lastAccepted = performance.now();
      this.#breaker.accepted();
    } else if (outcomes.some(isTrouble)) this.#breaker.struggled();
    batch.conclude(batch.work.map((work, i) => this.#decide(work, outcomes[i] ?? NO_ANSWER, batch.divisible(i))));
    if (away) this.#away(away);
    else if (outcomes.some(({ kind }) => kind !== "retry")) this.#answered();
    this.notifySettled();
    this.#options.onSettled?.();
    return away?.error;
  }

  /** Decides what an outcome means for one piece of work. */
  #decide(work: W, outcome: Outcome, divisible: boolean): Decision {
    const { denied } = this;
    const { runKey, experiment } = work;
    if (denied.any && outcome.kind !== "done" && outcome.kind !== "denied") denied.undecided(experimentKey(experiment));
    switch (outcome.kind) {
      case "done":
        if (this.#failures.size > 0) this.#failures.delete(runKey);
        // A store in memory never denies anything: no need to remember what it accepts.
        if (this.#options.store.volatile !== true) denied.accepted(experimentKey(experiment));
        if (outcome.refused) this.#options.diagnostics.refused(outcome.refused);
        return outcome;
      case "away":
        return { kind: "again", error: outcome.error };
      case "conflict":
        this.#options.diagnostics.warnAsync(
          conflictWarning(outcome.params, runKey, experiment),
          outcome.params.join(" "),
        );
        return { kind: "withoutParams", params: outcome.params };
      case "retry":
        return this.#retry(work, outcome.error);
      case "denied":
        return this.#denied(runKey, experimentKey(experiment), outcome.error);
      case "rejected":
        return divisible ? { kind: "split" } : this.#reject(work, outcome.error);
    }
  }

  /**
   * Handles a failure of the store on this work: its run backs off alone, and the work is set aside if the store
   * keeps failing on it while it accepts others.
   */
  #retry(work: W, error: PulseError): Decision {
    const failures = this.#failuresOf(work.runKey);
    if (failures.more(this.lastAccepted)) return this.#reject(work, error);
    this.#options.diagnostics.warnAsync(error, work.subject);
    return { kind: "later", afterMs: this.#backOff(failures), error };
  }

  /**
   * Handles work that the store denies to these credentials: it waits with its experiment, or alone if other work of
   * the experiment is accepted.
   */
  #denied(runKey: string, experiment: string, error: PulseError): Decision {
    this.#options.diagnostics.warnAsync(error, experiment);
    if (this.denied.refused(experiment, error) === "experiment") return { kind: "denied", error };
    const failures = this.#failuresOf(runKey);
    failures.denied();
    return { kind: "later", afterMs: this.#backOff(failures), error };
  }

  #reject({ runKey, experiment, subject }: W, error: PulseError): Decision {
    this.#failures.delete(runKey);
    this.#options.diagnostics.warnAsync(
      ofRun(error, `run ${runKey}, experiment ${experimentLabel(experiment)}`),
      subject,
    );
    return { kind: "rejected", error };
  }

  #failuresOf(runKey: string): Failures {
    const failures = this.#failures.get(runKey) ?? new Failures();
    this.#failures.set(runKey, failures);
    return failures;
  }

  #backOff({ doublings }: Failures): number {
    return backOff(doublings, () => this.#options.clock.random());
  }

  #away({ error, afterMs }: Outcome & { kind: "away" }): void {
    this.#options.onAway?.(error);
    this.#breaker.away(error, afterMs);
    if (error.code === "STORE_BUSY" && this.refusingFor < BUSY_WARN_MS) return;
    const { diagnostics, store } = this.#options;
    diagnostics.warnAsync(error);
    if (this.#toldAwayAt !== undefined || store.uri === undefined) return;
    this.#toldAwayAt = performance.now() - this.refusingFor;
    diagnostics.events.emit("unavailable", { uri: store.uri, error });
  }

  #answered(): void {
    this.#breaker.answered();
    const { diagnostics, store } = this.#options;
    if (this.#toldAwayAt === undefined || store.uri === undefined) return;
    diagnostics.events.emit("available", { uri: store.uri, afterMs: Math.round(performance.now() - this.#toldAwayAt) });
    this.#toldAwayAt = undefined;
  }
}

/** Adds the run to an error, since a server's refusal does not name it. */
function ofRun(error: PulseError, place: string): PulseError {
  if (error.code !== "REJECTED" || error.message.includes("experiment ")) return error;
  const detail = `${error.message.replace(/\.$/, "")} (${place}).`;
  if (!(error instanceof MlflowError)) return new PulseError(error.code, detail, error.cause);
  return new MlflowError(error.code, detail, error.errorCode, error.httpStatus, error.serverMessage);
}

/** Whether an outcome shows that the store cannot keep up. (A locked store is asked again soon anyway.) */
function isTrouble(outcome: Outcome): boolean {
  return outcome.kind === "retry" || (outcome.kind === "away" && outcome.error.code !== "STORE_BUSY");
}

/** Returns the outcomes for a call that failed as a whole. */
function allAway(work: readonly Work[], error: unknown): Outcome[] {
  const problem =
    error instanceof PulseError
      ? error
      : new PulseError("STORE_UNAVAILABLE", `The store failed unexpectedly: ${messageOf(error)}.`, error);
  return work.map(() => ({ kind: "away", error: problem }));
}
