import type { Schema } from "./schema.js";

/** The statements for writing run changes. */
export type StatementName =
  | "addRun"
  | "reopenRun"
  | "endRun"
  | "endRunIfRunning"
  | "renameRun"
  | "runState"
  | "addMetric"
  | "putLatest"
  | "addParam"
  | "paramValue"
  | "putTag"
  | "addDataset"
  | "datasetId"
  | "addInput"
  | "addInputTag"
  | "experimentByName"
  | "experimentById"
  | "addExperiment"
  | "locateExperiment"
  | "putExperimentTag";

const METRIC_COLUMNS = "(key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)";

/**
 * Returns the SQL of each statement for a schema; parameters are `?`, in the order in which plans pass the values. All
 * can be repeated with the same values: the result stays the same.
 */
export function statements(
  schema: Pick<Schema, "experimentTimes" | "workspaces">,
): Readonly<Record<StatementName, string>> {
  const experiments = "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments";
  return {
    addRun: `INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
        source_version, lifecycle_stage, artifact_uri, experiment_id)
      VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', 'active', ?, ?) ON CONFLICT DO NOTHING`,
    reopenRun: "UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?",
    endRun: "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?",
    // For a run whose process died: it ends no earlier than its last metric.
    endRunIfRunning: `UPDATE runs SET status = ?, end_time = (SELECT max(t) FROM
        (SELECT ? AS t UNION ALL SELECT timestamp FROM latest_metrics WHERE run_uuid = ?) AS times)
      WHERE run_uuid = ? AND status = 'RUNNING'`,
    renameRun: "UPDATE runs SET name = ? WHERE run_uuid = ?",
    runState: "SELECT lifecycle_stage, experiment_id FROM runs WHERE run_uuid = ?",
    addMetric: `INSERT INTO metrics ${METRIC_COLUMNS} ON CONFLICT DO NOTHING`,
    // MLflow's UI and searches only read this table; it holds the row with the highest (step, timestamp, value).
    putLatest: `INSERT INTO latest_metrics ${METRIC_COLUMNS}
      ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
      WHERE (excluded.step, excluded.timestamp, excluded.value) >= (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)`,
    addParam: "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    paramValue: "SELECT value FROM params WHERE key = ? AND run_uuid = ?",
    putTag:
      "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
    addDataset: `INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    datasetId: "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?",
    addInput: `INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
      VALUES (?, 'DATASET', ?, 'RUN', ?) ON CONFLICT DO NOTHING`,
    addInputTag: "INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    experimentByName: `${experiments} WHERE name = ?${schema.workspaces ? " AND workspace = 'default'" : ""}`,
    experimentById: `${experiments} WHERE experiment_id = ?`,
    addExperiment: schema.experimentTimes
      ? "INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) VALUES (?, 'active', ?, ?)"
      : "INSERT INTO experiments (name, lifecycle_stage) VALUES (?, 'active')",
    putExperimentTag:
      "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?) ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value",
    locateExperiment: "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
  };
}
