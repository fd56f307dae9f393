/**
 * When this program was started, to the second. Every run has it as a tag, so that starts can be told apart.
 */
export const START = new Date().toLocaleString("sv-SE");
