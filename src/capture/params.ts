import { types } from "node:util";
import { type Fielded, fieldOf } from "../base/text/fields.js";
import { keyText } from "../base/text/keys.js";
import { isLate, LATE } from "../base/text/late.js";
import { BesideSecret, isSecretKey, nameOf } from "../base/text/redact.js";
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
import { type Place, TakenKeys } from "./places.js";
import type { Selector, Untyped } from "./selector.js";

/** A function as params selector: gets the list of the call's arguments. */
export type ArgumentFunction = (args: Untyped) => unknown;

/**
 * What part of the arguments is taken: names or index paths (`"lr"`, `"1.lr"`), a record that renames them, or a
 * function.
 */
export type ParamSelector =
  | string
  | readonly string[]
  | { readonly [key: string]: string | ArgumentFunction }
  | ArgumentFunction;

/**
 * @internal Takes one captured value, not yet text. `apart`: the key is another place's of the same capture, and this
 * says which one it is meant for.
 */
export type EmitValue = (key: string, value: unknown, apart?: string | undefined) => void;

/** Takes one value of a place; without one its key is where it is from. */
type EmitPlaced = (key: string, value: unknown, up?: Place, own?: unknown) => void;

/** Has what one capture takes told apart by its places. */
function placed(emit: EmitValue): EmitPlaced {
  const keys = new TakenKeys(true);
  return (key, value, up, own = key) => emit(key, value, keys.take(key, up, own));
}

/** Told when a bound cut something off. */
type Limited = (what: string) => void;

/** @internal Takes params from a call's arguments. */
export type ParamCapture = (args: readonly unknown[], emit: EmitValue, told?: CaptureReport) => void;

/** The same, of one of its parts. */
type PlacedCapture = (args: readonly unknown[], emit: EmitPlaced, told?: CaptureReport) => void;

/** @internal Takes tags from a call's result. */
export type TagCapture = (result: unknown, args: readonly unknown[], emit: EmitValue, told?: CaptureReport) => void;

/** @internal What is known of a function's arguments. */
export interface Signature {
  /**
   * Their names: explicit ones first, then those of the function's text; null where there is none; null as a whole:
   * nothing is known.
   */
  readonly names: readonly ParameterName[] | null;
  /** The last one takes all the arguments that are left. */
  readonly rest: boolean;
  /** The names look like a minifier's: nothing can be looked up by them. */
  readonly minified: boolean;
  /** Some names are not those that were written, which cannot be found. */
  readonly lost: boolean;
}

/** Bounds of what is taken from one object. */
const MAX_DEPTH = 3;
const MAX_FIELDS = 50;
const MAX_LOOKS = 1_000;
/** Most fields of one record of params, tags or metrics. */
const MAX_RECORD = 10_000;

const isScalar = (value: unknown): boolean => isNumeric(value) || typeof value === "string";

/** @internal Compiles a params selector for a function's arguments; `unknown` is told each name none of them has. */
export function compileParams(
  selector: ParamSelector | undefined,
  signature: Signature,
  unknown: (name: string) => void,
): ParamCapture {
  if (selector === undefined) return (args, emit, told) => takeBare(signature, args, placed(emit), told);
  return compilePaths(selector, (key, path) => takeArgument(key, path, signature, unknown));
}

/**
 * @internal Compiles the selector of a parameter decorator: a text is the argument's name, paths lead into its value.
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
    return (args, emit, told) =>
      pickParam(key, path, `argument ${name}`, argument(args), emit, optional ? undefined : told);
  });
}

function compilePaths(selector: ParamSelector, take: (key: string, path: string) => PlacedCapture): ParamCapture {
  if (typeof selector === "function")
    return (args, emit, told) => emitRecord(selector(args), emit, (what) => told?.limited(what));
  const takes = entriesOf(selector).map(
    ([key, from]): PlacedCapture => (typeof from === "string" ? take(key, from) : takeFunction(key, from)),
  );
  return (args, emit, told) => {
    const one = placed(emit);
    for (const each of takes) each(args, one, told);
  };
}

function takeFunction(key: string, from: ArgumentFunction): PlacedCapture {
  return (args, emit, told) => {
    const value = from(args);
    if (isLate(value)) told?.lost(`param ${key}`, () => `the selector for param ${JSON.stringify(key)} ${LATE}.`);
    else emit(key, value);
  };
}

/**
 * @internal Emits the first fields of a record (also a class instance's own) or entries of a map; nothing at all stands
 * for none.
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
 * @internal Whether a value has fields with names of their own; lists, texts and bytes have only numbers, dates and
 * functions no fields at all.
 */
