import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { currentRun, tracked } from "../../src/index.js";
import {
  assertLoggedArtifact,
  assertLoggedMetric,
  assertRun,
  createTestTracker,
  pulseMatchers,
  recordMlflowCalls,
} from "../../src/testing/index.js";
import { tempFolder } from "../support/folders.js";
import { sleep } from "../support/wait.js";

const { toHaveLoggedArtifact } = pulseMatchers;
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** A tracker with one run that has logged a text, a value and some bytes. */
function withFiles(): ReturnType<typeof createTestTracker> {
  const tracker = createTestTracker();
  tracker.withRun({ runName: "trial" }, (run) => {
    run.logText("# Report\nall is well", "report.md");
    run.logDict({ layers: [64, 32], at: "1970-01-01T00:00:00.000Z" }, "model/config.json");
    run.logBytes(new Float32Array([1, 2]), "model/weights.f32");
  });
  return tracker;
}

test("a run's files are there at once, by path, and count as stored", () => {
  const tracker = withFiles();
  assert.deepEqual(Object.keys(tracker.onlyRun.artifacts), ["model/config.json", "model/weights.f32", "report.md"]);
  assert.deepEqual(tracker.onlyRun.artifacts["report.md"], bytes("# Report\nall is well"));
  assert.deepEqual(tracker.onlyRun.artifacts["model/weights.f32"], new Uint8Array(new Float32Array([1, 2]).buffer));
  const { artifacts, pending, rejected, dropped } = tracker.stats();
  assert.deepEqual({ artifacts, pending, rejected, dropped }, { artifacts: 3, pending: 0, rejected: 0, dropped: 0 });
  assert.deepEqual(tracker.warnings, []);
  assert.deepEqual(tracker.onlyRun.tags, {});
});

test("files are listed with their run, before and after its end", async () => {
  const tracker = createTestTracker();
  const work = tracked((n: number) => currentRun()?.logText(String(n), "n.txt"), { runName: "work" });
  tracker.run(() => [work(1), work(2)]);
  const run = tracker.startRun({ runName: "long" });
  run.logText("early", "a.txt");
  assertLoggedArtifact(tracker, "a.txt", { text: "early" });
  await sleep(20);
  run.logText("late", "b.txt");
  run.end();
  await sleep(20);
  run.logText("behind", "c.txt");
  assert.deepEqual(
    tracker.runs.map(({ artifacts }) =>
      Object.entries(artifacts).map(([path, held]) => `${path} ${Buffer.from(held)}`),
    ),
    [["n.txt 1"], ["n.txt 2"], ["a.txt early", "b.txt late", "c.txt behind"]],
  );
});

test("the last file logged for a path is there, even while another is read", async () => {
  const folder = tempFolder("testing");
  const large = join(folder, "large.bin");
  writeFileSync(large, new Uint8Array(17 * 1024 * 1024)); // which is not held in memory, but read when it is stored
  const tracker = createTestTracker();
  const run = tracker.startRun();
  assertRun(tracker, {});
  const folders = ["1", "2"];
  for (const ms of folders) {
    run.logArtifact(large, ms);
    await sleep(Number(ms));
    run.logText("new", `${ms}/large.bin`);
    assertLoggedArtifact(tracker, `${ms}/large.bin`, { text: "new" });
  }
  await tracker.flush();
  await sleep(500); // what was being read would be there by now
  for (const ms of folders) assertLoggedArtifact(tracker, `${ms}/large.bin`, { text: "new" });
  assert.equal(tracker.stats().pending, 0);
  run.logArtifact(large);
  await sleep(1);
  assert.equal(tracker.onlyRun.artifacts["large.bin"]?.length, 17 * 1024 * 1024);
  run.end();
  await tracker.flush();
  assert.deepEqual([tracker.stats().pending, tracker.warnings], [0, []]);
});

test("a file on disk is kept as it was when logged, even if it is gone later", () => {
  const folder = tempFolder("testing");
  const tracker = createTestTracker();
  tracker.withRun({}, (run) => {
    writeFileSync(join(folder, "a.txt"), "first");
    run.logArtifact(join(folder, "a.txt"), "of");
    writeFileSync(join(folder, "a.txt"), "second");
    run.logArtifacts(folder, "all");
    rmSync(folder, { recursive: true });
  });
  assertLoggedArtifact(tracker, "of/a.txt", { text: "first" });
  assertLoggedArtifact(tracker, "all/a.txt", { text: "second" });
  assert.deepEqual(tracker.warnings, []);
});

