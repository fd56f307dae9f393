import { types } from "node:util";
import { detached } from "./detached.js";
import { messageOf, PulseError, type PulseErrorCode } from "./errors.js";
import { Events } from "./events.js";

/** Where warnings go; `console` fits. */
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
  /** Tags recorded by the user or a decorator (source tags are part of the run's start). */
  tags: number;
  /** Dataset inputs recorded. */
  inputs: number;
  /** Files recorded as artifacts. */
  artifacts: number;
  /** Their size, in bytes. */
  artifactBytes: number;
  /** Runs that sampling left out, counted at their root. */
  unsampled: number;
  /** Calls that are no runs of their own but part of a folded one. */
  folded: number;
  /** Changes the store has acknowledged. */
  delivered: number;
  /** Changes recorded and not yet acknowledged, dropped or rejected. */
  pending: number;
  /** Changes lost for want of memory or at exit. */
  dropped: number;
  /** Changes the store refused for what they are. */
  rejected: number;
  /** How often each kind of problem was met, by code. */
  warnings: Partial<Record<PulseErrorCode, number>>;
}

/** What is wrong; a function where it is dear to say. */
type Detail = string | (() => string);

/**
 * So many problems of one kind are said, each once; beyond it only counting goes on, so that none is drowned by those
 * of another kind.
 */
const MAX_SUBJECTS = 50;
const FURTHER = "Further problems of this kind are only counted, in `stats().warnings`.";

const defaultLogger: Logger = { warn: (message) => console.warn(message) };

/** @internal One tracker's counters and its single voice: each kind of problem is said once and counted always. */
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
  /** Who listens. */
  readonly events: Events = new Events((name, error) => {
    const detail = `A listener of "${name}" failed: ${messageOf(error)}.`;
    this.warnAsync(new PulseError("LISTENER_FAILED", detail, error), name);
  });
  readonly #strict: boolean;
  readonly #logger: Logger;
  readonly #said = new Set<string>();
  /** How many of each kind were said. */
  readonly #saidOf = new Map<PulseErrorCode, number>();
  #deferred: PulseError | undefined;
  /** What is to be said once our own work is done. */
  readonly #unsaid: string[] = [];
  #exiting = false;

  constructor(options: { strict?: boolean | undefined; logger?: Logger | undefined } = {}) {
    this.#strict = options.strict ?? false;
    this.#logger = options.logger ?? defaultLogger;
  }

  /** Reports a problem found during a user's call: said once, counted; thrown when strict. */
  warn(code: PulseErrorCode, detail: Detail, cause?: unknown, subject = ""): void {
    // Most are said already, and an error is dear to make.
    if (!this.#strict && this.#isSaid(code, subject)) this.#count(code);
    else {
      const error = this.#note(code, detail, cause, subject);
      if (this.#strict) throw error;
    }
  }

  /** Says what is worth knowing and no problem: once per subject; never thrown. */
  notice(code: PulseErrorCode, detail: Detail, subject: string): void {
    if (this.#isSaid(code, subject)) this.#count(code);
    else this.#note(code, detail, undefined, subject);
  }

  /** Whether a problem was said already, or no more of its kind are. */
  #isSaid(code: PulseErrorCode, subject: string): boolean {
    return this.#said.has(`${code} ${subject}`) || (this.#saidOf.get(code) ?? 0) > MAX_SUBJECTS;
  }

  /**
   * Reports a problem found away from any call (delivery), once per code and subject; when strict, the next `flush()`
   * throws it. It is said behind our own work: a logger may do anything, record a run or end the process.
   */
  warnAsync(error: PulseError, subject = ""): void {
    const noted = this.#note(error.code, error, error.cause, subject, true);
    if (this.#strict) this.#deferred ??= noted;
  }

  /** Says what is left to say, and from now on at once: the process is about to end. */
  sayAll(): void {
    this.#exiting = true;
    this.#sayUnsaid();
    this.events.atOnce = true;
    this.events.tellAll();
  }

  #sayUnsaid(): void {
    for (let text = this.#unsaid.shift(); text !== undefined; text = this.#unsaid.shift()) this.#say(text);
  }

  /** Reports single items that a store has refused, each kind and key once. */
  refused(some: readonly { readonly what: string; readonly key: string; readonly error: PulseError }[]): void {
    for (const { what, key, error } of some) this.warnAsync(error, `${what} ${key}`);
  }

  /** Does something that is nobody's call: what it throws (when strict) is kept for the next `flush()`. */
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

  /** Gives, once, the first problem that strict mode kept for `flush()` and `shutdown()`. */
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
    if (!this.#isSaid(code, subject)) {
      const said = (this.#saidOf.get(code) ?? 0) + 1;
      this.#saidOf.set(code, said);
      this.#said.add(`${code} ${subject}`);
      const text = `pulse-mlflow: ${said > MAX_SUBJECTS ? FURTHER : error.message} [${code}]`;
      if (!later || this.#exiting) this.#say(text);
      else if (this.#unsaid.push(text) === 1) detached(() => queueMicrotask(() => this.#sayUnsaid()));
    }
    return error;
  }

  #say(text: string): void {
    try {
      const given: unknown = this.#logger.warn(text);
      if (types.isPromise(given)) given.catch(() => undefined); // one that sends it somewhere
    } catch {
      // A logger that throws must not reach the user's call.
    }
  }
}
