import { PulseError } from "../../base/errors.js";
import { type Database, FILE } from "./driver.js";

/**
 * The alembic revision of a new file: the schema of MLflow 2.8 to 2.12. Every MLflow since 2.8 opens and migrates it; a
 * newer revision would lock out older versions.
 */
const REVISION = "acf3f17fdcc7";

const KEY_VALUE_RUN = (table: string, constraint: string, value: string): string =>
  `CREATE TABLE ${table} ("key" VARCHAR(250) NOT NULL, value ${value}, run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT ${constraint} PRIMARY KEY ("key", run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid))`;

/** The names of tables and constraints are part of the format: MLflow's migrations look them up. */
const TABLES: readonly string[] = [
  `CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256) NOT NULL, artifact_location VARCHAR(256),
    lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT,
    CONSTRAINT experiment_pk PRIMARY KEY (experiment_id),
    CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), UNIQUE (name))`,
  "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
  `CREATE TABLE experiment_tags ("key" VARCHAR(250) NOT NULL, value VARCHAR(5000), experiment_id INTEGER NOT NULL,
    CONSTRAINT experiment_tag_pk PRIMARY KEY ("key", experiment_id), FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id))`,
  `CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20), source_name VARCHAR(500),
    entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT, end_time BIGINT,
    source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER, deleted_time BIGINT,
    CONSTRAINT run_pk PRIMARY KEY (run_uuid),
    CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')),
    CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
    FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id),
    CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')))`,
  KEY_VALUE_RUN("tags", "tag_pk", "VARCHAR(5000)"),
  KEY_VALUE_RUN("params", "param_pk", "VARCHAR(8000) NOT NULL"),
  `CREATE TABLE metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid VARCHAR(32) NOT NULL,
    step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), CHECK (is_nan IN (0, 1)))`,
  `CREATE TABLE latest_metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid), CHECK (is_nan IN (0, 1)))`,
  `CREATE TABLE datasets (dataset_uuid VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(500) NOT NULL,
    digest VARCHAR(36) NOT NULL, dataset_source_type VARCHAR(36) NOT NULL, dataset_source TEXT NOT NULL, dataset_schema TEXT, dataset_profile TEXT,
    CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name, digest), FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id))`,
  `CREATE TABLE inputs (input_uuid VARCHAR(36) NOT NULL, source_type VARCHAR(36) NOT NULL, source_id VARCHAR(36) NOT NULL,
    destination_type VARCHAR(36) NOT NULL, destination_id VARCHAR(36) NOT NULL,
    CONSTRAINT inputs_pk PRIMARY KEY (source_type, source_id, destination_type, destination_id))`,
  `CREATE TABLE input_tags (input_uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value VARCHAR(500) NOT NULL,
    CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name))`,
  `CREATE TABLE registered_models (name VARCHAR(256) NOT NULL, creation_time BIGINT, last_updated_time BIGINT, description VARCHAR(5000),
    CONSTRAINT registered_model_pk PRIMARY KEY (name), UNIQUE (name))`,
  `CREATE TABLE registered_model_tags ("key" VARCHAR(250) NOT NULL, value VARCHAR(5000), name VARCHAR(256) NOT NULL,
    CONSTRAINT registered_model_tag_pk PRIMARY KEY ("key", name), FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE cascade)`,
  `CREATE TABLE model_versions (name VARCHAR(256) NOT NULL, version INTEGER NOT NULL, creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), user_id VARCHAR(256), current_stage VARCHAR(20), source VARCHAR(500), run_id VARCHAR(32), status VARCHAR(20),
    status_message VARCHAR(500), run_link VARCHAR(500), storage_location VARCHAR(500),
    CONSTRAINT model_version_pk PRIMARY KEY (name, version), FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE CASCADE)`,
  `CREATE TABLE model_version_tags ("key" VARCHAR(250) NOT NULL, value VARCHAR(5000), name VARCHAR(256) NOT NULL, version INTEGER NOT NULL,
    CONSTRAINT model_version_tag_pk PRIMARY KEY ("key", name, version),
    FOREIGN KEY(name, version) REFERENCES model_versions (name, version) ON UPDATE cascade)`,
  `CREATE TABLE registered_model_aliases (alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, name VARCHAR(256) NOT NULL,
    CONSTRAINT registered_model_alias_pk PRIMARY KEY (name, alias),
    CONSTRAINT registered_model_alias_name_fkey FOREIGN KEY(name) REFERENCES registered_models (name) ON DELETE cascade ON UPDATE cascade)`,
  "CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid)",
  "CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid)",
  "CREATE INDEX index_tags_run_uuid ON tags (run_uuid)",
  "CREATE INDEX index_params_run_uuid ON params (run_uuid)",
  "CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid)",
  "CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type)",
  "CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid)",
  "CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type, destination_id, source_type)",
  // Our own index: pages of runs by time need no sorting. MLflow's own queries stay as fast, which they would not with an
  // index on values of params or tags. Plain and ascending, so that MLflow's migrations keep it.
  "CREATE INDEX pulse_mlflow_runs_by_start ON runs (experiment_id, lifecycle_stage, start_time, run_uuid)",
  // Our own table. Because of a foreign table, MLflow up to 3.5 runs its upgrade on opening instead of refusing the
  // file.
  "CREATE TABLE pulse_mlflow_meta (key VARCHAR(250) NOT NULL PRIMARY KEY, value TEXT)",
];

