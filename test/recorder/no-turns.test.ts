import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.js";
import { outboxStates } from "../../src/cli/outboxes.js";
import { itemsOf, type Outcome, type RunChange } from "../../src/contracts/tracking-store.js";
import type { PulseConfig } from "../../src/index.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { trackerOn } from "../../src/tracker.js";
import { query } from "../support/database.js";
import { FaultyStore } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";

const program = fileURLToPath(new URL("../fixtures/computes.js", import.meta.url));
const INTERVAL_MS = 200;
/** How many intervals a program computes before it is killed. */
const INTERVALS = 5;

interface Line {
  readonly i: number;
  readonly at: number;
}

/** Runs the program until it has recorded for some intervals, looks at what is there meanwhile, and kills it. */
async function killed(config: PulseConfig, how: string, what: string, meanwhile: () => void): Promise<Line[]> {
  const child = spawn(process.execPath, [
    program,
    JSON.stringify({ flushIntervalMs: INTERVAL_MS, ...config }),
    how,
    what,
  ]);
  let text = "";
  child.stderr.on("data", (data) => console.error(String(data)));
  const lines = (): Line[] =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" ").map(Number) as [number, number])
      .map(([i, at]) => ({ i, at }));
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (data) => {
      text += data;
      const [from, to] = [lines()[0]?.at ?? 0, lines().at(-1)?.at ?? 0];
      if (to - from > INTERVALS * INTERVAL_MS && !child.killed) {
        meanwhile();
        child.kill("SIGKILL");
      }
    });
    child.on("close", () => resolve());
  });
  return lines();
}

/** What must be there: all that was an interval old when the last thing was recorded. */
function old(lines: readonly Line[]): number {
  const last = lines.at(-1)?.at ?? 0;
  return lines.filter(({ at }) => at < last - INTERVAL_MS).length;
}

for (const how of ["computes", "awaits"])
  for (const what of ["one run", "runs", "tags"])
    test(`killed while it ${how}, a program loses at most an interval of ${what}`, async () => {
      const path = join(newFolder(), "mlflow.db");
      let seen = 0;
      const count = (): number =>
        what === "tags"
          ? Number(query(path, "SELECT value FROM tags WHERE key = 'i'")[0]?.["value"] ?? -1) + 1
          : query(path, "SELECT value FROM metrics WHERE key = 'i'").length;
      const lines = await killed({ trackingUri: `sqlite:///${path}` }, how, what, () => {
        seen = count();
      });
      assert.ok(count() >= old(lines), `${count()} stored, ${old(lines)} of ${lines.length} were old enough`);
      assert.ok(seen > 0, "nothing was seen while it computed");
    });

/** Items of a recorded thing, and items recorded besides. */
const ITEMS = { "one run": [1, 2], runs: [3, 1], tags: [1, 1] } as const;

for (const what of ["one run", "runs", "tags"] as const)
  test(`the same with an absent server: ${what} are on disk`, async () => {
    const folder = newFolder();
    const uri = "http://127.0.0.1:1";
    const lines = await killed({ trackingUri: uri, outbox: { folder } }, "computes", what, () => undefined);
    const items = outboxStates(new OutboxFolder(folder, uri)).reduce((sum, state) => sum + (state.changes ?? 0), 0);
    const [each, besides] = ITEMS[what];
    assert.ok(items - besides >= each * old(lines), `${items} kept, ${old(lines)} of ${lines.length} were old enough`);
  });

test("a burst does not pile up: full batches go out from within the recording call", async () => {
  const store = new FaultyStore();
  const tracker = trackerOn(store);
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    tracker.withRun({}, (run) => run.logMetric("m", i));
    most = Math.max(most, tracker.stats().pending);
  }
  assert.ok(most < 4_096, `${most} items waited at once`);
  await tracker.shutdown();
  assert.equal(store.runs.size, 20_000);
});

test("the same with a store that answers later: a burst goes to disk", async () => {
  const { tracker, store, files } = kit({ flushIntervalMs: 60_000, exitTimeoutMs: 60_000 });
  for (let i = 0; i < 3_000; i++) tracker.withRun({}, (run) => run.logMetric("m", i));
  assert.equal(files().length, 1);
  assert.equal(store.runs.length, 0, "nothing can be sent before the loop turns");
  await tracker.flush();
  assert.equal(store.runs.length, 3_000);
  assert.equal(tracker.stats().pending, 0);
  await tracker.shutdown();
});

test("a finished run is handed over whole unless it is larger than a batch", async () => {
  const store = new FaultyStore(100);
  const tracker = trackerOn(store);
  for (let i = 0; i < 200; i++)
    tracker.withRun({ runName: i === 50 ? "large" : "small" }, (run) => {
      for (let n = 0; n < (i === 50 ? 250 : 5); n++) run.logMetric(`m${n % 5}`, n);
    });
  await tracker.shutdown();
  const begun = store.batches.flat().filter(({ create }) => create);
  const cut = begun.filter(({ end }) => end === undefined).map(({ create }) => create?.name);
  assert.deepEqual([begun.length, cut], [200, ["large"]]);
  for (const batch of store.batches) assert.ok(batch.reduce((sum, change) => sum + itemsOf(change), 0) <= 100);
});

test("the outbox knows a long run before the database has its beginning", async () => {
  const folder = newFolder();
  const known: boolean[] = [];
  const look = (changes: readonly RunChange[]): void => {
    for (const { create, end, runKey } of changes) if (create && !end) known.push(openRuns(folder).includes(runKey));
  };
  class Watched extends SqliteStore {
    override apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
      look(changes);
      return super.apply(changes);
    }
    override applySync(changes: readonly RunChange[], waitMs: number): readonly Outcome[] {
      look(changes);
      return super.applySync(changes, waitMs);
    }
  }
  const store = new Watched(join(newFolder(), "mlflow.db"), { clock: systemClock });
  const tracker = trackerOn(store, { outbox: { folder } });
  const run = tracker.startRun();
  tracker.withRun({}, (each) => {
    for (let n = 0; n < 5_000; n++) each.logMetric("m", n);
  });
  await tracker.flush();
  run.end();
  await tracker.shutdown();
  assert.deepEqual(known, [true, true]);
});

/** The runs that the outboxes of a folder know, read from copies: they are held. */
function openRuns(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".outbox"))
    .flatMap((name) => {
      const copy = newFolder();
      for (const suffix of ["", "-wal"]) copyFileSync(join(folder, name) + suffix, copy + suffix);
      return query(copy, "SELECT key FROM runs").map(({ key }) => String(key));
    });
}
