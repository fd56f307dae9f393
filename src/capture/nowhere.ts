import { types } from "node:util";
import { ownName } from "../base/text/value-text.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { isFielded, isList, isPlainObject } from "./path.js";

/** Told what a capture could not take. An object instead of functions, because it is created for every call. */
export interface CaptureReport {
  /** Called when a limit cut something off. */
  limited(what: string): void;
  /** Called when a selector found nothing. `subject` identifies it; `mild` means that it may be intended. */
  lost(subject: string, describe: () => string, mild?: boolean): void;
}

/** How many field names are looked at, and how many are shown. */
const [MAX_NAMES, MAX_SHOWN] = [50, 10];
const MAX_DEPTH = 3;
/** Longer names are data. */
const MAX_NAME = 100;

/**
 * Reports that a path found nothing, unless it leads to something that exists and is empty (undefined or null). `kind`
 * is what is looked for ("metric"), `what` is where ("the result"), `before` is the start of the path as written.
 */
export function sayNowhere(
  report: CaptureReport,
  kind: string,
  path: string,
  what: string,
  root: unknown,
  value: unknown,
  before: string = "",
): void {
  if (value === null || (value === undefined && isThere(root, path))) return;
  report.lost(`${kind} ${before}${path}`, () => {
    const start = `${kind} path ${JSON.stringify(before + path)}`;
    if (value !== undefined) {
      const isNumber = typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value));
      const todo = isNumber
        ? `Return a number, or convert it: { ${JSON.stringify(path)}: (r) => Number(r.${path}) }.`
        : "Fix the path.";
      return `${start} leads to ${kindOf(value, path)}, not a number. ${todo}`;
    }
    const names = namesIn(root, before);
    const optional = ` Write ${JSON.stringify(`${before}${path}?`)} if it may be missing.`;
    const dotted = path.replace(/\[["']?([^\]"']+)["']?\]/g, ".$1");
    if (dotted !== path)
      return `${start} found nothing: indexes and names are written with dots, as in ${JSON.stringify(before + dotted)}.`;
    const late = lateValues(root);
    if (late !== undefined) return `${start} found nothing; ${what} is ${late}`;
    if (names.length === 0) return `${start} found nothing; ${what} is ${kindOf(root)}.${optional}`;
    const meant = nearest(before + path, names);
    const shown = names.length > MAX_SHOWN ? `${names.slice(0, MAX_SHOWN).join(", ")}, and more` : names.join(", ");
    return `${start} found nothing; ${what} has ${shown}.${meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`}${optional}`;
  });
}

/** Describes a value; `name` tells whether a string may be shown. */
export function kindOf(value: unknown, name = ""): string {
  if (value === undefined || value === null) return String(value);
  if (typeof value === "string") return `the string ${shownValue(value, name)}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  if (types.isProxy(value)) return "a proxy";
  if (isList(value)) return "length" in value ? "a list" : "a set";
  if (types.isMap(value)) return "a map";
  if (types.isPromise(value)) return "a promise";
  if (isPlainObject(value)) return "an object";
  const made: unknown = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(value) ?? {}, "constructor")?.value;
  const className = typeof made === "function" ? ownName(made) : "";
  return className === "" ? "an object" : `an instance of ${className}`;
}

/** If a result gives its values later, says what it is and how they are logged. */
export function lateValues(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || types.isProxy(value)) return undefined;
  if (hasMethod(value, "subscribe") && hasMethod(value, "forEach"))
    return hasMethod(value, "next")
      ? "a Subject, which is not followed. Return subject.asObservable()."
      : 'an Observable. Those of RxJS are followed once "pulse-mlflow/rxjs" is imported; classes that extend it are not.';
  return Symbol.asyncIterator in value
    ? "a stream. Of bytes, Node's streams and other emitters only the end is followed: yield the values from an async generator."
    : undefined;
}

/** Whether an object has a method, without running a getter. */
function hasMethod(object: object, name: string): boolean {
  for (let at: object | null = object; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found) return typeof found.value === "function";
  }
  return false;
}

/** Whether a path leads to something that exists, even if it is empty, or into something empty. */
function isThere(root: unknown, path: string): boolean {
  let at = root;
  const parts = path.split(".");
  for (const [i, part] of parts.entries()) {
    if (at === null) return true;
    if (typeof at !== "object" && typeof at !== "function") return false;
    if (types.isMap(at) ? !(at.has(part) || at.has(Number(part))) : !(part in at)) return false;
    if (i === parts.length - 1) return true; // it may be a getter, which has already run
    const found = types.isMap(at) ? (at.get(part) ?? at.get(Number(part))) : (at as Record<string, unknown>)[part];
    if (found === undefined) return true;
    at = found;
  }
  return true;
}

/** Returns the names of a value's fields, dotted for nested objects, without running getters. */
function namesIn(root: unknown, prefix = "", depth = 1): string[] {
  if (isList(root) && "length" in root && depth === 1) return namesIn(root[0], prefix, depth + 1);
  if (typeof root !== "object" || root === null || types.isProxy(root)) return [];
  const all = types.isMap(root) ? [...root.keys()].map(String) : Object.keys(root);
  // Private by convention
  const names = isFielded(root) ? all : all.filter((name) => !name.startsWith("_"));
  return names
    .slice(0, MAX_NAMES)
    .filter((name) => name.length <= MAX_NAME)
    .flatMap((name) => {
      const value: unknown = types.isMap(root) ? root.get(name) : Object.getOwnPropertyDescriptor(root, name)?.value;
      return depth < MAX_DEPTH && isFielded(value) ? namesIn(value, `${prefix}${name}.`, depth + 1) : [prefix + name];
    })
    .slice(0, MAX_NAMES);
}
