import { isAbout } from "./secret-commands.js";
import { gradeOf } from "./secret-keys.js";
import {
  type Grade,
  isInnocent,
  isInnocentWithin,
  isNothing,
  isSecretUnder,
  isWords,
  REDACTED,
} from "./secret-values.js";

// Names with values in a text: JSON, `Password=…;`, `DB_PASSWORD=…`, `{ password: '…' }`, `Cookie: …`, `--password …`,
// `the password is …`, `PASSWORD '…'`. Every part of a pattern is bounded and every value is looked at once, so the
// time is linear.
/** A letter of any alphabet. */
const NAME = "[\\w.\\u00c0-\\u2fff\\u3040-\\ufeff-]";
const PAIR = new RegExp(
  `(?<!${NAME})(?:(--?[A-Za-z][\\w.-]{0,200})(\\\\{0,8}["'\`]?(?:\\s{0,4},\\s{0,4}|\\s{1,4}))(?!-)|` +
    `(${NAME}{1,200})(\\\\{0,8}["'\`]?\\s{0,4}(?:=>|->|={1,3}|:=|%3[AD]|\\||:(?![:=]|//))(?:\\s|\\\\[nrt]){0,4}|\\s{1,4}(?:(?:is|was)\\s{1,4}|(?=["'\`]))))`,
  "g",
);
/**
 * A name and a value in neighbouring fields: `{"name":"password","value":…}`, `<property name="password" value=…`,
 * `- name: PASSWORD⏎ value: …`, `[["password",…]]`.
 */
