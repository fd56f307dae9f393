/**
 * When this program was started, to the second: every run of it has it as a tag, which tells one start from another.
 */
export const START = new Date().toLocaleString("sv-SE");
