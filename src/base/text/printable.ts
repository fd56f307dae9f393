// biome-ignore-start lint/suspicious/noControlCharactersInRegex: they are what is looked for
/** Terminal escape sequences: strings, control sequences and single escapes. */
const SEQUENCES =
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90-\x9f]*(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g;
/** Characters that start a new line or move to another. */
const BREAKS = /[\t-\r\x85\u2028\u2029]+/g;
/** Other control characters, and marks that change text direction. */
const CONTROLS = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: see above

/** Makes a text safe for one line of a log or terminal: no cursor movement, colours or line breaks. */
export function printable(text: string): string {
  return text.replace(SEQUENCES, "").replace(BREAKS, " ").replace(CONTROLS, "");
}

/** Does the same for JSON, where the characters are kept as escapes. */
export function printableJson(text: string): string {
  return text.replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
