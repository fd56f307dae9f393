import { LIMITS } from "../base/text/limits.js";
import { needFunction, shownValue } from "../base/wrong-input.js";
import { DataVerbs } from "./data-verbs.js";
import type { ErrorRules } from "./errors/error-rules.js";
import { endWithError } from "./errors/status.js";
import { scopeCarrier } from "./scope-carrier.js";
import { limited } from "./verbs/names.js";
import type { RunHost } from "./verbs/run-host.js";
import { warnAt } from "./verbs/values.js";
import { needRun } from "./verbs/verb-arguments.js";

/** The methods of a run that concern it as a whole. (Base class of `Run`.) */
export abstract class LifeVerbs extends DataVerbs {
  /** Whether the run has ended. What is logged afterwards is still recorded, as in MLflow. */
  abstract get ended(): boolean;
  /** @internal */
  abstract readonly method: string | undefined;
  /** @internal */
  abstract readonly runName: string;
  /** @internal */
  abstract readonly experiment: string;
  /** @internal */
  abstract readonly rules: ErrorRules | undefined;
  /** @internal */
  abstract get host(): RunHost;
  /** @internal */
  abstract ends(outcome: { readonly error?: unknown }): void;
  abstract end(status?: "FINISHED" | "FAILED" | "KILLED"): void;
  abstract setTag(key: string, value: unknown): void;

  /**
   * Calls `fn` with this run as the current one, also for everything it starts. May be called several times, until the
   * run has ended: code that is entered or goes on after that is outside of it. Does not end the run. Returns what
   * `fn` returns.
   * @throws what `fn` throws; PulseError `INVALID_OPTION` if `fn` is not a function.
   * @example
   * ```ts
   * const run = startRun({ experiment: "Sweep", runName: "by events" });
   * run.enter(() => currentRun()?.logMetric("loss", 0.42));
   * run.end();
   * ```
   */
  enter<R>(fn: () => R): R {
    needRun(this, "enter");
    needFunction("run.enter", "fn", fn);
    return scopeCarrier.storage.run({ host: this.host, run: this } as never, fn);
  }

  /**
   * Ends the run because of an error, as if a call of it had thrown that error: FAILED, with the tags `error.type`,
   * `error.message` and `error.stack`; KILLED for an abort; FINISHED if option `ignore` names the error. Only the first
   * end counts.
   * @param status FAILED or KILLED, whatever the error is, unless it is ignored. @default by the error
   * @example
   * ```ts
   * const run = startRun({ experiment: "Sweep", runName: "by events" });
   * run.fail(new Error("no answer"));
   * ```
   */
  fail(error?: unknown, status?: "FAILED" | "KILLED"): void {
    needRun(this, "fail");
    if (this.ended) return;
    if (this.log === undefined) this.end("FAILED");
    else endWithError(this, error, [], () => this.method ?? `run ${shownValue(this.runName)}`, this.rules, status);
  }

  /**
   * Gives the run another name, at most 250 characters: for work whose name is only known while it goes on. Sampling
   * and folding go by the first name.
   * @example
   * ```ts
   * const run = startRun({ experiment: "Sweep", runName: "request" });
   * run.rename("GET /models/:id");
   * run.end();
   * ```
   */
  rename(name: string): void {
    needRun(this, "rename");
    if (this.log === undefined) return;
    const { method } = this;
    if (typeof name === "string" && name !== "")
      this.setTag("mlflow.runName", limited(this, "run name", name, LIMITS.runName));
    else
      warnAt(
        this,
        method,
        "INVALID_VALUE",
        `rename: the name must be a text, got ${shownValue(name)}; it stays`,
        "rename",
      );
  }
}
