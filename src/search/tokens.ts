import { PulseError } from "../base/errors.js";

/** @internal A token of a filter or an order, and its position. */
export interface Token {
  readonly kind: "word" | "text" | "number" | "operator" | "(" | ")" | "," | "end";
  /** As it is written. */
  readonly source: string;
  /** Of a text, what stands between its quotes; of a word, the word. */
  readonly value: string;
  readonly at: number;
}

/** Maximum length of a filter, in characters. */
const MAX_LENGTH = 1_000_000;
/** Characters shown on each side of a fault. */
const SHOWN = 30;

const SPACE = /\s+/y;
/** An entity and a key in it, either in quotes: `metrics.loss`, `params."learning rate"`; or an attribute alone. */
const WORD = /(?:`[^`]*`(?=\.)|[\p{L}\p{N}_]+)(?:\.(?:\s*(?:"[^"]*"|'[^']*'|`[^`]*`|[\p{L}\p{N}_.]+))?)?/uy;
/** A quote cannot be escaped: two of them stay two. */
const TEXT = /"(?:[^"]|"")*"|'(?:[^']|'')*'|`[^`]*`/y;
const NUMBER = /-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]-?\d+)?(?![\p{L}\p{N}_.])/uy;
const OPERATOR = /[=!<>]+|[+\-*/]/y;

/**
 * @internal Splits a filter or an order into tokens.
 * @throws PulseError `INVALID_FILTER` that points at what cannot be read.
 */
export function tokensOf(text: string): Token[] {
  if (text.length > MAX_LENGTH)
    throw new PulseError("INVALID_FILTER", `The filter has ${text.length} characters; ${MAX_LENGTH} are the most.`);
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (true) {
    at += match(SPACE)?.length ?? 0;
    const char = text[at];
    if (char === undefined) break;
    if (char === "(" || char === ")" || char === ",") {
      tokens.push({ kind: char, source: char, value: char, at });
      at++;
      continue;
    }
    const number = match(NUMBER);
    const word = number ?? match(WORD); // before texts: a quoted entity is followed by a dot
    const quoted = word ?? match(TEXT);
    const source = quoted ?? match(OPERATOR);
    if (source === undefined) {
      const isQuote = char === "'" || char === '"' || char === "`";
      const what = isQuote
        ? `the text that begins with ${char} has no end`
        : `${JSON.stringify(char)} has no meaning here`;
      throw fault(text, at, what);
    }
    const kind =
      number !== undefined ? "number" : word !== undefined ? "word" : quoted !== undefined ? "text" : "operator";
    tokens.push({ kind, source, value: kind === "text" ? source.slice(1, -1) : source, at });
    at += source.length;
  }
  tokens.push({ kind: "end", source: "the end", value: "", at });
  return tokens;
}

/** @internal Makes the error that points at a place of a filter. */
export function fault(text: string, at: number, what: string): PulseError {
  const from = Math.max(0, at - SHOWN);
  const before = `${from > 0 ? "…" : ""}${text.slice(from, at)}`;
  const after = `${text.slice(at, at + SHOWN)}${at + SHOWN < text.length ? "…" : ""}`;
  return new PulseError(
    "INVALID_FILTER",
    `The filter cannot be read at character ${at + 1}: ${what} (${before} ▸ ${after}).`,
  );
}
