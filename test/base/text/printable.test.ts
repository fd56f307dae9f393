import assert from "node:assert/strict";
import { test } from "node:test";
import { Diagnostics } from "../../../src/base/diagnostics.js";
import { MlflowError, PulseError } from "../../../src/base/errors.js";
import { printable, printableJson } from "../../../src/base/text/printable.js";
import { collectWarnings } from "../../support/warnings.js";

/** What moves a cursor, changes a terminal, begins a line or turns a text's direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

const TEXTS: readonly (readonly [given: string, shown: string])[] = [
  ["\x1b[31mred\x1b[0m", "red"],
  ["\x9b1;31mred\x9b0m", "red"],
  ["\x1b[2J\x1b[Hcleared", "cleared"],
  ["\x1b]0;title\x07text", "text"],
  ["\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link"],
  ["\x9d0;title\x9ctext", "text"],
  ["\x1bP1$r0m\x1b\\text", "text"],
  ["\x1b]0;unfinished", "0;unfinished"],
  ["\x1bctext\x1b", "text"],
  ["\x1b\x1b[31m[32mtext", "[32mtext"],
  ["a\r\nb\tc\u2028d\x85e\x0bf", "a b c d e f"],
  ["a\bb\0c\x7fd\x8fe", "abcde"],
  ["user\u202egnp.exe\u202c \u2066x\u2069\u200f", "usergnp.exe x"],
  ["Größe 数 👩‍👩‍👧 é — “x”", "Größe 数 👩‍👩‍👧 é — “x”"],
];

test("a text for a log or terminal is one line without control sequences", () => {
  for (const [given, shown] of TEXTS) assert.equal(printable(given), shown, JSON.stringify(given));
  for (let code = 0; code < 0x2100; code++) {
    const char = String.fromCharCode(code);
    const shown = printable(`a${char}b`);
    assert.doesNotMatch(shown, CONTROL, code.toString(16));
    const json = printableJson(JSON.stringify(`a${char}b`));
    assert.doesNotMatch(json, CONTROL, code.toString(16));
    assert.equal(JSON.parse(json), `a${char}b`);
  }
});

test("errors and warnings contain no control sequences or split secrets of a server", async () => {
  for (const [given, shown] of TEXTS) {
    const error = new MlflowError("REJECTED", `server said ${given}`, `CODE${given}`, 400, given);
    assert.deepEqual([error.message, error.errorCode, error.serverMessage], [`server said ${shown}`, `CODE${shown}`, shown].map((text) => text)); // biome-ignore format: one thing
    const { logger, warnings: said } = collectWarnings();
    const diagnostics = new Diagnostics({ logger });
    diagnostics.warn("REJECTED", `server said ${given}`);
    diagnostics.warnAsync(new PulseError("SERVER_ERROR", `server said ${given}`));
    await null; // what is said behind delivery is said after it
    assert.deepEqual([said.length, said.filter((message) => CONTROL.test(message))], [2, []]);
    assert.ok(said[0]?.includes(`server said ${shown}`));
  }
  assert.doesNotMatch(
    new PulseError("REJECTED", `pass\x1b[0mword=hun\u202eter2 ghp_a1B2\x00${"a1B2".repeat(8)}`).message,
    /ter2|a1B2/,
  );
});
