/** Ends of a bracket and the quotes that open a text. */
const CLOSES: Record<string, string> = { "(": ")", "[": "]", "{": "}" };
const QUOTES = new Set(['"', "'", "`"]);

/** One parameter as written: its name, or null where it has none (destructured). */
export type ParameterName = string | null;

/** What a function's own text says of its parameters. */
export interface Parameters {
  /** Positions are kept: a destructured parameter is a null among names. Null as a whole: the text cannot be read (native and bound functions). */
  readonly names: readonly ParameterName[] | null;
  /** The last one takes all the arguments that are left. */
  readonly rest: boolean;
  /** The names look as if nobody had written them: there are several, all are made up, and no space stands between them. */
  readonly minified: boolean;
}

const UNREADABLE: Parameters = { names: null, rest: false, minified: false };

/** What minifiers call parameters, and what transpilers do. */
const SHORT = /^[A-Za-z_$][\w$]?$/;
const MADE_UP = /^(?:_[A-Za-z]?\d*|[A-Za-z]_\d+)$/;

/** Reads a function's parameters from its text, once: a small scanner, because a regular expression stops at the first `)` inside a default. */
export function readParameters(fn: (...args: never[]) => unknown): Parameters {
  let text: string;
  try {
    text = Function.prototype.toString.call(fn);
  } catch {
    return UNREADABLE;
  }
  if (/\{\s*\[native code\]\s*\}$/.test(text)) return UNREADABLE;
  const single = /^(?:async\s+)?([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  if (single) return { ...UNREADABLE, names: [single[1] as string] };
  const open = openingParenthesis(text);
  if (open < 0) return UNREADABLE;
  const parts = splitParameters(text, open + 1);
  const names = parts.map(nameOf);
  const written = names.filter((name) => name !== null);
  const made = (name: string): boolean => MADE_UP.test(name) || (SHORT.test(name) && parts.every((part) => part === part.trim()));
  return { names, rest: /^\s*\.\.\./.test(parts.at(-1) ?? ""), minified: written.length > 1 && written.every(made) };
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
  if (char === "/") return isExpressionStart(text, i) ? behindPattern(text, i) : i;
  if (!QUOTES.has(char)) return i;
  for (let j = i + 1; j < text.length; j++) {
    if (text[j] === "\\") j++;
    else if (text[j] === char) return j + 1;
    else if (char === "`" && text[j] === "$" && text[j + 1] === "{") j = closing(text, j + 1);
  }
  return text.length;
}

/** Whether what stands at `i` begins an expression: there a slash begins a regular expression, elsewhere it divides. */
function isExpressionStart(text: string, i: number): boolean {
  return /[=([{,:?|&!>]$/.test(text.slice(Math.max(0, i - 20), i).trimEnd());
}

function behindPattern(text: string, i: number): number {
  let inClass = false;
  for (let j = i + 1; j < text.length; j++) {
    const char = text[j];
    if (char === "\\") j++;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "\n")
      return i + 1; // none after all
    else if (char === "/" && !inClass) return j + 1;
  }
  return i + 1;
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
