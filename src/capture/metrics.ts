import { types } from "node:util";
import { type Fielded, fieldOf } from "../base/text/fields.js";
import { keyText } from "../base/text/keys.js";
import { isLate, LATE } from "../base/text/returned-promise.js";
import type { Aggregate } from "./aggregate.js";
import { type CaptureReport, kindOf, lateValues, sayNowhere } from "./nowhere.js";
import {
  entriesOf,
  fieldNames,
  isFielded,
  isIterable,
  isList,
  isNumeric,
  isPlainObject,
  readPath,
  shapeOf,
  writtenPath,
} from "./path.js";
import type { LogMetricOptions, Selector, SelectorFunction } from "./selector.js";
import { behindSelector, isOptions } from "./selector-faults.js";
import { isOwnText, type Place, TakenKeys } from "./taken-keys.js";

/** Limits for a bare `@LogMetric` on one result. */
const MAX_DEPTH = 3;
const MAX_LEAVES = 50;
const MAX_STEPS = 10_000;
/** How many fields without a number may be looked at, and how many more each number found allows. */
const [MAX_LOOKS, LOOKS_PER_NUMBER] = [3_000, 50];
/** Maximum number of names in a message. */
const MAX_SHOWN = 5;

/** @internal Which values of a key are logged. */
export interface Throttle {
  readonly everyN: number;
  readonly minIntervalMs: number;
  readonly aggregate: readonly Aggregate[] | undefined;
}

/** @internal Receives captured values. An object instead of functions, because it is created for every call. */
export interface MetricSink extends CaptureReport {
  /**
   * Takes one value; if `step` or `timestamp` is undefined, the run chooses. `apart` is set if another place in the
   * same object already uses the key, and names the place this value is from.
   */
  metric(
    key: string,
    value: number | bigint | boolean,
    step: unknown,
    timestamp: unknown,
    throttle: Throttle | undefined,
    apart?: string | undefined,
  ): void;
}

/** @internal Extracts metrics from one result. */
export type MetricCapture = (result: unknown, args: readonly unknown[], sink: MetricSink) => void;

/** @internal Compiles a selector into a capture. `name` is the method's name, the key of a bare number. */
export function compileMetrics(selector: Selector | undefined, options: LogMetricOptions, name: string): MetricCapture {
  const { prefix = "", step, timestamp, when, nonFinite } = options;
  const throttle = thinningOf(options);
  const take = compileTake(selector, name);
  const stepPath = typeof step === "string" ? writtenPath(step) : undefined;
  const plain =
    prefix === "" &&
    step === undefined &&
    timestamp === undefined &&
    when === undefined &&
    nonFinite !== "skip" &&
    !throttle;
  if (plain) return take;
  const one: MetricCapture = (result, args, sink) => {
    const wanted = when === undefined || when(result, args);
    if (!wanted) return;
    if (isLate(wanted)) sink.lost("when", () => `when ${LATE}. All is logged.`);
    const chosenStep = atOnce(
      "step",
      typeof step === "function" ? step(result, args) : stepPath && readPath(result, stepPath.path),
      sink,
    );
    if (stepPath && !stepPath.optional && chosenStep === undefined)
      sayNowhere(sink, "step", stepPath.path, "the result", result, undefined);
    const time = atOnce("timestamp", typeof timestamp === "function" ? timestamp(result, args) : timestamp, sink);
    take(result, args, {
      metric(key, value, _step, _timestamp, _thinning, apart) {
        if (nonFinite !== "skip" || typeof value !== "number" || Number.isFinite(value))
          sink.metric(prefix + key, value, chosenStep, time, throttle, apart && prefix + apart);
      },
      limited: (what) => sink.limited(what),
      lost: (subject, describe, mild) => sink.lost(subject, describe, mild),
    });
  };
  // For lists, step, timestamp and `when` are evaluated per element.
  const perElement = step !== undefined || when !== undefined || typeof timestamp === "function";
  return (result, args, sink) => {
    if (perElement && isList(result)) eachElement(result, sink, (element) => one(element, args, sink));
    else one(result, args, sink);
  };
}

/** Returns what a function of the options returned, unless that is a promise. */
function atOnce(name: string, value: unknown, sink: MetricSink): unknown {
  if (!isLate(value)) return value;
  sink.lost(name, () => `${name} ${LATE}.`);
  return undefined;
}

function thinningOf({ everyN = 1, minIntervalMs = 0, aggregate }: LogMetricOptions): Throttle | undefined {
  if (everyN === 1 && minIntervalMs === 0 && aggregate === undefined) return undefined;
  return { everyN, minIntervalMs, aggregate: typeof aggregate === "string" ? [aggregate] : aggregate };
}

