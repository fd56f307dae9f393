import { CLOSES, closing, functionText, openingParenthesis, skip } from "./function-text.js";
import { isForwarder, loweredBody } from "./lowered.js";

/** One parameter as written: its name, or null where it has none (destructured). */
export type ParameterName = string | null;

/** What a function's own text says of its parameters. */
export interface Parameters {
  /**
   * Positions are kept: a destructured parameter is a null among names. Null as a whole: the text cannot be read
   * (native and bound functions).
   */
  readonly names: readonly ParameterName[] | null;
  /** The last one takes all the arguments that are left. */
  readonly rest: boolean;
  /**
   * The names look as if nobody had written them: all are made up, and no space stands between them, or before the body
   * of a function that has one.
   */
  readonly minified: boolean;
  /** A compiler has put made-up names in place of those that were written, which stand elsewhere. */
  readonly lost: boolean;
}

const UNREADABLE: Parameters = { names: null, rest: false, minified: false, lost: false };

/** What minifiers call parameters, and what transpilers do. */
const SHORT = /^[A-Za-z_$][\w$]?$/;
const MADE_UP = /^(?:_[A-Za-z]?\d*|[A-Za-z]_\d+)$/;
/** What Babel and swc call those of a function that only hands its arguments on. */
const HANDED_ON = /^_(?:x\d*|\d+)$/;

/**
 * Reads a function's parameters from its text, once: a small scanner, because a regular expression stops at the first
 * `)` inside a default.
 */
export function readParameters(fn: (...args: never[]) => unknown): Parameters {
  const text = functionText(fn);
  if (text === undefined) return UNREADABLE;
  const single = /^(?:async\s+)?([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  const outer = single
    ? { parts: [single[1] as string], end: single[0].length - 2 }
    : splitParameters(text, openingParenthesis(text));
  if (outer === undefined) return UNREADABLE;
  // What has the body has the names, too, if it is given the arguments.
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

/** So many characters show whether there are spaces where people, formatters and compilers put them. */
const FIRST_OF_TEXT = 80;

/** Whether a function's body begins without the space that people, formatters and compilers put before it. */
const isCompact = (text: string, at: number): boolean => /^\S(?:\{|=>)/.test(text.slice(at - 1, at + 2));

/**
 * Whether a minifier seems to have given a function or class the name it has, or taken it; an arrow function may never
 * have had one.
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

/** Whether a name stands for a parameter that was destructured: a compiler has moved that into the body. */
function isTakenApart(name: string, text: string, from: number): boolean {
  if (!/^_(?:[a-z]|\d+|ref\d*|param\d*)$|^param\d*$/.test(name)) return false;
  const body = text.slice(from, from + FIRST_OF_BODY);
  return new RegExp(`\\}\\s*=\\s*${name}\\s*[,;]|=\\s*${name}\\s*(?:,\\s*\\{|\\.)`).test(body);
}

/** Whether the parameters are put into a list, from which swc takes those that were written. */
function isListed(text: string, from: number): boolean {
  return /=\s*\[\s*_0\b/.test(text.slice(from, from + FIRST_OF_BODY));
}

/** So many characters of a body are looked at for what a compiler put at its beginning. */
const FIRST_OF_BODY = 2_000;

/** The parameters in the list that opens at `open`, as written, and where it ends. */
function splitParameters(text: string, open: number): { readonly parts: string[]; readonly end: number } | undefined {
  if (open < 0) return undefined;
  const parts: string[] = [];
  let part = "";
  let i = open + 1;
  for (; i < text.length; i++) {
    const at = skip(text, i);
    const char = text[i] as string;
    if (at > i) {
      if (char !== "/") part += text.slice(i, at); // a comment is left out, a text is kept
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
