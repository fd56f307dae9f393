/** Ends of a bracket and the quotes that open a text. */
const CLOSES: Record<string, string> = { "(": ")", "[": "]", "{": "}" };
const QUOTES = new Set(['"', "'", "`"]);

/** One parameter as written: its name, or null where it has none (destructured). */
export type ParameterName = string | null;

/**
 * Reads the parameter names from a function's own text, once per function: a small scanner, because a regular expression
 * stops at the first `)` inside a default. Gives null for a text it cannot read (native and bound functions).
 * Positions are kept: a destructured parameter is a null among names.
 */
export function parameterNames(fn: (...args: never[]) => unknown): readonly ParameterName[] | null {
  let text: string;
  try {
    text = Function.prototype.toString.call(fn);
  } catch {
    return null;
  }
  if (/\{\s*\[native code\]\s*\}$/.test(text)) return null;
  const single = /^(?:async\s+)?([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  if (single) return [single[1] as string];
  const open = openingParenthesis(text);
  return open < 0 ? null : splitParameters(text, open + 1).map(nameOf);
}

/** What minifiers and transpilers call parameters: `e`, `_0`, `a_1`. */
const MADE_UP = /^\.{0,3}(?:[A-Za-z$]|_[A-Za-z]?\d*|[A-Za-z]_?\d+)$/;

/** Whether the names look as if nobody had written them: there are several, and all are of that kind. */
export function looksMinified(names: readonly ParameterName[] | null): boolean {
  const written = names?.filter((name) => name !== null) ?? [];
  return written.length > 1 && written.every((name) => MADE_UP.test(name));
}

/** Finds the `(` of the parameter list, past a computed name such as `["a(b"]`. */
function openingParenthesis(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const at = skip(text, i);
    if (at > i) i = at - 1;
    else if (text[i] === "(") return i;
    else if (text[i] === "[") i = closing(text, i);
  }
  return -1;
}

function splitParameters(text: string, start: number): string[] {
  const parts: string[] = [];
  let part = "";
  for (let i = start; i < text.length; i++) {
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
  return parts;
}

/** The position behind a comment or a text that starts at `i`, or `i` when none does. */
function skip(text: string, i: number): number {
  const char = text[i] as string;
  if (char === "/" && (text[i + 1] === "/" || text[i + 1] === "*")) {
    const end = text[i + 1] === "/" ? text.indexOf("\n", i) : text.indexOf("*/", i) + 1;
    return end <= 0 ? text.length : end + 1;
  }
  if (!QUOTES.has(char)) return i;
  for (let j = i + 1; j < text.length; j++) {
    if (text[j] === "\\") j++;
    else if (text[j] === char) return j + 1;
    else if (char === "`" && text[j] === "$" && text[j + 1] === "{") j = closing(text, j + 1);
  }
  return text.length;
}

/** The position of the bracket that closes the one at `i`. */
function closing(text: string, i: number): number {
  const close = CLOSES[text[i] as string];
  for (let j = i + 1; j < text.length; j++) {
    const at = skip(text, j);
    if (at > j) j = at - 1;
    else if (text[j] === close) return j;
    else if (CLOSES[text[j] as string]) j = closing(text, j);
  }
  return text.length;
}

function nameOf(parameter: string): ParameterName {
  return /^\s*(?:\.\.\.)?\s*([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*(?:=[^>]|=?$)/u.exec(`${parameter.trim()}`)?.[1] ?? null;
}