function compileTake(selector: Selector | undefined, name: string): MetricCapture {
  if (selector === undefined) return (result, _args, sink) => takeBare(name, result, sink);
  if (typeof selector === "function")
    return (result, args, sink) => {
      const taken = selector(result, args);
      if (isLate(taken)) sink.lost("bare", () => `the selector ${LATE}.`);
      else takeBare(name, taken, sink, "the selector returned");
    };
  const takes = entriesOf(selector).map(([key, from]) =>
    typeof from === "string" ? takePath(key, from) : takeFunction(key, from),
  );
  const meant = isOptions(selector) ? behindSelector(selector) : undefined;
  return (result, args, sink) => {
    const shape = shapeOf(result); // determined once instead of for each path
    const report = meant === undefined ? sink : hinting(sink, `If that was meant as an option: ${meant}.`);
    for (const take of takes) take(result, args, report, shape);
  };
}

/** Adds a hint to the message about a selector that found nothing. */
function hinting(sink: MetricSink, hint: string): MetricSink {
  return {
    metric: (...value) => sink.metric(...value),
    limited: (what) => sink.limited(what),
    lost: (subject, describe, mild) => sink.lost(subject, () => `${describe()} ${hint}`, mild),
  };
}

type Take = (result: unknown, args: readonly unknown[], sink: MetricSink, shape: "list" | "object" | undefined) => void;

function takePath(key: string, written: string): Take {
  const { path, optional } = writtenPath(written);
  const [indexed, direct] = [/^\d/.test(path), !path.includes(".")];
  return (result, _args, sink, shape) => {
    // A bare number has no paths: the string is simply its key.
    if (isNumeric(result)) emit(sink, key, result);
    else if (shape === "list" && !indexed) {
      const passed = { left: MAX_STEPS };
      let any = false;
      eachElement(result as Listed, sink, (element) => {
        if (takeValue(key, isNumeric(element) ? element : readPath(element, path), sink, passed)) any = true;
      });
      const size =
        "length" in (result as Listed) ? (result as ArrayLike<unknown>).length : (result as ReadonlySet<unknown>).size;
      if (!any && !optional && size > 0) {
        const [first] = result as Iterable<unknown>;
        sayNowhere(sink, "metric", path, "the first element of the result", first, readPath(first, path));
      }
    } else {
      const value = direct && shape === "object" ? (result as Record<string, unknown>)[path] : readPath(result, path);
      if (!takeValue(key, value, sink) && !optional) sayNowhere(sink, "metric", path, "the result", result, value);
    }
  };
}

function takeFunction(key: string, from: SelectorFunction): Take {
  return (result, args, sink) => {
    const value = from(result, args);
    if (isLate(value)) sink.lost(`function ${key}`, () => `the selector for ${JSON.stringify(key)} ${LATE}.`);
    else if (!takeValue(key, value, sink) && value !== undefined && value !== null)
      sink.lost(
        `function ${key}`,
        () => `the selector for ${JSON.stringify(key)} returned ${kindOf(value, key)}, not a number.`,
      );
  };
}

function emit(sink: MetricSink, key: string, value: number | bigint | boolean, apart?: string): void {
  sink.metric(key, value, undefined, undefined, undefined, apart);
}

/**
 * Logs what a selector picked: a number, or the numbers of a list or other iterable. `passed` limits how many elements
 * without a number may be skipped across all lists of a result. Returns false for anything else.
 */
function takeValue(key: string, value: unknown, sink: MetricSink, passed?: { left: number }): boolean {
  if (isNumeric(value)) {
    emit(sink, key, value);
    return true;
  }
  if (!isList(value) && !isIterable(value)) return false;
  return passed !== undefined && passed.left <= 0
    ? true
    : takeElements(key, value, sink, passed ?? { left: MAX_STEPS });
}

/** Returns false if there are elements but no number among them. */
function takeElements(key: string, list: Listed, sink: MetricSink, passed: { left: number }): boolean {
  let [any, empty] = [false, true];
  eachElement(list, sink, (element) => {
    empty = false;
    if (isNumeric(element)) {
      any = true;
      emit(sink, key, element);
    } else passed.left--;
  });
  return any || empty;
}

/** `Listed`: anything iterable. `Entries`: the contents of a map. */
type Listed = ArrayLike<unknown> | ReadonlySet<unknown> | Iterable<unknown>;
type Entries = Iterable<[key: unknown, value: unknown]>;

function eachElement(list: Listed, sink: MetricSink, visit: (element: unknown) => void): void {
  let taken = 0;
  if ("length" in list) while (taken < list.length && taken < MAX_STEPS) visit(list[taken++]);
  else
    for (const element of list) {
      if (taken === MAX_STEPS) {
        sink.limited(`only the first ${MAX_STEPS} elements`);
        return;
      }
      taken++;
      visit(element);
    }
  if ("length" in list && list.length > MAX_STEPS)
    sink.limited(`only the first ${MAX_STEPS} of ${list.length} elements`);
}

const RESULT = "it returned";

