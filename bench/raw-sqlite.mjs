// The peer of `sqlite`: writes the rows of MLflow's tables with bare prepared statements, one per row, and nothing
// else.
import { randomBytes } from "node:crypto";

/** Opens a file with the driver and the settings that the package uses. */
export async function openRaw(path) {
  const builtIn = Number.parseInt(process.versions.node, 10) >= 24;
  const { DatabaseSync } = await import(builtIn ? "node:sqlite" : "@photostructure/sqlite");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = NORMAL");
  db.exec("PRAGMA wal_autocheckpoint = 4000");
  db.exec("PRAGMA foreign_keys = ON");
  return db;
}

/** Prepares the statements. User, tags and experiment are those of the run that is already in the file. */
export function rawWriter(db) {
  const model = db.prepare("SELECT run_uuid, user_id, artifact_uri, experiment_id FROM runs").get();
  const tags = db.prepare("SELECT key, value FROM tags WHERE run_uuid = ?").all(model.run_uuid);
  const artifacts = model.artifact_uri.slice(0, model.artifact_uri.indexOf(`/${model.run_uuid}/`));
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const run = db.prepare(
    `INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
       source_version, lifecycle_stage, artifact_uri, experiment_id)
     VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, NULL, '', 'active', ?, ?)`,
  );
  const tag = db.prepare("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)");
  const param = db.prepare("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)");
  const metric = db.prepare(
    "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
  );
  const latest = db.prepare(
    `INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)
     ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step`,
  );
  const tail = randomBytes(14).toString("hex");
  let count = 0x1000;
  const end = db.prepare("UPDATE runs SET status = 'FINISHED', end_time = ? WHERE run_uuid = ?");
  return {
    begin: () => begin.run(),
    commit: () => commit.run(),
    start(name) {
      // Counts up like the package's own ids: the position of rows in the indexes accounts for more than a third of
      // the time.
      const id = (count++).toString(16).padStart(4, "0") + tail;
      run.run(id, name, model.user_id, Date.now(), `${artifacts}/${id}/artifacts`, model.experiment_id);
      for (const { key, value } of tags) tag.run(key, key === "mlflow.runName" ? name : value, id);
      return id;
    },
    param: (id, key, value) => param.run(key, value, id),
    metric: (id, key, value, now, step) => metric.run(key, value, now, id, step),
    latest: (id, key, value, now, step) => latest.run(key, value, now, id, step),
    end: (id) => end.run(Date.now(), id),
  };
}

/** Returns what must be equal in two files with the same content. */
export async function contentsOf(path) {
  const db = await openRaw(path);
  const one = (sql) => Object.values(db.prepare(sql).get())[0];
  const tables = ["experiments", "runs", "tags", "params", "metrics", "latest_metrics"];
  const contents = {
    ...Object.fromEntries(tables.map((table) => [table, one(`SELECT count(*) FROM ${table}`)])),
    ended: one("SELECT count(*) FROM runs WHERE status = 'FINISHED' AND end_time IS NOT NULL"),
    tagText: one("SELECT sum(length(key) + length(value)) FROM tags"),
    steps: one("SELECT sum(step) FROM metrics"),
    values: Math.round(one("SELECT total(value) FROM metrics")),
    latestSteps: one("SELECT sum(step) FROM latest_metrics"),
    latestValues: Math.round(one("SELECT total(value) FROM latest_metrics")),
  };
  db.close();
  return contents;
}
