import { CLOSES, closing, functionText, openingParenthesis, skip } from "./function-text.js";
import { isForwarder, loweredBody } from "./lowered-functions.js";

/** The name of a parameter as written; null if it has none (destructured). */
export type ParameterName = string | null;

/** What the source of a function reveals about its parameters. */
export interface Parameters {
  /**
   * By position; null for a destructured parameter. Null as a whole if the source cannot be read (native and bound
   * functions).
   */
  readonly names: readonly ParameterName[] | null;
  /** Whether the last one is a rest parameter. */
  readonly rest: boolean;
  /**
   * Whether the names look minified: all are made up, and there is no space between them, or before the body of a
   * function with a single one.
   */
  readonly minified: boolean;
  /** Whether a compiler has replaced the written names, which are elsewhere, by made-up ones. */
  readonly lost: boolean;
}

const UNREADABLE: Parameters = { names: null, rest: false, minified: false, lost: false };

/** Names that minifiers (`SHORT`) and transpilers (`MADE_UP`) give to parameters. */
const SHORT = /^[A-Za-z_$][\w$]?$/;
const MADE_UP = /^(?:_[A-Za-z]?\d*|[A-Za-z]_\d+)$/;
/** Names that Babel and swc use in a function that only forwards its arguments. */
const HANDED_ON = /^_(?:x\d*|\d+)$/;

/**
 * Reads a function's parameters from its source with a small scanner, because a regular expression would stop at the
 * first `)` inside a default value.
 */
export function readParameters(fn: (...args: never[]) => unknown): Parameters {
  const text = functionText(fn);
  if (text === undefined) return UNREADABLE;
  const single = /^(?:async\s+)?([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  const outer = single
    ? { parts: [single[1] as string], end: single[0].length - 2 }
    : splitParameters(text, openingParenthesis(text));
  if (outer === undefined) return UNREADABLE;
  // The function with the original body also has the original names, if it is passed the arguments.
  const inner = loweredBody(text, outer.end)?.inner;
  const given = inner === undefined ? undefined : splitParameters(text, openingParenthesis(text, inner));
  const { parts, end } = given !== undefined && given.parts.length > 0 ? given : outer;
  const names = parts.map(nameOf).map((name) => (name !== null && isTakenApart(name, text, end) ? null : name));
  const written = names.filter((name) => name !== null);
  const lost = (isForwarder(text, end) || isListed(text, end)) && written.some((name) => HANDED_ON.test(name));
  const made = (name: string): boolean =>
    MADE_UP.test(name) || (SHORT.test(name) && parts.every((part) => part === part.trim()));
  return {
    names: lost ? names.map((name) => (name !== null && HANDED_ON.test(name) ? null : name)) : names,
    rest: /^\s*\.\.\./.test(parts.at(-1) ?? ""),
    minified:
      single === null &&
      !lost &&
      (written.length > 1 ? written.every(made) : /^[a-z]$/.test(written[0] ?? "") && isCompact(text, outer.end)),
    lost,
  };
}

/** How many characters to check for the spaces that people, formatters and compilers write. */
const FIRST_OF_TEXT = 80;

/** Whether a function's body starts without the usual space before it. */
const isCompact = (text: string, at: number): boolean => /^\S(?:\{|=>)/.test(text.slice(at - 1, at + 2));

/**
 * Whether a minifier seems to have replaced or removed the name of a function or class. Arrow functions may never have
 * had one.
 */
export function isRenamed(fn: object, name: string): boolean {
  if (name !== "" && !SHORT.test(name)) return false;
  const text = typeof fn === "function" ? functionText(fn as (...args: never[]) => unknown) : undefined;
  if (text === undefined) return false;
  if (/^class\b/.test(text) && /^[a-z]/.test(name)) return true;
  return (
    (name !== "" || /^(?:async )?function\b/.test(text)) && !/\n|[^\w$] |\s[^\w$]/.test(text.slice(0, FIRST_OF_TEXT))
  );
}

/** Whether a name stands for a destructured parameter, whose destructuring a compiler has moved into the body. */
function isTakenApart(name: string, text: string, from: number): boolean {
  if (!/^_(?:[a-z]|\d+|ref\d*|param\d*)$|^param\d*$/.test(name)) return false;
  const body = text.slice(from, from + FIRST_OF_BODY);
  return new RegExp(`\\}\\s*=\\s*${name}\\s*[,;]|=\\s*${name}\\s*(?:,\\s*\\{|\\.)`).test(body);
}

/** Whether the parameters are collected in a list, from which swc takes the written ones. */
function isListed(text: string, from: number): boolean {
  return /=\s*\[\s*_0\b/.test(text.slice(from, from + FIRST_OF_BODY));
}

/** How many characters of a body to check for code that a compiler put at its start. */
const FIRST_OF_BODY = 2_000;

/** Splits the list that opens at `open` into parameters as written; `end` is the position after it. */
function splitParameters(text: string, open: number): { readonly parts: string[]; readonly end: number } | undefined {
  if (open < 0) return undefined;
  const parts: string[] = [];
  let part = "";
  let i = open + 1;
  for (; i < text.length; i++) {
    const at = skip(text, i);
    const char = text[i] as string;
    if (at > i) {
      if (char !== "/") part += text.slice(i, at); // comments are dropped, strings are kept
      i = at - 1;
    } else if (char === ")") break;
    else if (char === ",") {
      parts.push(part);
      part = "";
    } else if (CLOSES[char]) {
      const end = closing(text, i);
      part += text.slice(i, end + 1);
      i = end;
    } else part += char;
  }
  if (part.trim() !== "") parts.push(part);
  return { parts, end: i + 1 };
}

function nameOf(parameter: string): ParameterName {
  return (
    /^\s*(?:\.\.\.)?\s*([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*(?:=[^>]|=?$)/u.exec(`${parameter.trim()}`)?.[1] ?? null
  );
}
