/// <reference lib="esnext.disposable" preserve="true" />

import { systemClock } from "../base/clock.js";
import type { ExperimentRef, TerminalStatus } from "../base/entities.js";
import type { PulseError } from "../base/errors.js";
import { cutText, keyText, sanitizeKey } from "../base/text/keys.js";
import { LIMITS } from "../base/text/limits.js";
import type { Aggregate } from "../capture/aggregate.js";
import type { KeySet } from "../capture/key-set.js";
import type { Throttle } from "../capture/metrics.js";
import { isNumeric } from "../capture/path.js";
import { type DeferredRuns, deferralOf } from "../recorder/buffer/deferred-runs.js";
import type { RunBuffer, RunWatcher } from "../recorder/buffer/run-buffer.js";
import type { UnfinishedEnd } from "../recorder/buffer/unfinished-end.js";
import { conflictTag } from "../recorder/changes/param-conflict.js";
import { awaitedId } from "./awaited-id.js";
import type { ErrorRules } from "./errors/error-rules.js";
import { keepLongText, longTextFile } from "./files/long-text.js";
import { LifeVerbs } from "./life-verbs.js";
import { type Keyed, MendedKeys } from "./metrics/mended-keys.js";
import { type Schema, schemaFault, schemaOf } from "./metrics/schema.js";
import { Series } from "./metrics/series.js";
import { Steps } from "./metrics/steps.js";
import { processSource } from "./source-tags.js";
import type { MetricOptions, MetricValue } from "./verbs/metric-value.js";
import { callHook } from "./verbs/run-hooks.js";
import type { RunHost } from "./verbs/run-host.js";
import { switchedOff } from "./verbs/unrecorded.js";
import {
  eachOf,
  integerOf,
  keyTag,
  numberOf,
  redactedText,
  sayCut,
  sayMended,
  sayNoNumber,
  textOf,
  warnAt,
} from "./verbs/values.js";
import { isPair, isRecordOf, metricOptions, needRun, terminalStatus } from "./verbs/verb-arguments.js";

/** @internal How to open a run. It never changes afterwards. */
export interface RunOpening {
  readonly experiment: ExperimentRef;
  readonly name: string;
  readonly parent: Run | undefined;
  readonly resumeId: string | undefined;
  /** Defers the decision whether the run is recorded. */
  readonly held?: DeferredRuns | undefined;
  /** @default now */
  readonly startTime?: number | undefined;
  readonly unrecorded?: PulseError | undefined;
  /**
   * Receives the run before anything is recorded, so that it can end the run even if opening it overflows the stack.
   */
  readonly owner?: { run: Run | undefined } | undefined;
  readonly method?: string | undefined;
  readonly rules?: ErrorRules | undefined;
}

/**
 * A handle of one MLflow run. It is usable at once: its id is assigned here, before any store has seen the run. Its
 * methods only record and return; delivery happens in the background.
 */
export class Run extends LifeVerbs {
  /** The run's id, 32 hex digits. In an embedded store it is also the id MLflow shows. */
  readonly id: string;
  /**
   * The name of the experiment, or its id if configured by id. For a resumed run and its children it is the
   * configured experiment: only the store knows theirs.
   */
  readonly experiment: string;
  /** @internal */
  readonly experimentRef: ExperimentRef;
  readonly #host: RunHost;
  readonly #log: RunBuffer | undefined;
  readonly #schema: Schema | undefined;
  /** @internal */
  readonly runName: string;
  /** @internal Class and method that opened the run. */
  readonly method: string | undefined;
  /** @internal */
  readonly rules: ErrorRules | undefined;
  /** @internal The number of runs opened as its children. */
  children = 0;
  /** Why the run is not recorded, when that is not simply because tracking is off. */
  readonly #unrecorded: PulseError | undefined;
  #series: Series | undefined;
  /** Created by the first value that is not a row of results: until then, all keys have had the same steps. */
  #steps: Steps | undefined;
  #keys: KeySet | undefined;
  #rows = 0;
  #params: Map<string, string> | undefined;
  /** Keys of tags that were stored unchanged. */
  #tags: Set<string> | undefined;
  #mended: MendedKeys | undefined;
  #ended = false;
  #outcome: { readonly error?: unknown; readonly result?: unknown } | undefined;
  readonly #resumed: boolean;

