import { types } from "node:util";
import { detached } from "./detached.js";
import { messageOf, PulseError, type PulseErrorCode } from "./errors.js";
import { Events } from "./events.js";

/** Receives warnings; `console` is one. */
export interface Logger {
  warn(message: string): void;
}

/**
 * What a tracker has done so far. A change is a run's start or end, a metric value, a param, a tag, a dataset or a
 * file.
 */
export interface Stats {
  /** Runs opened. */
  runs: number;
  /** Metric values recorded. */
  metrics: number;
  /** Params recorded. */
  params: number;
  /** Tags recorded by the user or a decorator. Source tags are not counted: they belong to a run's start. */
  tags: number;
  /** Dataset inputs recorded. */
  inputs: number;
  /** Files recorded as artifacts. */
  artifacts: number;
  /** Total size in bytes of the files recorded as artifacts. */
  artifactBytes: number;
  /** Runs left out by sampling; only root runs are counted. */
  unsampled: number;
  /** Calls that were folded into another run instead of getting their own. */
  folded: number;
  /** Changes the store has acknowledged. */
  delivered: number;
  /** Changes recorded and not yet acknowledged, dropped or rejected. */
  pending: number;
  /** Changes lost because memory or disk was full, or at exit. */
  dropped: number;
  /** Changes the store refused because of their content. */
  rejected: number;
  /** How often each kind of problem occurred, by code. */
  warnings: Partial<Record<PulseErrorCode, number>>;
}

/** A description; a function if it is expensive to build. */
type Detail = string | (() => string);

/**
 * How many problems of one kind are reported. Further ones are only counted, so that they do not drown out problems of
 * other kinds.
 */
const MAX_SUBJECTS = 50;
const FURTHER = "Further problems of this kind are only counted, in `stats().warnings`.";

const defaultLogger: Logger = { warn: (message) => console.warn(message) };

/** @internal One tracker's counters and warnings. Each problem is reported once and always counted. */
export class Diagnostics {
  readonly stats: Stats = {
    runs: 0,
    metrics: 0,
    params: 0,
    tags: 0,
    inputs: 0,
    artifacts: 0,
    artifactBytes: 0,
    unsampled: 0,
    folded: 0,
    delivered: 0,
    pending: 0,
    dropped: 0,
    rejected: 0,
    warnings: {},
  };
  /** The listeners of `tracker.on()`. */
  readonly events: Events = new Events((name, error) => {
    const detail = `A listener of "${name}" failed: ${messageOf(error)}.`;
    this.warnAsync(new PulseError("LISTENER_FAILED", detail, error), name);
  });
  readonly #strict: boolean;
  readonly #logger: Logger;
  readonly #reported = new Set<string>();
  /** How many problems of each kind were reported. */
  readonly #reportedOf = new Map<PulseErrorCode, number>();
  #deferred: PulseError | undefined;
  /** Messages to log once our own work is done. */
  readonly #pending: string[] = [];
  #exiting = false;

  constructor(options: { strict?: boolean | undefined; logger?: Logger | undefined } = {}) {
    this.#strict = options.strict ?? false;
    this.#logger = options.logger ?? defaultLogger;
  }

  /** Reports a problem found during a user's call: logged once, always counted, and thrown in strict mode. */
  warn(code: PulseErrorCode, detail: Detail, cause?: unknown, subject = ""): void {
    // Most problems are already reported, and creating an error is expensive.
    if (!this.#strict && this.#isReported(code, subject)) this.#count(code);
    else {
      const error = this.#note(code, detail, cause, subject);
      if (this.#strict) throw error;
    }
  }

  /** Reports something that is worth knowing but not a problem. Logged once per subject, never thrown. */
  notice(code: PulseErrorCode, detail: Detail, subject: string): void {
    if (this.#isReported(code, subject)) this.#count(code);
    else this.#note(code, detail, undefined, subject);
  }

  /** Whether a problem was already reported, or the limit for its kind is reached. */
  #isReported(code: PulseErrorCode, subject: string): boolean {
    return this.#reported.has(`${code} ${subject}`) || (this.#reportedOf.get(code) ?? 0) > MAX_SUBJECTS;
  }

  /**
   * Reports a problem found outside any call, for example during delivery: once per code and subject. In strict mode,
   * the next `flush()` throws it. It is logged after our own work is done, because a logger may do anything, even
   * record a run or end the process.
   */
  warnAsync(error: PulseError, subject = ""): void {
    const noted = this.#note(error.code, error, error.cause, subject, true);
    if (this.#strict) this.#deferred ??= noted;
  }

  /** Logs all pending messages, and from now on logs at once, because the process is about to end. */
  sayAll(): void {
    this.#exiting = true;
    this.#logPending();
    this.events.atOnce = true;
    this.events.tellAll();
  }

  #logPending(): void {
    for (let text = this.#pending.shift(); text !== undefined; text = this.#pending.shift()) this.#log(text);
  }

  /** Reports items that a store has refused, once per kind and key. */
  refused(some: readonly { readonly what: string; readonly key: string; readonly error: PulseError }[]): void {
    for (const { what, key, error } of some) this.warnAsync(error, `${what} ${key}`);
  }

  /** Runs `body` outside any user's call; what it throws (in strict mode) is kept for the next `flush()`. */
  apart(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#deferred ??=
        error instanceof PulseError
          ? error
          : new PulseError("CAPTURE_FAILED", `Something failed: ${messageOf(error)}.`, error);
    }
  }

  /** Returns and clears the first problem that strict mode kept for `flush()` and `shutdown()`. */
  takeDeferred(): PulseError | undefined {
    const error = this.#deferred;
    this.#deferred = undefined;
    return error;
  }

  #count(code: PulseErrorCode): void {
    const { warnings } = this.stats;
    warnings[code] = (warnings[code] ?? 0) + 1;
  }

  #note(code: PulseErrorCode, detail: Detail | PulseError, cause: unknown, subject: string, later = false): PulseError {
    this.#count(code);
    const error =
      detail instanceof PulseError
        ? detail
        : new PulseError(code, typeof detail === "string" ? detail : detail(), cause);
    if (!this.#isReported(code, subject)) {
      const count = (this.#reportedOf.get(code) ?? 0) + 1;
      this.#reportedOf.set(code, count);
      this.#reported.add(`${code} ${subject}`);
      const text = `pulse-mlflow: ${count > MAX_SUBJECTS ? FURTHER : error.message} [${code}]`;
      if (!later || this.#exiting) this.#log(text);
      else if (this.#pending.push(text) === 1) detached(() => queueMicrotask(() => this.#logPending()));
    }
    return error;
  }

  #log(text: string): void {
    try {
      const given: unknown = this.#logger.warn(text);
      if (types.isPromise(given)) given.catch(() => undefined); // an asynchronous logger
    } catch {
      // An error thrown by the logger must not reach the user's call.
    }
  }
}
