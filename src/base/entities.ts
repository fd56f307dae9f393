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