  /**
   * @internal Use `startRun`, `withRun` or a decorator instead of `new`. Without a host (tracking is off) the run
   * records nothing.
   */
  constructor(host: RunHost | undefined, opening: RunOpening) {
    super();
    const { experiment, parent, resumeId, name, held, unrecorded } = opening;
    this.#resumed = resumeId !== undefined;
    this.id = resumeId ?? (host?.clock ?? systemClock).id();
    this.experimentRef = experiment;
    this.experiment = "name" in experiment ? experiment.name : experiment.id;
    this.runName = name;
    this.method = opening.method;
    this.rules = opening.rules;
    this.#host = host as RunHost; // only read if there is a buffer
    this.#unrecorded = unrecorded;
    if (host === undefined) return;
    const { userId, tags } = processSource();
    const schema = schemaOf(this.experiment);
    this.#schema = schema;
    const start = {
      name,
      startTime: opening.startTime ?? host.clock.now(),
      userId,
      sourceTags: schema ? [...tags, ...schema.tags] : tags,
      parentKey: parent?.id,
      resume: resumeId !== undefined,
    };
    if (opening.owner) opening.owner.run = this;
    host.opened++;
    this.#log = host.recorder.buffer(this, { runKey: this.id, experiment, parent: parent?.log }, held);
    host.recorder.open(this.#log, start, held);
  }

  /** Whether the run has ended. What is logged afterwards is still recorded, as in MLflow. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Resolves with the id under which the store knows the run, once it is created there. Calling this records a run
   * that sampling or folding would otherwise hold back. The returned promise keeps the process alive, at most for
   * `requestTimeoutMs`.
   * @throws (rejects) PulseError when the run cannot be stored, is not stored within `requestTimeoutMs`
   * (`KEPT_FOR_LATER` when it is on disk, else `STORE_UNAVAILABLE`), or it is not recorded (`DISABLED`: tracking is off or paused).
   */
  serverId(): Promise<string> {
    const log = this.#log;
    if (log === undefined) return Promise.reject(this.#unrecorded ?? switchedOff());
    if (log.uncreated) this.held?.record();
    return awaitedId(this.#host.recorder, log);
  }

  /**
   * Logs one value of a metric. Keys that MLflow would refuse are changed, and values that are not numbers are left
   * out; both warn once.
   * @example run.logMetric("loss", 0.42, { step: 3 });
   */
  logMetric(key: string, value: MetricValue, options?: MetricOptions): void {
    if (!isPair(this, "logMetric", key, value, arguments.length)) return;
    const given = options && metricOptions(this, "logMetric", options);
    this.capture(key, value, given?.step, given?.timestamp);
  }

  /** Logs several metrics with the same time. */
  logMetrics(metrics: Readonly<Record<string, MetricValue>>, options?: MetricOptions): void {
    if (!isRecordOf(this, "logMetrics", metrics, arguments.length) || this.#log === undefined) return;
    const given = options && metricOptions(this, "logMetrics", options);
    const timestamp = given?.timestamp ?? this.#host.clock.now();
    eachOf(this, "logMetrics", metrics, (key, value, at) =>
      this.capture(key, value, given?.step, timestamp, undefined, undefined, at),
    );
  }

  /**
   * Logs a param. The first value of a key stays; a different later one is stored as tag `pulse.conflict.<key>` and
   * warns once.
   */
  logParam(key: string, value: unknown): void;
  /** @internal `method`: the method whose call records it; `apart`: see `#keyOf`. */
  logParam(key: string, value: unknown, method: string | undefined, apart?: string): void;
  logParam(key: string, value: unknown, method: string | undefined = this?.method, apart?: string): void {
    if (!isPair(this, "logParam", key, value, arguments.length) || value === undefined || this.#log === undefined)
      return;
    const clean = this.#keyOf("param", key, method, apart);
    const all = redactedText(this, clean, value, method);
    const text = cutText(all, LIMITS.paramValue);
    const file = text === all ? undefined : longTextFile(this, `params/${clean}`);
    if (text !== all) sayCut(this, clean, all, LIMITS.paramValue, method, file);
    this.#params ??= new Map();
    const first = this.#params.get(clean);
    if (first === text) return;
    if (first !== undefined) {
      const { key: tag, value: refused } = conflictTag({ key: clean, value: text });
      this.setTag(tag, refused, method);
      const detail = `Param ${JSON.stringify(clean)} of run ${this.id} already has another value; the new one is kept in tag ${tag}`;
      warnAt(this, method, "PARAM_CONFLICT", detail, clean);
      return;
    }
    this.#params.set(clean, text);
    this.#log.param({ key: clean, value: text });
    if (text !== all) keepLongText(this, this.#log, file, clean, value, all);
  }

  /** Logs several params. */
  logParams(params: Readonly<Record<string, unknown>>): void {
    if (isRecordOf(this, "logParams", params, arguments.length) && this.#log)
      eachOf(this, "logParams", params, (key, value, apart) => this.logParam(key, value, undefined, apart));
  }

  /** Sets a tag. The last value wins. */
  setTag(key: string, value: unknown): void;
  /** @internal `method`: the method whose call sets it; `apart`: see `#keyOf`. */
  setTag(key: string, value: unknown, method: string | undefined, apart?: string): void;
  setTag(key: string, value: unknown, method: string | undefined = this?.method, apart?: string): void {
    if (!isPair(this, "setTag", key, value, arguments.length) || value === undefined || this.#log === undefined) return;
    const clean = this.#keyOf("tag", key, method, apart);
    this.#tags ??= new Set();
    if (clean === key && apart === undefined) this.#tags.add(key);
    const limit = clean === "mlflow.runName" ? LIMITS.runName : LIMITS.tagValue;
    this.#log.tag({ key: clean, value: textOf(this, clean, value, limit, method) });
  }

  /** Sets several tags. */
  setTags(tags: Readonly<Record<string, unknown>>): void {
    if (isRecordOf(this, "setTags", tags, arguments.length) && this.#log)
      eachOf(this, "setTags", tags, (key, value, apart) => this.setTag(key, value, undefined, apart));
  }

  /** Ends the run. Only the first call counts. @param status @default "FINISHED" */
  end(status?: "FINISHED" | "FAILED" | "KILLED"): void;
  /** @internal Ends the run at a given time. */
  end(status: TerminalStatus, at: number): void;
  end(status: TerminalStatus = "FINISHED", at?: number): void {
    needRun(this, "end");
    if (this.#ended || this.#log?.ended) return;
    if (this.#log === undefined) {
      this.#ended = true;
      return;
    }
    if (status !== "FINISHED") status = terminalStatus(this, status);
    const endTime = at ?? this.#host.clock.now();
    try {
      const series = this.#series;
      if (series)
        this.#log.closing(() => {
          for (const [key, value] of series.results()) this.logMetric(key, value, { timestamp: at });
        });
    } finally {
      // Set last: if the stack overflows on the way, the end can be made up for.
      this.#log.end({ status, endTime });
      this.#ended = true;
      this.#host.opened--;
    }
    if (this.#host.config.hooks?.onRunEnd)
      callHook(this.#host, "onRunEnd", this, { ...this.#outcome, status, endTime: new Date(endTime) });
  }

  /** @internal Keeps what `onRunEnd` is told: the result of a call, or its error. */
  ends(outcome: { readonly error?: unknown; readonly result?: unknown }): void {
    if (this.#log !== undefined && this.#host.config.hooks?.onRunEnd) this.#outcome ??= outcome;
  }

  /** Ends the run when an `await using` block is left. */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  /** @internal The decision that defers, or deferred, the recording of this run and its children. */
  get held(): DeferredRuns | undefined {
    return this.#log && deferralOf(this.#log);
  }

  /** @internal Why it is not recorded, where tracking is not simply off. */
  get unrecorded(): PulseError | undefined {
    return this.#unrecorded;
  }

  /** @internal The tracker this run belongs to. */
  get host(): RunHost {
    return this.#host;
  }

  /** @internal */
  protected get resumed(): boolean {
    return this.#resumed;
  }

  /** @internal */
  protected get place(): this {
    return this;
  }

  /** @internal The run's buffer. Not private: a child run may belong to another loaded copy of the package. */
  get log(): RunBuffer | undefined {
    return this.#log;
  }

  /**
   * @internal Whether `captureRow` can be used: only rows have been recorded so far, and neither a schema nor changed
   * keys need to be checked.
   */
  get takesRows(): boolean {
    return (
      this.#log !== undefined && this.#steps === undefined && this.#schema === undefined && this.#mended === undefined
    );
  }

  /**
   * @internal Records the metrics of one result as a row: the values, followed by the time. All keys must be valid as
   * they are. Falls back to single values if a selector has recorded something meanwhile.
   */
  captureRow(keys: KeySet, row: readonly number[]): void {
    const log = this.#log as RunBuffer;
    const time = row[keys.keys.length] as number;
    const fits = this.takesRows && (this.#keys ?? keys) === keys && Number.isSafeInteger(time) && time >= 0;
    if (fits && log.result(keys.keys, row, this.#rows)) {
      this.#keys = keys;
      this.#rows++;
    } else for (const [i, key] of keys.keys.entries()) this.capture(key, row[i], undefined, time);
  }

  /** @internal Records a captured value. Its step and time are not checked yet; `throttle` may skip it. */
  capture(
    key: string,
    value: unknown,
    step: unknown,
    timestamp: unknown,
    throttle?: Throttle,
    method: string | undefined = this.method,
    apart?: string,
  ): void {
    const log = this.#log;
    if (log === undefined) return;
    const { clock } = this.#host;
    const clean = this.#keyOf("metric", key, method, apart);
    if (!isNumeric(value)) {
      sayNoNumber(this, method, clean, value);
      return;
    }
    const number = numberOf(this, method, clean, value);
    const fault = this.#schema && schemaFault(this.#schema, key, clean, number);
    if (fault) warnAt(this, method, fault.code, fault.detail, clean);
    if (throttle?.aggregate) {
      this.#aggregate(clean, number, throttle.aggregate, method);
      return;
    }
    this.#steps ??= new Steps(this.#keys?.keys, this.#rows - 1);
    const at =
      step === undefined || step === null ? this.#steps.take(clean) : this.#steps.given(this, step, clean, method);
    this.#series ??= throttle && new Series();
    if (throttle && !this.#series?.admits(clean, throttle, clock.now())) return;
    log.metric({
      key: clean,
      value: number,
      timestamp:
        timestamp === undefined
          ? clock.now()
          : Math.max(0, integerOf(this, timestamp, "timestamp", clean, clock.now(), method)),
      step: at,
    });
  }

  /**
   * Returns the key under which a user's key is stored. Different keys of a run are never stored under one key, nor are
   * equal keys from different places of a capture; `apart` then names the place.
   */
  #keyOf(kind: Keyed, key: string, method: string | undefined, apart: string | undefined): string {
    const given = typeof key === "string" ? key : keyText(key);
    const clean = sanitizeKey(given);
    if (clean === given && apart === undefined && this.#mended === undefined) return clean;
    this.#mended ??= new MendedKeys();
    const { key: stored, fresh } = this.#mended.take(kind, apart ?? given, clean, (each) => this.#hasPlain(kind, each));
    if (stored !== given) sayMended(this, method, apart ?? given, clean, stored, apart !== undefined);
    if (fresh) this.#log?.tag(keyTag(this, stored, apart ?? given, method));
    return stored;
  }

  /** Whether the run already has a key of that kind, stored unchanged. */
  #hasPlain(kind: Keyed, key: string): boolean {
    if (kind !== "metric") return (kind === "tag" ? this.#tags : this.#params)?.has(key) === true;
    return this.#steps?.has(key) || this.#keys?.keys.includes(key) || this.#series?.has(key) || false;
  }

  /** Adds a value to the aggregates that are logged when the run ends. */
  #aggregate(key: string, value: number, kinds: readonly Aggregate[], method: string | undefined): void {
    this.#series ??= new Series();
    if (this.#ended || !Number.isFinite(value)) {
      const which = `A value of metric ${JSON.stringify(key)} ${this.#ended ? "came after the run's end" : "is not finite"}`;
      warnAt(this, method, "INVALID_VALUE", `${which}; the aggregates leave it out`, key);
    } else if (!this.#series.sum(key, value, kinds, this.#host.diagnostics)) {
      warnAt(
        this,
        method,
        "CAPTURE_LIMIT",
        `Run ${this.id}: only the first 200 metric keys are aggregated`,
        "aggregates",
      );
    }
  }

  /** @internal Calls the watcher as the run is stored, delayed or lost. */
  watch(watcher: RunWatcher): void {
    this.#log?.watch(watcher);
  }

  /** @internal Ends the run because the process or the tracker ends while it is open. */
  endUnfinished({ status, partial }: UnfinishedEnd): void {
    if (this.#ended) return;
    if (partial) this.setTag("pulse.partial", "true");
    this.end(status);
  }
}
