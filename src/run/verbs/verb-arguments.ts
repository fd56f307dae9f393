import { types } from "node:util";
import type { TerminalStatus } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { nearest, shownValue } from "../../base/wrong-input.js";
import { isRecord, kindName } from "../../capture/params.js";
import type { MetricOptions } from "./metric-value.js";
import { type Place, sayNothing, sayUndefined, warnAt } from "./values.js";

/**
 * Checks of the arguments of a run's methods. Since these methods do not throw, wrong arguments are left out with a
 * warning.
 */

/** The number of names listed in a message. */
export const MAX_SHOWN = 5;

/** @throws PulseError for a method that was called without its run, so that there is nothing to log into. */
export function needRun(run: unknown, verb: string): void {
  if (run === undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `${verb} was called without its run: call it as run.${verb}(), or pass (...args) => run.${verb}(...args).`,
    );
}

const PAIRS = { logMetric: "logMetrics", logParam: "logParams", setTag: "setTags" } as const;

/**
 * Whether a key and a value were passed; `count` is the number of arguments. A key that is a number, boolean, bigint
 * or symbol is accepted: its text is used.
 */
export function isPair(place: Place, verb: keyof typeof PAIRS, key: unknown, value: unknown, count: number): boolean {
  needRun(place, verb);
  if (typeof key === "string" && count > 1) {
    // Only with exactly two arguments: internal callers pass more, and their undefined values may be intended.
    if (value === undefined && count === 2 && verb !== "logMetric") sayUndefined(place, verb, key);
    if (!types.isPromise(value)) return true;
    wrong(
      place,
      `${verb}: the value of ${JSON.stringify(key)} is a promise: await it before logging; it is left out`,
      `${verb} ${key}`,
    );
    return false;
  }
  const isRecord = typeof key === "object" && key !== null && !types.isPromise(key);
  const hint = isRecord ? `; for a record of several use ${PAIRS[verb]}()` : "";
  if (typeof key === "string" || isRecord) {
    const got = isRecord ? shownValue(key) : `${shownValue(key)} alone`;
    wrong(place, `${verb} needs a key and a value, got ${got}${hint}; nothing is logged`, `${verb} ${typeof key}`);
    return false;
  }
  const isName =
    typeof key === "number" || typeof key === "bigint" || typeof key === "boolean" || typeof key === "symbol";
  wrong(
    place,
    `${verb}: the key must be a text, got ${shownValue(key)}; ${isName ? "its text is used" : "nothing is logged"}`,
    `${verb} key`,
  );
  return isName && count > 1;
}

const METRIC_OPTIONS: readonly (keyof MetricOptions)[] = ["step", "timestamp"];

/** Returns the options of `logMetric` and similar methods, if valid. `more`: names that only this method has. */
export function metricOptions(
  place: Place,
  verb: string,
  options: unknown,
  more: readonly string[] = [],
): MetricOptions | undefined {
  return optionsOf(place, verb, options, [...more, ...METRIC_OPTIONS], "{ step: 3 }") as MetricOptions | undefined;
}

/** Returns the options if they are an object; warns of unknown names. */
export function optionsOf(
  place: Place,
  verb: string,
  options: unknown,
  names: readonly string[],
  example: string,
): object | undefined {
  if (options === undefined || options === null) return undefined;
  if (typeof options !== "object") {
    wrong(
      place,
      `${verb}: options must be an object, as in ${example}, got ${shownValue(options)}; it is left out`,
      `${verb} options`,
    );
    return undefined;
  }
  for (const name in options) {
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    const hint = meant === undefined ? `There are ${names.join(", ")}` : `Did you mean ${JSON.stringify(meant)}?`;
    wrong(place, `${verb}: there is no option ${shownValue(name)}. ${hint}`, `${verb} ${name}`);
  }
  return options;
}

/**
 * Whether a record was passed to a method that logs several values. Undefined and null count as an empty record.
 * `count` is the number of arguments.
 */
export function isRecordOf(place: Place, verb: string, record: unknown, count: number): record is object {
  needRun(place, verb);
  if (isRecord(record)) return true;
  if (record === undefined && count === 1)
    sayNothing(place, verb, `${verb}: a record of names and values is needed, got undefined`);
  if ((record === undefined || record === null) && count > 0) return false;
  const one = Object.entries(PAIRS).find(([, several]) => several === verb)?.[0];
  const hint = typeof record === "string" && one !== undefined ? `; for a single one use ${one}()` : "";
  const got = types.isPromise(record)
    ? "Promise: await it before logging"
    : record === undefined
      ? "nothing"
      : kindName(record);
  wrong(place, `${verb}: a record of names and values is needed, got ${got}${hint}; nothing is logged`, verb);
  return false;
}

const TERMINAL: ReadonlySet<unknown> = new Set<TerminalStatus>(["FINISHED", "FAILED", "KILLED"]);

/** Returns the status a run ends with; an invalid one becomes FINISHED, with a warning. */
export function terminalStatus(place: Place, status: TerminalStatus): TerminalStatus {
  if (TERMINAL.has(status)) return status;
  wrong(place, `A run ends FINISHED, FAILED or KILLED, not ${shownValue(status)}; FINISHED is used`, "status");
  return "FINISHED";
}

function wrong(place: Place, detail: string, about: string): void {
  // Without tracking, there is no tracker to report to.
  if ((place.host as Place["host"] | undefined) !== undefined)
    warnAt(place, place.method, "INVALID_VALUE", detail, about);
}
