import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { MetricPoint } from "../../src/base/entities.js";
import { byTime, thinned } from "../../src/search/points.js";
import { openDatabase } from "../../src/stores/sql/driver.js";
import { LongHistory } from "../../src/stores/sql/history.js";
import { ReadThread } from "../../src/stores/sql/read-thread.js";
import { createTracker } from "../../src/tracker.js";
import { tempFolder } from "../support/folders.js";
import { Random } from "../support/random.js";

const COUNT = 20_000;
const START = 1_790_000_000_000;
const random = new Random(17);

/** Histories whose values lie in the file, and along their steps and times, as unevenly as can be. */
const histories: Record<string, (i: number) => MetricPoint> = {
  "step after step": (i) => ({ value: random.next(), timestamp: START + i, step: i }),
  "of one time": (i) => ({ value: random.next(), timestamp: START, step: i }),
  "of one time and one step": (i) => ({ value: i === 77 ? -1 : random.next(), timestamp: START, step: 3 }),
  "without steps": (i) => ({ value: random.next(), timestamp: START + i * 10, step: 0 }),
  "steps at random": (i) => ({ value: random.next(), timestamp: START + i, step: random.below(COUNT) }),
  "most of it in a moment": (i) => ({ value: random.next(), timestamp: START + (i < 9 ? i * 1e9 : 9e9 + i), step: i }),
  "ever faster": (i) => ({ value: random.next(), timestamp: START + Math.floor(1e9 * 0.999 ** i), step: COUNT - i }),
  "of two values": (i) => ({ value: random.below(2), timestamp: START + i, step: i }),
  "in batches": (i) => ({ value: random.next(), timestamp: START + Math.floor(i / 5_000) * 60_000, step: i }),
  "with NaN at its ends": (i) => ({
    value: i < 500 || i > COUNT - 500 || i % 7 === 0 ? Number.NaN : random.next(),
    timestamp: START + i,
    step: i,
  }),
  "all NaN": (i) => ({ value: Number.NaN, timestamp: START + i, step: i }),
  "negative and far steps": (i) => ({ value: random.next(), timestamp: -5 + i, step: (i - 10_000) * 2 ** 40 }),
  "tiny values": (i) => ({ value: (i % 3) - 1 + 1e-20 * random.below(9), timestamp: START + i, step: i }),
};

test("a long history is thinned out as in memory, however its values lie", async () => {
  const path = join(tempFolder("long-history"), "mlflow.db");
  const tracker = createTracker({ trackingUri: `sqlite:///${path}` });
  const ids = await Promise.all(
    ["run", "other"].map((runName) => tracker.withRun({ runName }, async (run) => (await run.serverId()) ?? "")),
  );
  await tracker.shutdown();
  const [run = "", other = ""] = ids;
  const db = openDatabase(path, { waitMs: 5_000 });
  const insert = db.prepare(
    "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const all = new Map<string, MetricPoint[]>();
  db.exec("BEGIN");
  for (const [key, pointOf] of Object.entries(histories)) {
    const points = new Map<string, MetricPoint>();
    for (let i = 0; i < COUNT; i++) {
      const point = pointOf(i);
      points.set(`${point.timestamp} ${point.step} ${point.value}`, point);
      const noNumber = Number.isNaN(point.value);
      insert.run(key, noNumber ? 0 : String(point.value), point.timestamp, run, point.step, Number(noNumber));
      if (i % 4 === 0) insert.run(key, -9, point.timestamp + random.below(2), other, point.step, 0);
    }
    all.set(key, [...points.values()].sort(byTime));
  }
  db.exec("COMMIT");
  db.close();

  const thread = new ReadThread(path);
  for (const [key, points] of all)
    for (const maxPoints of [4, 100, 999]) {
      const history = new LongHistory((queries) => thread.read(queries), run, key);
      const plain = (point: MetricPoint) => `${point.timestamp} ${point.step} ${point.value}`;
      assert.deepEqual(
        (await history.thinned(maxPoints))?.map(plain),
        thinned(points, maxPoints).map(plain),
        `${key}, ${maxPoints} points`,
      );
    }
  const none = new LongHistory((queries) => thread.read(queries), run, "no such key");
  assert.equal(await none.thinned(100), undefined);
  const few = new LongHistory((queries) => thread.read(queries), run, "of two values");
  assert.equal(await few.thinned(COUNT), undefined);
  await thread.close();
});
