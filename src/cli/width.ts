/**
 * What takes two columns of a terminal: East Asian wide and fullwidth characters, emoji, and flags. Ambiguous ones take
 * one, as in terminals outside of East Asia.
 */
const WIDE =
  /\p{Emoji_Presentation}|\p{Regional_Indicator}{2}|\ufe0f|[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;
/** What takes none: marks that combine with the character before, and characters that are not shown. */
const NONE = /^[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}]+$/u;
const PLAIN = /^[\x20-\x7e]*$/;
/** What may be one grapheme together with its neighbours: all but the letters that most texts are written with. */
const MAY_JOIN =
  /[^\x20-\x7e\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\uac00-\ud7a3\u2010-\u2027\u3001-\u3003\uff01-\uff20]|\p{M}/u;

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Returns the graphemes of a text; where each character is one, much faster than the segmenter. */
const graphemesOf = (text: string): Iterable<string> => (MAY_JOIN.test(text) ? segmentsOf(text) : text);

function* segmentsOf(text: string): Generator<string> {
  for (const { segment } of segmenter.segment(text)) yield segment;
}

const widthOfOne = (grapheme: string): number => (NONE.test(grapheme) ? 0 : WIDE.test(grapheme) ? 2 : 1);

/** Returns how many columns of a terminal a text takes; it must be printable and without styles. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemesOf(text)) width += widthOfOne(grapheme);
  return width;
}

/** Returns the width of the widest text; of as many as there are, which a call with each as an argument cannot take. */
export function widestOf(texts: Iterable<string>): number {
  let widest = 0;
  for (const text of texts) widest = Math.max(widest, widthOf(text));
  return widest;
}

/**
 * No script and no emoji needs more UTF-16 units for a column. What has more of them, such as a letter with a hundred
 * marks, is cut: finding the graphemes of a long text takes longer than its length says.
 */
const MOST_UNITS = 16;

/** Cuts a text to some columns of a terminal, at least one; looks no further into it than they reach. */
export function cutTo(text: string, most: number): string {
  if (2 * text.length <= most) return text; // no unit takes more than two columns
  const looked = text.slice(0, MOST_UNITS * most);
  if (PLAIN.test(looked)) return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  let [at, end, width] = [0, 0, 0];
  for (const grapheme of graphemesOf(looked)) {
    if (width < most) end = at; // what is before leaves a column for the mark
    at += grapheme.length;
    width += widthOfOne(grapheme);
    if (width > most) break;
  }
  return width <= most && looked.length === text.length ? text : `${text.slice(0, end)}…`;
}

/** Fills a text up with spaces, in front of it if it goes to the right. */
export function filled(text: string, width: number, right: boolean): string {
  const spaces = " ".repeat(Math.max(0, width - widthOf(text)));
  return right ? spaces + text : text + spaces;
}
