import { types } from "node:util";
import { type Fielded, fieldOf } from "../base/text/fields.js";
import { keyText } from "../base/text/keys.js";
import { BesideSecret, isSecretKey, nameOf } from "../base/text/redact.js";
import { isLate, LATE } from "../base/text/returned-promise.js";
import { type CaptureReport, kindOf as knownAs, sayNowhere } from "./nowhere.js";
import type { ParameterName } from "./parameter-names.js";
import {
  entriesOf,
  fieldNames,
  isDataObject,
  isFielded,
  isNumeric,
  isPlainObject,
  readPath,
  writtenPath,
} from "./path.js";
import type { Selector, Untyped } from "./selector.js";
import { type Place, TakenKeys } from "./taken-keys.js";

/** A function as params selector; it is passed the list of the call's arguments. */
export type ArgumentFunction = (args: Untyped) => unknown;

/**
 * Which parts of the arguments are logged: names or index paths (`"lr"`, `"1.lr"`), a record that renames them, or a
 * function.
 */
export type ParamSelector =
  | string
  | readonly string[]
  | { readonly [key: string]: string | ArgumentFunction }
  | ArgumentFunction;

/**
 * @internal Takes one captured value, not yet converted to text. `apart` is set if another place of the same capture
 * already uses the key, and names the place this value is from.
 */
export type EmitValue = (key: string, value: unknown, apart?: string | undefined) => void;

/** Takes one value and its place; without a place, the key identifies it. */
type EmitPlaced = (key: string, value: unknown, up?: Place, own?: unknown) => void;

/** Makes an emitter that keeps different places with the same key apart. */
function placed(emit: EmitValue): EmitPlaced {
  const keys = new TakenKeys(true);
  return (key, value, up, own = key) => emit(key, value, keys.take(key, up, own));
}

/** Called when a limit cut something off. */
type Limited = (what: string) => void;

/** @internal Extracts params from a call's arguments. */
export type ParamCapture = (args: readonly unknown[], emit: EmitValue, report?: CaptureReport) => void;

/** A capture of one part of a selector. */
type PlacedCapture = (args: readonly unknown[], emit: EmitPlaced, report?: CaptureReport) => void;

/** @internal Extracts tags from a call's result. */
export type TagCapture = (result: unknown, args: readonly unknown[], emit: EmitValue, report?: CaptureReport) => void;

/** @internal What is known about a function's parameters. */
export interface Signature {
  /**
   * Names given explicitly, else those in the function's source; null for a parameter without a name. Null as a whole
   * if nothing is known.
   */
  readonly names: readonly ParameterName[] | null;
  /** Whether the last one is a rest parameter. */
  readonly rest: boolean;
  /** Whether the names look minified, so that nothing can be looked up by name. */
  readonly minified: boolean;
  /** Whether some names are not the written ones, which cannot be found. */
  readonly lost: boolean;
}

/** Limits for one object. */
const MAX_DEPTH = 3;
const MAX_FIELDS = 50;
const MAX_LOOKS = 1_000;
/** Maximum number of fields in a record of params, tags or metrics. */
const MAX_RECORD = 10_000;

const isScalar = (value: unknown): boolean => isNumeric(value) || typeof value === "string";

/** @internal Compiles a params selector for a function; `unknown` is called with each name that no parameter has. */
export function compileParams(
  selector: ParamSelector | undefined,
  signature: Signature,
  unknown: (name: string) => void,
): ParamCapture {
  if (selector === undefined) return (args, emit, report) => takeBare(signature, args, placed(emit), report);
  return compilePaths(selector, (key, path) => takeArgument(key, path, signature, unknown));
}

/**
 * @internal Compiles the selector of a parameter decorator: a string is the param's name, other paths lead into the
 * argument.
 */
export function compileParameter(
  selector: ParamSelector | undefined,
  index: number,
  signature: Signature | undefined,
): ParamCapture {
  const names = signature?.names;
  const name = names?.[index] ?? `arg${index}`;
  const isRest = signature?.rest === true && index === (names?.length ?? 0) - 1;
  const argument = (args: readonly unknown[]): unknown => (isRest ? args.slice(index) : args[index]);
  if (selector === undefined || typeof selector === "string")
    return (args, emit) => emitValue(name, argument(args), placed(emit));
  return compilePaths(selector, (key, written) => {
    const { path, optional } = writtenPath(written);
    return (args, emit, report) =>
      pickParam(key, path, `argument ${name}`, argument(args), emit, optional ? undefined : report);
  });
}

