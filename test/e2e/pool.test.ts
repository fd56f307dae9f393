import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createTracker } from "../../src/index.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { Peer, startServer } from "./peer.js";
import { uriOf } from "./support.js";

/**
 * Trackers at once, runs of each, and seconds for which somebody locks the database; `PULSE_POOL=12x40x45` for the long
 * version.
 */
const [TRACKERS = 5, RUNS = 4, LOCKED = 4] = (process.env["PULSE_POOL"] ?? "5x4x4").split("x").map(Number);
const PATIENCE_MS = 300_000;
/** Shorter than the lock: what is given up is still executed, afterwards. */
const TIMEOUT_MS = 3_000;
const READERS = 2;
const POINTS = 100;

const folder = tempFolder("pool");
const path = join(folder, "pool.db");
/**
 * With its default of 15 database connections, of which some requests take two: while the database is locked, requests
 * use them up.
 */
const [server, peer] = await Promise.all([startServer("newest", uriOf(path), folder), Peer.start("newest")]);
after(() => Promise.all([server.stop(), peer.close()]));

/** Reads what MLflow's pages show, over and over. */
async function read(goesOn: () => boolean): Promise<void> {
  const search = { experiment_ids: ["0", "1"], max_results: 50 };
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(search) };
  // What it gets while the server stands still is no matter.
  while (goesOn())
    await fetch(`${server.url}/api/2.0/mlflow/runs/search`, options).then(
      (answer) => answer.arrayBuffer(),
      () => sleep(50),
    );
}

test(`${TRACKERS} trackers exhaust a server's pool and lose or double nothing`, async () => {
  const warnings: string[] = [];
  const began = performance.now();
  const trackers = Array.from({ length: TRACKERS }, (_, i) =>
    createTracker({
      trackingUri: server.url,
      experiment: "pool",
      outbox: { folder: join(folder, "outbox") },
      exitTimeoutMs: PATIENCE_MS,
      requestTimeoutMs: TIMEOUT_MS,
      logger: { warn: (message) => warnings.push(`tracker ${i}: ${message}`) },
    }),
  );
  const record = (n: number): void => {
    for (const [i, tracker] of trackers.entries())
      tracker.withRun({ runName: `run ${n} of tracker ${i}`, params: { n } }, (run) => {
        for (let step = 0; step < POINTS; step++) run.logMetric("m", step, { step });
      });
  };
  record(0);
  await Promise.all(trackers.map((tracker) => tracker.flush()));
  await peer.lock(path, LOCKED);
  let isOver = false;
  const readers = Array.from({ length: READERS }, () => read(() => !isOver));
  for (let n = 1; n < RUNS; n++) record(n);
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
  const twins = query(path, "SELECT count(*) AS n FROM runs WHERE lifecycle_stage = 'deleted'")[0]?.["n"];
  const dry = warnings.filter((warning) => warning.includes("QueuePool")).length;
  console.log(
    `${names.length} runs in ${Math.round(performance.now() - began)} ms; ${twins} twins deleted, ${dry} warnings of a pool that ran dry`,
  );
});
