import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** Longest title as it is written, with what is put into it. */
const MOST_CHARACTERS = 80;
/** A call that takes a title, and the title in its quotes. */
const TITLED = /\b(?:test|it|describe)(?:\.[a-z]+)?\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/g;

test(`no title of a test is longer than ${MOST_CHARACTERS} characters`, () => {
  const files = readdirSync("test", { recursive: true }).map(String);
  const titles = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      [...readFileSync(join("test", file), "utf8").matchAll(TITLED)].map(([, , title = ""]) => ({ file, title })),
    );
  assert.ok(titles.length > 1_000);
  assert.deepEqual(
    titles.filter(({ title }) => title.length > MOST_CHARACTERS),
    [],
  );
});
