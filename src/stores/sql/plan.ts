import type { DatasetInput, ExperimentRef, Metric, Param, Tag } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { LIMITS } from "../../base/text/limits.js";
import { refusedTags } from "../../contracts/refused-tags.js";
import {
  DONE,
  type Outcome,
  type RefusedItems,
  type RunChange,
  type RunEnd,
  type RunStart,
} from "../../contracts/tracking-store.js";
import type { Schema } from "./schema.js";
import type { SqlRow, SqlValue } from "./sql-values.js";
import type { StatementName } from "./statements.js";

/** One step for an executor. */
export type Step =
  /** Run a statement with each row; no answer. */
  | { readonly kind: "write"; readonly statement: StatementName; readonly rows: readonly (readonly SqlValue[])[] }
  /** Run it with the first row; the answer is the number of changed rows. */
  | { readonly kind: "count"; readonly statement: StatementName; readonly rows: readonly (readonly SqlValue[])[] }
  /** Run it with the first row; the answer is the row found, or undefined. */
  | { readonly kind: "read"; readonly statement: StatementName; readonly rows: readonly (readonly SqlValue[])[] }
  /** Run a sub-plan for one item in a savepoint, so that a refusal does not affect the others. */
  | {
      readonly kind: "item";
      readonly what: RefusedItems["what"];
      readonly item: { readonly key: string };
      readonly plan: Plan<void>;
    };

/** A sequence of steps, each of which may depend on earlier answers. The executor drives it, synchronously or not. */
export type Plan<R> = Generator<Step, R, number | SqlRow | undefined>;

/** Dependencies of a plan. */
export interface PlanOptions {
  readonly schema: Pick<Schema, "experimentTimes" | "inputs">;
  /** Returns the artifact location of a new experiment. */
  readonly locate: (experimentId: number) => string;
  readonly now: () => number;
  /** Returns a unique id of 32 hex digits. */
  readonly id: () => string;
  /** Converts a finite double to the form that the driver binds correctly. */
  readonly double: (value: number) => SqlValue;
}

interface Experiment {
  readonly id: number;
  readonly artifactLocation: string;
}

/** How MLflow stores ±Infinity in a database. */
const LARGEST = 1.7976931348623157e308;
const finite = (value: number): number => (Number.isNaN(value) ? 0 : Math.max(-LARGEST, Math.min(LARGEST, value)));

/** Plans how to write run changes into MLflow's tables, independently of a driver. */
export class Planner {
  readonly #options: PlanOptions;
  /** Experiments seen in this transaction only, since another process may delete one between two. */
  readonly #experiments = new Map<string, Experiment | PulseError>();

  constructor(options: PlanOptions) {
    this.#options = options;
  }

  /** Drops what is only valid within one transaction. */
  begin(): void {
    this.#experiments.clear();
  }

