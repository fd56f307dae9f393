// What MLflow cuts is stored whole as a file, without its secrets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TrackingStore } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { collectWarnings } from "../support/warnings.js";

const SECRET = "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD";

const files = ({ artifacts }: TestRun): Record<string, string> =>
  Object.fromEntries(Object.entries(artifacts).map(([path, bytes]) => [path, Buffer.from(bytes).toString()]));

/** An error with a stack of so many characters at least. */
function longError(characters: number): Error {
  const error = new Error("too far");
  error.stack = `Error: too far\n${"    at level (/app/tree.js:10:3)\n".repeat(Math.ceil(characters / 33))}    at password=hunter2hunter2 (/app/main.js:1:1)`;
  return error;
}

test("a cut param is stored whole as a file and says where, a short one is not", async () => {
  const tracker = createTestTracker();
  const prompt = `${"word ".repeat(2_000)}${SECRET} and the end`;
  const run = tracker.startRun();
  run.logParam("prompt", prompt);
  run.logParam("lr", 0.1);
  run.logParam(
    "layers",
    Array.from({ length: 3_000 }, (_, i) => i),
  );
  run.logParam("edge", "x".repeat(6_000));
  run.end();
  await tracker.flush();
  const stored = tracker.onlyRun;
  assert.deepEqual(Object.keys(files(stored)).sort(), ["pulse/params/layers.txt", "pulse/params/prompt.txt"]);
  assert.equal(files(stored)["pulse/params/prompt.txt"], prompt.replace(SECRET, "[redacted]"));
  assert.deepEqual(
    JSON.parse(files(stored)["pulse/params/layers.txt"] ?? ""),
    Array.from({ length: 3_000 }, (_, i) => i),
  );
  assert.equal(stored.params["prompt"]?.length, 6_000);
  assert.match(
    tracker.warnings.join("\n"),
    /"prompt" has \d+ characters.*stored whole as artifact "pulse\/params\/prompt\.txt"/,
  );
});

test("a long text is searched for secrets up to its bound and says its length", async () => {
  const tracker = createTestTracker();
  const run = tracker.startRun();
  const long = `${"a ".repeat(30_000)}${SECRET}${" b".repeat(10_000)}`;
  const atTheBound = `${"a ".repeat(49_990)}${SECRET}${" b".repeat(50_000)}`;
  run.logParam("long", long);
  run.logParam("bounded", atTheBound);
  run.end();
  await tracker.flush();
  const stored = files(tracker.onlyRun);
  assert.equal(stored["pulse/params/long.txt"], long.replace(SECRET, "[redacted]"));
  const text = stored["pulse/params/bounded.txt"] ?? "";
  assert.ok(text.length >= 100_000 && text.length < 100_100 && text.endsWith(" characters"));
  assert.ok(!text.includes(SECRET.slice(0, 8)));
});

test("a cut stack is stored whole as a file without secrets, a short one is not", async () => {
  const tracker = createTestTracker();
  for (const characters of [100, 9_000, 50_000])
    assert.throws(
      tracker.tracked(() => {
        throw longError(characters);
      }),
      /too far/,
    );
  await tracker.flush();
  const [short, long, longer] = tracker.runs.map(files);
  assert.deepEqual(short, {});
  for (const [each, least] of [
    [long, 9_000],
    [longer, 50_000],
  ] as const) {
    assert.deepEqual(Object.keys(each ?? {}), ["pulse/error.stack.txt"]);
    const text = each?.["pulse/error.stack.txt"] ?? "";
    assert.ok(text.startsWith("Error: too far\n    at level") && text.length >= least);
    assert.match(text, /password=\[redacted\]/);
  }
});

test("long texts of left-out and folded runs are not stored, those of kept runs are", async () => {
  const tracker = createTestTracker();
  const long = "word ".repeat(3_000);
  const call = tracker.tracked(
    (prompt: string, fails: boolean) => {
      if (fails) throw longError(9_000);
      return prompt.length;
    },
    { sample: 0, params: ["prompt"], runName: "sampled" },
  );
  call(long, false);
  assert.throws(() => call(long, true), /too far/);
  const folded = tracker.tracked((prompt: string) => prompt.length, {
    maxRunsPerSecond: 1,
    params: ["prompt"],
    runName: "folded",
  });
  for (let i = 0; i < 5; i++) folded(long);
  await tracker.flush();
  await tracker.shutdown();
  const seconds = tracker.runs.filter(({ name }) => name === "folded").length; // one in each second
  const byName = new Map(tracker.runs.map((run) => [run.name, Object.keys(files(run)).sort()]));
  assert.deepEqual(byName.get("sampled"), ["pulse/error.stack.txt", "pulse/params/prompt.txt"]);
  assert.deepEqual(byName.get("folded"), ["pulse/params/prompt.txt"]);
  assert.deepEqual(byName.get("folded (folded)"), []);
  const { artifacts, pending, dropped, rejected } = tracker.stats();
  assert.deepEqual(
    { artifacts, pending, dropped, rejected },
    { artifacts: 2 + seconds, pending: 0, dropped: 0, rejected: 0 },
  );
});

test("no file without the setting, a store that keeps files or a usable name", async () => {
  const [kept, bare] = [new MemoryStore(), new MemoryStore()];
  const store: TrackingStore = { apply: (changes) => bare.apply(changes), close: () => bare.close() };
  const [off, without] = [collectWarnings(), collectWarnings()];
  const long = "x".repeat(7_000);
  for (const tracker of [
    createTracker({ store: kept, logger: off.logger, artifacts: { longTexts: false } }),
    createTracker({ store, logger: without.logger }),
  ]) {
    tracker.withRun({}, (run) => run.logParam("prompt", long));
    await tracker.flush();
    assert.equal(tracker.stats().artifacts, 0);
  }
  const [run] = kept.runs.values();
  assert.deepEqual([...(run?.artifacts.files.keys() ?? ["no run"])], []);
  for (const { warnings } of [off, without]) assert.match(warnings.join("\n"), /ends in a hash \(/);
  const odd = createTestTracker();
  odd.withRun({}, (each) => each.logParam("長".repeat(200), long));
  await odd.flush();
  assert.deepEqual(odd.onlyRun.artifacts, {});
});
