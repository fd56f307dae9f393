/** @internal What stands in place of a secret. */
export const REDACTED = "[redacted]";

/**
 * How much a name tells of its value being a secret. `strong`: it is one, whatever it looks like. `maybe`: the value
 * decides.
 */
export type Grade = "strong" | "maybe" | undefined;

/** What says nothing, under whatever name: empty, a placeholder, a reference to a variable, a switch. */
const NOTHING =
  /^(?:<[^<>]*>|[*•.…]+|x{3,20}|%[sdv]|\$\{[^{}]*\}|\$[A-Z][A-Z_]{2,}|\{\{[^{}]*\}\}|(?:process\.env|os\.environ)\b[\w."'()[\]]*|\[redacted\]|none|null|nil|undefined|true|false|yes|no)?$/i;
/** A number, a share, a date; of many digits in a row it is an identifier that may let somebody in. */
const NUMBER = /^(?!.*(?<![.\d])\d{16})[-+.,:/%\deETZ]+$/;
const [SHORT, MAX_INNOCENT] = [6, 200];
/** A text in brackets, and a text with quotes in it, with the colon behind one that names a field. */
const BRACKETED = /^[<[{(][\s\S]*[>\]})]$/;
const QUOTED = /(["'`])([^"'`]*)\1(\s{0,4}:)?/g;
/** Names, paths and phrases: words, with what stands between and around them. */
const PHRASE = /^(?:[A-Za-z]:\\|~\/)?[-\p{L}\p{M}\p{N}_ .,;/\\+|#▁'\u2019]+$/u;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** What a word is made of: `ResNet50` of three. What is random changes with nearly every character. */
const RUNS = /\p{Lu}?[\p{Ll}\p{Lo}\p{M}]+|\p{Lu}+(?!\p{Ll})|\p{N}+/gu;

/** Tells whether a text says nothing. */
export const isNothing = (text: string): boolean => NOTHING.test(text);

/** Tells whether a part of a text is a word or a name as people make them. */
function isName(word: string): boolean {
  const runs = word.match(RUNS) ?? [];
  return word.length <= 4 || (runs.length <= 1 + word.length / 3.5 && runs.every((run) => run.length <= 20));
}

const isLetters = (word: string): boolean => !/\p{N}/u.test(word);

/** Tells whether a text is made of names, of which it has one at least. */
export function isNames(text: string): boolean {
  return text.length <= MAX_INNOCENT && PHRASE.test(text) && (text.match(WORD) ?? []).every(isName);
}

/** Tells whether a text is nothing but words. */
export function isWords(text: string): boolean {
  return isNames(text) && isLetters(text) && !/[\\/+|#]/.test(text);
}

/**
 * Tells whether a text is none that somebody would make for a secret: short, a number, words, a path, a name. Digits
 * alone do not make a name.
 */
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

/** The same of what stands in brackets, however long: a list, an object, or a name such as `[unused12]`. */
export function isInnocentWithin(text: string): boolean {
  const bare = text.replaceAll("\\", "");
  const quoted = [...bare.matchAll(QUOTED)];
  if (quoted.length > 0) return quoted.every(([, , each = "", colon]) => colon !== undefined || isInnocent(each));
  return (bare.match(WORD) ?? []).every(isName);
}

/** Tells whether a text is a secret, standing under a name of that grade. */
export function isSecretUnder(grade: Grade, text: string): boolean {
  if (grade === undefined) return false;
  return grade === "strong" ? !NOTHING.test(text) : !isInnocent(text);
}