  /**
   * Writes one change, with `apart` item by item. A change that is refused as a whole is refused before anything of it
   * is written.
   */
  *write(change: RunChange, apart: boolean): Plan<Outcome> {
    const { runKey, create, params, tags, metrics, inputs, end } = change;
    let done: Outcome & { kind: "done" } = DONE;
    let experimentId: unknown;
    let ended = end === undefined;
    if (create && !create.resume) {
      const experiment =
        this.#experiments.get(cacheKey(change.experiment)) ?? (yield* this.#experiment(change.experiment));
      if (experiment instanceof PulseError) return { kind: "rejected", error: experiment };
      const added = yield addRun(runKey, create, experiment, end);
      if (added === 1) ended = true; // otherwise the run existed, and its end still has to be set
      if (apart)
        for (const tag of startTags(create))
          yield { kind: "item", what: "tag", item: tag, plan: once(putTags(runKey, [tag])) };
      else yield putTags(runKey, startTags(create));
      experimentId = experiment.id;
      done = { kind: "done", ids: { runId: runKey, experimentId: String(experiment.id) } };
    } else {
      const row = (yield { kind: "read", statement: "runState", rows: [[runKey]] }) as SqlRow | undefined;
      if (row === undefined && end?.ifRunning) return DONE; // it was never created
      if (row === undefined) return refusal("RUN_NOT_FOUND", `There is no run ${runKey} in this database.`);
      if (row["lifecycle_stage"] !== "active")
        return refusal("RUN_DELETED", `Run ${runKey} was deleted; data logged into it since then is not stored.`);
      experimentId = row["experiment_id"];
      if (create) yield { kind: "write", statement: "reopenRun", rows: [[runKey]] };
      // Also returned to a caller that does not know whether the run of a dead program was created.
      if (create || (end?.ifRunning && change.ids === undefined)) {
        done = { kind: "done", ids: { runId: runKey, experimentId: String(row["experiment_id"]) } };
      }
    }
    if (params.length > 0) {
      const conflicts: string[] = [];
      for (const param of params) {
        if (apart) yield { kind: "item", what: "param", item: param, plan: checkedParam(runKey, param, conflicts) };
        else if ((yield addParam(runKey, param)) === 0) yield* compareParam(runKey, param, conflicts);
      }
      if (conflicts.length > 0) return { kind: "conflict", params: conflicts };
    }
    if (apart) {
      for (const tag of tags) yield { kind: "item", what: "tag", item: tag, plan: namedTags(runKey, [tag]) };
      for (const metric of metrics)
        yield { kind: "item", what: "metric", item: metric, plan: this.#metricApart(runKey, metric) };
    } else {
      if (tags.length > 0) yield* namedTags(runKey, tags);
      if (metrics.length > 0) {
        const rows = metrics.map((metric) => this.#metricRow(runKey, metric));
        yield { kind: "write", statement: "addMetric", rows };
        yield { kind: "write", statement: "putLatest", rows: latestOf(metrics, rows) };
      }
    }
    if (inputs.length > 0 && !this.#options.schema.inputs) {
      const refused = inputs.map(withoutTables);
      yield putTags(runKey, refusedTags(refused));
      done = { ...done, refused };
    } else
      for (const input of inputs) {
        const plan = this.#input(runKey, Number(experimentId), input);
        if (apart) yield { kind: "item", what: "input", item: inputItem(input), plan };
        else yield* plan;
      }
    if (end && !ended) yield endRun(runKey, end);
    return done;
  }

  /** Records the use of a dataset. The tags of the first use are kept, as in MLflow. */
  *#input(runKey: string, experimentId: number, input: DatasetInput): Plan<void> {
    const { name, digest, sourceType, source, schema, profile, tags } = input;
    const dataset = [
      this.#options.id(),
      experimentId,
      name,
      digest,
      sourceType,
      source,
      schema ?? null,
      profile ?? null,
    ];
    yield { kind: "write", statement: "addDataset", rows: [dataset] };
    const row = (yield { kind: "read", statement: "datasetId", rows: [[experimentId, name, digest]] }) as
      | SqlRow
      | undefined;
    const inputId = this.#options.id();
    const added = yield {
      kind: "count",
      statement: "addInput",
      rows: [[inputId, String(row?.["dataset_uuid"]), runKey]],
    };
    if (added === 1)
      yield { kind: "write", statement: "addInputTag", rows: tags.map(({ key, value }) => [inputId, key, value]) };
  }

  *#metricApart(runKey: string, metric: Metric): Plan<void> {
    const rows = [this.#metricRow(runKey, metric)];
    yield { kind: "write", statement: "addMetric", rows };
    yield { kind: "write", statement: "putLatest", rows };
  }

  #metricRow(runKey: string, { key, value, timestamp, step }: Metric): SqlValue[] {
    // SQLite stores any number in an integer column, but MLflow could not read it.
    if (!Number.isSafeInteger(step) || !Number.isSafeInteger(timestamp))
      throw new RangeError(`step ${step} and timestamp ${timestamp} must be integers`);
    return [key, this.#options.double(finite(value)), timestamp, runKey, step, Number.isNaN(value) ? 1 : 0];
  }

  *#experiment(given: ExperimentRef): Plan<Experiment | PulseError> {
    let ref = given;
    if (given.of !== undefined) {
      const run = (yield { kind: "read", statement: "runState", rows: [[given.of]] }) as SqlRow | undefined;
      if (run?.["lifecycle_stage"] === "active") ref = { id: String(run["experiment_id"]) };
    }
    const label = "id" in ref ? `with id ${ref.id}` : JSON.stringify(ref.name);
    const [statement, value] =
      "id" in ref ? (["experimentById", ref.id] as const) : (["experimentByName", ref.name] as const);
    const read: Step = { kind: "read", statement, rows: [[value]] };
    let row = (yield read) as SqlRow | undefined;
    let found: Experiment | PulseError;
    if (row?.["lifecycle_stage"] === "deleted")
      found = new PulseError("EXPERIMENT_DELETED", `Experiment ${label} was deleted.`);
    else if (row !== undefined)
      found = { id: Number(row["experiment_id"]), artifactLocation: String(row["artifact_location"] ?? "") };
    else if ("id" in ref)
      found = new PulseError("EXPERIMENT_NOT_FOUND", `There is no experiment ${label} in this database.`);
    else {
      const now = this.#options.now();
      const times = this.#options.schema.experimentTimes ? [now, now] : [];
      yield { kind: "write", statement: "addExperiment", rows: [[ref.name, ...times]] };
      row = (yield read) as SqlRow;
      const id = Number(row["experiment_id"]);
      const artifactLocation = this.#options.locate(id);
      yield { kind: "write", statement: "locateExperiment", rows: [[artifactLocation, id]] };
      found = { id, artifactLocation };
    }
    if ("name" in ref && ref.tags && !(found instanceof PulseError)) {
      const { id } = found;
      yield { kind: "write", statement: "putExperimentTag", rows: ref.tags.map(({ key, value }) => [key, value, id]) };
    }
    this.#experiments.set(cacheKey(given), found);
    return found;
  }
}

