import { types } from "node:util";
import type { TerminalStatus } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { nearest, shownValue } from "../../base/wrong-input.js";
import { isRecord, kindName } from "../../capture/params.js";
import type { MetricOptions } from "./metric-value.js";
import { type Place, sayNothing, sayUndefined, warnAt } from "./values.js";

/**
 * What is said of arguments that a run's verbs cannot take: a verb throws nothing, so it is warned of, and left out.
 */

/** Most names in a message. */
export const MAX_SHOWN = 5;

/** @throws PulseError for a verb that was taken out of its run, which nobody can log into. */
export function needRun(run: unknown, verb: string): void {
  if (run === undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `${verb} was called without its run: call it as run.${verb}(), or pass (...args) => run.${verb}(...args).`,
    );
}

const PAIRS = { logMetric: "logMetrics", logParam: "logParams", setTag: "setTags" } as const;

/**
 * Whether a key and a value were given to a verb; `count`: how many arguments. What is no text, and can be told from
 * others by one, becomes one.
 */
export function isPair(place: Place, verb: keyof typeof PAIRS, key: unknown, value: unknown, count: number): boolean {
  needRun(place, verb);
  if (typeof key === "string" && count > 1) {
    // Of two arguments: who gives more has taken the value from somewhere, where nothing may be meant.
    if (value === undefined && count === 2 && verb !== "logMetric") sayUndefined(place, verb, key);
    if (!types.isPromise(value)) return true;
    wrong(
      place,
      `${verb}: the value of ${JSON.stringify(key)} is a promise, which is to be awaited; it is left out`,
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
    `${verb}: the key must be a text, got ${shownValue(key)}; ${isName ? "its text is taken" : "nothing is logged"}`,
    `${verb} key`,
  );
  return isName && count > 1;
}

const METRIC_OPTIONS: readonly (keyof MetricOptions)[] = ["step", "timestamp"];

/** The options of `logMetric` and the like, as far as they are some; `more`: those that are only this verb's. */
export function metricOptions(
  place: Place,
  verb: string,
  options: unknown,
  more: readonly string[] = [],
): MetricOptions | undefined {
  return optionsOf(place, verb, options, [...more, ...METRIC_OPTIONS], "{ step: 3 }") as MetricOptions | undefined;
}

/** What was given as options, if it is an object; names that are none are warned of. */
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
 * Whether a record was given to a verb that logs several; undefined and null stand for an empty one. `count`: how many
 * arguments.
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
    ? "Promise, which is to be awaited"
    : record === undefined
      ? "nothing"
      : kindName(record);
  wrong(place, `${verb}: a record of names and values is needed, got ${got}${hint}; nothing is logged`, verb);
  return false;
}

const TERMINAL: ReadonlySet<unknown> = new Set<TerminalStatus>(["FINISHED", "FAILED", "KILLED"]);

/** The status a run ends with, whatever was given for one. */
export function terminalStatus(place: Place, status: TerminalStatus): TerminalStatus {
  if (TERMINAL.has(status)) return status;
  wrong(place, `A run ends FINISHED, FAILED or KILLED, not ${shownValue(status)}; FINISHED is taken`, "status");
  return "FINISHED";
}

function wrong(place: Place, detail: string, about: string): void {
  // A run of a program without tracking has nobody to tell.
  if ((place.host as Place["host"] | undefined) !== undefined)
    warnAt(place, place.method, "INVALID_VALUE", detail, about);
}
