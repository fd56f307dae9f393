/** The final status of a run, in MLflow's terms. Once set, it never changes. */
export type TerminalStatus = "FINISHED" | "FAILED" | "KILLED";

/** One value in the history of a metric. */
export interface Metric {
  readonly key: string;
  /** Any double. NaN and the infinities are stored the way MLflow stores them. */
  readonly value: number;
  /** Milliseconds since the epoch, set when the value is recorded. */
  readonly timestamp: number;
  /** An integer. @default one more than the highest step of this run and key so far */
  readonly step: number;
}

/** A parameter of a run. Written once: the first value is kept. */
export interface Param {
  readonly key: string;
  readonly value: string;
}

/** A tag of a run. The last value wins. */
export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** A dataset that a run used. Within an experiment, name and digest identify it. */
export interface DatasetInput {
  /** At most 500 characters. */
  readonly name: string;
  /** Identifies the contents, at most 36 characters. */
  readonly digest: string;
  /** The kind of source, such as `local`, `s3` or `http`. */
  readonly sourceType: string;
  /** The source, as JSON. */
  readonly source: string;
  /** Columns or tensors, as JSON. */
  readonly schema: string | undefined;
  /** Statistics, as JSON. */
  readonly profile: string | undefined;
  /** Tags of this use of the dataset; `mlflow.data.context` is its purpose. */
  readonly tags: readonly Tag[];
}

/**
 * The experiment a run belongs to: a name (created if it does not exist; `tags` are set on it once) or the id of an
 * existing experiment. If `of` is set, it is the experiment of the run with that id in the store; name or id only apply
 * if that run does not exist or is deleted.
 */
export type ExperimentRef = ({ readonly name: string; readonly tags?: readonly Tag[] } | { readonly id: string }) & {
  readonly of?: string | undefined;
};

/** @internal Names an experiment in messages. */
export const experimentLabel = (ref: ExperimentRef): string =>
  ref.of !== undefined ? `of run ${ref.of}` : "id" in ref ? `with id ${ref.id}` : JSON.stringify(ref.name);

/** The status of a run, in MLflow's terms. `SCHEDULED` comes from MLflow projects only. */
export type RunStatus = "RUNNING" | "SCHEDULED" | TerminalStatus;

/** What is listed: what is in use, what was deleted and can be restored, or both. */
export type ViewType = "active" | "deleted" | "all";

/** A run as `MlflowClient` reads it. */
export interface MlflowRun {
  readonly runId: string;
  readonly runName: string;
  readonly experimentId: string;
  readonly status: RunStatus;
  readonly startTime: Date;
  /** Undefined while the run is open. */
  readonly endTime: Date | undefined;
  readonly userId: string;
  readonly lifecycleStage: "active" | "deleted";
  /** The root of its files. */
  readonly artifactUri: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** The latest value of each metric: that with the highest step, then the latest time. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The datasets it used. */
  readonly inputs: readonly DatasetInput[];
}

/** An experiment as `MlflowClient` reads it. */
export interface MlflowExperiment {
  readonly experimentId: string;
  readonly name: string;
  /** Where the files of its runs go. */
  readonly artifactLocation: string;
  readonly lifecycleStage: "active" | "deleted";
  /** Undefined if a version of MLflow before 1.29 created it. */
  readonly creationTime: Date | undefined;
  readonly lastUpdateTime: Date | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** One value of a metric's history together with its place in it. */
export type MetricPoint = Omit<Metric, "key">;

/** A metric of a run, summed up. Values that are NaN count, but are none of `min`, `max` and `first`. */
export interface MetricSummary {
  readonly key: string;
  /** How many values were logged. */
  readonly count: number;
  /** The value with the lowest step, at the earliest time; undefined if all are NaN. */
  readonly first: MetricPoint | undefined;
  /** The latest value, as in `MlflowRun.metrics`. */
  readonly last: MetricPoint;
  /** The lowest value, where it was reached first; undefined if all are NaN. */
  readonly min: MetricPoint | undefined;
  /** The highest value, where it was reached first; undefined if all are NaN. */
  readonly max: MetricPoint | undefined;
}