/** The refusable item of a dataset input. */
export const inputItem = ({ name, digest }: DatasetInput): { key: string; digest: string } => ({ key: name, digest });

function withoutTables({ name }: DatasetInput): RefusedItems {
  const detail = `Dataset ${JSON.stringify(name)} is not stored: this database was made by MLflow before 2.4, which has no tables for datasets. Everything else is.`;
  return { what: "input", key: name, items: 1, error: new PulseError("REJECTED", detail) };
}

const cacheKey = (ref: ExperimentRef): string =>
  ref.of !== undefined ? `of ${ref.of}` : "id" in ref ? `id ${ref.id}` : `name ${ref.name}`;

/** Creates a run, with its end if already known. */
function addRun(runKey: string, start: RunStart, experiment: Experiment, end: RunEnd | undefined): Step {
  const artifacts = `${experiment.artifactLocation}/${runKey}/artifacts`;
  const status = end?.status ?? "RUNNING";
  const row = [
    runKey,
    start.name,
    start.userId,
    status,
    start.startTime,
    end?.endTime ?? null,
    artifacts,
    experiment.id,
  ];
  return { kind: "count", statement: "addRun", rows: [row] };
}

function endRun(runKey: string, { status, endTime, ifRunning }: RunEnd): Step {
  return ifRunning
    ? { kind: "write", statement: "endRunIfRunning", rows: [[status, endTime, runKey, runKey]] }
    : { kind: "write", statement: "endRun", rows: [[status, endTime, runKey]] };
}

/** Returns the tags of a run's start. */
function startTags({ sourceTags, name, parentKey }: RunStart): Tag[] {
  const tags = [...sourceTags, { key: "mlflow.runName", value: name }];
  if (parentKey !== undefined) tags.push({ key: "mlflow.parentRunId", value: parentKey });
  return tags;
}

function* once(step: Step): Plan<void> {
  yield step;
}

function putTags(runKey: string, tags: readonly Tag[]): Step {
  return { kind: "write", statement: "putTag", rows: tags.map(({ key, value }) => [key, value, runKey]) };
}

/** Sets tags recorded by the user. MLflow stores a run's name twice and keeps both equal. */
function* namedTags(runKey: string, tags: readonly Tag[]): Plan<void> {
  yield putTags(runKey, tags);
  const name = tags.findLast(({ key }) => key === "mlflow.runName")?.value;
  if (name !== undefined)
    yield { kind: "write", statement: "renameRun", rows: [[name.slice(0, LIMITS.runName), runKey]] };
}

function addParam(runKey: string, { key, value }: Param): Step {
  return { kind: "count", statement: "addParam", rows: [[key, value, runKey]] };
}

/** Adds a param; an existing one with another value is a conflict. */
function* checkedParam(runKey: string, param: Param, conflicts: string[]): Plan<void> {
  if ((yield addParam(runKey, param)) === 0) yield* compareParam(runKey, param, conflicts);
}

function* compareParam(runKey: string, { key, value }: Param, conflicts: string[]): Plan<void> {
  const row = (yield { kind: "read", statement: "paramValue", rows: [[key, runKey]] }) as SqlRow | undefined;
  if (row?.["value"] !== value) conflicts.push(key);
}

/** Up to this many values, comparing them pairwise is faster than a map. */
const FEW = 6;

/** Returns the rows of the latest value of each key. */
function latestOf(metrics: readonly Metric[], rows: readonly SqlValue[][]): readonly SqlValue[][] {
  if (metrics.length <= FEW && areDistinct(metrics)) return rows;
  const latest = new Map<string, number>();
  for (let i = 0; i < metrics.length; i++) {
    const metric = metrics[i] as Metric;
    const best = latest.get(metric.key);
    if (best === undefined || !precedes(metric, metrics[best] as Metric)) latest.set(metric.key, i);
  }
  return Array.from(latest.values(), (i) => rows[i] as SqlValue[]);
}

function areDistinct(metrics: readonly Metric[]): boolean {
  for (let i = 1; i < metrics.length; i++)
    for (let j = 0; j < i; j++) if (metrics[i]?.key === metrics[j]?.key) return false;
  return true;
}

/** Whether `a` precedes `b` in MLflow's order: step, timestamp, value. */
function precedes(a: Metric, b: Metric): boolean {
  if (a.step !== b.step) return a.step < b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp < b.timestamp;
  return finite(a.value) < finite(b.value);
}

function refusal(code: "RUN_NOT_FOUND" | "RUN_DELETED", detail: string): Outcome {
  return { kind: "rejected", error: new PulseError(code, detail) };
}
