import { types } from "node:util";
import { PulseError } from "../base/errors.js";
import { type Check, checkOptions, shownValue, wrongInput } from "../base/wrong-input.js";
import { AGGREGATES } from "./aggregate.js";
import type { LogMetricOptions } from "./selector.js";

/**
 * @internal Checks a selector and its options when the decorator runs, so that a slip of plain JavaScript is named at
 * once.
 */
export function checkSelector(decorator: string, selector: unknown): void {
  if (selector === undefined || typeof selector === "function") return;
  if (typeof selector === "string") {
    checkPath(decorator, "the selector", selector);
    return;
  }
  if (typeof selector !== "object" || selector === null)
    throw wrongInput(
      decorator,
      "the selector",
      "a path, a list of paths, a record of paths and functions, or a function",
      selector,
    );
  const isArray = Array.isArray(selector);
  const parts = Object.entries(selector as object);
  if (isArray && parts.length === 0)
    throw wrongInput(decorator, "the selector", "a list of paths, one at least", selector);
  if (
    decorator === "LogMetric" &&
    isOptions(selector) &&
    parts.some(([, part]) => typeof part !== "string" && typeof part !== "function")
  )
    throw new PulseError("INVALID_OPTION", `LogMetric: ${behindSelector(selector)}; got ${shownValue(selector)}.`);
  for (const [key, part] of parts) {
    const name = isArray ? `path ${Number(key) + 1} of the selector` : `${JSON.stringify(key)} in the selector`;
    if (typeof part === "string") checkPath(decorator, name, part);
    else if (isArray || typeof part !== "function")
      throw wrongInput(decorator, name, isArray ? "a path" : "a path or a function", part);
  }
}

function checkPath(decorator: string, name: string, path: string): void {
  if (path.trim() === "" || path === "?") throw wrongInput(decorator, name, "a path, which is not empty", path);
}

const isFunction = (value: unknown): boolean => typeof value === "function";

const METRIC_CHECKS: Record<keyof LogMetricOptions, Check> = {
  step: ["a path or a function", (value) => typeof value === "string" || typeof value === "function"],
  prefix: ["a string", (value) => typeof value === "string"],
  timestamp: [
    "a number, a Date or a function",
    (value) => typeof value === "number" || typeof value === "function" || types.isDate(value),
  ],
  when: ["a function", isFunction],
  everyN: ["a whole number, 1 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 1],
  minIntervalMs: ["a number of milliseconds, 0 or more", (value) => typeof value === "number" && value >= 0],
  aggregate: [
    `one or a list of ${AGGREGATES.join(", ")}`,
    (value) =>
      (Array.isArray(value) ? value.length > 0 : true) &&
      [value].flat().every((each) => AGGREGATES.includes(each as never)),
  ],
  nonFinite: ['"log" or "skip"', (value) => value === "log" || value === "skip"],
};

/**
 * @internal Checks the options of `@LogMetric`.
 * @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was got.
 */
export function checkMetricOptions(options: unknown): void {
  checkOptions("LogMetric", options, METRIC_CHECKS);
}

/** @internal What is wrong with a record of metrics, for messages: a part that is no path and no function. */
export function metricsFault(selector: unknown): string | undefined {
  if (typeof selector !== "object" || selector === null) return undefined;
  const found = Object.entries(selector).find(
    ([, part]) => typeof part !== "string" && (Array.isArray(selector) || typeof part !== "function"),
  );
  if (found === undefined) return undefined;
  return Array.isArray(selector)
    ? shownValue(found[1])
    : `${JSON.stringify(found[0])}: ${shownValue(found[1])} (values are taken from the result, by a path or a function)`;
}

/** @internal What is wrong with a selector of files. */
export function artifactFault(selector: unknown): string | undefined {
  if (typeof selector === "string") return selector.trim() === "" ? "an empty text" : undefined;
  if (typeof selector !== "object" || selector === null || Array.isArray(selector)) return shownValue(selector);
  const parts = Object.entries(selector);
  if (parts.length === 0) return "an empty record";
  const [file, from] =
    parts.find(
      ([name, part]) =>
        name.trim() === "" || !(typeof part === "function" || (typeof part === "string" && part.trim() !== "")),
    ) ?? [];
  return file === undefined ? undefined : `${JSON.stringify(file)}: ${shownValue(from)}`;
}

/** @internal Whether a selector is a record that may be meant as options: all its keys are names of some. */
export function isOptions(selector: unknown): selector is object {
  if (typeof selector !== "object" || selector === null || Array.isArray(selector)) return false;
  const keys = Object.keys(selector);
  return keys.length > 0 && keys.every((key) => Object.hasOwn(METRIC_CHECKS, key));
}

/** @internal What is said where options were given in the selector's place. */
export function behindSelector(options: object): string {
  const text = Object.entries(options).map(([name, value]) => `${name}: ${shownValue(value, name)}`);
  return `options stand behind the selector, as in @LogMetric(undefined, { ${text.join(", ")} })`;
}