function takeBare(name: string, result: unknown, sink: MetricSink, source = RESULT): void {
  if (isNumeric(result)) {
    emit(sink, name, result);
    return;
  }
  const budget = new Budget();
  const plain = isPlainObject(result); // determined once, because asking for a prototype is expensive
  if (plain || types.isMap(result)) takeLeaves(result, plain, budget, sink);
  else if (isList(result)) {
    eachElement(result, sink, (element) => {
      if (isNumeric(element)) {
        budget.found = true;
        emit(sink, name, element);
      } else if (budget.looks > 0 && isFielded(element)) takeLeaves(element, isPlainObject(element), budget, sink);
    });
  }
  // `undefined` from a selector function means that there is nothing to log; `null` always does.
  if (budget.found || result === null || (result === undefined ? source !== RESULT : isEmpty(result))) return;
  sink.lost("bare", () => nothingIn(name, result, source), true);
}

const isEmpty = (result: unknown): boolean =>
  isList(result)
    ? ("length" in result ? result.length : result.size) === 0
    : types.isMap(result)
      ? result.size === 0
      : isPlainObject(result) && Object.keys(result).length === 0;

const isNumberText = (value: unknown): boolean =>
  typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));

/** Describes a result in which no number was found. */
function nothingIn(name: string, result: unknown, source: string): string {
  if (result === undefined)
    return "there is nothing to log: it returned undefined. Return the values, or null if there are none.";
  const fields =
    isPlainObject(result) && !types.isProxy(result) ? Object.entries(Object.getOwnPropertyDescriptors(result)) : [];
  const getters = fields.flatMap(([name, { get }]) => (get ? [name] : []));
  const texts = getters.length > 0 ? [] : fields.flatMap(([name, { value }]) => (isNumberText(value) ? [name] : []));
  if (texts.length > 0) {
    const [many, them] = texts.length === 1 ? ["is a string", "it"] : ["are strings", "them"];
    return `no number was found: ${source} ${kindOf(result, name)} whose ${texts.slice(0, MAX_SHOWN).join(", ")} ${many}. Return ${them} as numbers, or use a function: (result) => Number(result.${texts[0]}).`;
  }
  const late = lateValues(result);
  if (late !== undefined) return `no number was found: ${source} ${late}`;
  const why =
    getters.length > 0
      ? ` whose ${getters.slice(0, MAX_SHOWN).join(", ")} ${getters.length === 1 ? "is a getter" : "are getters"}, which are not run`
      : "";
  return `no number was found: ${source} ${kindOf(result, name)}${why}. Say what to log: a path ("loss") or a function.`;
}

/** How much may still be taken from one object, and looked at in the whole result. */
class Budget {
  leaves = MAX_LEAVES;
  /** Only created if two places may share a key, which is rare. */
  keys: TakenKeys | undefined;
  /** Whether the root is not a map, so that all its names differ. */
  plain = false;
  looks = MAX_LOOKS;
  found = false;
  names: Map<object, readonly string[]> | undefined;

  met(key: unknown): TakenKeys {
    this.keys ??= new TakenKeys(false);
    this.keys.met(key);
    return this.keys;
  }
}

function takeLeaves(root: Fielded, plain: boolean, budget: Budget, sink: MetricSink): void {
  budget.keys = undefined; // one per element of a list
  budget.plain = plain;
  budget.leaves = MAX_LEAVES;
  if (visitLeaves(root, "", 1, undefined, budget, sink)) return;
  sink.limited(
    budget.looks > 0
      ? `only the first ${MAX_LEAVES} numbers of an object`
      : `only what comes before thousands of fields without a number`,
  );
}

/** Visits the numeric leaves of an object; returns false when the budget is used up. */
function visitLeaves(
  object: Fielded,
  prefix: string,
  depth: number,
  up: Place | undefined,
  budget: Budget,
  sink: MetricSink,
): boolean {
  if (budget.looks-- <= 0) return false;
  if (depth === 1 ? budget.plain : isPlainObject(object)) {
    for (const key of fieldNames(object, budget))
      if (!visitLeaf(key, fieldOf(object, key), prefix, depth, up, budget, sink)) return false;
  } else
    for (const [key, value] of object as Entries)
      if (!visitLeaf(key, value, prefix, depth, up, budget, sink)) return false;
  return true;
}

function visitLeaf(
  key: unknown,
  value: unknown,
  prefix: string,
  depth: number,
  up: Place | undefined,
  budget: Budget,
  sink: MetricSink,
): boolean {
  if (isNumeric(value)) {
    if (budget.leaves-- === 0) return false;
    budget.found = true;
    budget.looks += LOOKS_PER_NUMBER;
    const name = prefix === "" && typeof key === "string" ? key : prefix + keyText(key);
    // Keys of deeper values contain a dot, so a name of the root without one is unique.
    const alone = budget.plain && up === undefined && isOwnText(key);
    emit(sink, name, value, alone ? undefined : budget.met(key).take(name, up, key));
    return true;
  }
  if (depth < MAX_DEPTH && isFielded(value)) {
    budget.met(key);
    return visitLeaves(value, `${prefix}${keyText(key)}.`, depth + 1, { up, key }, budget, sink);
  }
  return budget.looks-- > 0;
}
