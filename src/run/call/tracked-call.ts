import { cutText } from "../../base/text/keys.js";
import { isLate } from "../../base/text/returned-promise.js";
import { isError, shortText } from "../../base/text/value-text.js";
import { shownValue } from "../../base/wrong-input.js";
import { type KeySet, NO_KEYS } from "../../capture/key-set.js";
import type { MetricSink, Throttle } from "../../capture/metrics.js";
import { emitRecord } from "../../capture/params.js";
import { endWithError, endWithFault } from "../errors/status.js";
import { forgettingRun, openRun, tagStart } from "../open-run.js";
import type { RunPlace } from "../options.js";
import type { Run } from "../run.js";
import { holdBack } from "../sampling/sampling.js";
import { runInForce, type Scope } from "../scope.js";
import { callUser, captureFailed } from "../verbs/call-user.js";
import type { RunHost } from "../verbs/run-host.js";
import { paused } from "../verbs/unrecorded.js";
import { unset } from "../verbs/values.js";
import type { CallObserver } from "./call-observer.js";
import { NAMELESS, type Plan, type ResolvedPlan } from "./plan.js";

/**
 * The metric values of the results being captured, as a stack: a selector may call another tracked function, whose
 * values then lie on top.
 */
const values: number[] = [];
let top = 0;

/**
 * Takes the top `count` values and appends their time. One or two values, the usual case, are faster without `slice`.
 */
function takeRow(count: number, time: number): number[] {
  const end = top;
  top -= count;
  const first = values[top] as number;
  if (count === 1) return [first, time];
  if (count === 2) return [first, values[top + 1] as number, time];
  values[end] = time;
  return values.slice(top, end + 1);
}

interface Unended {
  readonly call: TrackedCall;
  readonly error: unknown;
  readonly next: Unended | undefined;
}

/** Calls that failed in this package's code. Their runs may still be open, because the stack was exhausted. */
let unended: Unended | undefined;

/** @internal Whether a call has just failed like that: the next ones are near the end of the stack, too. */
export const failing = (): boolean => unended !== undefined;

/** @internal Ends the runs that could not be ended because the stack was exhausted. */
export function endUnended(): void {
  for (let each = unended; each !== undefined; each = each.next) {
    unended = each.next;
    try {
      if (each.call.run?.ended === false) each.call.failed(each.error);
    } catch {
      // A strict tracker has already thrown its problems.
    }
  }
}

/** @internal One call of a tracked function, from its start until its result is complete. */
export class TrackedCall implements CallObserver, MetricSink {
  run: Run | undefined;
  /** Whether the plan is used for this call only (`withRun`). */
  readonly #once: boolean;
  readonly #plan: Plan;
  readonly #host: RunHost;
  readonly #resolved: ResolvedPlan | undefined;
  readonly #args: readonly unknown[];
  readonly #joined: boolean;
  #scope: Scope | undefined;
  /** The caller's scope. */
  outer: Scope | undefined;
  begun = false;
  #now = 0;
  /** Keys of the values that wait in `values`; undefined while metrics are recorded one by one. */
  #keys: KeySet | undefined;
  /** The reason why the call counts as failed although nothing was thrown. */
  #fault: unknown;

  constructor(
    plan: Plan,
    host: RunHost,
    resolved: ResolvedPlan | undefined,
    args: readonly unknown[],
    scope: Scope | undefined,
    joined: Run | undefined,
    once = false,
  ) {
    this.#plan = plan;
    this.#host = host;
    this.#resolved = resolved;
    this.#args = args;
    this.#scope = scope;
    this.#joined = joined !== undefined;
    this.run = joined;
    this.#once = once;
  }

  /** The method or function as messages name it. A function without a name is described by its run. */
  get #where(): string {
    const { method, defaultName = this.#plan.name } = this.#resolved ?? {};
    const run = method === undefined && MADE_UP.has(defaultName) ? this.run : undefined;
    return run === undefined ? defaultName : `run ${shown(run.runName)} (experiment ${shown(run.experiment)})`;
  }

