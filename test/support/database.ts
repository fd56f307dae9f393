import type { DatasetInput } from "../../src/base/entities.js";
import { load } from "../../src/base/loading.js";
import type { ReadRun } from "../../src/contracts/tracking-reader.js";
import type { Database, SqlValue } from "../../src/stores/sql/driver.js";

interface Driver {
  DatabaseSync: new (path: string) => Database;
}

/** Opens a database file as other programs do, not as the package does. */
export function openDatabase(path: string): Database {
  const driver = Number.parseInt(process.versions.node, 10) >= 24 ? "node:sqlite" : "@photostructure/sqlite";
  const { DatabaseSync } = load(driver) as Driver;
  return new DatabaseSync(path);
}

/** Runs a query on a database file with a connection of its own. */
export function query(path: string, sql: string, ...values: SqlValue[]): Record<string, unknown>[] {
  return withDatabase(path, (db) => db.prepare(sql).all(...values)).map((row) => ({ ...row }));
}

/** Executes statements on a database file with a connection of its own. */
export function execute(path: string, sql: string): void {
  withDatabase(path, (db) => db.exec(sql));
}

function withDatabase<R>(path: string, use: (db: Database) => R): R {
  const db = openDatabase(path);
  try {
    db.exec("PRAGMA busy_timeout = 5000");
    return use(db);
  } finally {
    db.close();
  }
}

/** Reads one run as the store contract compares it. */
export function readRun(path: string, runId: string): ReadRun | undefined {
  const [run] = query(
    path,
    "SELECT r.*, e.name AS experiment FROM runs r JOIN experiments e USING (experiment_id) WHERE run_uuid = ?",
    runId,
  );
  if (!run) return undefined;
  const pairs = (table: string): Record<string, string> =>
    Object.fromEntries(
      query(path, `SELECT key, value FROM ${table} WHERE run_uuid = ?`, runId).map((row) => [
        String(row["key"]),
        String(row["value"]),
      ]),
    );
  const metrics = new Map<string, [number, number, number][]>(); // no object: a metric may be called constructor
  for (const row of query(
    path,
    "SELECT * FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp, value",
    runId,
  )) {
    const key = String(row["key"]);
    const points = metrics.get(key) ?? [];
    metrics.set(key, points);
    points.push([Number(row["step"]), Number(row["timestamp"]), row["is_nan"] ? Number.NaN : Number(row["value"])]);
  }
  return {
    experiment: String(run["experiment"]),
    name: String(run["name"]),
    status: String(run["status"]),
    startTime: Number(run["start_time"]),
    endTime: run["end_time"] === null ? null : Number(run["end_time"]),
    params: pairs("params"),
    tags: pairs("tags"),
    metrics: Object.fromEntries(metrics),
    inputs: readInputs(path, runId),
  };
}

function readInputs(path: string, runId: string): DatasetInput[] {
  const sql = `SELECT d.*, i.input_uuid FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
    WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ?`;
  if (query(path, "SELECT 1 FROM sqlite_master WHERE name = 'datasets'").length === 0) return [];
  const optional = (value: unknown): string | undefined => (value === null ? undefined : String(value));
  return query(path, sql, runId).map((row) => ({
    name: String(row["name"]),
    digest: String(row["digest"]),
    sourceType: String(row["dataset_source_type"]),
    source: String(row["dataset_source"]),
    schema: optional(row["dataset_schema"]),
    profile: optional(row["dataset_profile"]),
    tags: query(path, "SELECT name, value FROM input_tags WHERE input_uuid = ?", String(row["input_uuid"])).map(
      ({ name, value }) => ({
        key: String(name),
        value: String(value),
      }),
    ),
  }));
}

/** Reads the runs of an experiment that are not deleted. */
export function readRuns(path: string, experiment: string): ReadRun[] {
  const of =
    "SELECT run_uuid FROM runs JOIN experiments e USING (experiment_id) WHERE e.name = ? AND runs.lifecycle_stage = 'active'";
  return query(path, of, experiment).flatMap(({ run_uuid }) => readRun(path, String(run_uuid)) ?? []);
}

/** The latest value of each metric of a run, from the table MLflow's UI reads. */
export function latest(path: string, runId: string): Record<string, [step: number, value: number]> {
  return Object.fromEntries(
    query(path, "SELECT key, step, value, is_nan FROM latest_metrics WHERE run_uuid = ?", runId).map((row) => [
      String(row["key"]),
      [Number(row["step"]), row["is_nan"] ? Number.NaN : Number(row["value"])],
    ]),
  );
}
