import { CLOSES, closing, functionText, openingParenthesis, skip } from "./function-text.js";

/** An async or generator function compiled for an older target: a plain function that passes its body to a helper. */
export interface Lowered {
  /** Whether it returns a generator, whose body starts with the first `next`. */
  readonly generator: boolean;
  /** Where the source of the function with the original body starts. */
  readonly inner: number | undefined;
}

/**
 * The helpers of tsc, esbuild, swc and Babel (oxc uses Babel's) for async functions and for generators. They may be
 * imported from a module.
 */
const HELPER =
  /(?:\(\s*0\s*,\s*)?(?:[\w$]+\.)*(?:(__awaiter|__async|_?async(?:ToGenerator|_to_generator))|(__asyncGenerator|__generator|_?wrap(?:AsyncGenerator|_async_generator)))\d*(?:\.(?:_|default))?\s*\)?\s*\(/y;
/** A helper with a minified name, which is passed the arguments. */
const MINIFIED =
  /[\w$.]+\(\s*(?:this|void 0|null)\s*,\s*(?:arguments|\[[^\]]*\])\s*,\s*(?:void 0\s*,\s*)?\(?(?=function\s*\*)/y;
const FUNCTION = /\bfunction\b/g;
/** A cheap first test. */
const HINT = /\b(?:__|_?async(?:To|_to)|_?wrap(?:Async|_async))|\barguments\b/;
const GENERATOR_HINT = /\b(?:__asyncG|__g|_?wrap(?:Async|_async))/;

/**
 * Whether a function is a lowered generator function. Only its source tells, since at run time it is a plain function.
 */
export function isLoweredGenerator(fn: (...args: never[]) => unknown): boolean {
  const text = functionText(fn);
  if (text === undefined || !GENERATOR_HINT.test(text)) return false;
  const open = openingParenthesis(text);
  return open >= 0 && loweredBody(text, closing(text, open) + 1)?.generator === true;
}

/** Describes a lowered function whose parameter list ends before `from`; undefined if it was not lowered. */
export function loweredBody(text: string, from: number): Lowered | undefined {
  if (!HINT.test(text)) return undefined;
  const at = firstReturned(text, from);
  if (at === undefined) return undefined;
  HELPER.lastIndex = at;
  const found = HELPER.exec(text);
  if (found) {
    // The function passed to tsc's `__generator` takes the state of a state machine instead of the arguments.
    const inner = found[2] === "__generator" ? undefined : functionFrom(text, HELPER.lastIndex);
    return { generator: found[2] !== undefined, inner };
  }
  MINIFIED.lastIndex = at;
  return MINIFIED.test(text) ? { generator: false, inner: MINIFIED.lastIndex } : undefined;
}

/** Whether a function only forwards its arguments to another, as Babel generates for declared functions and arrows. */
export function isForwarder(text: string, from: number): boolean {
  return /^\s*\{\s*return\s+[\w$]+\.apply\(this,\s*arguments\);?\s*\}$/.test(text.slice(from));
}

function functionFrom(text: string, from: number): number | undefined {
  FUNCTION.lastIndex = from;
  return FUNCTION.exec(text)?.index;
}

/** Finds where the expression starts that a body, or an arrow without one, returns first, ignoring brackets. */
function firstReturned(text: string, from: number): number | undefined {
  let i = behindSpace(text, from);
  if (text.startsWith("=>", i)) {
    i = behindSpace(text, i + 2);
    if (text[i] !== "{") return i;
  }
  for (i++; i < text.length; i++) {
    const at = skip(text, i);
    const char = text[i] as string;
    if (at > i) i = at - 1;
    else if (CLOSES[char]) i = closing(text, i);
    else if (char === "}") return undefined;
    else if (char === "r" && /^return\b/.test(text.slice(i, i + 7)) && /[\s;{}]/.test(text[i - 1] as string))
      return behindSpace(text, i + 6);
  }
  return undefined;
}

/** Returns the position after spaces and comments. */
function behindSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length) {
    if (/\s/.test(text[i] as string)) i++;
    else if (text[i] === "/" && /[/*]/.test(text[i + 1] ?? "")) i = skip(text, i);
    else break;
  }
  return i;
}
