import { systemClock } from "../../base/clock.js";
import { PulseError } from "../../base/errors.js";
import {
  type ExperimentEdit,
  type NewExperiment,
  noSuchExperiment,
  noSuchRun,
  type RunEdit,
} from "../../contracts/store-reader.js";
import type { Database } from "./driver.js";
import type { Schema } from "./schema.js";

/** Creates an experiment; returns its id. The caller holds the transaction, as for all here. */
export function createExperiment(
  db: Database,
  { experimentTimes }: Schema,
  { name, artifactLocation, tags }: NewExperiment,
  locate: (id: number) => string,
): string {
  needFree(db, name);
  const now = systemClock.now();
  const { lastInsertRowid } = experimentTimes
    ? db
        .prepare(
          "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) VALUES (?, 'active', ?, ?)",
        )
        .run(name, now, now)
    : db.prepare("INSERT INTO experiments (name, lifecycle_stage) VALUES (?, 'active')").run(name);
  const id = Number(lastInsertRowid);
  db.prepare("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?").run(
    artifactLocation ?? locate(id),
    id,
  );
  for (const { key, value } of tags) putExperimentTag(db, String(id), key, value);
  return String(id);
}

/** Changes an experiment. Its runs are deleted and restored with it, as in MLflow. */
export function editExperiment(
  db: Database,
  { experimentTimes }: Schema,
  experimentId: string,
  edit: ExperimentEdit,
  uri: string,
): void {
  const found = db
    .prepare("SELECT name, lifecycle_stage FROM experiments WHERE CAST(experiment_id AS TEXT) = ?")
    .get(experimentId);
  if (found === undefined) throw noSuchExperiment(experimentId, uri);
  const now = systemClock.now();
  if (edit.kind === "setTag") putExperimentTag(db, experimentId, edit.tag.key, edit.tag.value);
  else if (edit.kind === "rename") {
    if (edit.name !== found["name"]) needFree(db, edit.name);
    db.prepare("UPDATE experiments SET name = ? WHERE experiment_id = ?").run(edit.name, experimentId);
  } else {
    const [stage, deleted] = edit.kind === "delete" ? (["deleted", now] as const) : (["active", null] as const);
    db.prepare("UPDATE experiments SET lifecycle_stage = ? WHERE experiment_id = ?").run(stage, experimentId);
    db.prepare("UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE experiment_id = ?").run(
      stage,
      deleted,
      experimentId,
    );
  }
  if (experimentTimes)
    db.prepare("UPDATE experiments SET last_update_time = ? WHERE experiment_id = ?").run(now, experimentId);
}

/** Changes a run. */
export function editRun(db: Database, runId: string, edit: RunEdit, uri: string): void {
  const run = db.prepare("SELECT lifecycle_stage FROM runs WHERE run_uuid = ?").get(runId);
  if (run === undefined) throw noSuchRun(runId, uri);
  if (edit.kind === "delete" || edit.kind === "restore") {
    const [stage, deleted] =
      edit.kind === "delete" ? (["deleted", systemClock.now()] as const) : (["active", null] as const);
    db.prepare("UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE run_uuid = ?").run(stage, deleted, runId);
    return;
  }
  if (run["lifecycle_stage"] === "deleted") throw new PulseError("RUN_DELETED", `Run ${runId} was deleted.`);
  switch (edit.kind) {
    case "setTag":
      putTag(db, runId, edit.tag.key, edit.tag.value);
      if (edit.tag.key === RUN_NAME) rename(db, runId, edit.tag.value);
      return;
    case "deleteTag": {
      const { changes } = db.prepare("DELETE FROM tags WHERE run_uuid = ? AND key = ?").run(runId, edit.key);
      if (Number(changes) > 0) return;
      throw new PulseError("REJECTED", `Run ${runId} has no tag ${JSON.stringify(edit.key)}.`);
    }
    default:
      if (edit.status !== undefined)
        db.prepare("UPDATE runs SET status = ? WHERE run_uuid = ?").run(edit.status, runId);
      if (edit.endTime !== undefined)
        db.prepare("UPDATE runs SET end_time = ? WHERE run_uuid = ?").run(edit.endTime, runId);
      if (edit.runName === undefined) return;
      rename(db, runId, edit.runName);
      putTag(db, runId, RUN_NAME, edit.runName);
  }
}

const RUN_NAME = "mlflow.runName";

function rename(db: Database, runId: string, name: string): void {
  db.prepare("UPDATE runs SET name = ? WHERE run_uuid = ?").run(name, runId);
}

function putTag(db: Database, runId: string, key: string, value: string): void {
  db.prepare(
    "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
  ).run(key, value, runId);
}

function putExperimentTag(db: Database, experimentId: string, key: string, value: string): void {
  db.prepare(
    "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?) ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value",
  ).run(key, value, experimentId);
}

function needFree(db: Database, name: string): void {
  if (db.prepare("SELECT 1 AS found FROM experiments WHERE name = ?").get(name) !== undefined)
    throw new PulseError("REJECTED", `There is an experiment ${JSON.stringify(name)} already, possibly a deleted one.`);
}
