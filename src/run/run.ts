import { cutText, sanitizeKey, withoutNul } from "../capture/keys.js";
import { isNumeric } from "../capture/path.js";
import { REDACTED } from "../capture/redact.js";
import { valueText } from "../capture/text.js";
import { systemClock } from "../clock.js";
import { type ExperimentRef, LIMITS, type TerminalStatus } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import { conflictTag } from "../recorder/param-conflict.js";
import type { RunLog, RunWatcher, UnfinishedEnd } from "../recorder/run-log.js";
import type { RunHost } from "./host.js";
import { processSource } from "./source-tags.js";
import { Steps } from "./steps.js";

/** A value MLflow can take as a metric; booleans are 1 and 0. */
export type MetricValue = number | bigint | boolean;

/** When a metric value belongs. */
export interface MetricOptions {
  /** Integer. @default the highest step so far of this run and key, plus one; the first is 0 */
  readonly step?: number | undefined;
  /** Milliseconds since the epoch, or a Date. @default now */
  readonly timestamp?: number | Date | undefined;
}

/** @internal How a run is opened; everything in it is final. */
export interface RunOpening {
  readonly experiment: ExperimentRef;
  readonly name: string;
  readonly parent: Run | undefined;
  readonly resumeId: string | undefined;
}

const TERMINAL: ReadonlySet<unknown> = new Set<TerminalStatus>(["FINISHED", "FAILED", "KILLED"]);

/**
 * A handle on one MLflow run, usable at once: the id is the run's own before any store has seen it.
 * Every verb only records and returns; delivery happens in the background.
 */
export class Run {
  /** 32 hex digits; in an embedded store also the id MLflow shows. */
  readonly id: string;
  /** Name (or, when configured by id, the id) of the experiment. */
  readonly experiment: string;
  /** @internal */
  readonly experimentRef: ExperimentRef;
  readonly #host: RunHost;
  readonly #log: RunLog | undefined;
  #steps: Steps | undefined;
  #params: Map<string, string> | undefined;
  #ended = false;

