import { PulseError } from "../errors.js";
import { isList, isNumeric, isPlainObject, readPath } from "./path.js";

/** Bounds of what a bare `@LogMetric` takes from one result. */
const MAX_DEPTH = 3;
const MAX_LEAVES = 50;
const MAX_STEPS = 10_000;
const MAX_FIELDS = 10_000;

/** What a selector function gets: it is written before the method it is applied to is known, so its type cannot be inferred. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Untyped = any;

/** A function as selector: gets the result (awaited, or one yielded value) and the call's arguments. */
export type SelectorFunction = (result: Untyped, args: Untyped) => unknown;

/** What part of a result is taken, and under which keys. */
export type Selector = string | readonly string[] | { readonly [key: string]: string | SelectorFunction } | SelectorFunction;

/** Options of `@LogMetric`, second after the selector. */
export interface LogMetricOptions {
  /** The step of each value: a path into the result or a function of it. @default the highest step so far of this run and key, plus one */
  readonly step?: string | SelectorFunction | undefined;
  /** Put before every key, verbatim, for instance `"train/"`. @default "" */
  readonly prefix?: string | undefined;
  /** When the value was measured, milliseconds since the epoch or a Date. @default the time of recording */
  readonly timestamp?: number | Date | SelectorFunction | undefined;
  /** Logs only results for which this returns true. @default every result */
  readonly when?: SelectorFunction | undefined;
  /** What to do with NaN and ±Infinity: `"log"` them as MLflow's own, or `"skip"` them. @default "log" */
  readonly nonFinite?: "log" | "skip" | undefined;
}

/** @internal Takes one captured value. `step` and `timestamp` are undefined when the run is to choose. */
export type EmitMetric = (key: string, value: number | bigint | boolean, step: unknown, timestamp: unknown) => void;

/** @internal Takes metrics from one result; `limited` is called once when a bound cut something off. */
export type MetricCapture = (result: unknown, args: readonly unknown[], emit: EmitMetric, limited: (what: string) => void) => void;

type Take = (
  result: unknown,
  args: readonly unknown[],
  emit: (key: string, value: unknown) => void,
  limited: (what: string) => void,
) => void;

/** @internal Compiles a selector into a capture. `name` is the method's name, the key of bare numbers. */
export function compileMetrics(selector: Selector | undefined, options: LogMetricOptions, name: string): MetricCapture {
  const { prefix = "", step, timestamp, when, nonFinite } = options;
  const take = compileTake(selector, name);
  const simple = prefix === "" && step === undefined && timestamp === undefined && nonFinite !== "skip";
  return (result, args, emit, limited) => {
    if (when !== undefined && !when(result, args)) return;
    if (simple) {
      take(result, args, (key, value) => value !== undefined && emit(key, value as number, undefined, undefined), limited);
      return;
    }
    const chosenStep = typeof step === "string" ? readPath(result, step) : step?.(result, args);
    const time = typeof timestamp === "function" ? timestamp(result, args) : timestamp;
    take(
      result,
      args,
      (key, value) => {
        if (nonFinite === "skip" && typeof value === "number" && !Number.isFinite(value)) return;
        emit(prefix + key, value as number, chosenStep, time);
      },
      limited,
    );
  };
}

function compileTake(selector: Selector | undefined, name: string): Take {
  if (selector === undefined) return (result, _args, emit, limited) => takeBare(name, result, emit, limited);
  if (typeof selector === "function") {
    return (result, args, emit, limited) => {
      const taken = selector(result, args);
      if (isNumeric(taken)) emit(name, taken);
      else if (isList(taken)) takeList(name, taken, emit, limited);
      else takeBare("", taken, emit, limited);
    };
  }
  if (typeof selector === "string") return takePath(selector, selector);
  const takes = Array.isArray(selector)
    ? (selector as readonly string[]).map((path) => takePath(path, path))
    : Object.entries(selector as Record<string, string | SelectorFunction>).map(([key, from]) =>
        typeof from === "string" ? takePath(key, from) : takeFunction(key, from),
      );
  return (result, args, emit, limited) => {
    for (const take of takes) take(result, args, emit, limited);
  };
}

function takePath(key: string, path: string): Take {
  return (result, _args, emit, limited) => {
    if (isNumeric(result))
      emit(key, result); // a bare number has no paths: the string is simply its key
    else if (isList(result) && !/^\d/.test(path))
      eachElement(result, limited, (element) => takeValue(key, isNumeric(element) ? element : readPath(element, path), emit, limited));
    else takeValue(key, readPath(result, path), emit, limited);
  };
}

function takeFunction(key: string, from: SelectorFunction): Take {
  return (result, args, emit, limited) => takeValue(key, from(result, args), emit, limited);
}

function takeValue(key: string, value: unknown, emit: (key: string, value: unknown) => void, limited: (what: string) => void): void {
  if (isNumeric(value)) emit(key, value);
  else if (isList(value)) eachElement(value, limited, (element) => isNumeric(element) && emit(key, element));
}

function takeList(
  key: string,
  list: ArrayLike<unknown>,
  emit: (key: string, value: unknown) => void,
  limited: (what: string) => void,
): void {
  eachElement(list, limited, (element) => {
    if (isNumeric(element)) emit(key, element);
    else if (isPlainObject(element)) takeLeaves(element, emit, limited);
  });
}

function eachElement(list: ArrayLike<unknown>, limited: (what: string) => void, visit: (element: unknown) => void): void {
  const length = Math.min(list.length, MAX_STEPS);
  for (let i = 0; i < length; i++) visit(list[i]);
  if (list.length > MAX_STEPS) limited(`only the first ${MAX_STEPS} of ${list.length} elements`);
}

function takeBare(name: string, result: unknown, emit: (key: string, value: unknown) => void, limited: (what: string) => void): void {
  if (isNumeric(result)) emit(name, result);
  else if (typeof result !== "object" || result === null) return;
  else if (isList(result)) takeList(name, result, emit, limited);
  else if (isPlainObject(result)) takeLeaves(result, emit, limited);
}

function takeLeaves(root: Record<string, unknown>, emit: (key: string, value: unknown) => void, limited: (what: string) => void): void {
  let leaves = 0;
  let fields = 0;
  const visit = (object: object, prefix: string, depth: number): boolean => {
    for (const key of Object.keys(object)) {
      if (++fields > MAX_FIELDS) return false;
      const value = Object.getOwnPropertyDescriptor(object, key)?.value as unknown; // a getter is never run
      if (isNumeric(value)) {
        if (leaves === MAX_LEAVES) return false;
        leaves++;
        emit(prefix + key, value);
      } else if (depth < MAX_DEPTH && isPlainObject(value) && !visit(value, `${prefix}${key}.`, depth + 1)) return false;
    }
    return true;
  };
  if (!visit(root, "", 1)) limited(`only the first ${MAX_LEAVES} numbers of an object`);
}

/** @internal Checks a selector and its options when the decorator runs, so that a slip of plain JavaScript is named at once. */
export function checkSelector(decorator: string, selector: unknown): void {
  const bad = (got: unknown): never => {
    throw new PulseError(
      "INVALID_OPTION",
      `${decorator}: the selector must be a path, a list of paths, a record of paths and functions, or a function; got ${got === null ? "null" : typeof got}.`,
    );
  };
  if (selector === undefined || typeof selector === "string" || typeof selector === "function") return;
  if (typeof selector !== "object" || selector === null) bad(selector);
  const parts: unknown[] = Array.isArray(selector) ? selector : Object.values(selector as object);
  for (const part of parts) if (typeof part !== "string" && (Array.isArray(selector) || typeof part !== "function")) bad(part);
}
