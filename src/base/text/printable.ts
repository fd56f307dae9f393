// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for
/** Escape sequences of terminals: to a string's end, to a final byte, or alone. */
const SEQUENCES =
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90-\x9f]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g;
/** What moves on to another line. */
const BREAKS = /[\t-\r\x85\u2028\u2029]+/g;
/** Other control characters, and marks that turn the direction of a text. */
const CONTROLS = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: see above

/** Gives a text as one line of a log or a terminal: it moves no cursor, changes no colour, begins no line. */
export function printable(text: string): string {
  return text.replace(SEQUENCES, "").replace(BREAKS, " ").replace(CONTROLS, "");
}

/** The same for JSON, which keeps them: as escapes. */
export function printableJson(text: string): string {
  return text.replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
