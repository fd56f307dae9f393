import type { Selector, SelectorFunction, Untyped } from "./metrics.js";
import { type ParameterName, parameterNames } from "./parameter-names.js";
import { isNumeric, isPlainObject, readPath } from "./path.js";

/** A function as params selector: gets the list of the call's arguments. */
export type ArgumentFunction = (args: Untyped) => unknown;

/** What part of the arguments is taken: names or index paths (`"lr"`, `"1.lr"`), a record that renames them, or a function. */
export type ParamSelector = string | readonly string[] | { readonly [key: string]: string | ArgumentFunction } | ArgumentFunction;

/** @internal Takes one captured value, not yet text. */
export type EmitValue = (key: string, value: unknown) => void;

/** @internal Takes params from a call's arguments. */
export type ParamCapture = (args: readonly unknown[], emit: EmitValue) => void;

/** Most fields taken from one object by a bare selector. */
const MAX_FIELDS = 50;

const isScalar = (value: unknown): boolean => isNumeric(value) || typeof value === "string";

/** @internal Compiles a params selector for a function; `unknown` is told each name the function has no argument for. */
export function compileParams(
  selector: ParamSelector | undefined,
  fn: (...args: never[]) => unknown,
  unknown: (name: string) => void,
): ParamCapture {
  if (typeof selector === "function") return (args, emit) => emitRecord(selector(args), emit);
  const names = parameterNames(fn);
  if (selector === undefined) return (args, emit) => takeBare(names, args, emit);
  const takes: ParamCapture[] = [];
  const add = (key: string, from: string | ArgumentFunction): void => {
    takes.push(typeof from === "string" ? takeArgument(key, from, names, unknown) : (args, emit) => emit(key, from(args)));
  };
  if (typeof selector === "string") add(selector, selector);
  else if (Array.isArray(selector)) for (const path of selector as readonly string[]) add(path, path);
  else for (const [key, from] of Object.entries(selector as Record<string, string | ArgumentFunction>)) add(key, from);
  return (args, emit) => {
    for (const take of takes) take(args, emit);
  };
}

/** @internal Emits the fields of a record (also a class instance's own) or the entries of a map. */
export function emitRecord(record: unknown, emit: EmitValue): void {
  if (record instanceof Map) for (const [key, value] of record) emit(String(key), value);
  else if (typeof record === "object" && record !== null && !Array.isArray(record))
    for (const [key, value] of Object.entries(record)) if (value !== undefined) emit(key, value);
}

function takeArgument(key: string, path: string, names: readonly ParameterName[] | null, unknown: (name: string) => void): ParamCapture {
  const dot = path.indexOf(".");
  const head = dot < 0 ? path : path.slice(0, dot);
  const rest = dot < 0 ? undefined : path.slice(dot + 1);
  const index = /^\d+$/.test(head) ? Number(head) : (names?.indexOf(head) ?? -1);
  const read = (root: unknown, emit: EmitValue, at: string | undefined): void => {
    const value = at === undefined ? root : readPath(root, at);
    if (value !== undefined) emit(key, value);
  };
  if (index >= 0) return (args, emit) => read(args[index], emit, rest);
  // No argument has that name: it may be a field of a first argument that is destructured or unreadable.
  if (names !== null && names[0] !== null) unknown(head);
  return (args, emit) => read(args[0], emit, path);
}

/** Bare: scalar arguments under their names, and the scalar fields of a first argument that is an object. */
function takeBare(names: readonly ParameterName[] | null, args: readonly unknown[], emit: EmitValue): void {
  for (let i = 0; i < args.length; i++) {
    const value = args[i];
    if (isScalar(value)) emit(names?.[i] ?? `arg${i}`, value);
    else if (i === 0 && isPlainObject(value)) {
      for (const key of Object.keys(value).slice(0, MAX_FIELDS)) {
        const field = Object.getOwnPropertyDescriptor(value, key)?.value as unknown;
        if (isScalar(field)) emit(key, field);
      }
    }
  }
}

/** @internal Compiles a tags selector: like metrics, on the result, but any scalar is a value. */
export function compileTags(
  selector: Selector | undefined,
  name: string,
): (result: unknown, args: readonly unknown[], emit: EmitValue) => void {
  if (selector === undefined) {
    return (result, _args, emit) => {
      if (isScalar(result)) emit(name, result);
    };
  }
  if (typeof selector === "function") {
    return (result, args, emit) => {
      const taken: unknown = selector(result, args);
      if (isPlainObject(taken)) emitRecord(taken, emit);
      else if (taken !== undefined) emit(name, taken);
    };
  }
  const entries: [string, string | SelectorFunction][] =
    typeof selector === "string"
      ? [[selector, selector]]
      : Array.isArray(selector)
        ? (selector as readonly string[]).map((path) => [path, path])
        : Object.entries(selector as Record<string, string | SelectorFunction>);
  return (result, args, emit) => {
    for (const [key, from] of entries) {
      const value: unknown = typeof from === "function" ? from(result, args) : isScalar(result) ? result : readPath(result, from);
      if (value !== undefined) emit(key, value);
    }
  };
}
