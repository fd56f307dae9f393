import { systemClock } from "../../base/clock.js";
import {
  checkExperimentEdit,
  type ExperimentEdit,
  type NewExperiment,
  nameTaken,
  noSuchExperiment,
  noSuchRun,
  noSuchTag,
  type RunEdit,
  runIsDeleted,
} from "../../contracts/store-reader.js";
import type { Database, Statement } from "./driver.js";
import type { Schema } from "./schema.js";
import { type StatementName, statements } from "./statements.js";

/** The tag that repeats a run's name. */
const RUN_NAME = "mlflow.runName";

/** An administrator's changes of a database. The caller holds the transaction. */
export class Administration {
  readonly #db: Database;
  readonly #schema: Schema;
  readonly #uri: string;

  constructor(db: Database, schema: Schema, uri: string) {
    this.#db = db;
    this.#schema = schema;
    this.#uri = uri;
  }

  /** Creates an experiment; returns its id. */
  createExperiment({ name, artifactLocation, tags }: NewExperiment, locate: (id: number) => string): string {
    this.#needFree(name);
    const now = systemClock.now();
    const times = this.#schema.experimentTimes ? [now, now] : [];
    const id = Number(this.#of("addExperiment").run(name, ...times).lastInsertRowid);
    this.#of("locateExperiment").run(artifactLocation ?? locate(id), id);
    for (const { key, value } of tags) this.#of("putExperimentTag").run(key, value, id);
    return String(id);
  }

  /** Changes an experiment. Its runs are deleted and restored with it, as in MLflow. */
  editExperiment(experimentId: string, edit: ExperimentEdit): void {
    const found = this.#db
      .prepare("SELECT name, lifecycle_stage FROM experiments WHERE CAST(experiment_id AS TEXT) = ?")
      .get(experimentId);
    if (found === undefined) throw noSuchExperiment(experimentId, this.#uri);
    checkExperimentEdit(experimentId, found["lifecycle_stage"] === "deleted", edit, this.#uri);
    const set = (column: string, value: string | number): unknown =>
      this.#db.prepare(`UPDATE experiments SET ${column} = ? WHERE experiment_id = ?`).run(value, experimentId);
    const now = systemClock.now();
    switch (edit.kind) {
      case "setTag":
        this.#of("putExperimentTag").run(edit.tag.key, edit.tag.value, experimentId);
        break;
      case "rename":
        if (edit.name !== found["name"]) this.#needFree(edit.name);
        set("name", edit.name);
        break;
      default:
        set("lifecycle_stage", edit.kind === "delete" ? "deleted" : "active");
        this.#stageRuns("experiment_id", experimentId, edit.kind);
    }
    if (this.#schema.experimentTimes) set("last_update_time", now);
  }

  /** Changes a run. */
  editRun(runId: string, edit: RunEdit): void {
    const run = this.#of("runState").get(runId);
    if (run === undefined) throw noSuchRun(runId, this.#uri);
    if (edit.kind === "delete" || edit.kind === "restore") {
      this.#stageRuns("run_uuid", runId, edit.kind);
      return;
    }
    if (run["lifecycle_stage"] === "deleted") throw runIsDeleted(runId);
    switch (edit.kind) {
      case "setTag":
        this.#of("putTag").run(edit.tag.key, edit.tag.value, runId);
        if (edit.tag.key === RUN_NAME) this.#of("renameRun").run(edit.tag.value, runId);
        return;
      case "deleteTag": {
        const { changes } = this.#db.prepare("DELETE FROM tags WHERE run_uuid = ? AND key = ?").run(runId, edit.key);
        if (Number(changes) === 0) throw noSuchTag(runId, edit.key);
        return;
      }
      default:
        this.#db
          .prepare("UPDATE runs SET status = coalesce(?, status), end_time = coalesce(?, end_time) WHERE run_uuid = ?")
          .run(edit.status ?? null, edit.endTime ?? null, runId);
        if (edit.runName === undefined) return;
        this.#of("renameRun").run(edit.runName, runId);
        this.#of("putTag").run(RUN_NAME, edit.runName, runId);
    }
  }

  #stageRuns(column: "run_uuid" | "experiment_id", id: string, kind: "delete" | "restore"): void {
    const [stage, deleted] = kind === "delete" ? ["deleted", systemClock.now()] : ["active", null];
    this.#db
      .prepare(`UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE ${column} = ?`)
      .run(stage as string, deleted as number | null, id);
  }

  #needFree(name: string): void {
    if (this.#of("experimentByName").get(name) !== undefined) throw nameTaken(name);
  }

  /** The statements are those of the writer. */
  #of(name: StatementName): Statement {
    return this.#db.prepare(statements(this.#schema)[name]);
  }
}