const BESIDE =
  /(?:(?<!\w)(?:name|key|header|field|variable)\\{0,8}["']?\s{0,4}[:=]\s{0,4}\\{0,8}["']?([\w.-]{1,200})\\{0,8}["']?,?(?:\s|\\[nrt]){0,20}\\{0,8}["']?value\\{0,8}["']?\s{0,4}[:=]|[[,]\s{0,20}\[\s{0,20}\\{0,8}"([\w.-]{1,200})\\{0,8}"\s{0,4},)\s{0,20}/gi;
/** A list of two elements: `["password","…"]`. */
const TWO = /\[\s{0,4}(\\{0,8}["'])([\w.-]{1,200})\1\s{0,4},\s{0,4}\1((?:(?!\1)[^\r\n]){1,200})\1\s{0,4}\]/g;
/** An XML element. */
const ELEMENT =
  /<((?:[\w-]{1,60}:)?([\w.-]{1,200}))(?:\s[^<>]{0,200})?>(?:<!\[CDATA\[)?((?:[^<>"\\]|\\[^<>]){1,2000})(?=(?:\]\]>)?<\/\1\s{0,4}>)/g;
const OPENING = /[bruf]{0,2}(\\{0,8})(["'`])/y;
const NESTED = /[[{](?=\s{0,20}(?:\\{0,8}["'`[{]|[\w$-]{1,60}\s{0,4}:))/y;
const SCHEME = /(?:bearer|basic|token|negotiate|apikey|bot)\s{1,4}(?!realm=)/iy;
/**
 * A header with parts, such as `Digest username="me", response="…"`; `HEADER` is one that extends to the end of its
 * line.
 */
const DIGEST = /[\w-]{1,20}\s{1,4}(?:[\w-]{1,60}=(?:\\{0,8}"[^"\r\n]{0,500}"|[^\s,"\\]{1,500})(?:,\s{0,4})?)+/iy;
const HEADER = /[\w.-]{1,100}=(?:(?!"\s{0,4}[,:}\]]|\\[rn])[^\r\n])*/iy;
const BARE = /(?:(?!,\s?\\?["']?[\w.-]{1,60}\\?["']?\s?[=:]|%26)(?:[^\s"'`;&<>\\]|\\[^\s"'n]|["'`](?=\w)))+/y;
const BARE_JSON = /[^\s,;&}\]"'`\\]+/y;
/** The quote that ends a JSON string. */
const JSON_END = /(?<!\\)"\s{0,4}(?:[:}\]]|,\s{0,4}["{[\d-]|$)/y;
/** How long a bracket after an unquoted name may be. */
const MAX_NESTED = 300;
const NUMBER = /^[-+.\deE]+$/;
/** The position of a secret in a text. */
type Place = readonly [start: number, end: number, nested?: true] | undefined;

/** Redacts the values of names that belong to secrets. */
export function redactPairs(text: string): string {
  const pairs = replaced(text, PAIR, (option = "", gap, key = option, sep = gap) => [key, sep, option !== ""]);
  let out = /name|key|header|field|variable|\[/i.test(pairs) ? replaced(pairs, BESIDE, (name, first) => [name ?? first ?? "", '":', false]) : pairs; // biome-ignore format: one thing
  out = out.replace(TWO, (all, quote: string, name: string, value: string) =>
    gradeOf(name) === undefined || isInnocent(value)
      ? all
      : all.slice(0, all.lastIndexOf(value)) + REDACTED + all.slice(all.lastIndexOf(quote)),
  );
  return out.replace(ELEMENT, (all, _tag, name: string, value: string) =>
    isSecretUnder(gradeOf(name), value.trim()) ? all.slice(0, all.length - value.length) + REDACTED : all,
  );
}

type Read = (...groups: (string | undefined)[]) => readonly [key: string, sep: string | undefined, option: boolean];

function replaced(text: string, pattern: RegExp, read: Read): string {
  let out = "";
  let from = 0;
  const brackets: Brackets = { judged: 0, open: false };
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [key, sep = "", option] = read(...match.slice(1));
    const grade = gradeOf(key);
    if (grade === undefined) continue;
    const place = secretAt(text, pattern.lastIndex, { key, grade, sep, option, brackets });
    if (place === undefined) continue;
    const [start, end, nested] = place;
    // In JSON, an object is replaced by a string.
    const quote = nested && /^["\\]/.test(sep) ? sep.slice(0, sep.indexOf('"') + 1) : "";
    out += text.slice(from, start) + quote + REDACTED + quote;
    from = end;
    pattern.lastIndex = end;
  }
  return out + text.slice(from);
}

/** Brackets of a text that need no second look. */
interface Brackets {
  /** No bracket before this position holds a secret. */
  judged: number;
  /** Whether one of them is never closed. */
  open: boolean;
}

interface Named {
  readonly key: string;
  readonly grade: Grade;
  /** The text between key and value. */
  readonly sep: string;
  /** Whether the key is a command-line option. */
  readonly option: boolean;
  readonly brackets: Brackets;
}

const at = (pattern: RegExp, text: string, index: number): RegExpExecArray | null => {
  pattern.lastIndex = index;
  return pattern.exec(text);
};

function secretAt(text: string, index: number, named: Named): Place {
  const { key, sep, option } = named;
  const quoted = /["'`]/.test(sep);
  // In ordinary sentences, a name is often followed by a word or a quote.
  const grade = !option && /^\s+(?:is\b|was\b|$)|\|/.test(sep) ? "maybe" : named.grade;
  if (!sep.includes('"') && at(JSON_END, text, index)) return undefined; // the end of a JSON string
  const opening = at(OPENING, text, index);
  if (opening) {
    const start = index + opening[0].length;
    const closed = closing(text, start, opening[1]?.length ?? 0, opening[2] ?? "");
    const end = opening[2] === '"' ? closed : jsonEnd(text, start, closed);
    return isSecretUnder(grade, text.slice(start, end)) ? [start, end] : undefined;
  }
  if (grade === "maybe" && /[[{]/.test(text[index] ?? "")) return bracketAt(text, index, sep, named.brackets);
  if (grade === "strong" && at(NESTED, text, index)) {
    const end = balanced(
      text,
      index,
      quoted ? text.length : Math.min(text.length, index + MAX_NESTED),
      sep.includes("\\"),
    );
    if (end !== undefined && isNothing(text.slice(index, end))) return undefined;
    if (end !== undefined || quoted) return [index, end ?? text.length, true];
  }
  const header = /authorization$/i.test(key) ? (at(DIGEST, text, index) ?? at(HEADER, text, index)) : /cookie$/i.test(key) && at(HEADER, text, index); // biome-ignore format: one thing
  if (header) return [index, index + header[0].length];
  const scheme = at(SCHEME, text, index)?.[0].length ?? 0;
  const start = index + scheme;
  if (text.startsWith(REDACTED, start)) return undefined;
  let end = start + (at(/["'`]/.test(sep) ? BARE_JSON : BARE, text, start)?.[0].length ?? 0);
  if (isNothing(text.slice(start, end))) return undefined;
  while (end > start + 1 && /[),.\]}!?:]/.test(text[end - 1] ?? "")) end--;
  return end > start && isSecretBare(text.slice(start, end), scheme > 0, text[end] === ";", { ...named, grade })
    ? [start, end]
    : undefined;
}

/** Finds a bracket after a name that may be a secret's; all of it is redacted if anything in it looks like a secret. */
function bracketAt(text: string, index: number, sep: string, brackets: Brackets): Place {
  if (index < brackets.judged) return undefined;
  const all = sep.includes('"') && !brackets.open;
  const end = balanced(text, index, all ? text.length : Math.min(text.length, index + MAX_NESTED), sep.includes("\\"));
  if (end === undefined) brackets.open ||= all;
  else if (!isInnocentWithin(text.slice(index, end))) return [index, end, true];
  else brackets.judged = end;
  return undefined;
}

/** Whether an unquoted value is a secret: after a colon it may be the next word of a sentence, in JSON a number. */
function isSecretBare(value: string, schemed: boolean, listed: boolean, { key, grade, sep, option }: Named): boolean {
  if (option) return isSecretUnder(grade, value) && !isAbout(value);
  if (/["'`]/.test(sep)) return !NUMBER.test(value) && isSecretUnder(grade, value);
  if (grade === "maybe")
    return isSecretUnder(listed && /pwd$/i.test(key) && !/[\\/]/.test(value) ? "strong" : grade, value);
  return isSecretUnder(grade, value) && (schemed || /[=D>]/.test(sep) || !isWords(value));
}

/** Returns where a quote opened after `depth` backslashes is closed, or the end of the text. */
function closing(text: string, start: number, depth: number, quote: string): number {
  for (let i = text.indexOf(quote, start); i >= 0; i = text.indexOf(quote, i + 1)) {
    let slashes = 0;
    while (i - slashes > start && text[i - slashes - 1] === "\\") slashes++;
    if (depth === 0 ? slashes % 2 === 0 : slashes <= depth) return depth === 0 ? i : i - slashes;
  }
  return text.length;
}

/** Returns where a JSON string ends if that is before `end`, else `end`. */
function jsonEnd(text: string, start: number, end: number): number {
  const value = text.slice(start, end);
  for (let i = value.indexOf('"'); i >= 0; i = value.indexOf('"', i + 1))
    if (at(JSON_END, text, start + i)) return start + i;
  return end;
}

/**
 * Returns where the bracket at `start` is closed, if before `most`. With escaped quotes, the search ends where the
 * surrounding string does.
 */
function balanced(text: string, start: number, most: number, escaped: boolean): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < most; i++) {
    const char = text[i];
    if (char === "\\") i++;
    else if (char === '"' && escaped) return i;
    else if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === "[" || char === "{") depth++;
    else if ((char === "]" || char === "}") && --depth === 0) return i + 1;
  }
  return undefined;
}
