import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import type { Outcome } from "../../src/contracts/tracking-store.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { createTracker } from "../../src/tracker.js";
import { change, start } from "../contract/store-contract.js";
import { execute, latest, openDatabase, query, readRun } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { sleep } from "../support/wait.js";

const folder = tempFolder("sqlite");

let count = 0;
const file = (): string => join(folder, `${++count}.db`);
const open = (path: string): SqliteStore => new SqliteStore(path, { clock: systemClock });
const id = (n: number): string => n.toString(16).padStart(32, "a");
const code = (outcome: Outcome | undefined): string =>
  outcome && "error" in outcome ? outcome.error.code : (outcome?.kind ?? "none");

async function created(path: string): Promise<void> {
  const store = open(path);
  await store.apply([change(id(1), { create: start() })]);
  await store.close();
}

test("a new file is in WAL mode, with MLflow's schema, Default and our own table", async () => {
  const path = join(folder, "new", "deep", "mlflow.db");
  await created(path);
  assert.equal(query(path, "PRAGMA journal_mode")[0]?.["journal_mode"], "wal");
  assert.deepEqual(query(path, "SELECT version_num FROM alembic_version"), [{ version_num: "acf3f17fdcc7" }]);
  assert.deepEqual(query(path, "SELECT experiment_id, name FROM experiments ORDER BY 1"), [
    { experiment_id: 0, name: "Default" },
    { experiment_id: 1, name: "Contract" },
  ]);
  assert.equal(query(path, "SELECT value FROM pulse_mlflow_meta")[0]?.["value"], "pulse-mlflow");
  assert.deepEqual(query(path, "PRAGMA foreign_key_check"), []);
  const [run] = query(path, "SELECT artifact_uri FROM runs");
  assert.match(String(run?.["artifact_uri"]), /^file:\/\/\/.*\/new\/deep\/mlruns\/1\/a+1\/artifacts$/);
});

test("a new file has the mode that MLflow would give it under this umask", async () => {
  const before = process.umask();
  try {
    for (const [umask, mode] of [
      [0o022, 0o644],
      [0o077, 0o600],
      [0o002, 0o644],
    ] as const) {
      process.umask(umask);
      const path = file();
      await created(path);
      assert.equal(statSync(path).mode & 0o777, mode);
    }
  } finally {
    process.umask(before);
  }
});

test("an empty file with a time in the future is left to its maker for one second", async () => {
  for (const hours of [1, 24 * 365]) {
    const path = file();
    writeFileSync(path, "");
    const later = new Date(Date.now() + hours * 3_600_000);
    utimesSync(path, later, later);
    const store = open(path);
    const apply = async (): Promise<string> => code((await store.apply([change(id(1), { create: start() })]))[0]);
    const first = performance.now();
    let last = await apply();
    assert.equal(last, "STORE_BUSY");
    while (last === "STORE_BUSY" && performance.now() - first < 60_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      last = await apply();
    }
    assert.equal(last, "done");
    assert.ok(performance.now() - first >= 1_000);
    await store.close();
  }
  const old = file();
  writeFileSync(old, "");
  utimesSync(old, 1_000, 1_000);
  await created(old);
  assert.equal(readRun(old, id(1))?.status, "RUNNING");
});

test("latest_metrics holds the greatest (step, timestamp, value) in any order", async () => {
  const path = file();
  const store = open(path);
  const at = (value: number, step: number, timestamp: number) => ({ key: "m", value, step, timestamp });
  await store.apply([
    change(id(1), { create: start(), metrics: [at(5, 3, 10), at(9, 1, 99), at(4, 3, 10), at(6, 3, 9)] }),
  ]);
  assert.deepEqual(latest(path, id(1)), { m: [3, 5] });
  await store.apply([change(id(1), { metrics: [at(1, 2, 500)] })]);
  assert.deepEqual(latest(path, id(1)), { m: [3, 5] });
  await store.apply([change(id(1), { metrics: [at(Number.NaN, 3, 11)] })]);
  assert.ok(Number.isNaN(latest(path, id(1))["m"]?.[1]));
  await store.close();
});

