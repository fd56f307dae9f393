// What MLflow cuts is stored whole as a file, without its secrets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PulseConfig } from "../../src/config/options.js";
import type { TrackingStore } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import type { StoredRun } from "../../src/stores/stored-run.js";
import { trackerOn } from "../../src/tracker.js";
import { collectWarnings } from "../support/warnings.js";

const SECRET = "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD";

function memory(config: PulseConfig = {}, store = new MemoryStore()) {
  const { logger, warnings } = collectWarnings();
  const tracker = trackerOn(store, { logger, ...config });
  const files = (run: StoredRun): Record<string, string> =>
    Object.fromEntries([...run.artifacts.files].map(([path, bytes]) => [path, Buffer.from(bytes).toString()]));
  const runs = (): StoredRun[] => [...store.runs.values()];
  return { tracker, warnings, runs, files };
}

/** An error with a stack of so many characters at least. */
function longError(characters: number): Error {
  const error = new Error("too far");
  error.stack = `Error: too far\n${"    at level (/app/tree.js:10:3)\n".repeat(Math.ceil(characters / 33))}    at password=hunter2hunter2 (/app/main.js:1:1)`;
  return error;
}

test("a cut param is stored whole as a file and says where, a short one is not", async () => {
  const { tracker, warnings, runs, files } = memory();
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
  const [stored] = runs();
  assert.ok(stored);
  assert.deepEqual(Object.keys(files(stored)).sort(), ["pulse/params/layers.txt", "pulse/params/prompt.txt"]);
  assert.equal(files(stored)["pulse/params/prompt.txt"], prompt.replace(SECRET, "[redacted]"));
  assert.deepEqual(
    JSON.parse(files(stored)["pulse/params/layers.txt"] ?? ""),
    Array.from({ length: 3_000 }, (_, i) => i),
  );
  assert.equal(stored.params.get("prompt")?.length, 6_000);
  assert.match(
    warnings.join("\n"),
    /"prompt" has \d+ characters.*stored whole as artifact "pulse\/params\/prompt\.txt"/,
  );
});

test("a long text is searched for secrets up to its bound and says its length", async () => {
  const { tracker, runs, files } = memory();
  const run = tracker.startRun();
  const long = `${"a ".repeat(30_000)}${SECRET}${" b".repeat(10_000)}`;
  const atTheBound = `${"a ".repeat(49_990)}${SECRET}${" b".repeat(50_000)}`;
  run.logParam("long", long);
  run.logParam("bounded", atTheBound);
  run.end();
  await tracker.flush();
  const stored = files(runs()[0] as StoredRun);
  assert.equal(stored["pulse/params/long.txt"], long.replace(SECRET, "[redacted]"));
  const text = stored["pulse/params/bounded.txt"] ?? "";
  assert.ok(text.length >= 100_000 && text.length < 100_100 && text.endsWith(" characters"));
  assert.ok(!text.includes(SECRET.slice(0, 8)));
});

test("a cut stack is stored whole as a file without secrets, a short one is not", async () => {
  const { tracker, runs, files } = memory();
  for (const characters of [100, 9_000, 50_000])
    assert.throws(
      tracker.tracked(() => {
        throw longError(characters);
      }),
      /too far/,
    );
  await tracker.flush();
  const [short, long, longer] = runs().map(files);
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
  const { tracker, runs, files } = memory();
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
  const seconds = runs().filter(({ name }) => name === "folded").length; // one in each second
  const byName = new Map(runs().map((run) => [run.name, Object.keys(files(run)).sort()]));
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
  const off = memory({ artifacts: { longTexts: false } });
  const kept = new MemoryStore();
  const store: TrackingStore = { apply: (changes) => kept.apply(changes), close: () => kept.close() };
  const { logger, warnings } = collectWarnings();
  const without = createTracker({ store, logger });
  const long = "x".repeat(7_000);
  for (const tracker of [off.tracker, without]) {
    tracker.withRun({}, (run) => run.logParam("prompt", long));
    await tracker.flush();
  }
  assert.deepEqual(files(off.runs()[0]), []);
  assert.equal(without.stats().artifacts, 0);
  for (const said of [off.warnings, warnings]) assert.match(said.join("\n"), /ends in a hash \(/);
  const odd = memory();
  odd.tracker.withRun({}, (run) => run.logParam("長".repeat(200), long));
  await odd.tracker.flush();
  assert.deepEqual(files(odd.runs()[0]), []);

  function files(run: StoredRun | undefined): string[] {
    return [...(run?.artifacts.files.keys() ?? [])];
  }
});
