// Tables that are logged as files.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { memory } from "../support/stored-files.js";

test("a table grows by rows and columns, is stored as a whole and named by a tag", async () => {
  const { tracker, text, run: stored, warnings } = memory();
  const run = tracker.startRun({});
  for (let i = 0; i < 500; i++) run.logTable([{ i, square: i * i }], "t.json");
  run.logTable({ i: [500, Number.NaN], at: [new Date(0), 5n] }, "t.json");
  run.logTable({ i: 502, ok: true, password: "hunter2hunter2" }, "t.json");
  run.logTable([new Map([["i", 503]])], "other/u.json");
  await tracker.flush();
  run.end();
  await tracker.flush();
  const { columns, data } = JSON.parse(text("t.json") ?? "");
  assert.deepEqual(columns, ["i", "square", "at", "ok", "password"]);
  assert.equal(data.length, 503);
  assert.deepEqual(data[2], [2, 4, null, null, null]);
  assert.deepEqual(data.slice(500), [
    [500, null, "1970-01-01T00:00:00.000Z", null, null],
    [null, null, 5, null, null],
    [502, null, null, true, "[redacted]"],
  ]);
  assert.equal(
    stored().tags.get("mlflow.loggedArtifacts"),
    '[{"path": "t.json", "type": "table"}, {"path": "other/u.json", "type": "table"}]',
  );
  assert.ok(tracker.stats().artifacts < 10, "it is not stored once for each row");
  assert.equal(warnings.length, 1, warnings.join("\n"));
});

test("a wrong table is reported and leaves the table as it was", async () => {
  const { tracker, text, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logTable([{ a: 1 }], "t.json");
    const wrong = [3, "x", [1], [[1]], { a: [1, 2], b: [1] }, { a: [1], b: 2 }];
    for (const [i, rows] of wrong.entries()) run.logTable(rows as never, `${i}.json`);
    run.logTable([{ a: 1 }, 2] as never, "t.json");
    run.logTable([{ a: 1 }], "t.csv");
    run.logTable([{ a: 1 }], "it's.json");
  });
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? ""), { columns: ["a"], data: [[1]] });
  const said = warnings.join("\n");
  for (const expected of [
    /needs rows or columns, got 3/,
    /columns of one length: "a" has 2 values, "b" 1/,
    /"b" is 2/,
    /must end in \.json or \.parquet/,
    /has one of " '/,
  ])
    assert.match(said, expected);
});

test("a resumed run appends its rows, and does not overwrite what is no table", async () => {
  const { tracker, store } = memory();
  const { tracker: later, text, names, warnings, run: stored } = memory({}, store); // as in another program
  const first = tracker.startRun({});
  first.logTable([{ a: 1 }, { a: 2 }], "t.json");
  first.logTable([{ a: 1 }], "kept.json");
  first.logText("{}", "odd.json");
  first.end();
  await tracker.flush();
  const again = later.startRun({ runId: first.id });
  again.logTable([{ b: 3 }], "t.json");
  again.logTable([{ a: 4 }], "t.json");
  again.logTable([{ x: 1 }], "odd.json");
  again.logTable([{ x: 1 }], "new.json");
  await later.flush();
  again.logTable([{ a: 5 }], "t.json");
  again.end();
  await later.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? ""), { columns: ["a", "b"], data: [[1, null], [2, null], [null, 3], [4, null], [5, null]] }); // biome-ignore format: rows
  assert.equal(text("odd.json"), "{}");
  const [apart] = names().filter((name) => /^odd-[0-9a-f]{8}\.json$/.test(name));
  assert.deepEqual(JSON.parse(text(apart ?? "") ?? ""), { columns: ["x"], data: [[1]] });
  assert.deepEqual(JSON.parse(text("new.json") ?? ""), { columns: ["x"], data: [[1]] });
  assert.match(
    warnings.join("\n"),
    /Table "odd\.json" of run .* cannot be read \(it is not a table\); the new rows are in odd-/,
  );
  assert.equal(stored().status, "FINISHED");
  const tables = JSON.parse(stored().tags.get("mlflow.loggedArtifacts") ?? "").map(
    ({ path }: { path: string }) => path,
  );
  assert.deepEqual(tables, ["t.json", "kept.json", "odd.json", "new.json"]);
});

test("handles of one run in a program share its tables, also in sequence", async () => {
  const { tracker, text } = memory();
  const first = tracker.startRun({});
  first.logTable([{ i: 0 }], "t.json");
  first.end();
  const second = tracker.startRun({ runId: first.id });
  second.logTable([{ i: 1 }], "t.json");
  first.logTable([{ i: 2 }], "t.json");
  second.end();
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? "").data, [[0], [1], [2]]);
});

test("promises, maps, sets and generators as tables are reported", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    const wrong: unknown[] = [
      Promise.resolve([]),
      new Map([["a", 1]]),
      new Set([1]),
      (function* () {})(),
      [Promise.resolve({})],
    ];
    for (const [i, rows] of wrong.entries()) run.logTable(rows as never, `${i}.json`);
    run.logFigure(null as never, "f.json");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  assert.equal(warnings.length, 6, warnings.join("\n"));
  assert.doesNotMatch(warnings.join("\n"), /destructure|iterable/);
});

test("a new handle waits for another handle's rows that are on their way", async (t) => {
  const { tracker, text } = memory();
  const first = tracker.startRun({});
  first.logTable([{ i: 0 }], "t.json");
  first.end();
  // As when the first handle is gone, and what the two had in common with it.
  t.mock.method(tracker.recorder, "ofRun", (_id: string, make: () => object) => make());
  const second = tracker.startRun({ runId: first.id });
  second.logTable([{ i: 1 }], "t.json");
  second.end();
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? "").data, [[0], [1]]);
});

test("the last call for a path counts, also when one of them is a table", async () => {
  const { tracker, text } = memory();
  const both = '{\n  "columns": [\n    "a"\n  ],\n  "data": [\n    [\n      1\n    ],\n    [\n      2\n    ]\n  ]\n}';
  await tracker.withRun({}, async (run) => {
    for (const path of ["text.json", "stream.json", "again.json"]) run.logTable([{ a: 1 }], path);
    run.logText("x", "text.json");
    run.logText("x", "again.json");
    await run.logStream(Readable.from(["s"]), "stream.json");
    run.logTable([{ a: 2 }], "again.json");
  });
  await tracker.flush();
  assert.deepEqual(["text.json", "stream.json", "again.json"].map(text), ["x", "s", both]);
});
