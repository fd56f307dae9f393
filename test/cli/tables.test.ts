import assert from "node:assert/strict";
import { test } from "node:test";
import { chart, sparkline } from "../../src/cli/chart.js";
import { printJson } from "../../src/cli/output.js";
import { idLength, shownNumber, shownParam, span } from "../../src/cli/shown.js";
import { type Column, csvCell, markdownText, printTable, textTable } from "../../src/cli/table.js";
import { cutTo, filled, widthOf } from "../../src/cli/width.js";
import { fakeTerminal, unstyled } from "../support/terminal.js";

test("texts take the columns that terminals give them", () => {
  for (const [text, width] of [
    ["", 0],
    ["abc", 3],
    ["café", 4],
    ["cafe\u0301", 4],
    ["試験", 4],
    ["ｆｕｌｌ", 8],
    ["한글", 4],
    ["🚀", 2],
    ["👩‍🔬", 2],
    ["🇩🇪", 2],
    ["❤\ufe0f", 2],
    ["a\u200bb", 2],
    ["─│├ ▁█", 6],
    ["ελληνικά", 8],
  ] as const)
    assert.equal(widthOf(text), width, JSON.stringify(text));
  assert.equal(cutTo("試験ラン", 8), "試験ラン");
  assert.equal(cutTo("試験ラン", 6), "試験…");
  assert.equal(cutTo("cafe\u0301s", 5), "cafe\u0301s");
  assert.equal(cutTo("abc", 1), "…");
  assert.equal(filled("試", 4, true), "  試");
});