  /** @internal Runs are opened by `startRun`, `withRun` or a decorator, never by `new`. Without a host (tracking is off) the run forgets. */
  constructor(host: RunHost | undefined, opening: RunOpening) {
    const { experiment, parent, resumeId, name } = opening;
    this.id = resumeId ?? (host?.clock ?? systemClock).id();
    this.experimentRef = experiment;
    this.experiment = "name" in experiment ? experiment.name : experiment.id;
    this.#host = host as RunHost; // only read where there is a log
    if (host === undefined) return;
    const source = processSource();
    this.#log = host.recorder.open(
      this,
      this.id,
      experiment,
      {
        name,
        startTime: host.clock.now(),
        userId: source.userId,
        sourceTags: source.tags,
        parentKey: parent?.id,
        resume: resumeId !== undefined,
      },
      parent?.log,
    );
  }

  /** Whether the run has ended; what is logged afterwards is still recorded, as in MLflow. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * The id under which the store knows the run, once it is created there.
   * @throws (rejects) PulseError when the run cannot be stored, or tracking is off (`DISABLED`).
   */
  serverId(): Promise<string> {
    const log = this.#log;
    if (log === undefined) return Promise.reject(new PulseError("DISABLED", "Tracking is off."));
    if (log.ids) return Promise.resolve(log.ids.runId);
    if (log.refused) return Promise.reject(log.refused);
    return new Promise((resolve, reject) => {
      this.watch({ created: (ids) => resolve(ids.runId), lost: reject });
      this.#host.recorder.push(); // who waits for the id is not to wait for the next turn
    });
  }

  /**
   * Logs one value of a metric. Keys MLflow would refuse are mended, a value that is no number is left out; both warn once.
   * @example
   * run.logMetric("loss", 0.42, { step: 3 });
   */
  logMetric(key: string, value: MetricValue, options?: MetricOptions): void {
    this.capture(key, value, options?.step, options?.timestamp);
  }

  /** Logs several metrics at the same moment. */
  logMetrics(metrics: Readonly<Record<string, MetricValue>>, options: MetricOptions = {}): void {
    if (this.#log === undefined) return;
    const timestamp = options.timestamp ?? this.#host.clock.now();
    for (const [key, value] of Object.entries(metrics)) this.capture(key, value, options.step, timestamp);
  }

  /** Logs a param. The first value of a key stays; another one is kept in tag `pulse.conflict.<key>` and warned of once. */
  logParam(key: string, value: unknown): void {
    if (value === undefined || this.#log === undefined) return;
    const clean = this.#key(key);
    const text = this.#text(clean, value, LIMITS.paramValue);
    this.#params ??= new Map();
    const first = this.#params.get(clean);
    if (first === text) return;
    if (first !== undefined) {
      const { key: tag, value: refused } = conflictTag({ key: clean, value: text });
      this.setTag(tag, refused);
      this.#host.diagnostics.warn(
        "PARAM_CONFLICT",
        `Param ${JSON.stringify(clean)} of run ${this.id} already has another value; the new one is kept in tag ${tag}.`,
      );
      return;
    }
    this.#params.set(clean, text);
    this.#host.diagnostics.stats.params++;
    this.#log.param({ key: clean, value: text });
  }

  /** Logs several params. */
  logParams(params: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(params)) this.logParam(key, value);
  }

  /** Sets a tag; the last value stays. */
  setTag(key: string, value: unknown): void {
    if (value === undefined || this.#log === undefined) return;
    const clean = this.#key(key);
    this.#host.diagnostics.stats.tags++;
    this.#log.tag({ key: clean, value: this.#text(clean, value, clean === "mlflow.runName" ? LIMITS.runName : LIMITS.tagValue) });
  }

  /** Sets several tags. */
  setTags(tags: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(tags)) this.setTag(key, value);
  }

  /** Ends the run; only the first end counts. @param status @default "FINISHED" */
  end(status?: TerminalStatus): void;
  /** @internal With the moment of the end. */
  end(status: TerminalStatus, at: number): void;
  end(status: TerminalStatus = "FINISHED", at?: number): void {
    if (this.#ended) return;
    if (this.#log === undefined) {
      this.#ended = true;
      return;
    }
    if (!TERMINAL.has(status)) {
      this.#host.diagnostics.warn(
        "INVALID_VALUE",
        `A run ends FINISHED, FAILED or KILLED, not ${JSON.stringify(status)}; FINISHED is taken.`,
      );
      status = "FINISHED";
    }
    this.#ended = true;
    this.#log.end({ status, endTime: at ?? this.#host.clock.now() });
  }

  /** Ends the run when an `await using` block is left. */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  /** @internal The tracker this run belongs to. */
  get host(): RunHost {
    return this.#host;
  }

  /** @internal Its log; not private, since the parent of a run may be of another loaded copy of the package. */
  get log(): RunLog | undefined {
    return this.#log;
  }

  /** @internal Records a captured value whose step and time are not checked yet. */
  capture(key: string, value: unknown, step: unknown, timestamp: unknown): void {
    const log = this.#log;
    if (log === undefined) return;
    const { clock, diagnostics } = this.#host;
    const clean = this.#key(key);
    if (!isNumeric(value)) {
      diagnostics.warn(
        "INVALID_VALUE",
        `Metric ${JSON.stringify(clean)} needs a number, got ${value === null ? "null" : typeof value}; it is left out.`,
      );
      return;
    }
    this.#steps ??= new Steps();
    const next = this.#steps.next(clean);
    const at = step === undefined || step === null ? next : this.#integer(step, "step", clean, next);
    this.#steps.took(clean, at);
    diagnostics.stats.metrics++;
    log.metric({
      key: clean,
      value: Number(value),
      timestamp: timestamp === undefined ? clock.now() : Math.max(0, this.#integer(timestamp, "timestamp", clean, clock.now())),
      step: at,
    });
  }

  /** @internal Tells how the run fares in the store. */
  watch(watcher: RunWatcher): void {
    this.#log?.watch(watcher);
  }

  /** @internal The process or the tracker ends with this run open. */
  endUnfinished({ status, partial }: UnfinishedEnd): void {
    if (this.#ended) return;
    if (partial) this.setTag("pulse.partial", "true");
    this.end(status);
  }

  #key(key: string): string {
    const clean = sanitizeKey(String(key));
    if (clean !== key)
      this.#host.diagnostics.warn(
        "INVALID_KEY",
        `Key ${JSON.stringify(cutText(String(key), 60))} is none MLflow accepts; it is stored as ${JSON.stringify(cutText(clean, 60))}.`,
      );
    return clean;
  }

  #integer(given: unknown, what: string, key: string, fallback: number): number {
    const value = given instanceof Date ? given.getTime() : typeof given === "bigint" ? Number(given) : given;
    if (Number.isSafeInteger(value)) return value as number;
    const whole = typeof value === "number" ? Math.trunc(value) : Number.NaN;
    const taken = Number.isSafeInteger(whole) ? whole : fallback;
    this.#host.diagnostics.warn(
      "INVALID_VALUE",
      `Metric ${JSON.stringify(key)}: the ${what} must be an integer, got ${messageOf(value)}; ${taken} is taken.`,
    );
    return taken;
  }

  #text(key: string, value: unknown, limit: number): string {
    const { redact, config, diagnostics } = this.#host;
    let text: string;
    try {
      text = redact(key, valueText(key, value, config.redact !== false));
      text = typeof text === "string" ? withoutNul(text) : REDACTED;
    } catch (error) {
      diagnostics.warn("CAPTURE_FAILED", `The value of ${JSON.stringify(key)} could not be turned into text: ${messageOf(error)}.`, error);
      return "[unreadable]";
    }
    if (text.length > limit) {
      diagnostics.warn(
        "VALUE_CUT",
        `The value of ${JSON.stringify(key)} has ${text.length} characters, MLflow keeps ${limit}; it was cut and ends in a hash.`,
      );
    }
    return cutText(text, limit);
  }
}
