/** @internal Replaces a secret. */
export const REDACTED = "[redacted]";

/**
 * How likely a name belongs to a secret. `strong`: the value is one, whatever it looks like. `maybe`: the value
 * decides.
 */
export type Grade = "strong" | "maybe" | undefined;

/** Values that reveal nothing under any name: empty, a placeholder, a reference to a variable, a switch. */
const NOTHING =
  /^(?:<[^<>]*>|[*•.…]+|x{3,20}|%[sdv]|\$\{[^{}]*\}|\$[A-Z][A-Z_]{2,}|\{\{[^{}]*\}\}|(?:process\.env|os\.environ)\b[\w."'()[\]]*|\[redacted\]|none|null|nil|undefined|true|false|yes|no)?$/i;
/** A number, a fraction or a date. Many digits in a row may be an identifier that grants access. */
const NUMBER = /^(?!.*(?<![.\d])\d{16})[-+.,:/%\deETZ]+$/;
const [SHORT, MAX_INNOCENT] = [6, 200];
/** `BRACKETED`: a text in brackets. `QUOTED`: a quoted part, with the colon after it if it names a field. */
const BRACKETED = /^[<[{(][\s\S]*[>\]})]$/;
const QUOTED = /(["'`])([^"'`]*)\1(\s{0,4}:)?/g;
/** Names, paths and phrases: words, and what may stand between and around them. */
const PHRASE = /^(?:[A-Za-z]:\\|~\/)?[-\p{L}\p{M}\p{N}_ .,;/\\+|#▁'\u2019]+$/u;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** The parts of a word: `ResNet50` has three. Random text changes its kind of character almost every time. */
const RUNS = /\p{Lu}?[\p{Ll}\p{Lo}\p{M}]+|\p{Lu}+(?!\p{Ll})|\p{N}+/gu;

/** Whether a text reveals nothing. */
export const isNothing = (text: string): boolean => NOTHING.test(text);

/** Whether a word looks like one that people write. */
function isName(word: string): boolean {
  const runs = word.match(RUNS) ?? [];
  return word.length <= 4 || (runs.length <= 1 + word.length / 3.5 && runs.every((run) => run.length <= 20));
}

const isLetters = (word: string): boolean => !/\p{N}/u.test(word);

/** Whether a text consists of names. */
export function isNames(text: string): boolean {
  return text.length <= MAX_INNOCENT && PHRASE.test(text) && (text.match(WORD) ?? []).every(isName);
}

/** Whether a text consists of words only. */
export function isWords(text: string): boolean {
  return isNames(text) && isLetters(text) && !/[\\/+|#]/.test(text);
}

/** Whether a text does not look like a secret: short, a number, words, a path, a name. Digits alone are not a name. */
export function isInnocent(given: string): boolean {
  const text = given.replaceAll(REDACTED, "");
  if (text.length <= SHORT || NOTHING.test(text)) return true;
  if (text.length > MAX_INNOCENT) return false;
  if (NUMBER.test(text)) return true;
  if (BRACKETED.test(text)) return isInnocentWithin(text);
  return (
    isNames(text) && (isLetters(text) || (text.match(WORD) ?? []).some((word) => word.length >= 2 && isLetters(word)))
  );
}

/** Does the same for text in brackets of any length: a list, an object, or a name such as `[unused12]`. */
export function isInnocentWithin(text: string): boolean {
  const bare = text.replaceAll("\\", "");
  const quoted = [...bare.matchAll(QUOTED)];
  if (quoted.length > 0) return quoted.every(([, , each = "", colon]) => colon !== undefined || isInnocent(each));
  return (bare.match(WORD) ?? []).every(isName);
}

/** Whether a text is a secret, given the grade of its name. */
export function isSecretUnder(grade: Grade, text: string): boolean {
  if (grade === undefined) return false;
  return grade === "strong" ? !NOTHING.test(text) : !isInnocent(text);
}