test("tables are there at once, streams once awaited or flushed", async () => {
  const tracker = createTestTracker();
  const run = tracker.startRun();
  run.logTable([{ a: 1 }], "table.json");
  assertLoggedArtifact(tracker, "table.json", { text: /"a"/ });
  run.logTable([{ a: 2 }], "table.json");
  assertLoggedArtifact(tracker, "table.json", { json: { columns: ["a"], data: [[1], [2]] } });
  await run.logStream(Readable.from(["by ", "and by"]), "stream.txt");
  assertLoggedArtifact(tracker, "stream.txt", { text: "by and by" });
  void run.logStream(Readable.from(["later"]), "later.txt");
  run.end();
  await tracker.flush();
  assertLoggedArtifact(tracker, "later.txt", { text: "later" });
});

test("a file is expected by its text, its JSON or its bytes", () => {
  const tracker = withFiles();
  for (const [result, pass] of [
    [toHaveLoggedArtifact(tracker, "report.md"), true],
    [toHaveLoggedArtifact(tracker.onlyRun, "report.md", { text: "# Report\nall is well" }), true],
    [toHaveLoggedArtifact(tracker.runs, "report.md", { text: /^# Report$/m }), true],
    [toHaveLoggedArtifact(tracker, "report.md", { text: "# Report" }), false],
    [
      toHaveLoggedArtifact(tracker, "model/config.json", {
        json: { at: new Date(0), layers: [64, 32], none: undefined },
      }),
      true,
    ],
    [toHaveLoggedArtifact(tracker, "model/config.json", { json: { layers: [64] } }), false],
    [toHaveLoggedArtifact(tracker, "model/weights.f32", { bytes: new Float32Array([1, 2]) }), true],
    [toHaveLoggedArtifact(tracker, "model/weights.f32", { bytes: new Float32Array([1, 2]).buffer }), true],
    [toHaveLoggedArtifact(tracker, "model/weights.f32", { bytes: new Float32Array([1, 3]) }), false],
    [toHaveLoggedArtifact(tracker, "report.md", { text: /Report/g, bytes: bytes("# Report\nall is well") }), true],
    [toHaveLoggedArtifact(tracker, "constructor"), false],
  ] as const)
    assert.equal(result.pass, pass, result.message());
  assert.match(
    toHaveLoggedArtifact(tracker, "report.md").message(),
    /^expected no artifact 'report\.md' \{\}, but there is trial \(0+1\)$/,
  );
  assertLoggedArtifact(tracker, "report.md", { text: /well/ });
});

test("a missing or different file is reported with what is there", () => {
  const tracker = withFiles();
  for (const [path, expected, message] of [
    ["reprot.md", {}, /^expected an artifact 'reprot\.md' \{\}\n {2}trial \(FINISHED\): no such artifact, only model\/config\.json, model\/weights\.f32, report\.md; did you mean "report\.md"\?$/],
    ["config.json", {}, /did you mean "model\/config\.json"\?/],
    ["model", {}, /: that is a folder, with model\/config\.json, model\/weights\.f32$/],
    ["report.md", { text: "# Report" }, /: the text is '# Report\\nall is well'$/],
    ["report.md", { json: 1 }, /: it is not JSON: the text is '# Report/],
    ["model/config.json", { json: {} }, /: the JSON is \{ layers: \[ 64, 32 \], at: '1970/],
    ["model/weights.f32", { text: "x" }, /: it is not text: 8 bytes, sha256 [0-9a-f]{16}$/],
    ["model/weights.f32", { json: {} }, /: it is not text: 8 bytes, sha256/],
    ["model/weights.f32", { bytes: new Float32Array([1, 3]) }, /: there are 8 bytes; byte 6 is 0$/],
    ["report.md", { bytes: bytes("# Report") }, /: there are 20 bytes$/],
  ] as const) // biome-ignore format: a line for each
    assert.throws(() => assertLoggedArtifact(tracker, path, expected), { name: "AssertionError", message });
  const missing = createTestTracker();
  missing.withRun({ runName: "lost" }, (run) => run.logArtifact(join(tmpdir(), "pulse-none", "x.bin")));
  assert.throws(
    () => assertLoggedArtifact(missing, "x.bin"),
    /lost \(FINISHED\): it could not be stored: \S*x\.bin does not exist/,
  );
  assert.equal(missing.warnings.length, 1);
});

test("a mistake in the expectation is reported", () => {
  const tracker = withFiles();
  const loose = assertLoggedArtifact as (...args: unknown[]) => void;
  for (const [args, message] of [
    [[tracker], /^assertLoggedArtifact: path must be a non-empty string; got undefined\.$/],
    [[undefined, "x"], /^assertLoggedArtifact: recorded must be a test tracker/],
    [
      [tracker, "report.md", { txet: "x" }],
      /there is no option "expected\.txet"\. Did you mean "text"\? There are text, json, bytes\.$/,
    ],
    [[tracker, "report.md", { text: 5 }], /expected\.text must be a string or a regular expression; got 5\.$/],
    [[tracker, "report.md", { json: 5n }], /expected\.json must be a value that JSON can hold/],
    [[tracker, "report.md", { bytes: [1] }], /expected\.bytes must be bytes; got \[1\]\.$/],
  ] as const)
    assert.throws(() => loose(...args), { message });
});

test("snapshots hold texts whole, other files as size and hash, or nothing", () => {
  const tracker = withFiles();
  tracker.withRun({ runName: "none" }, (run) => run.logText("x".repeat(20_000), "long.txt"));
  tracker.withRun({}, () => undefined);
  const [first, second, third] = tracker.snapshot();
  assert.deepEqual(Object.keys(first?.artifacts ?? {}), ["model/config.json", "model/weights.f32", "report.md"]);
  assert.equal(first?.artifacts?.["report.md"], "# Report\nall is well");
  assert.match(String(first?.artifacts?.["model/weights.f32"]), /^8 bytes, sha256 [0-9a-f]{16}$/);
  assert.match(String(second?.artifacts?.["long.txt"]), /^20000 bytes, sha256/);
  assert.ok(third && !("artifacts" in third));
});

test("files are among the calls, once, when the server is there", async () => {
  const mlflow = recordMlflowCalls();
  const files = tracked(() => currentRun()?.logText("hello", "a.txt"), { runName: "files" });
  mlflow.tracker.run(() => files());
  assert.deepEqual(mlflow.calls, [
    ["setExperiment", "Default"],
    ["startRun", "files"],
    ["endRun", "FINISHED"],
    ["logArtifact", "a.txt", 5],
  ]);
  mlflow.goAway();
  mlflow.tracker.withRun({ runName: "away" }, (run) => run.logText("bye", "b.txt"));
  const before = mlflow.tracker.startRun({ runName: "files" });
  before.logText("x", "c.txt");
  await sleep(20);
  assert.equal(mlflow.calls.length, 4);
  await mlflow.comeBack();
  assert.deepEqual(mlflow.callsOf("away").at(-1), ["logArtifact", "b.txt", 3]);
  assert.equal(mlflow.calls.filter(([call]) => call === "logArtifact").length, 3);
  assert.equal(mlflow.tracker.stats().pending, 0);
  before.end();
});

test("a known run keeps its files while the server is away", async () => {
  const mlflow = recordMlflowCalls();
  const run = mlflow.tracker.startRun({ runName: "long" });
  run.logText("1", "a.txt");
  assert.equal(mlflow.calls.length, 3);
  mlflow.goAway();
  run.logText("2", "a.txt");
  assertLoggedArtifact(mlflow.tracker, "a.txt", { text: "1" });
  await mlflow.comeBack();
  assertLoggedArtifact(mlflow.tracker, "a.txt", { text: "2" });
  assert.deepEqual(mlflow.calls.slice(3), [["logArtifact", "a.txt", 1]]);
  run.end();
});

test("options that a test tracker would ignore are refused with the reason", () => {
  for (const make of [createTestTracker, recordMlflowCalls] as ((config: object) => unknown)[]) {
    for (const [config, message] of [
      [
        { trackingUri: "http://h" },
        /: there is no option "trackingUri" here: a test tracker keeps everything in memory\.$/,
      ],
      [{ durability: "outbox" }, /"durability" here: a test tracker keeps everything in memory\.$/],
      [
        { auth: { token: "hunter2" } },
        /"auth" here: a test tracker keeps everything in memory and contacts no server\.$/,
      ],
      [{ store: {} }, /"store" here: .*; pass a store of your own to createTracker\(\)\.$/],
      [
        { context: {} },
        /"context" here: it applies to the whole process; pass it to configure\(\) or createTracker\(\)\.$/,
      ],
    ] as const)
      assert.throws(() => make(config), { code: "INVALID_CONFIG", message });
    assert.throws(
      () => make({ stritc: true }),
      (error: Error) =>
        /Did you mean "strict"\? There are experiment, /.test(error.message) &&
        !/trackingUri|context|store/.test(error.message),
    );
    make({ trackingUri: undefined, strict: true, experiment: "E", requestTimeoutMs: 5 });
  }
});

test("when nothing was recorded, the message says what to do", () => {
  const tracker = createTestTracker();
  const message = /nothing was recorded; a test tracker records what is called inside tracker\.run\(\(\) => \.\.\.\)/;
  for (const assertion of [
    () => assertRun(tracker),
    () => assertLoggedMetric(tracker, "loss"),
    () => assertLoggedArtifact(tracker, "a.txt"),
    () => assert.ok(tracker.onlyRun),
  ])
    assert.throws(assertion, { message });
});
