import { types } from "node:util";
import { PulseError } from "./errors.js";
import { shownText } from "./text/redact.js";
import { valueText } from "./text/value-text.js";

/** Errors for invalid arguments and options: the name, what is expected, and what was given. */

/**
 * @internal What is expected, whether a value is valid, and a description of an invalid one, if better than showing it.
 */
export type Check = readonly [
  expected: string,
  holds: (value: unknown) => boolean,
  got?: (value: unknown) => string | undefined,
];

type WrongCode = "INVALID_OPTION" | "INVALID_CONFIG";

/** Maximum length of a shown value. */
const MAX_SHOWN = 100;
/** Longer words are not typing errors. */
const MAX_WORD = 40;
/** Minimum length of an abbreviation. */
const MIN_BEGINNING = 3;
/** Options whose values are never shown. */
const SECRET = /^(auth|headers|tls)$/;

/** @internal Shows a value in one short line, without secrets; `name` tells whether it is one. */
export function shownValue(value: unknown, name: string = ""): string {
  if (typeof value === "function")
    return /^class\b/.test(Function.prototype.toString.call(value)) ? "a class" : "a function";
  if (types.isPromise(value)) return "a promise";
  if (types.isDate(value) && Number.isNaN(value.getTime())) return "an invalid Date";
  try {
    const text = valueText(name, value, true);
    const shown = shownText(
      typeof value === "string" ? JSON.stringify(text) : typeof value === "bigint" ? `${text}n` : text,
    );
    return shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}...` : shown;
  } catch {
    return "a value that cannot be shown";
  }
}

/** @internal Creates the error for an invalid argument or option; `got` is shown instead of the value. */
export function wrongInput(
  user: string,
  name: string,
  expected: string,
  value: unknown,
  { code = "INVALID_OPTION", got }: { code?: WrongCode; got?: string | undefined } = {},
): PulseError {
  const shown = got ?? (SECRET.test(name) ? undefined : shownValue(value, name));
  return new PulseError(code, `${user}: ${name} must be ${expected}${shown === undefined ? "" : `; got ${shown}`}.`);
}

/** Functions whose first argument is a function, followed by options. */
const FUNCTION_FIRST = /^(tracked|bind)$/;

/** @internal @throws PulseError `INVALID_OPTION` if an argument is not a function. */
export function needFunction(user: string, name: string, value: unknown): void {
  if (typeof value === "function") return;
  const isRecord = typeof value === "object" && value !== null && !types.isPromise(value);
  const itself =
    value === undefined || value === null || isRecord
      ? undefined
      : "pass the function itself, not the result of calling it";
  const first = (isRecord || typeof value === "string") && FUNCTION_FIRST.test(user);
  const hint = first
    ? 'the function comes first, then the options, as in tracked(fn, { experiment: "Sweep" })'
    : itself;
  throw wrongInput(user, name, "a function", value, { got: hint && `${shownValue(value)}: ${hint}` });
}

/** @internal Creates the error for several paths or names that should be one list. */
export function severalTexts(user: string, texts: readonly unknown[]): PulseError {
  const list = texts.map((each) => shownValue(each)).join(", ");
  return new PulseError("INVALID_OPTION", `${user}: several are one list, as in @${user}([${list}]).`);
}

/**
 * @internal @throws PulseError `INVALID_OPTION` for extra arguments after a selector. `otherwise`: what to do instead.
 */
export function needAlone(user: string, args: readonly unknown[], otherwise?: string): void {
  if (otherwise !== undefined && args.length > 1 && args[1] !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `${user} takes one argument; got ${shownValue(args[1])} as the second: ${otherwise}.`,
    );
  if (args.length > 1 && args.every((each) => typeof each === "string")) throw severalTexts(user, args);
  if (args.length > 1 && args[1] !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      `${user} takes a selector and no options; got ${shownValue(args[1])} as the second argument.`,
    );
}

/**
 * @internal Checks the options of `user` (a function, a decorator or a file); `at` is the path of the object within
 * them.
 * @throws PulseError naming the option, what is expected and what was given.
 */
export function checkOptions(
  user: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
  { code = "INVALID_OPTION", at = "" }: { code?: WrongCode; at?: string } = {},
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw wrongInput(user, at || "options", "an object", options, { code });
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    const full = at === "" ? name : `${at}.${name}`;
    if (check === undefined) throw unknownOption(user, full, Object.keys(checks), code);
    const [expected, holds, got] = check;
    if (!holds(value)) throw wrongInput(user, full, expected, value, { code, got: got?.(value) });
  }
}

/** @internal Describes an object with an unknown field; undefined if all its fields are known. */
export function oddField(value: unknown, names: readonly string[]): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const odd = Object.keys(value).find((name) => !names.includes(name));
  if (odd === undefined) return undefined;
  const meant = nearest(odd, names);
  return `one with ${shownValue(odd)}${meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`}`;
}

/** Names of options in other libraries. */
const ALIASES: Readonly<Record<string, string>> = {
  uri: "trackingUri",
  url: "trackingUri",
  name: "runName",
  run_id: "runId",
  parent_run_id: "parentRunId",
};

/** @internal Creates the error for an unknown option; `name` may be a dotted path. */
export function unknownOption(
  user: string,
  name: string,
  names: readonly string[],
  code: WrongCode = "INVALID_OPTION",
): PulseError {
  const own = ALIASES[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? name.slice(name.lastIndexOf(".") + 1);
  return new PulseError(code, `${user}: there is no option ${shownValue(name)}.${whatThereIs(own, names)}`);
}

/** @internal Suggests the name that was probably meant, and lists the valid ones. */
export function whatThereIs(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return `${meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`} There ${names.length === 1 ? "is" : "are"} ${names.join(", ")}.`;
}

/** @internal Finds the word that was probably meant: with a typing error or two, or abbreviated. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const begun =
    word.length < MIN_BEGINNING ? [] : words.filter((each) => each.toLowerCase().startsWith(word.toLowerCase()));
  if (begun.length === 1) return begun[0];
  const near = words
    .map((each) => ({ each, slips: slips(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, slips }) => slips <= Math.max(word.length, each.length) / 3)
    .sort((a, b) => a.slips - b.slips);
  return near[0]?.each;
}

/** Counts letters that are missing, added, wrong or swapped with their neighbour. */
function slips(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] as number) + 1 : Infinity;
      row[j] = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
        swapped,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length] as number;
}
