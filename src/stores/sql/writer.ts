import { type ExperimentRef, LIMITS, type Metric, type Param, type Tag } from "../../entities.js";
import { PulseError } from "../../errors.js";
import { DONE, type Outcome, type RunChange, type RunEnd, type RunStart } from "../tracking-store.js";
import type { WriteItem } from "./apart.js";
import { type Database, real, type SqlValue, type Statement } from "./driver.js";
import type { Schema } from "./schema.js";

interface Experiment {
  readonly id: number;
  readonly artifactLocation: string;
}

/** ±Infinity as MLflow keeps it in a database. */
const LARGEST = 1.7976931348623157e308;

/** For a run whose process died: its end is no earlier than its last metric. */
const END_IF_RUNNING = `UPDATE runs SET status = ?, end_time = max(?, coalesce((SELECT max(timestamp) FROM latest_metrics WHERE run_uuid = ?), 0))
  WHERE run_uuid = ? AND status = 'RUNNING'`;

const finite = (value: number): number => (Number.isNaN(value) ? 0 : Math.max(-LARGEST, Math.min(LARGEST, value)));
const stored = (value: number): SqlValue => real(finite(value));

/** Writes run changes with prepared statements into one open database; the caller holds the transaction. */
export class SqlWriter {
  readonly #schema: Schema;
  readonly #locate: (experimentId: number) => string;
  readonly #now: () => number;
  readonly #sql: Record<"run" | "reopen" | "end" | "rename" | "stage" | "metric" | "latest" | "param" | "paramValue" | "tag", Statement>;
  readonly #experimentByName: Statement;
  readonly #experimentById: Statement;
  readonly #db: Database;
  /** Experiments seen in this transaction: another process may delete one between two. */
  readonly #experiments = new Map<string, Experiment | PulseError>();

  constructor(db: Database, schema: Schema, locate: (experimentId: number) => string, now: () => number) {
    this.#db = db;
    this.#schema = schema;
    this.#locate = locate;
    this.#now = now;
    this.#sql = {
      run: db.prepare(
        `INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
           source_version, lifecycle_stage, artifact_uri, experiment_id)
         VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', 'active', ?, ?) ON CONFLICT DO NOTHING`,
      ),
      reopen: db.prepare("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = ?"),
      end: db.prepare("UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?"),
      rename: db.prepare("UPDATE runs SET name = ? WHERE run_uuid = ?"),
      stage: db.prepare("SELECT lifecycle_stage, experiment_id FROM runs WHERE run_uuid = ?"),
      metric: db.prepare(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      ),
      // MLflow's UI and searches read only this table: it holds the row with the greatest (step, timestamp, value).
      latest: db.prepare(
        `INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) >= (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)`,
      ),
      param: db.prepare("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
      paramValue: db.prepare("SELECT value FROM params WHERE key = ? AND run_uuid = ?"),
      tag: db.prepare(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
      ),
    };
    const columns = "SELECT experiment_id, artifact_location, lifecycle_stage FROM experiments";
    this.#experimentByName = db.prepare(`${columns} WHERE name = ?${schema.workspaces ? " AND workspace = 'default'" : ""}`);
    this.#experimentById = db.prepare(`${columns} WHERE experiment_id = ?`);
  }

  /** Forgets what only holds within one transaction. */
  begin(): void {
    this.#experiments.clear();
  }

  /** Writes one change, its items each apart if need be; what it refuses as a whole, it refuses before anything of it is written. */
  write(change: RunChange, apart?: WriteItem): Outcome {
    const { runKey, create } = change;
    let done: Outcome = DONE;
    let ended = change.end === undefined;
    if (create && !create.resume) {
      const experiment = this.#experiment(change.experiment);
      if (experiment instanceof PulseError) return { kind: "rejected", error: experiment };
      ended = this.#create(runKey, create, experiment, change.end, apart);
      done = { kind: "done", ids: { runId: runKey, experimentId: String(experiment.id) } };
    } else {
      const row = this.#sql.stage.get(runKey);
      if (row === undefined && change.end?.ifRunning) return DONE; // it never was created
      if (row === undefined) return refusal("RUN_NOT_FOUND", `There is no run ${runKey} in this database.`);
      if (row["lifecycle_stage"] !== "active")
        return refusal("RUN_DELETED", `Run ${runKey} was deleted; what was logged into it since is not stored.`);
      if (create) {
        this.#sql.reopen.run(runKey);
        done = { kind: "done", ids: { runId: runKey, experimentId: String(row["experiment_id"]) } };
      }
    }
    const conflicts: string[] = [];
    const put = (param: Param): void => {
      if (!this.#param(runKey, param)) conflicts.push(param.key);
    };
    for (const param of change.params) {
      if (apart) apart("param", param, () => put(param));
      else put(param);
    }
    if (conflicts.length > 0) return { kind: "conflict", params: conflicts };
    for (const tag of change.tags) {
      if (apart) apart("tag", tag, () => this.#tag(runKey, tag));
      else this.#tag(runKey, tag);
    }
    if (apart) for (const metric of change.metrics) apart("metric", metric, () => this.#metrics(runKey, [metric]));
    else if (change.metrics.length > 0) this.#metrics(runKey, change.metrics);
    if (change.end && !ended) this.#end(runKey, change.end);
    return done;
  }

  #end(runKey: string, { status, endTime, ifRunning }: RunEnd): void {
    if (ifRunning) this.#db.prepare(END_IF_RUNNING).run(status, endTime, runKey, runKey);
    else this.#sql.end.run(status, endTime, runKey);
  }

  /** Creates a run, with its end when that is known already; false when the run was there and the end is still to be set. */
  #create(runKey: string, start: RunStart, experiment: Experiment, end: RunEnd | undefined, apart: WriteItem | undefined): boolean {
    const { changes } = this.#sql.run.run(
      runKey,
      start.name,
      start.userId,
      end?.status ?? "RUNNING",
      start.startTime,
      end?.endTime ?? null,
      `${experiment.artifactLocation}/${runKey}/artifacts`,
      experiment.id,
    );
    for (const tag of start.sourceTags) this.#put(runKey, tag, apart);
    this.#put(runKey, { key: "mlflow.runName", value: start.name }, apart);
    if (start.parentKey !== undefined) this.#put(runKey, { key: "mlflow.parentRunId", value: start.parentKey }, apart);
    return changes === 1;
  }