export function isRecord(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return !(ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isBoxedPrimitive(value) || types.isPromise(value) || types.isSet(value) || types.isDate(value) || types.isRegExp(value)); // biome-ignore format: one list
}

/** @internal What a value is called. */
export const kindName = (value: unknown): string =>
  Buffer.isBuffer(value)
    ? "Buffer"
    : typeof value === "object"
      ? Object.prototype.toString.call(value).slice(8, -1)
      : typeof value;

/** Emits what a path leads to in an argument, or says that it leads nowhere. */
function pickParam(
  key: string,
  path: string,
  what: string,
  from: unknown,
  emit: EmitPlaced,
  told: CaptureReport | undefined,
  before: string = "",
): void {
  const value = readPath(from, path);
  if (value === undefined) {
    if (told && from !== undefined) sayNowhere(told, "param", path, what, from, undefined, before);
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
    return (args, emit, told) => {
      if (rest !== undefined)
        pickParam(key, rest, `argument ${head}`, argument(args), emit, optional ? undefined : told, `${head}.`);
      else if (beyond && index >= args.length && !optional)
        told?.lost(
          `param ${path}`,
          () =>
            `param path ${JSON.stringify(path)} found nothing; there ${names.length === 1 ? "is 1 argument" : `are ${names.length} arguments`}, counted from 0.`,
        );
      else emitValue(key, argument(args), emit);
    };
  // No argument has that name: it may be a field of a first argument that is destructured or unreadable.
  const isField = !lost && (names === null || names[0] === null || minified);
  if (!isField) unknown(head);
  return (args, emit, told) =>
    pickParam(key, path, "the first argument", args[0], emit, optional || !isField ? undefined : told);
}

/** How much of one object may still be taken, and looked at. */
interface Budget {
  left: number;
  looks: number;
  names: Map<object, readonly string[]> | undefined;
}

const wholeBudget = (): Budget => ({ left: MAX_FIELDS, looks: MAX_LOOKS, names: undefined });

/** Emits what was picked: of an object its fields, under dotted keys; anything else as it is. */
function emitValue(key: string, value: unknown, emit: EmitPlaced): void {
  if (value === undefined) return;
  if (!isFielded(value) || !emitFields(value, `${key}.`, 1, { up: undefined, key }, wholeBudget(), () => true, emit))
    emit(key, value);
}

/**
 * Emits the fields of an object that are wanted, those of objects in it under dotted keys, as far as the budget goes;
 * false when there are none.
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
 * Bare: scalar arguments under their names, and the scalar fields of a first argument that is an object, also of a
 * class that only holds data.
 */
function takeBare(
  { names, rest }: Signature,
  args: readonly unknown[],
  emit: EmitPlaced,
  told: CaptureReport | undefined,
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
    told?.lost(
      "bare params",
      () =>
        `no param was found: the first argument is ${knownAs(given)}. Name what is to be logged: ${JSON.stringify(`${names?.[0] ?? 0}.lr`)}, or a function of the arguments.`,
      true,
    );
}

/** @internal Compiles a tags selector: like metrics, on the result, but any scalar is a value. */
export function compileTags(selector: Selector | undefined, name: string): TagCapture {
  if (selector === undefined) {
    return (result, _args, emit, told) => {
      if (isScalar(result)) emit(name, result);
      else if (result !== undefined && result !== null)
        told?.lost(
          "bare tags",
          () =>
            `no tag was found: it gave ${knownAs(result)}. Name what is to be a tag: a path ("stage") or a function.`,
          true,
        );
    };
  }
  if (typeof selector === "function") {
    return (result, args, emit, told) => {
      const taken: unknown = selector(result, args);
      if (isLate(taken)) told?.lost("tags", () => `the selector of tags ${LATE}.`);
      else if (isPlainObject(taken)) emitRecord(taken, emit, (what) => told?.limited(what));
      else if (taken !== undefined) emit(name, taken);
    };
  }
  const entries = entriesOf(selector).map(([key, from]) => ({
    key,
    from,
    ...writtenPath(typeof from === "string" ? from : ""),
  }));
  return (result, args, emit, told) => {
    for (const { key, from, path, optional } of entries) {
      const value: unknown =
        typeof from === "function" ? from(result, args) : isScalar(result) ? result : readPath(result, path);
      if (typeof from === "function" && isLate(value))
        told?.lost(`tag ${key}`, () => `the selector for tag ${JSON.stringify(key)} ${LATE}.`);
      else if (value !== undefined) emit(key, value);
      else if (told && typeof from === "string" && !optional)
        sayNowhere(told, "tag", path, "the result", result, undefined);
    }
  };
}
