import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTracker } from "../../src/index.js";
import { query } from "../support/database.js";
import { startServer } from "./peer.js";
import { temporaryFolder, uriOf } from "./support.js";

/** Trackers at once, and runs of each; `PULSE_POOL=16x40` for the long version. */
const [TRACKERS = 12, RUNS = 6] = (process.env["PULSE_POOL"] ?? "12x6").split("x").map(Number);
const PATIENCE_MS = 300_000;
const READERS = 2;
const POINTS = 100;

const folder = temporaryFolder("pool");
const path = join(folder, "pool.db");
/** With its default of 15 database connections, of which some requests take two. */
const server = await startServer("newest", uriOf(path), folder);
after(() => server.stop());

/** Reads what MLflow's pages show, over and over. */
async function read(goesOn: () => boolean): Promise<void> {
  const search = { experiment_ids: ["0", "1"], max_results: 50 };
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(search) };
  while (goesOn()) await fetch(`${server.url}/api/2.0/mlflow/runs/search`, options).then((answer) => answer.arrayBuffer());
}

test(`${TRACKERS} trackers at once, more than the server's default pool has connections for: nothing is lost, nothing comes twice`, async () => {
  const warnings: string[] = [];
  const began = performance.now();
  const trackers = Array.from({ length: TRACKERS }, (_, i) =>
    createTracker({
      trackingUri: server.url,
      experiment: "pool",
      outbox: { folder: join(folder, "outbox") },
      exitTimeoutMs: PATIENCE_MS,
      logger: { warn: (message) => warnings.push(`tracker ${i}: ${message}`) },
    }),
  );
  let isOver = false;
  const readers = Array.from({ length: READERS }, () => read(() => !isOver));
  for (const [i, tracker] of trackers.entries())
    for (let n = 0; n < RUNS; n++)
      tracker.withRun({ runName: `run ${n} of tracker ${i}`, params: { n } }, (run) => {
        for (let step = 0; step < POINTS; step++) run.logMetric("m", step, { step });
      });
  await Promise.all(trackers.map((tracker) => tracker.flush({ timeoutMs: PATIENCE_MS })));
  const left = trackers.map((tracker) => tracker.stats());
  await Promise.all(trackers.map((tracker) => tracker.shutdown()));
  isOver = true;
  await Promise.all(readers);
  for (const { delivered, pending, dropped, rejected } of left)
    assert.deepEqual(
      { delivered, pending, dropped, rejected },
      { delivered: (POINTS + 3) * RUNS, pending: 0, dropped: 0, rejected: 0 },
      warnings.join("\n"),
    );
  const names = trackers.flatMap((_, i) => Array.from({ length: RUNS }, (__, n) => `run ${n} of tracker ${i}`));
  const runs = query(
    path,
    `SELECT r.name, r.status, count(*) AS points FROM runs r JOIN metrics m USING (run_uuid)
     WHERE r.lifecycle_stage = 'active' GROUP BY r.run_uuid ORDER BY r.name`,
  );
  assert.deepEqual(
    runs,
    names.sort().map((name) => ({ name, status: "FINISHED", points: POINTS })),
  );
  const stood = server.log().split("QueuePool limit").length - 1;
  const said = warnings.filter((warning) => warning.includes("QueuePool")).length;
  console.log(`${names.length} runs in ${Math.round(performance.now() - began)} ms; the pool ran dry ${stood} times, ${said} warnings`);
});
