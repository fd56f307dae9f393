import { type Grade, gradeOf, isSecretUnder, isWords, REDACTED } from "./secret-keys.js";

// Names with values in a text: JSON, `Password=…;`, `DB_PASSWORD=…`, `{ password: '…' }`, `Cookie: …`, `--password …`.
// Every part is bounded, and every value is looked at once: the time is in proportion to the text.
const PAIR =
  /(?<![\w.-])(?:(--?[A-Za-z][\w.-]{0,200})(\\{0,8}["'`]?(?:\s{0,4},\s{0,4}|\s{1,4}))(?!-)|([\w.-]{1,200})(\\{0,8}["'`]?\s{0,4}(?:=>|={1,3}|:=|%3[AD]|:(?![:=]|\/\/))\s{0,4}))/g;
/** In JSON: `{"name":"password","value":…}`, and `["password",…]` in a list. */
const LISTED =
  /(?:"(?:name|key|header|field|variable)\\{0,8}"\s{0,4}:\s{0,4}\\{0,8}"([\w.-]{1,200})\\{0,8}"\s{0,4},\s{0,20}\\{0,8}"value\\{0,8}"\s{0,4}:|[[,]\s{0,20}\[\s{0,20}\\{0,8}"([\w.-]{1,200})\\{0,8}"\s{0,4},)\s{0,20}/gi;
/** `curl -u me:…`; a number behind the colon is a group. */
const LOGIN =
  /((?<![^\s"'`])(?:-u|--(?:proxy-)?user)(?:\\?["'`]?\s{0,4},\s{0,4}|[ =])\\?)(?:(["'`][^:"'`]{1,100}:)(?:[^"'`\\]|\\[^"'])*|([^\s:"'`/@]{1,100}:)(?!\/\/|\d+(?!\S))(?:[^\s"'`\\]|\\[^\s"'])+)/g;
const OPENING = /[bruf]{0,2}(\\{0,8})(["'`])/y;
const NESTED = /[[{](?=\s{0,20}(?:\\{0,8}["'`[{]|[\w$-]{1,60}\s{0,4}:))/y;
const SCHEME = /(?:bearer|basic|token|negotiate|apikey|bot)\s{1,4}/iy;
/** What goes on to the end of a header's line. */
const HEADER = /(?:digest\s|[\w.-]{1,100}=)(?:(?!"\s{0,4}[,:}\]]|\\[rn])[^\r\n])*/iy;
const BARE = /(?:(?!,\s?\\?["']?[\w.-]{1,60}\\?["']?\s?[=:]|%26)(?:[^\s"'`;&<>\\]|\\[^\s"'n]|["'`](?=\w)))+/y;
const BARE_JSON = /[^\s,;&}\]"'`\\]+/y;
/** The quote that ends a text of a JSON document. */
const JSON_END = /(?<!\\)"\s{0,4}(?:[:}\]]|,\s{0,4}["{[\d-]|$)/y;
/** How far the bracket may reach that a name without quotes has behind it. */
const MOST_NESTED = 300;
const NUMBER = /^[-+.\deE]+$/;

/** Where a secret stands in a text. */
type Place = readonly [start: number, end: number, nested?: true] | undefined;

/** Replaces the values of secret names in a text. */
export function redactPairs(text: string): string {
  const pairs = replaced(text, PAIR, (option = "", gap, key = option, sep = gap) => [key, sep, option !== ""]);
  const listed = /name|key|header|field|variable|\[/.test(pairs) ? replaced(pairs, LISTED, (name, first) => [name ?? first ?? "", '":', false]) : pairs; // biome-ignore format: one thing
  return listed.replace(LOGIN, (_all, option: string, quoted = "", bare = "") => option + quoted + bare + REDACTED);
}

type Read = (...groups: (string | undefined)[]) => readonly [key: string, sep: string | undefined, option: boolean];

function replaced(text: string, pattern: RegExp, read: Read): string {
  let out = "";
  let from = 0;
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const [key, sep = "", option] = read(...match.slice(1));
    const grade = gradeOf(key);
    if (grade === undefined) continue;
    const place = secretAt(text, pattern.lastIndex, { key, grade, sep, option });
    if (place === undefined) continue;
    const [start, end, nested] = place;
    // In JSON an object becomes a text.
    const quote = nested && /^["\\]/.test(sep) ? sep.slice(0, sep.indexOf('"') + 1) : "";
    out += text.slice(from, start) + quote + REDACTED + quote;
    from = end;
    pattern.lastIndex = end;
  }
  return out + text.slice(from);
}

interface Named {
  readonly key: string;
  readonly grade: Grade;
  /** What stands between the key and the value. */
  readonly sep: string;
  /** The key is an option of a command line. */
  readonly option: boolean;
}

const at = (pattern: RegExp, text: string, index: number): RegExpExecArray | null => {
  pattern.lastIndex = index;
  return pattern.exec(text);
};

function secretAt(text: string, index: number, named: Named): Place {
  const { key, grade, sep } = named;
  const quoted = /["'`]/.test(sep);
  if (!sep.includes('"') && at(JSON_END, text, index)) return undefined; // a text of a JSON document ends here
  const opening = at(OPENING, text, index);
  if (opening) {
    const start = index + opening[0].length;
    const closed = closing(text, start, opening[1]?.length ?? 0, opening[2] ?? "");
    const end = quoted || opening[2] === '"' ? closed : jsonEnd(text, start, closed);
    return isSecretUnder(grade, text.slice(start, end)) && (quoted || grade !== "named" || end - start > 2) ? [start, end] : undefined; // not: unexpected token: '<'
  }
  if (grade !== "maybe" && at(NESTED, text, index)) {
    const end = balanced(text, index, quoted ? text.length : Math.min(text.length, index + MOST_NESTED));
    if (end !== undefined || quoted) return [index, end ?? text.length, true];
  }
  const header = /(?:cookie|authorization)$/i.test(key) && at(HEADER, text, index);
  if (header) return [index, index + header[0].length];
  const scheme = at(SCHEME, text, index)?.[0].length ?? 0;
  const start = index + scheme;
  if (text.startsWith(REDACTED, start)) return undefined;
  let end = start + (at(/["'`]/.test(sep) ? BARE_JSON : BARE, text, start)?.[0].length ?? 0);
  while (end > start + 1 && /[),.\]}!?:]/.test(text[end - 1] ?? "")) end--;
  return end > start && isSecretBare(text.slice(start, end), scheme > 0, text[end] === ";", named) ? [start, end] : undefined;
}

/** Tells whether a value without quotes is a secret: behind a colon it may be the next word of a sentence, in JSON it may be a number. */
function isSecretBare(value: string, schemed: boolean, listed: boolean, { key, grade, sep, option }: Named): boolean {
  if (option || schemed) return isSecretUnder(grade, value);
  const number = NUMBER.test(value);
  if (/["'`]/.test(sep)) return !number && isSecretUnder(grade, value);
  if (grade === "maybe") return isSecretUnder(listed && /pwd$/i.test(key) && !/[\\/]/.test(value) ? "strong" : grade, value);
  const tight = /[=D]/.test(sep) && (grade === "strong" || !/\s/.test(sep));
  if (tight) return isSecretUnder(grade, value) && !(number && grade === "named");
  return grade === "strong" ? isSecretUnder(grade, value) && !isWords(value) : isSecretUnder("maybe", value);
}

/** Where the quote ends that was opened behind so many backslashes; at the text's end if nowhere. */
function closing(text: string, start: number, depth: number, quote: string): number {
  for (let i = text.indexOf(quote, start); i >= 0; i = text.indexOf(quote, i + 1)) {
    let slashes = 0;
    while (i - slashes > start && text[i - slashes - 1] === "\\") slashes++;
    if (depth === 0 ? slashes % 2 === 0 : slashes <= depth) return depth === 0 ? i : i - slashes;
  }
  return text.length;
}

/** Where a text of a JSON document ends before `end`, which goes on in another one; else there. */
function jsonEnd(text: string, start: number, end: number): number {
  const value = text.slice(start, end);
  for (let i = value.indexOf('"'); i >= 0; i = value.indexOf('"', i + 1)) if (at(JSON_END, text, start + i)) return start + i;
  return end;
}

/** Where the bracket that opens at `start` is closed, if before `most`. */
function balanced(text: string, start: number, most: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < most; i++) {
    const char = text[i] ?? "";
    if (char === "\\") i++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && /[[{]/.test(char)) depth++;
    else if (!quoted && /[\]}]/.test(char) && --depth === 0) return i + 1;
  }
  return undefined;
}