  /** A tag of a run's start. */
  #put(runKey: string, tag: Tag, apart: WriteItem | undefined): void {
    if (apart) apart("tag", tag, () => this.#put(runKey, tag, undefined));
    else this.#sql.tag.run(tag.key, tag.value, runKey);
  }

  /** Whether the param has this value now. */
  #param(runKey: string, { key, value }: Param): boolean {
    return this.#sql.param.run(key, value, runKey).changes !== 0 || this.#sql.paramValue.get(key, runKey)?.["value"] === value;
  }

  #tag(runKey: string, { key, value }: Tag): void {
    this.#sql.tag.run(key, value, runKey);
    // MLflow keeps a run's name twice and the two equal.
    if (key === "mlflow.runName") this.#sql.rename.run(value.slice(0, LIMITS.runName), runKey);
  }

  #metrics(runKey: string, metrics: readonly Metric[]): void {
    const { metric: insert, latest: upsert } = this.#sql;
    const latest = new Map<string, Metric>();
    for (const metric of metrics) {
      const { key, value, timestamp, step } = metric;
      // A column of integers takes any number, which MLflow then cannot read.
      if (!Number.isSafeInteger(step) || !Number.isSafeInteger(timestamp))
        throw new RangeError(`step ${step} and timestamp ${timestamp} must be integers`);
      insert.run(key, stored(value), timestamp, runKey, step, Number.isNaN(value) ? 1 : 0);
      const best = latest.get(key);
      if (best === undefined || !precedes(metric, best)) latest.set(key, metric);
    }
    for (const { key, value, timestamp, step } of latest.values()) {
      upsert.run(key, stored(value), timestamp, runKey, step, Number.isNaN(value) ? 1 : 0);
    }
  }

  #experiment(ref: ExperimentRef): Experiment | PulseError {
    const cacheKey = "id" in ref ? `id ${ref.id}` : `name ${ref.name}`;
    let experiment = this.#experiments.get(cacheKey);
    if (experiment === undefined) {
      experiment = this.#findExperiment(ref);
      this.#experiments.set(cacheKey, experiment);
    }
    return experiment;
  }

  #findExperiment(ref: ExperimentRef): Experiment | PulseError {
    const label = "id" in ref ? `with id ${ref.id}` : JSON.stringify(ref.name);
    const row = "id" in ref ? this.#experimentById.get(ref.id) : this.#experimentByName.get(ref.name);
    if (row?.["lifecycle_stage"] === "deleted") return new PulseError("EXPERIMENT_DELETED", `Experiment ${label} was deleted.`);
    if (row !== undefined) return { id: Number(row["experiment_id"]), artifactLocation: String(row["artifact_location"] ?? "") };
    if ("id" in ref) return new PulseError("EXPERIMENT_NOT_FOUND", `There is no experiment ${label} in this database.`);
    return this.#createExperiment(ref.name);
  }

  #createExperiment(name: string): Experiment {
    const now = this.#now();
    const { lastInsertRowid } = this.#schema.experimentTimes
      ? this.#db
          .prepare("INSERT INTO experiments (name, lifecycle_stage, creation_time, last_update_time) VALUES (?, 'active', ?, ?)")
          .run(name, now, now)
      : this.#db.prepare("INSERT INTO experiments (name, lifecycle_stage) VALUES (?, 'active')").run(name);
    const id = Number(lastInsertRowid);
    const artifactLocation = this.#locate(id);
    this.#db.prepare("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?").run(artifactLocation, id);
    return { id, artifactLocation };
  }
}

/** Whether `a` comes before `b` in MLflow's order of what is latest: step, timestamp, value. */
function precedes(a: Metric, b: Metric): boolean {
  if (a.step !== b.step) return a.step < b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp;
  return finite(a.value) < finite(b.value);
}

function refusal(code: "RUN_NOT_FOUND" | "RUN_DELETED", detail: string): Outcome {
  return { kind: "rejected", error: new PulseError(code, detail) };
}