  /** Identifies the place of a warning: functions with the same name may exist elsewhere. */
  get #about(): string {
    return this.#resolved?.method ?? `${this.#plan.name} ${this.run?.runName} ${this.run?.experiment}`;
  }

  /** The parent of the run this call opens. */
  get parent(): Run | undefined {
    return this.#resolved?.nest === "root" ? undefined : runInForce(this.#scope);
  }

  get keepsStreams(): boolean {
    return this.#plan.artifacts.length > 0;
  }

  isolate(): void {
    if (this.#joined && this.#scope) this.#scope = { ...this.#scope };
  }

  get scope(): Scope | undefined {
    return this.#scope;
  }

  begin(): void {
    try {
      this.#begins();
    } catch (error) {
      unended = { call: this, error, next: unended }; // no function is called here: the stack may be exhausted
      this.failed(error);
      throw error;
    }
  }

  #begins(): void {
    if (this.begun) return; // a plain function that returned a generator has already begun
    this.begun = true;
    const resolved = this.#resolved as ResolvedPlan;
    if (!this.#joined) {
      const place = this.#once ? (this.#plan.opens[0] as RunPlace | undefined) : undefined;
      const apart = place?.runId !== undefined || place?.parentRunId !== undefined;
      const parent = apart ? undefined : this.parent;
      const { runName, defaultName } = resolved;
      const host = this.#host;
      // A generator's run opens at its first step, which may come after its tracker was paused.
      this.run = host.paused
        ? forgettingRun(resolved, paused())
        : openRun(host, {
            experiment: resolved.experiment,
            fallbackExperiment: resolved.className,
            name: (typeof runName === "function" ? this.#nameBy(runName) : runName) ?? defaultName,
            parent,
            owner: this,
            place,
            method: resolved.method,
            rules: resolved,
            held:
              resolved.thins || host.sample < 1
                ? holdBack(host, resolved, parent, this.#args, {
                    once: this.#once,
                    resumed: place?.runId !== undefined,
                  })
                : undefined,
          });
      if (parent === undefined && !apart && resolved.nest !== "root") tagStart(this.run, this.#scope);
      this.#scope = { host, run: this.run };
    }
    this.#begin(resolved);
  }

  #nameBy(runName: (args: readonly unknown[]) => unknown): string | undefined {
    const what = `${this.#where}: runName`;
    const name = callUser(this.#host, what, () => runName(this.#args));
    if (typeof name !== "object" || name === null || isLate(name))
      return callUser(this.#host, what, () => textOf(name));
    return this.lost(
      "runName",
      () => `option runName must return a text; got ${shownValue(name)}. The default name is used.`,
    );
  }

  step(value: unknown): void {
    this.capture(value);
    this.#judge(value);
  }

  done(value: unknown): void {
    try {
      this.capture(value);
      this.#judge(value);
      if (!this.#joined && this.#host.config.hooks?.onRunEnd) this.run?.ends({ result: value });
    } catch (error) {
      unended = { call: this, error, next: unended };
      throw error;
    } finally {
      this.#end(this.#now);
    }
  }

  exhausted(): void {
    this.#end(undefined);
  }

  failed(error: unknown): void {
    if (this.#joined || !this.run) return;
    try {
      endWithError(this.run, error, this.#args, () => this.#where);
    } catch (problem) {
      unended = { call: this, error, next: unended };
      throw problem;
    }
  }

  abandoned(status?: "FINISHED" | "KILLED"): void {
    if (this.#joined) return;
    this.run?.setTag("pulse.partial", "true");
    if (status === "KILLED" && this.#fault === undefined) this.run?.end("KILLED");
    else this.#end(undefined);
  }

  #end(at: number | undefined): void {
    if (this.#joined || !this.run) return;
    if (this.#fault !== undefined) endWithFault(this.run, this.#fault);
    else if (at === undefined) this.run.end();
    else this.run.end("FINISHED", at);
  }

  /** Asks `failOn` whether a result is a failure. The first reason counts. */
  #judge(value: unknown): void {
    const failOn = this.#resolved?.failOn;
    if (failOn === undefined || this.#joined || this.#fault !== undefined) return;
    const given = this.#guarded("failOn", () => failOn(value, this.#args));
    this.#fault = this.#guarded("failOn", () =>
      given === true || (typeof given === "string" && given !== "") || isError(given) ? given : undefined,
    );
  }

  untouchable(): void {
    const where = this.#where;
    this.#host.diagnostics.warn(
      "THENABLE_UNTRACKED",
      `${where} returned a thenable that is not a promise; it is passed on untouched, and its result is not logged.`,
      undefined,
      where,
    );
    this.exhausted();
  }

  broken(what: string, error: unknown): void {
    captureFailed(this.#host, `${this.#where}: ${what}`, error);
  }

  /** Calls a function of the user's other than the tracked one. `what` names it in the warning if it fails. */
  #guarded<R>(what: string, body: () => R): R | undefined {
    return callUser(this.#host, () => `${this.#where}: ${what}`, body);
  }

  /** Captures metrics, tags and artifacts of a result or yielded value. */
  capture(result: unknown): void {
    const { metrics, artifacts, tags } = this.#plan;
    this.#now = this.#host.clock.now(); // all values of a result, and the run's end, get the same time
    // A joined run may come from another copy of the package, without rows.
    if (!this.#joined && this.run?.takesRows) this.#keys = NO_KEYS;
    try {
      for (const capture of metrics) {
        try {
          capture(result, this.#args, this);
        } catch (error) {
          captureFailed(this.#host, `${this.#where}: capturing metrics`, error);
        }
      }
    } finally {
      this.#record();
    }
    const method = this.#resolved?.method;
    for (const capture of tags)
      this.#guarded("capturing tags", () =>
        capture(result, this.#args, (key, value, apart) => this.run?.setTag(key, value, method, apart), this),
      );
    for (const capture of artifacts)
      this.#guarded("capturing artifacts", () =>
        capture(result, this.#args, (file, content) => this.run?.logContent(content, file, () => this.#where), this),
      );
  }

  metric(
    key: string,
    value: number | bigint | boolean,
    step: unknown,
    timestamp: unknown,
    throttle: Throttle | undefined,
    apart?: string,
  ): void {
    if (this.#keys !== undefined) {
      const plain = step === undefined && timestamp === undefined && throttle === undefined && apart === undefined;
      const keys = plain ? this.#keys.with(key) : undefined;
      if (keys !== undefined) {
        this.#keys = keys;
        values[top++] = Number(value);
        return;
      }
      this.#record();
    }
    this.run?.capture(key, value, step, timestamp ?? this.#now, throttle, this.#resolved?.method, apart);
  }

  /** Records the waiting values as one row. Later values of this result are recorded one by one. */
  #record(): void {
    const keys = this.#keys;
    this.#keys = undefined;
    if (keys === undefined || keys === NO_KEYS) return;
    (this.run as Run).captureRow(keys, takeRow(keys.keys.length, this.#now));
  }

  lost(subject: string, describe: () => string, mild = false): undefined {
    const { diagnostics } = this.#host;
    const where = this.#where;
    const detail = (): string => `${where}: ${describe()}`;
    const about = `${this.#about} ${subject}`;
    if (mild) diagnostics.notice("NOTHING_FOUND", detail, about);
    else diagnostics.warn("NOTHING_FOUND", detail, undefined, about);
  }

  limited(what: string): void {
    const where = this.#where;
    this.#host.diagnostics.warn("CAPTURE_LIMIT", `${where}: ${what} logged.`, undefined, this.#about);
  }

  /** Logs the params and tags known before the body runs: fixed ones, base class first, then captured arguments. */
  #begin(resolved: ResolvedPlan): void {
    const { params } = this.#plan;
    const run = this.run as Run;
    const { method } = resolved;
    const limited = (what: string): void => this.limited(what);
    const given = this.#joined ? resolved.own : resolved;
    if (given.params.length + given.tags.length > 0) {
      const fixed = { params: new Map<string, Taken>(), tags: new Map<string, Taken>() };
      for (const kind of ["params", "tags"] as const) {
        for (const fields of given[kind]) {
          this.#guarded(kind, () =>
            emitRecord(
              typeof fields === "function" ? fields(this.#args, this) : fields,
              (key, value, apart) => fixed[kind].set(apart ?? key, [key, value, apart]),
              limited,
              (name) => this.lost(`${kind} ${name}`, () => unset(kind, name, typeof fields === "function"), true),
            ),
          );
        }
      }
      // Captured arguments take precedence over fixed params.
      const taken: Taken[] = [];
      for (const capture of params)
        this.#guarded("capturing params", () => capture(this.#args, (...each) => taken.push(each), this));
      for (const [key] of taken) fixed.params.delete(key);
      for (const [key, value, apart] of [...fixed.params.values(), ...taken]) run.logParam(key, value, method, apart);
      for (const [key, value, apart] of fixed.tags.values()) run.setTag(key, value, method, apart);
    } else {
      for (const capture of params)
        this.#guarded("capturing params", () =>
          capture(this.#args, (key, value, apart) => run.logParam(key, value, method, apart), this),
        );
    }
  }
}

/** Default names of functions without a name, and of the blocks of `withRun`. */
const MADE_UP: ReadonlySet<string> = new Set([NAMELESS, "run"]);
const shown = (name: string): string => JSON.stringify(cutText(name, 60));
/** The arguments with which a capture emits a param or tag. */
type Taken = [key: string, value: unknown, apart?: string | undefined];

/** Converts a name to text; undefined means the default name. */
const textOf = (name: unknown): string | undefined =>
  name === undefined || name === null ? undefined : shortText(name);