test("numbers are short, and params only if they are long numbers", () => {
  for (const [value, text] of [
    [0, "0"],
    [-0, "0"],
    [1_234_567, "1234567"],
    [12_345_678, "1.235e+7"],
    [0.1 + 0.2, "0.3"],
    [123.456789, "123.46"],
    [-0.000123456, "-0.00012346"],
    [0.0000123456, "1.235e-5"],
    [1e-9, "1e-9"],
    [1e300, "1e+300"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ] as const)
    assert.equal(shownNumber(value), text);
  assert.equal(shownParam("0.30000000000000004"), "0.3");
  assert.equal(shownParam("12345678901234567890"), "12345678901234567890");
  assert.equal(shownParam("1.2.3456789"), "1.2.3456789");
  assert.deepEqual([span(0), span(999), span(4_200), span(90_000), span(7_200_000)], ["0 ms", "999 ms", "4.2 s", "90 s", "2 h"]); // biome-ignore format: one list
  assert.equal(idLength(["0123456789", "0123456799", "0123456789"]), 12);
});

const column = (title: string, texts: readonly string[], more: Partial<Column> = {}): Column => ({
  title,
  cells: texts.map((text) => ({ text })),
  ...more,
});

test("a text of letters is as wide as its graphemes, and needs no segmenter", (t) => {
  const letters = Array.from({ length: 0x10000 }, (_, code) => code)
    .filter((code) => code < 0xd800 || code > 0xdfff)
    .map((code) => String.fromCodePoint(code));
  const segment = t.mock.method(Intl.Segmenter.prototype, "segment");
  const alone = letters.filter((letter) => {
    segment.mock.resetCalls();
    widthOf(`é${letter}é`);
    return segment.mock.callCount() === 0;
  });
  segment.mock.restore();
  assert.ok(alone.length > 40_000 && "aß試한ж".split("").every((letter) => alone.includes(letter)));
  const segmenter = new Intl.Segmenter("en");
  const joined = alone.filter((letter) => [...segmenter.segment(`a${letter}a`)].length !== 3);
  assert.deepEqual(joined, []);
});

test("a table is aligned, and cut only on a terminal", () => {
  const columns = [
    column("id", ["1", "22"]),
    column("name", ["試験ラン 三番 of a long name", "\x1b[2Jx\ny"], { least: 8 }),
    column("loss", ["0.5", "12.25"], { right: true }),
    column("a long title", ["x", "y"]),
  ];
  assert.deepEqual(textTable(undefined, columns), [
    "id  name                           loss  a long title",
    "1   試験ラン 三番 of a long name    0.5  x",
    "22  x y                           12.25  y",
  ]);
  const { terminal } = fakeTerminal({ columns: 32 });
  assert.deepEqual(textTable(terminal, columns, ["2 rows"]).map(unstyled), [
    "id  name        loss  a long ti…",
    "1   試験ラン…    0.5  x",
    "22  x y        12.25  y",
    "2 rows",
  ]);
  assert.deepEqual(textTable(fakeTerminal({ columns: 24 }).terminal, columns).map(unstyled), [
    "id  name            loss",
    "1   試験ラン 三…     0.5",
    "22  x y            12.25",
    "1 more column does not …",
  ]);
  assert.deepEqual(textTable(undefined, []), [""]);
});

test("of a long text a terminal's line looks no further than it reaches", (t) => {
  const segment = t.mock.method(Intl.Segmenter.prototype, "segment");
  const looked = (length: number): number => {
    segment.mock.resetCalls();
    const texts = ["é", "試", "e\u0301", "\u200b"].map((text) => text.repeat(length));
    const columns = texts.map((text) => column("text", [text, text], { least: 8 }));
    for (const line of textTable(fakeTerminal({ columns: 60 }).terminal, columns))
      assert.ok(widthOf(unstyled(line)) <= 60);
    return segment.mock.calls.reduce((sum, { arguments: [text = ""] }) => sum + text.length, 0);
  };
  assert.ok(looked(1_000) > 0);
  assert.equal(looked(4_000), looked(1_000));
  assert.equal(cutTo(`${"試".repeat(9_000)}`, 6), "試試…");
  assert.equal(cutTo(`é${"\u0301".repeat(9_000)}`, 6), "…");
  assert.equal(cutTo("👩\u200d🔬".repeat(3), 6), "👩\u200d🔬".repeat(3));
  assert.equal(cutTo("👩\u200d🔬".repeat(4), 6), `${"👩\u200d🔬".repeat(2)}…`);
});

test("NO_COLOR and a pipe have no escapes at all", () => {
  const columns = [{ title: "a", cells: [{ text: "x", style: "red" as const }] }];
  assert.ok(textTable(fakeTerminal({ columns: 80 }).terminal, columns, ["n"]).every((line) => line.includes("\x1b")));
  assert.deepEqual(textTable(fakeTerminal().terminal, columns, ["n"]), ["a", "x", "n"]);
  process.env["NO_COLOR"] = "1";
  try {
    assert.deepEqual(textTable(fakeTerminal({ columns: 80 }).terminal, columns, ["n"]), ["a", "x", "n"]);
  } finally {
    delete process.env["NO_COLOR"];
  }
});

test("CSV quotes as RFC 4180 says and disarms formulas", () => {
  for (const [value, cell] of [
    [undefined, ""],
    ["plain", "plain"],
    ["a,b", '"a,b"'],
    ['a "b"', '"a ""b"""'],
    ["a\r\nb", "a b"],
    ["=1+1", "'=1+1"],
    ["=HYPERLINK(\"http://x\",\"y\")", '"\'=HYPERLINK(""http://x"",""y"")"'],
    ["+cmd", "'+cmd"],
    ["-cmd", "'-cmd"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["\t=1", "' =1"],
    ["\r=1", "' =1"],
    ["\0=1", "'=1"],
    ["  =1", "'  =1"],
    ["＝1", "'＝1"],
    ["-0.5", "-0.5"],
    ["+1e-3", "+1e-3"],
    ["-1+1", "'-1+1"],
    [-0.5, "-0.5"],
    [Number.NaN, "NaN"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ] as const)
    assert.equal(csvCell(value), cell, JSON.stringify(value)); // biome-ignore format: short
  const { terminal, texts } = fakeTerminal();
  const at = new Date(0);
  printTable(terminal, [column("t", [], { key: "time", cells: [{ text: "now", value: at }] }), column("=x", ["1"])], "csv", ["said"]); // biome-ignore format: one line
  assert.deepEqual(texts, { out: "time,'=x\r\n1970-01-01T00:00:00.000Z,1\r\n", err: "said\n" });
});

test("Markdown shows a stranger's text as it is", () => {
  assert.equal(markdownText("a|b\\c`d`<img>\r\ne\x1b[2J"), "a\\|b\\\\c\\`d\\`\\<img><br>e");
  assert.equal(markdownText("![x](http://y) *b* ~s~"), "!\\[x](http://y) \\*b\\* \\~s\\~");
  const { terminal, texts } = fakeTerminal({ columns: 20 });
  printTable(terminal, [column("a|b", ["x"]), column("n", ["1"], { right: true })], "md");
  assert.equal(texts.out, "| a\\|b | n |\n| --- | ---: |\n| x | 1 |\n");
});

test("JSON has texts for numbers that it lacks", () => {
  const { terminal, texts } = fakeTerminal();
  printJson(terminal, { a: Number.NaN, b: [Number.NEGATIVE_INFINITY], c: 1.5, at: new Date(0), "\u202e": "\x1b" });
  assert.ok(!texts.out.includes("\u202e") && !texts.out.includes("\x1b"));
  assert.deepEqual(JSON.parse(texts.out), {
    a: "NaN",
    b: ["-Infinity"],
    c: 1.5,
    at: "1970-01-01T00:00:00.000Z",
    "\u202e": "\x1b",
  });
});

const points = (...values: readonly number[]) =>
  values.map((value, step) => ({ value, step, timestamp: step * 1_000 }));

test("a sparkline shows the course of values, with gaps for those that are none", () => {
  assert.equal(sparkline(points(1, 2, 3, 4, 5, 6, 7, 8), 8), "▁▂▃▄▅▆▇█");
  assert.equal(sparkline(points(8, 8, 1, 1), 2), "█▁");
  assert.equal(sparkline(points(1, Number.NaN, 2), 10), "▁ █");
  assert.equal(sparkline(points(3, 3), 10), "▅▅");
  assert.equal(sparkline([], 10), "");
  assert.equal(sparkline(points(-Number.MAX_VALUE, Number.MAX_VALUE), 2), "▁█");
  assert.equal(sparkline([...points(1, 2, 3)].reverse(), 3), "▁▅█");
});

test("a chart has the values at the left, steps below, and marks the extremes", () => {
  const lines = chart(points(...Array.from({ length: 101 }, (_, i) => i / 50)), 40, 5);
  assert.equal(lines.length, 8);
  assert.match(lines[0] ?? "", /^2 ┤ +[⠀-⣿]+▲$/);
  assert.match(lines[2] ?? "", /^1 ┤/);
  assert.match(lines[4] ?? "", /^0 ┤▼[⠀-⣿]+$/);
  assert.deepEqual(lines.slice(5), [`  └${"─".repeat(37)}`, `   0${" ".repeat(16)}50${" ".repeat(15)}100`, "   step"]);
  for (const line of lines) assert.ok(widthOf(line) <= 40);
  assert.match(chart(points(5), 20, 3).join("\n"), /5 ┤ +●/);
  assert.match(chart(points(5, 5, 5), 20, 3).join("\n"), /^ +│\n5 ┤[⠀-⣿]+\n/);
  assert.deepEqual(chart(points(Number.NaN), 20, 3), []);
  const timed = chart(
    [0, 1, 2].map((i) => ({ value: i, step: 0, timestamp: i * 60_000 })),
    40,
    3,
  );
  assert.match(timed.join("\n"), /0 ms +60 s +120 s|0 ms +60 s +2 min\n +time since the first/);
});