/**
 * SQLite's statistics (table, index, rows and rows per distinct prefix) as ANALYZE finds them in a file with 1,000 runs.
 * Without statistics SQLite expects a handful of rows, and MLflow's search ordered by a metric scans all values of that
 * metric once per run: minutes for 20,000 runs. They are written at creation, since a connection that is open keeps the
 * plans it has made.
 */
const STATISTICS: readonly (readonly [table: string, index: string, counts: string])[] = [
  ["tags", "index_tags_run_uuid", "6000 6"],
  ["tags", "sqlite_autoindex_tags_1", "6000 1000 1"],
  ["runs", "pulse_mlflow_runs_by_start", "1000 1000 1000 1 1"],
  ["runs", "sqlite_autoindex_runs_1", "1000 1"],
  ["params", "index_params_run_uuid", "5000 5"],
  ["params", "sqlite_autoindex_params_1", "5000 1000 1"],
  ["metrics", "index_metrics_run_uuid", "80000 80"],
  ["metrics", "sqlite_autoindex_metrics_1", "80000 10000 1 1 1 1 1"],
  ["latest_metrics", "index_latest_metrics_run_uuid", "8000 8"],
  ["latest_metrics", "sqlite_autoindex_latest_metrics_1", "8000 1000 1"],
];

/** The columns we write, by table. `?` marks a column that not all schemas have. */
const FILLED: Record<string, readonly string[]> = {
  experiments: ["experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time?", "last_update_time?"],
  runs: [
    "run_uuid",
    "name",
    "source_type",
    "source_name",
    "entry_point_name",
    "user_id",
    "status",
    "start_time",
    "end_time",
    "source_version",
    "lifecycle_stage",
    "artifact_uri",
    "experiment_id",
  ],
  metrics: ["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
  latest_metrics: ["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
  params: ["key", "value", "run_uuid"],
  tags: ["key", "value", "run_uuid"],
  experiment_tags: ["key", "value", "experiment_id"],
};

/** The columns we write in tables that only newer schemas have. */
const INPUT_TABLES: Readonly<Record<string, readonly string[]>> = {
  datasets: [
    "dataset_uuid",
    "experiment_id",
    "name",
    "digest",
    "dataset_source_type",
    "dataset_source",
    "dataset_schema",
    "dataset_profile",
  ],
  inputs: ["input_uuid", "source_type", "source_id", "destination_type", "destination_id"],
  input_tags: ["input_uuid", "name", "value"],
};

/** The differences between MLflow's schemas that matter to the writer. */
export interface Schema {
  /** SQLite's schema counter, which every migration raises. */
  readonly version: number;
  /** Whether experiments have creation and update times (MLflow 1.29 and newer). */
  readonly experimentTimes: boolean;
  /** Whether experiments belong to a workspace (MLflow 3.10 and newer). */
  readonly workspaces: boolean;
  /** Whether there are tables for dataset inputs (MLflow 2.4 and newer). */
  readonly inputs: boolean;
}

/** Returns the names of the tables in a file; none for a new file. */
export function tableNames(db: Database): string[] {
  return db
    .prepare(`SELECT name FROM ${FILE}.sqlite_master WHERE type = 'table'`)
    .all()
    .map((row) => String(row["name"]));
}

/** Creates MLflow's tables, the Default experiment and our own table. The caller holds the transaction. */
export function createSchema(db: Database, defaultArtifactLocation: string, now: number): void {
  for (const statement of TABLES) db.exec(statement.replace(/^CREATE (TABLE|INDEX) /, `$&${FILE}.`));
  db.prepare("INSERT INTO alembic_version (version_num) VALUES (?)").run(REVISION);
  db.prepare("INSERT INTO pulse_mlflow_meta (key, value) VALUES ('created_by', 'pulse-mlflow')").run();
  db.exec(`ANALYZE ${FILE}.alembic_version`); // creates the table of statistics
  const statistics = db.prepare(`INSERT INTO ${FILE}.sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)`);
  for (const row of STATISTICS) statistics.run(...row);
  // Python code that sets no experiment writes into experiment 0.
  db.prepare(
    `INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
     VALUES (0, 'Default', ?, 'active', ?, ?)`,
  ).run(defaultArtifactLocation, now, now);
}

/**
 * Reads which columns exist, and rejects a file that this writer could not fill correctly.
 * @throws PulseError `STORE_BUSY`, `NOT_MLFLOW` or `SCHEMA_UNSUPPORTED`
 */
export function inspectSchema(db: Database, path: string): Schema {
  const tables = new Set(tableNames(db));
  const required = ["alembic_version", ...Object.keys(FILLED)];
  if (tables.has("experiments") && revision(db, tables) === NO_REVISION) {
    // MLflow creates its tables one by one and writes the revision last.
    throw new PulseError("STORE_BUSY", `${path} is incomplete: another program seems to be creating it right now.`);
  }
  if (!tables.has("experiments") || !tables.has("runs"))
    throw new PulseError("NOT_MLFLOW", `${path} is an SQLite database, but not an MLflow database.`);
  const unsupported = (what: string): PulseError =>
    new PulseError("SCHEMA_UNSUPPORTED", `${path} has MLflow schema ${revision(db, tables)}, ${what}.`);
  const missing = required.filter((table) => !tables.has(table));
  if (missing.length > 0) throw unsupported(`which lacks table ${missing.join(", ")}`);
  const present = new Set<string>();
  for (const [table, filled] of Object.entries(FILLED)) {
    const columns = db.prepare(`PRAGMA table_info(${table})`).all();
    const names = new Set(columns.map((column) => String(column["name"])));
    for (const name of names) present.add(`${table}.${name}`);
    const absent = filled.filter((name) => !name.endsWith("?") && !names.has(name));
    if (absent.length > 0) throw unsupported(`which lacks column ${table}.${absent.join(`, ${table}.`)}`);
    const ours = new Set(filled.map((name) => name.replace("?", "")));
    const unknown = columns.filter(
      (column) => column["notnull"] === 1 && column["dflt_value"] === null && !ours.has(String(column["name"])),
    );
    if (unknown.length > 0)
      throw unsupported(
        `whose column ${table}.${unknown.map((column) => column["name"]).join(", ")} is required but not known here`,
      );
  }
  return {
    version: Number(db.prepare(`PRAGMA ${FILE}.schema_version`).get()?.["schema_version"]),
    experimentTimes: present.has("experiments.creation_time") && present.has("experiments.last_update_time"),
    workspaces: present.has("experiments.workspace"),
    inputs: Object.entries(INPUT_TABLES).every(([table, filled]) => tables.has(table) && fills(db, table, filled)),
  };
}

/** Whether a table has these columns and requires no others. */
function fills(db: Database, table: string, filled: readonly string[]): boolean {
  const columns = db.prepare(`PRAGMA table_info(${table})`).all();
  const names = columns.map((column) => String(column["name"]));
  const open = columns
    .filter((column) => column["notnull"] === 1 && column["dflt_value"] === null)
    .map((column) => String(column["name"]));
  return filled.every((name) => names.includes(name)) && open.every((name) => filled.includes(name));
}

const NO_REVISION = "without a revision";

function revision(db: Database, tables: ReadonlySet<string>): string {
  const row = tables.has("alembic_version") ? db.prepare("SELECT version_num FROM alembic_version").get() : undefined;
  return row ? String(row["version_num"]) : NO_REVISION;
}
