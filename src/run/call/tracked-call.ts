import { cutText } from "../../base/text/keys.js";
import { isLate } from "../../base/text/late.js";
import { isError, shortText } from "../../base/text/text.js";
import { shownValue } from "../../base/wrong-input.js";
import { type KeySet, NO_KEYS } from "../../capture/key-set.js";
import type { MetricSink, Throttle } from "../../capture/metrics.js";
import { emitRecord } from "../../capture/params.js";
import { callUser, captureFailed } from "../call-user.js";
import { openRun, tagStart } from "../open-run.js";
import type { RunPlace } from "../options.js";
import type { Run } from "../run.js";
import { holdBack } from "../sampling/sampling.js";
import { runInForce, type Scope } from "../scope.js";
import type { RunHost } from "../verbs/run-host.js";
import { unset } from "../verbs/values.js";
import type { CallObserver } from "./call-observer.js";
import { NAMELESS, type Plan, type ResolvedPlan } from "./plan.js";
import { endWithError, endWithFault } from "./status.js";

/**
 * The values of the result that is being looked at; above them those of one that a selector of the user's has come to
 * meanwhile.
 */
const values: number[] = [];
let top = 0;

/**
 * Takes the last of the values, with their time behind them. One or two, as most results have, are not worth a copy by
 * the library.
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

/** Calls that failed in what is ours: their runs may not have ended, since nothing was left of the stack. */
let unended: Unended | undefined;

/** @internal Whether a call has just failed so: the next ones are close to the stack's end, too. */
export const failing = (): boolean => unended !== undefined;

/** @internal Ends the runs of calls that the stack had no room to end. */
export function endUnended(): void {
  for (let each = unended; each !== undefined; each = each.next) {
    unended = each.next;
    try {
      if (each.call.run?.ended === false) each.call.failed(each.error);
    } catch {
      // The problems of a strict tracker have been thrown before.
    }
  }
}

/** @internal One call of a tracked function, from its start to the end of its result. */
export class TrackedCall implements CallObserver, MetricSink {
  run: Run | undefined;
  /** Its plan is of this call alone. */
  readonly #once: boolean;
  readonly #plan: Plan;
  readonly #host: RunHost;
  readonly #resolved: ResolvedPlan | undefined;
  readonly #args: readonly unknown[];
  readonly #joined: boolean;
  #scope: Scope | undefined;
  /** What was in force where it was called. */
  outer: Scope | undefined;
  begun = false;
  #now = 0;
  /** The keys of what waits in `values`; undefined while metrics are recorded one by one. */
  #keys: KeySet | undefined;
  /** Why the call has failed although nothing was thrown. */
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

  /** Class and method, as messages name them, or the function; one without a name of its own is named by its run. */
  get #where(): string {
    const { method, defaultName = this.#plan.name } = this.#resolved ?? {};
    const run = method === undefined && MADE_UP.has(defaultName) ? this.run : undefined;
    return run === undefined ? defaultName : `run ${shown(run.runName)} (experiment ${shown(run.experiment)})`;
  }

  /** What tells the messages of one place from those of another: functions of the same name may be anywhere. */
  get #about(): string {
    return this.#resolved?.method ?? `${this.#plan.name} ${this.run?.runName} ${this.run?.experiment}`;
  }

  /** The run below which it opens one. */
  get parent(): Run | undefined {
    return this.#resolved?.nest === "root" ? undefined : runInForce(this.#scope);
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
      unended = { call: this, error, next: unended }; // nothing is called: the stack may have run out
      this.failed(error);
      throw error;
    }
  }

  #begins(): void {
    if (this.begun) return; // a plain function that returned a generator began when it was called
    this.begun = true;
    const resolved = this.#resolved as ResolvedPlan;
    if (!this.#joined) {
      const place = this.#once ? (this.#plan.opens[0] as RunPlace | undefined) : undefined;
      const apart = place?.runId !== undefined || place?.parentRunId !== undefined;
      const parent = apart ? undefined : this.parent;
      const { runName, defaultName } = resolved;
      const host = this.#host;
      this.run = openRun(host, {
        experiment: resolved.experiment,
        fallbackExperiment: resolved.className,
        name: (typeof runName === "function" ? this.#nameBy(runName) : runName) ?? defaultName,
        parent,
        owner: this,
        place,
        method: resolved.method,
        held: resolved.thins || host.sample < 1 ? holdBack(host, resolved, parent, this.#args, this.#once) : undefined,
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
      () => `option runName must give a text; got ${shownValue(name)}. The default name is taken.`,
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
      const ignore = this.#resolved?.ignore;
      const ignores =
        typeof ignore === "function" ? () => this.#guarded("ignore", () => ignore(error, this.#args)) === true : ignore;
      endWithError(this.run, error, this.#args, ignores);
    } catch (problem) {
      unended = { call: this, error, next: unended };
      throw problem;
    }
  }

  abandoned(): void {
    if (this.#joined) return;
    this.run?.setTag("pulse.partial", "true");
    this.#end(undefined);
  }

  #end(at: number | undefined): void {
    if (this.#joined || !this.run) return;
    if (this.#fault !== undefined) endWithFault(this.run, this.#fault);
    else if (at === undefined) this.run.end();
    else this.run.end("FINISHED", at);
  }

  /** Asks whether a result is a failure; the first reason stays. */
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
      `${where} returned a thenable of its own kind; it is handed on untouched, and nothing of its result is logged.`,
      undefined,
      where,
    );
    this.exhausted();
  }

  /** Runs a function of the user's that is not the tracked one; `what` is said of it if it fails. */
  #guarded<R>(what: string, body: () => R): R | undefined {
    return callUser(this.#host, () => `${this.#where}: ${what}`, body);
  }

  /** Takes metrics and tags from a result or a yielded value. */
  capture(result: unknown): void {
    const { metrics, artifacts, tags } = this.#plan;
    this.#now = this.#host.clock.now(); // the values of one result, and its end, belong to one moment
    // A run that was joined may be of another copy of the package.
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

  /** Records what waits in `values`; what follows of this result is recorded by itself. */
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

  /**
   * Logs params and tags that are known before the body runs: fixed ones, base class first, then the captured
   * arguments.
   */
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
      // What is taken from the arguments stands above what is fixed.
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

/** What functions without a name are called, and the blocks of `withRun`. */
const MADE_UP: ReadonlySet<string> = new Set([NAMELESS, "run"]);
const shown = (name: string): string => JSON.stringify(cutText(name, 60));
/** A captured param or tag: what its capture emits. */
type Taken = [key: string, value: unknown, apart?: string | undefined];

/** A name as a text; undefined leaves it to the default. */
const textOf = (name: unknown): string | undefined =>
  name === undefined || name === null ? undefined : shortText(name);