test("a file another program made keeps its journal mode and tables", async () => {
  const ours = file();
  await created(ours);
  const path = `${ours}.copy`;
  copyFileSync(ours, path);
  execute(path, "PRAGMA journal_mode = DELETE");
  execute(
    path,
    "ALTER TABLE experiments ADD COLUMN workspace VARCHAR(63) DEFAULT 'default' NOT NULL; UPDATE alembic_version SET version_num = 'f00'",
  );
  const store = open(path);
  assert.equal((await store.apply([change(id(2), { create: start() })]))[0]?.kind, "done");
  await store.close();
  assert.equal(query(path, "PRAGMA journal_mode")[0]?.["journal_mode"], "delete");
  assert.equal(query(path, "SELECT version_num FROM alembic_version")[0]?.["version_num"], "f00");
  assert.equal(readRun(path, id(2))?.status, "RUNNING");
});

test("an unknown revision is written to unless it has an unknown required column", async () => {
  const path = file();
  await created(path);
  execute(path, "ALTER TABLE runs ADD COLUMN novelty TEXT");
  const store = open(path);
  assert.equal((await store.apply([change(id(2), { create: start() })]))[0]?.kind, "done");
  await store.close();
  const strict = file();
  await created(strict);
  execute(
    strict,
    "ALTER TABLE tags RENAME TO old_tags; CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, must TEXT NOT NULL, PRIMARY KEY (key, run_uuid)); UPDATE alembic_version SET version_num = 'future'",
  );
  const before = readFileSync(strict);
  const refused = open(strict);
  const [outcome] = await refused.apply([change(id(2), { create: start() })]);
  assert.equal(code(outcome), "SCHEMA_UNSUPPORTED");
  assert.match(
    outcome && "error" in outcome ? outcome.error.message : "",
    /schema future, whose column tags\.must is required/,
  );
  await refused.close();
  assert.deepEqual(readFileSync(strict), before);
});

test("a migration underneath is followed", async () => {
  const path = file();
  const store = open(path);
  await store.apply([change(id(1), { create: start() })]);
  execute(
    path,
    `PRAGMA foreign_keys = OFF; BEGIN; CREATE TABLE moved (experiment_id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(256) NOT NULL, artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32),
       creation_time BIGINT, last_update_time BIGINT, workspace VARCHAR(63) DEFAULT 'default' NOT NULL, UNIQUE (workspace, name));
     INSERT INTO moved (experiment_id, name, artifact_location, lifecycle_stage) SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments;
     INSERT INTO moved (name, workspace) VALUES ('Contract', 'elsewhere'), ('Other', 'elsewhere');
     DROP TABLE experiments; ALTER TABLE moved RENAME TO experiments; COMMIT`,
  );
  await store.apply([
    change(id(2), { create: start() }),
    change(id(3), { experiment: { name: "Other" }, create: start() }),
  ]);
  await store.close();
  assert.equal(query(path, "SELECT experiment_id FROM runs WHERE run_uuid = ?", id(2))[0]?.["experiment_id"], 1);
  assert.deepEqual(
    query(path, "SELECT workspace FROM experiments JOIN runs USING (experiment_id) WHERE run_uuid = ?", id(3)),
    [{ workspace: "default" }],
  );
});

test("what is not MLflow's is refused and left untouched", async () => {
  const text = file();
  writeFileSync(text, "this is a text, and a long one, that is no database at all; ".repeat(20));
  const foreign = file();
  execute(foreign, "CREATE TABLE recipes (name TEXT)");
  for (const [path, expected] of [
    [text, "NOT_A_DATABASE"],
    [foreign, "NOT_MLFLOW"],
    [join(text, "below", "mlflow.db"), "NOT_WRITABLE"],
    [folder, "NOT_WRITABLE"],
  ] as const) {
    const store = open(path);
    const before = path === folder || !existsSync(path) ? undefined : readFileSync(path);
    const [outcome] = await store.apply([change(id(1), { create: start() })]);
    assert.equal(outcome?.kind, "away", path);
    assert.equal(code(outcome), expected);
    if (before) assert.deepEqual(readFileSync(path), before);
    await store.close();
  }
});

test("a lock is never waited for on the event loop, only in applySync", async () => {
  const path = file();
  await created(path);
  const store = open(path);
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  const outcomes = await store.apply([change(id(2), { create: start() })]);
  assert.equal(outcomes[0]?.kind, "away");
  assert.equal(code(outcomes[0]), "STORE_BUSY");
  const began = performance.now();
  assert.equal(store.applySync([change(id(2), { create: start() })], 300)[0]?.kind, "away");
  assert.ok(performance.now() - began >= 250);
  other.exec("ROLLBACK");
  other.close();
  assert.equal((await store.apply([change(id(2), { create: start() })]))[0]?.kind, "done");
  await store.close();
});

