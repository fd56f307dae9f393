import { types } from "node:util";
import { type Fielded, fieldOf } from "../base/text/fields.js";
import { keyText } from "../base/text/keys.js";
import { isLate, LATE } from "../base/text/late.js";
import type { Aggregate } from "./aggregate.js";
import { type CaptureReport, isStream, kindOf, STREAMS, sayNowhere } from "./nowhere.js";
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
import { isOwnText, type Place, TakenKeys } from "./places.js";
import type { LogMetricOptions, Selector, SelectorFunction } from "./selector.js";
import { behindSelector, isOptions } from "./selector-faults.js";

/** Bounds of what a bare `@LogMetric` takes from one result. */
const MAX_DEPTH = 3;
const MAX_LEAVES = 50;
const MAX_STEPS = 10_000;
/** Most fields of a result that may be looked at and hold no number, and how many more each number found allows for. */
const [MAX_LOOKS, LOOKS_PER_NUMBER] = [3_000, 50];
/** Most names in a message. */
const MAX_SHOWN = 5;

/** @internal What of a run's values of a key is logged. */
export interface Throttle {
  readonly everyN: number;
  readonly minIntervalMs: number;
  readonly aggregate: readonly Aggregate[] | undefined;
}

/** @internal Where captured values go. An object, not functions: it is made for every call. */
export interface MetricSink extends CaptureReport {
  /**
   * Takes one value; `step` and `timestamp` are undefined when the run is to choose. `apart`: the key is another
   * place's of the same object, and this says which one it is meant for.
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

/** @internal Takes metrics from one result. */
export type MetricCapture = (result: unknown, args: readonly unknown[], sink: MetricSink) => void;

/** @internal Compiles a selector into a capture. `name` is the method's name, the key of bare numbers. */
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
  // A list's elements are its steps: each has its own step, time and say in `when`.
  const perElement = step !== undefined || when !== undefined || typeof timestamp === "function";
  return (result, args, sink) => {
    if (perElement && isList(result)) eachElement(result, sink, (element) => one(element, args, sink));
    else one(result, args, sink);
  };
}

/** What a function of the options gave, unless that comes later. */
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
      else takeBare(name, taken, sink, "the selector gave");
    };
  const takes = entriesOf(selector).map(([key, from]) =>
    typeof from === "string" ? takePath(key, from) : takeFunction(key, from),
  );
  const meant = isOptions(selector) ? behindSelector(selector) : undefined;
  return (result, args, sink) => {
    const shape = shapeOf(result); // asked once, not for each path
    const told = meant === undefined ? sink : hinting(sink, `If that is meant as an option: ${meant}.`);
    for (const take of takes) take(result, args, told, shape);
  };
}

/** A sink that adds something to what is said of a selector that found nothing. */
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
        () => `the selector for ${JSON.stringify(key)} gave ${kindOf(value, key)}, not a number.`,
      );
  };
}

function emit(sink: MetricSink, key: string, value: number | bigint | boolean, apart?: string): void {
  sink.metric(key, value, undefined, undefined, undefined, apart);
}

/**
 * Takes what a selector has picked: a number, or the numbers of a list or of anything else that can be walked along.
 * `passed`: how many elements of all lists of a result may still be passed over because they are none. False for
 * anything that is neither.
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

/** False when there are elements, and none is a number. */
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

/** What can be walked along; what is in a map. */
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

const GAVE = "it gave";

function takeBare(name: string, result: unknown, sink: MetricSink, source = GAVE): void {
  if (isNumeric(result)) {
    emit(sink, name, result);
    return;
  }
  const budget = new Budget();
  const plain = isPlainObject(result); // asked once, since a prototype is dear to ask for
  if (plain || types.isMap(result)) takeLeaves(result, plain, budget, sink);
  else if (isList(result)) {
    eachElement(result, sink, (element) => {
      if (isNumeric(element)) {
        budget.found = true;
        emit(sink, name, element);
      } else if (budget.looks > 0 && isFielded(element)) takeLeaves(element, isPlainObject(element), budget, sink);
    });
  }
  // A selector's function says with undefined that there is nothing to log, anybody with null.
  if (budget.found || result === null || (result === undefined ? source !== GAVE : isEmpty(result))) return;
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

/** What is said of a result in which no number was found. */
function nothingIn(name: string, result: unknown, source: string): string {
  if (result === undefined)
    return "there is nothing to log: it gave undefined. Return the values, or null where there are none.";
  const fields =
    isPlainObject(result) && !types.isProxy(result) ? Object.entries(Object.getOwnPropertyDescriptors(result)) : [];
  const getters = fields.flatMap(([name, { get }]) => (get ? [name] : []));
  const texts = getters.length > 0 ? [] : fields.flatMap(([name, { value }]) => (isNumberText(value) ? [name] : []));
  if (texts.length > 0) {
    const [many, them] = texts.length === 1 ? ["is a text", "it"] : ["are texts", "them"];
    return `no number was found: ${source} ${kindOf(result, name)} whose ${texts.slice(0, MAX_SHOWN).join(", ")} ${many}. Return ${them} as numbers, or give a function: (result) => Number(result.${texts[0]}).`;
  }
  if (isStream(result)) return `no number was found: ${source} a stream. ${STREAMS}`;
  const why =
    getters.length > 0
      ? ` whose ${getters.slice(0, MAX_SHOWN).join(", ")} ${getters.length === 1 ? "is a getter" : "are getters"}, and those are not run`
      : "";
  return `no number was found: ${source} ${kindOf(result, name)}${why}. Name what is to be logged: a path ("loss") or a function.`;
}

/** How much may still be taken of one object, and looked at of the whole result. */
class Budget {
  leaves = MAX_LEAVES;
  /** Made when two places may be one key, which those of most results cannot. */
  keys: TakenKeys | undefined;
  /** The root is no map: the names in it are all different. */
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
  budget.keys = undefined; // one for each element of a list
  budget.plain = plain;
  budget.leaves = MAX_LEAVES;
  if (visitLeaves(root, "", 1, undefined, budget, sink)) return;
  sink.limited(
    budget.looks > 0
      ? `only the first ${MAX_LEAVES} numbers of an object`
      : `only what comes before thousands of fields without a number`,
  );
}

/** Visits the numeric leaves below an object; false when the budget is spent. */
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
    // What lies deeper has a dot in its key: a name of the root that has none is no other's.
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
