// Values that are logged as files: YAML and JSON.
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../support/stored-files.js";

test(".yaml and .yml files hold sorted YAML that YAML 1.1 reads as meant, no secrets", async () => {
  const { tracker, text, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logDict(
      { no: "no", big: 1e21, small: -1e-7, at: new Date(0), b: [1, { c: null }], password: "hunter2hunter2" },
      "c.yml",
    );
    const shared = { x: 1 };
    run.logDict({ one: shared, two: shared }, "shared.YAML");
    run.logDict({ loss: Number.NaN, most: Infinity, least: -Infinity }, "numbers.yaml");
    run.logDict({ loss: Number.NaN }, "numbers.json");
  });
  await tracker.flush();
  // As PyYAML writes and reads them; JSON has no word for them.
  assert.equal(text("numbers.yaml"), "least: -.inf\nloss: .nan\nmost: .inf\n");
  assert.equal(text("numbers.json"), '{\n  "loss": null\n}');
  assert.equal(
    text("c.yml"),
    'at: "1970-01-01 00:00:00"\nb:\n  - 1\n  - c: null\nbig: 1.0e+21\n"no": "no"\npassword: "[redacted]"\nsmall: -1.0e-7\n',
  );
  assert.equal(text("shared.YAML"), "one:\n  x: 1\ntwo:\n  x: 1\n");
  assert.match(warnings.join("\n"), /"c\.yml".*REDACTED/);
});

test("secrets in pairs, named values and after options are replaced in values", async () => {
  const { tracker, text } = memory();
  tracker.withRun({}, (run) =>
    run.logDict(
      {
        pairs: [
          ["password", "hunter2hunter2"],
          ["user", "ann"],
        ],
        named: [
          { name: "api_key", value: "zzzzzzzzzzzz" },
          { value: "plain", name: "HOME" },
        ],
        command: ["train", "--password", "hunter3hunter3", "--epochs", "3"],
        words: ["password", "username", "email"],
      },
      "c.json",
    ),
  );
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("c.json") ?? ""), {
    pairs: [
      ["password", "[redacted]"],
      ["user", "ann"],
    ],
    named: [
      { name: "api_key", value: "[redacted]" },
      { value: "plain", name: "HOME" },
    ],
    command: ["train", "--password", "[redacted]", "--epochs", "3"],
    words: ["password", "username", "email"],
  });
});

test("YAML 1.1 readers get texts as they were", async () => {
  const { tracker, text } = memory();
  tracker.withRun({}, (run) =>
    run.logDict(
      { a: "=", b: "<<", "<<": 1, c: "a\u2028b", d: "\x7f", e: " \n", f: "two\nlines \n", g: "é 🎉", "h\t": "a\tb" },
      "t.yaml",
    ),
  );
  await tracker.flush();
  const lines = (text("t.yaml") ?? "").trimEnd().split("\n");
  assert.deepEqual(lines, [
    '"<<": 1', 'a: "="', 'b: "<<"', 'c: "a\\u2028b"', 'd: "\\u007f"', 'e: "\\ \\n"', 'f: "two\\nlines\\ \\n"', "g: é 🎉",
    '"h\\t": "a\\tb"',
  ]); // biome-ignore format: a line each
});
