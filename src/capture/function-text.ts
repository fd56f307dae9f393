/** Opening brackets with their closing ones; `QUOTES` are the characters that delimit strings. */
export const CLOSES: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const QUOTES = new Set(['"', "'", "`"]);

/** Finds the `(` of a function's parameter list, skipping a computed name such as `["a(b"]`. */
export function openingParenthesis(text: string, from = 0): number {
  for (let i = from; i < text.length; i++) {
    const at = skip(text, i);
    if (at > i) i = at - 1;
    else if (text[i] === "(") return i;
    else if (text[i] === "[") i = closing(text, i);
  }
  return -1;
}

/** Returns the position after a comment, string or regular expression that starts at `i`, or `i` if none does. */
export function skip(text: string, i: number): number {
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

/** Whether an expression starts at `i`: there, a slash starts a regular expression; elsewhere, it divides. */
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
      return i + 1; // not a regular expression after all
    else if (char === "/" && !inClass) return j + 1;
  }
  return i + 1;
}

/** Returns the position of the bracket that closes the one at `i`. */
export function closing(text: string, i: number): number {
  const close = CLOSES[text[i] as string];
  for (let j = i + 1; j < text.length; j++) {
    const at = skip(text, j);
    if (at > j) j = at - 1;
    else if (text[j] === close) return j;
    else if (CLOSES[text[j] as string]) j = closing(text, j);
  }
  return text.length;
}

/** The last function looked up: its kind and its parameters are read one after the other. */
let last: { readonly fn: WeakRef<object>; readonly text: string | undefined } | undefined;

/** Returns the source of a function; undefined for a native or bound one, and for anything else. */
export function functionText(fn: (...args: never[]) => unknown): string | undefined {
  if (last === undefined || last.fn.deref() !== fn) last = { fn: new WeakRef(fn), text: readText(fn) };
  return last.text;
}

function readText(fn: (...args: never[]) => unknown): string | undefined {
  try {
    const text = Function.prototype.toString.call(fn);
    return /\{\s*\[native code\]\s*\}$/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