function compilePaths(selector: ParamSelector, take: (key: string, path: string) => PlacedCapture): ParamCapture {
  if (typeof selector === "function")
    return (args, emit, report) => emitRecord(selector(args), emit, (what) => report?.limited(what));
  const takes = entriesOf(selector).map(
    ([key, from]): PlacedCapture => (typeof from === "string" ? take(key, from) : takeFunction(key, from)),
  );
  return (args, emit, report) => {
    const one = placed(emit);
    for (const each of takes) each(args, one, report);
  };
}

function takeFunction(key: string, from: ArgumentFunction): PlacedCapture {
  return (args, emit, report) => {
    const value = from(args);
    if (isLate(value)) report?.lost(`param ${key}`, () => `the selector for param ${JSON.stringify(key)} ${LATE}.`);
    else emit(key, value);
  };
}

/**
 * @internal Emits the fields of a record (or a class instance) or the entries of a map, up to a limit; null and
 * undefined count as empty.
 * @throws TypeError for anything else, such as a list or a buffer.
 */
export function emitRecord(record: unknown, emit: EmitValue, limited?: Limited, unset?: (name: string) => void): void {
  if (record === undefined || record === null) return;
  if (types.isPromise(record)) record.catch(() => undefined);
  if (!isRecord(record)) throw new TypeError(`a record of names and values is needed, got ${kindName(record)}`);
  const map = types.isMap(record) ? record : undefined;
  const names = map ? undefined : Object.keys(record);
  const size = map?.size ?? names?.length ?? 0;
  const one = map && placed(emit);
  let left = MAX_RECORD;
  for (const name of map?.keys() ?? names ?? []) {
    if (left-- === 0) break;
    const value: unknown = map ? map.get(name) : (record as Record<string, unknown>)[name as string];
    if (one) one(keyText(name), value, undefined, name);
    else if (value !== undefined) emit(name as string, value);
    else unset?.(name as string);
  }
  if (size > MAX_RECORD)
    limited?.(`${size - MAX_RECORD} of the ${size} fields of a record were left out, only the first ${MAX_RECORD} are`);
}

/**
 * @internal Whether a value has named fields. Lists, strings and bytes only have indexes; dates and functions have
 * none.
 */
export function isRecord(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isBoxedPrimitive(value) || types.isPromise(value) || types.isSet(value) || types.isDate(value) || types.isRegExp(value)); // biome-ignore format: one list
}

/** @internal Returns the type name of a value. */
export const kindName = (value: unknown): string =>
  Buffer.isBuffer(value)
    ? "Buffer"
    : typeof value === "object"
      ? Object.prototype.toString.call(value).slice(8, -1)
      : typeof value;

/** Emits what a path finds in an argument, or reports that it finds nothing. */
function pickParam(
  key: string,
  path: string,
  what: string,
  from: unknown,
  emit: EmitPlaced,
  report: CaptureReport | undefined,
  before: string = "",
): void {
  const value = readPath(from, path);
  if (value === undefined) {
    if (report && from !== undefined) sayNowhere(report, "param", path, what, from, undefined, before);
  } else emitValue(key, value, emit);
}

function takeArgument(
  key: string,
  written: string,
  signature: Signature,
  unknown: (name: string) => void,
): PlacedCapture {
  const { names, minified, lost } = signature;
  const { path, optional } = writtenPath(written);
  const dot = path.indexOf(".");
  const head = dot < 0 ? path : path.slice(0, dot);
  const rest = dot < 0 ? undefined : path.slice(dot + 1);
  const index = /^\d+$/.test(head) ? Number(head) : (names?.indexOf(head) ?? -1);
  const isRest = signature.rest && index === (names?.length ?? 0) - 1 && head === names?.[index];
  const argument = (args: readonly unknown[]): unknown => (isRest ? args.slice(index) : args[index]);
  const beyond = names !== null && !signature.rest && index >= names.length;
  if (index >= 0)
    return (args, emit, report) => {
      if (rest !== undefined)
        pickParam(key, rest, `argument ${head}`, argument(args), emit, optional ? undefined : report, `${head}.`);
      else if (beyond && index >= args.length && !optional)
        report?.lost(
          `param ${path}`,
          () =>
            `param path ${JSON.stringify(path)} found nothing; there ${names.length === 1 ? "is 1 argument" : `are ${names.length} arguments`}, counted from 0.`,
        );
      else emitValue(key, argument(args), emit);
    };
  // No parameter has that name. It may be a field of the first argument, if that is destructured or unreadable.
  const isField = !lost && (names === null || names[0] === null || minified);
  if (!isField) unknown(head);
  return (args, emit, report) =>
    pickParam(key, path, "the first argument", args[0], emit, optional || !isField ? undefined : report);
}

/** How much of one object may still be taken, and looked at. */
interface Budget {
  left: number;
  looks: number;
  names: Map<object, readonly string[]> | undefined;
}

