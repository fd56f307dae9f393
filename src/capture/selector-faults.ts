import { types } from "node:util";
import { PulseError } from "../base/errors.js";
import { type Check, checkOptions, shownValue, wrongInput } from "../base/wrong-input.js";
import { AGGREGATES } from "./aggregate.js";
import type { LogMetricOptions } from "./selector.js";

/**
 * @internal Checks a selector when the decorator is applied, so that mistakes in plain JavaScript are found at once.
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
    throw wrongInput(decorator, "the selector", "a list of at least one path", selector);
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
  if (path.trim() === "" || path === "?") throw wrongInput(decorator, name, "a path that is not empty", path);
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
 * @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was given.
 */
export function checkMetricOptions(options: unknown): void {
  checkOptions("LogMetric", options, METRIC_CHECKS);
}

/** @internal Describes the first part of a record of metrics that is neither a path nor a function. */
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

/** @internal Describes what is wrong with a selector of files. */
export function artifactFault(selector: unknown): string | undefined {
  if (typeof selector === "string") return selector.trim() === "" ? "an empty string" : undefined;
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

/** @internal Whether a selector looks like options: a record whose keys are all names of options. */
export function isOptions(selector: unknown): selector is object {
  if (typeof selector !== "object" || selector === null || Array.isArray(selector)) return false;
  const keys = Object.keys(selector);
  return keys.length > 0 && keys.every((key) => Object.hasOwn(METRIC_CHECKS, key));
}

/** @internal Explains that options were given in place of the selector. */
export function behindSelector(options: object): string {
  const text = Object.entries(options).map(([name, value]) => `${name}: ${shownValue(value, name)}`);
  return `options come after the selector, as in @LogMetric(undefined, { ${text.join(", ")} })`;
}
