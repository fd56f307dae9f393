// In which experiment the children of a run are that was made elsewhere: the one where the store has it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTracker, startRun, type Tracker, tracked, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";

const folder = tempFolder("resumed");
const servers: FakeMlflow[] = [];
after(() => {
  for (const server of servers) server.down();
});

async function start(): Promise<FakeMlflow> {
  const server = await FakeMlflow.start();
  servers.push(server);
  return server;
}

/** Resumes a run and opens others below it and beside it; gives their names and where each belongs. */
function open(tracker: Tracker, runId: string): Record<string, string> {
  const child = tracked(() => startRun({ runName: "grandchild" }).end(), { runName: "child" });
  tracker.withRun({ runId }, (run) => {
    child();
    withRun({ runName: "block" }, () => undefined);
    startRun({ runName: "by hand" }).end();
    startRun({ runName: "elsewhere", experiment: "Named" }).end();
    assert.equal(run.experiment, "Configured");
  });
  tracker.withRun({ parentRunId: runId, runName: "late" }, () => startRun({ runName: "below late" }).end());
  tracker.startRun({ parentRunId: runId, experiment: "Named", runName: "late elsewhere" }).end();
  tracker.startRun({ parentRunId: "e".repeat(32), runName: "of nobody" }).end();
  tracker.startRun({ runName: "own" }).end();
  const there = ["child", "grandchild", "block", "by hand", "late", "below late"];
  const named = ["elsewhere", "late elsewhere"];
  return Object.fromEntries([
    ...there.map((name) => [name, "Orig"]),
    ...named.map((name) => [name, "Named"]),
    ...["of nobody", "own"].map((name) => [name, "Configured"]),
  ]);
}

test("children of a resumed run are in its experiment: in memory", async () => {
  const tracker = createTestTracker({ experiment: "Configured" });
  const first = tracker.startRun({ experiment: "Orig" });
  first.end();
  const expected = open(tracker, first.id);
  const found = Object.fromEntries(tracker.runs.slice(1).map((run) => [run.name, run.experiment]));
  assert.deepEqual(found, expected);
});

test("children of a resumed run are in its experiment: in a database, locked or not", async () => {
  for (const durability of ["exit", "outbox"] as const) {
    const path = join(folder, `${durability}.db`);
    const config = {
      trackingUri: `sqlite:///${path}`,
      experiment: "Configured",
      durability,
      outbox: { folder: join(folder, "outboxes") },
    };
    const before = createTracker(config);
    const first = before.startRun({ experiment: "Orig", runName: "first" });
    first.end();
    await before.shutdown();
    const tracker = createTracker(config);
    const expected = open(tracker, first.id);
    await tracker.shutdown();
    const rows = query(
      path,
      "SELECT r.name, e.name AS experiment FROM runs r JOIN experiments e USING (experiment_id) WHERE r.name <> 'first'",
    );
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row["name"], row["experiment"]])), expected);
  }
});

for (const away of [false, true])
  test(`children of a resumed run are in its experiment: server ${away ? "away" : "up"}`, async () => {
    const server = await start();
    const config = {
      trackingUri: server.url,
      experiment: "Configured",
      outbox: { folder: join(folder, `outboxes ${away}`) },
      logger: { warn() {} },
    };
    const before = createTracker(config);
    const first = before.startRun({ experiment: "Orig", runName: "first" });
    const runId = await first.serverId();
    first.end();
    await before.shutdown();
    server.calls.length = 0;
    if (away) server.down();
    let expected: Record<string, string>;
    const tracker = createTracker({ ...config, flushIntervalMs: 100, exitTimeoutMs: away ? 300 : 60_000 });
    expected = open(tracker, runId);
    if (away) {
      await tracker.shutdown();
      await server.up();
      const next = createTracker({ ...config, flushIntervalMs: 100 });
      next.startRun({ runName: "next" }).end();
      await until("all runs are there", () => server.runs.size >= 12);
      await next.shutdown();
      expected["next"] = "Configured";
    } else await tracker.shutdown();
    const found = [...server.runs.values()].filter(({ name }) => name !== "first");
    assert.deepEqual(Object.fromEntries(found.map((run) => [run.name, server.experimentOf(run)])), expected);
    // At most for each of the two runs that are named as parents; nothing is asked again for a run that was resumed.
    if (!away) assert.ok(server.calls.filter((call) => call === "GET runs/get").length <= 2);
  });

test("a deleted or forbidden run decides no experiment", async () => {
  const server = await start();
  const tracker = createTracker({
    trackingUri: server.url,
    experiment: "Configured",
    outbox: { folder: join(folder, "deleted") },
    logger: { warn() {} },
  });
  const first = tracker.startRun({ experiment: "Orig", runName: "first" });
  const runId = await first.serverId();
  first.end();
  await tracker.flush();
  (server.runs.get(runId) as { deleted: boolean }).deleted = true;
  tracker.startRun({ parentRunId: runId, runName: "late" }).end();
  await tracker.shutdown();
  const [late] = server.named("late");
  assert.equal(late && server.experimentOf(late), "Configured");
  assert.equal(late?.tags.get("mlflow.parentRunId"), runId);
});