test("an empty file that somebody has just made is left to them for a second", async () => {
  const path = file();
  writeFileSync(path, "");
  const store = open(path);
  assert.equal(code((await store.apply([change(id(1), { create: start() })]))[0]), "STORE_BUSY");
  assert.equal(statSync(path).size, 0);
  assert.equal(store.applySync([change(id(1), { create: start() })], 5_000)[0]?.kind, "done");
  await store.close();
  assert.equal(readRun(path, id(1))?.status, "RUNNING");
});

test("a database whose tables are being made is waited for, not refused", async () => {
  const path = file();
  execute(path, "CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY)");
  const store = open(path);
  const [outcome] = await store.apply([change(id(1), { create: start() })]);
  assert.equal(outcome?.kind, "away");
  assert.equal(code(outcome), "STORE_BUSY");
  await store.close();
});

test("a deleted experiment or run refuses with advice, and the others go on", async () => {
  const path = file();
  const store = open(path);
  await store.apply([
    change(id(1), { create: start() }),
    change(id(2), { experiment: { name: "Gone" }, create: start() }),
  ]);
  execute(
    path,
    `UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'Gone'; UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = '${id(1)}'`,
  );
  const outcomes = await store.apply([
    change(id(3), { experiment: { name: "Gone" }, create: start() }),
    change(id(1), { tags: [{ key: "a", value: "b" }] }),
    change(id(4), { create: start() }),
  ]);
  assert.deepEqual(outcomes.map(code), ["EXPERIMENT_DELETED", "RUN_DELETED", "done"]);
  assert.match(
    outcomes[0] && "error" in outcomes[0] ? outcomes[0].error.message : "",
    /Restore it .* or choose another name/,
  );
  await store.close();
});

test("a database replaced under us is noticed, and new runs go into the new file", async () => {
  const path = file();
  const store = open(path);
  await store.apply([change(id(1), { create: start() })]);
  renameSync(path, `${path}.moved`);
  const outcomes = await store.apply([
    change(id(1), { tags: [{ key: "a", value: "b" }] }),
    change(id(2), { create: start() }),
  ]);
  assert.deepEqual(outcomes.map(code), ["RUN_NOT_FOUND", "done"]);
  await store.close();
  assert.equal(readRun(path, id(2))?.status, "RUNNING");
});

test("two stores write into one new file at once and lose nothing", async () => {
  const path = file();
  const trackers = [0, 1].map(() => createTracker({ trackingUri: `sqlite:///${path}` }));
  await Promise.all(
    trackers.map(async (tracker, which) => {
      for (let i = 0; i < 50; i++) {
        tracker.withRun({ experiment: "Shared", runName: `${which} ${i}` }, (run) =>
          run.logMetrics({ a: i, b: which }),
        );
        if (i % 10 === 0) await sleep(1);
      }
      await tracker.flush();
    }),
  );
  for (const tracker of trackers) {
    const { pending, dropped, rejected, warnings } = tracker.stats();
    assert.deepEqual([pending, dropped, rejected, warnings], [0, 0, 0, {}]);
    await tracker.shutdown();
  }
  assert.equal(query(path, "SELECT count(*) AS n FROM runs WHERE status = 'FINISHED'")[0]?.["n"], 100);
  assert.equal(query(path, "SELECT count(*) AS n FROM metrics")[0]?.["n"], 200);
  assert.equal(query(path, "SELECT count(*) AS n FROM experiments WHERE name = 'Shared'")[0]?.["n"], 1);
});

test("writes inside a user's call leave the checkpoint to a later one between turns", async () => {
  const path = file();
  const store = open(path);
  store.applySync([change(id(1), { create: start() })], 0);
  const sizes = (): number[] => ["", "-wal"].map((suffix) => statSync(path + suffix).size);
  const [small = 0] = sizes();
  const batch = Array.from({ length: 2_000 }, (_, i) => ({ key: "m", value: i, timestamp: i, step: 0 }));
  for (let i = 0; (sizes()[1] ?? 0) < 24 * 2 ** 20; i++)
    store.applySync([change(id(1), { metrics: batch.map((metric) => ({ ...metric, step: i })) })], 0);
  assert.equal(sizes()[0], small);
  await store.apply([change(id(1), { metrics: [{ key: "m", value: -1, timestamp: 1, step: 0 }] })]);
  assert.ok((sizes()[0] ?? 0) > small + 2 ** 20, String(sizes()));
  await store.close();
});