const wholeBudget = (): Budget => ({ left: MAX_FIELDS, looks: MAX_LOOKS, names: undefined });

/** Emits a picked value: the fields of an object under dotted keys, anything else as it is. */
function emitValue(key: string, value: unknown, emit: EmitPlaced): void {
  if (value === undefined) return;
  if (!isFielded(value) || !emitFields(value, `${key}.`, 1, { up: undefined, key }, wholeBudget(), () => true, emit))
    emit(key, value);
}

/**
 * Emits those fields of an object that `wants` accepts, nested ones under dotted keys, within the budget. Returns false
 * if there are none.
 */
function emitFields(
  object: Fielded,
  prefix: string,
  depth: number,
  up: Place,
  budget: Budget,
  wants: (value: unknown) => boolean,
  emit: EmitPlaced,
): boolean {
  let any = false;
  const map = types.isMap(object) ? object : undefined;
  for (const name of map ? map.keys() : fieldNames(object as Record<string, unknown>, budget)) {
    if (budget.left <= 0 || budget.looks-- <= 0) break;
    const value = map ? map.get(name) : fieldOf(object, name as string);
    const key = prefix + keyText(name);
    if (
      isFielded(value) &&
      depth < MAX_DEPTH &&
      emitFields(value, `${key}.`, depth + 1, { up, key: name }, budget, wants, emit)
    )
      any = true;
    else if (value !== undefined && wants(value)) {
      budget.left--;
      const beside = typeof value === "string" && nameOf(object, String(name), false);
      emit(key, beside && beside !== name && isSecretKey(beside, value) ? new BesideSecret(value) : value, up, name);
      any = true;
    }
  }
  return any;
}

/**
 * Without a selector: logs scalar arguments under their names, and the scalar fields of a first argument that is an
 * object or a class instance that only holds data.
 */
function takeBare(
  { names, rest }: Signature,
  args: readonly unknown[],
  emit: EmitPlaced,
  report: CaptureReport | undefined,
): void {
  let any = false;
  const first: Place = { up: undefined, key: names?.[0] ?? 0 };
  for (let i = 0; i < args.length; i++) {
    const value = args[i];
    const isRest = rest && i === (names?.length ?? 0) - 1;
    if (isRest && args.slice(i).every(isScalar)) {
      emit(names?.[i] ?? `arg${i}`, args.slice(i));
      return;
    }
    if (isScalar(value)) {
      any = true;
      emit(names?.[i] ?? `arg${i}`, value);
    } else if (
      i === 0 &&
      (isFielded(value) || isDataObject(value)) &&
      emitFields(value, "", 1, first, wholeBudget(), isScalar, emit)
    )
      any = true;
  }
  const [given] = args;
  if (!any && given !== undefined && given !== null)
    report?.lost(
      "bare params",
      () =>
        `no param was found: the first argument is ${knownAs(given)}. Say what to log: ${JSON.stringify(`${names?.[0] ?? 0}.lr`)}, or a function of the arguments.`,
      true,
    );
}

/** @internal Compiles a tags selector: applied to the result like one for metrics, but any scalar is a value. */
export function compileTags(selector: Selector | undefined, name: string): TagCapture {
  if (selector === undefined) {
    return (result, _args, emit, report) => {
      if (isScalar(result)) emit(name, result);
      else if (result !== undefined && result !== null)
        report?.lost(
          "bare tags",
          () => `no tag was found: it returned ${knownAs(result)}. Say what to log: a path ("stage") or a function.`,
          true,
        );
    };
  }
  if (typeof selector === "function") {
    return (result, args, emit, report) => {
      const taken: unknown = selector(result, args);
      if (isLate(taken)) report?.lost("tags", () => `the selector of tags ${LATE}.`);
      else if (isPlainObject(taken)) emitRecord(taken, emit, (what) => report?.limited(what));
      else if (taken !== undefined) emit(name, taken);
    };
  }
  const entries = entriesOf(selector).map(([key, from]) => ({
    key,
    from,
    ...writtenPath(typeof from === "string" ? from : ""),
  }));
  return (result, args, emit, report) => {
    for (const { key, from, path, optional } of entries) {
      const value: unknown =
        typeof from === "function" ? from(result, args) : isScalar(result) ? result : readPath(result, path);
      if (typeof from === "function" && isLate(value))
        report?.lost(`tag ${key}`, () => `the selector for tag ${JSON.stringify(key)} ${LATE}.`);
      else if (value !== undefined) emit(key, value);
      else if (report && typeof from === "string" && !optional)
        sayNowhere(report, "tag", path, "the result", result, undefined);
    }
  };
}
