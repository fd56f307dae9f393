/** A status that ends a run, in MLflow's words; once set it never changes again. */
export type TerminalStatus = "FINISHED" | "FAILED" | "KILLED";

/** One point of one metric's history. */
export interface Metric {
  readonly key: string;
  /** Any double; NaN and the infinities are stored the way MLflow stores them. */
  readonly value: number;
  /** Milliseconds since the epoch, fixed once when the value is recorded. */
  readonly timestamp: number;
  /** Integer; by default the highest step so far of this run and key, plus one. */
  readonly step: number;
}

/** A run's parameter: written once, the first value stays. */
export interface Param {
  readonly key: string;
  readonly value: string;
}

/** A run's tag: the last value stays. */
export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** A dataset that a run has used. A name and a digest are one dataset of an experiment. */
export interface DatasetInput {
  /** At most 500 characters. */
  readonly name: string;
  /** What tells its contents from others, at most 36 characters. */
  readonly digest: string;
  /** What kind of place it comes from, such as `local`, `s3` or `http`. */
  readonly sourceType: string;
  /** Where it comes from, as JSON. */
  readonly source: string;
  /** Its columns or tensors, as JSON. */
  readonly schema: string | undefined;
  /** What it looks like, as JSON. */
  readonly profile: string | undefined;
  /** What is said of this use of it; `mlflow.data.context` says what it was used for. */
  readonly tags: readonly Tag[];
}

/**
 * The experiment a run goes to: by name (made when absent; tags, when there are some, are set once) or by the id of an
 * existing one. With `of` it is the one that the run with this id in the store is in, whatever is said beside it, which
 * holds only where there is no such run, or a deleted one.
 */
export type ExperimentRef = ({ readonly name: string; readonly tags?: readonly Tag[] } | { readonly id: string }) & {
  readonly of?: string | undefined;
};

/** @internal An experiment's name, or what is said in its place, for messages. */
export const experimentLabel = (ref: ExperimentRef): string =>
  ref.of !== undefined ? `of run ${ref.of}` : "id" in ref ? `with id ${ref.id}` : JSON.stringify(ref.name);
