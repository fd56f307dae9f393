import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let pass
type Loose = Record<string, (...args: any[]) => unknown>;

const HANDLED = Promise.reject(new Error("away"));
HANDLED.catch(() => undefined);

/** What is called on a run, and what is said of it, if anything. */
const CASES: readonly (readonly [call: (run: Loose) => unknown, said: RegExp | undefined])[] = [
  [
    (run) => run["logMetric"]?.(),
    /logMetric: the key must be a text, got undefined; nothing is logged \(run "verbs", experiment/,
  ],
  [(run) => run["logMetric"]?.("loss"), /logMetric needs a key and a value, got "loss" alone; nothing is logged/],
  [(run) => run["logMetric"]?.(5, 1), /logMetric: the key must be a text, got 5; its text is used/],
  [
    (run) => run["logMetric"]?.({ loss: 1 }),
    /logMetric needs a key and a value, got \{"loss":1\}; for a record of several use logMetrics\(\)/,
  ],
  [
    (run) => run["logMetric"]?.("late", Promise.resolve(1)),
    /logMetric: the value of "late" is a promise: await it before logging; it is left out/,
  ],
  [
    (run) => run["logMetric"]?.("a", 1, 3),
    /logMetric: options must be an object, as in \{ step: 3 \}, got 3; it is left out/,
  ],
  [(run) => run["logMetric"]?.("b", 1, { steps: 3 }), /logMetric: there is no option "steps"\. Did you mean "step"\?/],
  [
    (run) => run["logMetric"]?.("c", 1, { timestamp: 1_764_000_000 }),
    /the timestamp 1764000000 looks like seconds; it is in milliseconds since 1970/,
  ],
  [
    (run) => run["logMetric"]?.("d", 1, { timestamp: "2026-01-01" }),
    /the timestamp must be a whole number of milliseconds since 1970, or a Date, got "2026-01-01"/,
  ],
  [
    (run) => run["logMetric"]?.("e", 1, { timestamp: new Date("none") }),
    /the timestamp must be .*, got an invalid Date/,
  ],
  [(run) => run["logMetric"]?.("f", 1, { step: 1.5 }), /the step must be a whole number, got 1.5; 1 is used/],
  [(run) => run["logMetrics"]?.(), /logMetrics: a record of names and values is needed, got nothing/],
  [(run) => run["logMetrics"]?.("loss", 1), /logMetrics: a record .*, got string; for a single one use logMetric\(\)/],
  [
    (run) => run["logMetrics"]?.({ g: 1 }, { stpe: 1 }),
    /logMetrics: there is no option "stpe"\. Did you mean "step"\?/,
  ],
  [(run) => run["logParam"]?.("lr"), /logParam needs a key and a value, got "lr" alone/],
  [(run) => run["logParam"]?.({ lr: 1 }), /logParam needs .*; for a record of several use logParams\(\)/],
  [(run) => run["logParam"]?.("model", HANDLED), /logParam: the value of "model" is a promise/],
  [(run) => run["setTag"]?.({ a: 1 }), /setTag needs .*; for a record of several use setTags\(\)/],
  [
    (run) => run["logInput"]?.("iris.csv"),
    /logInput needs a dataset, \{ name, digest, sourceType, source \}, got "iris.csv"/,
  ],
  [
    (run) => run["logInput"]?.({ name: "iris", digset: "1" }),
    /logInput needs a dataset with digest, sourceType, source \(did you mean "digest" by "digset"\?\)/,
  ],
  [
    (run) => run["logInput"]?.({ name: "i", digest: "1", sourceType: "local", source: "{}" }, "training"),
    /logInput: options must be an object, as in \{ context: "training" \}, got "training"/,
  ],
  [
    (run) => run["logInput"]?.({ name: "j", digest: "1", sourceType: "local", source: "{}" }, { contxt: "training" }),
    /logInput: there is no option "contxt"\. Did you mean "context"\?/,
  ],
  [
    (run) => run["logParam"]?.("k", undefined),
    /logParam: the value of "k" is undefined, and nothing is logged \(run "verbs".*\)\. Log null/,
  ],
  [
    (run) => run["setTag"]?.("git", process.env["NOT_SET"]),
    /setTag: the value of "git" is undefined, and nothing is logged/,
  ],
  [
    (run) => run["logParams"]?.({ optional: undefined }),
    /logParams: the value of "optional" is undefined, and nothing is logged/,
  ],
  [
    (run) => run["setTags"]?.(undefined),
    /setTags: a record of names and values is needed, got undefined, and nothing is logged/,
  ],
  [
    (run) => run["logText"]?.("report.md", "hello"),
    /logText: the text comes first, then the file: "report.md" was stored as "hello"/,
  ],
  [
    (run) => run["logText"]?.("report.md"),
    /logText: The content comes first, then the name of its file; got undefined as the name/,
  ],
  [
    (run) => run["logDict"]?.("c.json", { a: 1 }),
    /logDict: The content comes first, then the name of its file; got \{"a":1\}/,
  ],
  [(run) => run["logTable"]?.("t.json", [{ a: 1 }]), /logTable: The content comes first/],
  [(run) => run["logImage"]?.("x.png", { width: 1, height: 1, data: [1] }), /logImage "x.png": the image comes first/],
  [
    (run) => run["logImage"]?.({ width: 2, height: 1, data: [0.2, 0.9] }, "y.png"),
    /"y.png".*from 0 to 1 in a Float32Array; got 0\.2/,
  ],
  [(run) => run["logText"]?.("a", "dir\\x.txt"), /"dir\\\\x.txt" is stored as "dir\/x.txt".*ARTIFACT_RENAMED/],
  [(run) => run["logTable"]?.(5, "t.json"), /logTable "t.json" needs rows or columns, got 5/],
  [(run) => run["end"]?.("DONE"), /A run ends FINISHED, FAILED or KILLED, not "DONE"; FINISHED is used/],
  // What is left out on purpose.
  [(run) => run["logParams"]?.(null), undefined],
  [(run) => run["setTags"]?.({}), undefined],
  [(run) => run["logMetrics"]?.({}), undefined],
  [(run) => run["logMetric"]?.("h", 1, undefined), undefined],
  [(run) => run["logMetric"]?.("i", 1, { step: 1, timestamp: Date.now() }), undefined],
];

test("a verb reports wrong arguments and their place, and never throws", async () => {
  for (const [call, said] of CASES) {
    const tracker = createTestTracker();
    const run = tracker.startRun({ runName: "verbs" });
    call(run as unknown as Loose);
    if (said === undefined) assert.deepEqual(tracker.warnings, [], String(call));
    else {
      assert.equal(tracker.warnings.length, 1, `${call}: ${tracker.warnings.join("\n")}`);
      assert.match(String(tracker.warnings[0]), said);
    }
    run.end();
    await tracker.shutdown();
  }
});

test("a verb records what it can of wrong arguments", async () => {
  const tracker = createTestTracker();
  const run = tracker.startRun() as unknown as Loose;
  run["logMetric"]?.(5, 1);
  run["logMetric"]?.("a", 2, 3);
  run["logMetric"]?.({ loss: 1 });
  run["end"]?.();
  const [stored] = tracker.runs;
  assert.deepEqual(stored && values(stored), { 5: [1], a: [2] });
  assert.deepEqual(
    Object.keys(stored?.tags ?? {}).filter((key) => key.startsWith("pulse.")),
    [],
  );
});
