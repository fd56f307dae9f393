import type {
  Metric,
  MetricSummary,
  MlflowExperiment,
  MlflowRun,
  Tag,
  TerminalStatus,
  ViewType,
} from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import type { Page, RunSearchRequest, SearchRequest } from "../search/request.js";

/** @internal A change of a run by an administrator. */
export type RunEdit =
  | { readonly kind: "setTag"; readonly tag: Tag }
  | { readonly kind: "deleteTag"; readonly key: string }
  | {
      readonly kind: "update";
      readonly status: "RUNNING" | TerminalStatus | undefined;
      readonly endTime: number | undefined;
      readonly runName: string | undefined;
    }
  | { readonly kind: "delete" }
  | { readonly kind: "restore" };

/** @internal A change of an experiment by an administrator. */
export type ExperimentEdit =
  | { readonly kind: "rename"; readonly name: string }
  | { readonly kind: "setTag"; readonly tag: Tag }
  | { readonly kind: "delete" }
  | { readonly kind: "restore" };

/** @internal What a new experiment is made from. */
export interface NewExperiment {
  readonly name: string;
  readonly artifactLocation: string | undefined;
  readonly tags: readonly Tag[];
}

/**
 * @internal Reads and administers what a store holds, for `MlflowClient`. Rejects with `RUN_NOT_FOUND` and `EXPERIMENT_NOT_FOUND`
 * if what is changed, or whose history is read, does not exist.
 */
export interface StoreReader {
  experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined>;
  experiments(search: SearchRequest): Promise<Page<MlflowExperiment>>;
  run(runId: string): Promise<MlflowRun | undefined>;
  runs(search: RunSearchRequest): Promise<Page<MlflowRun>>;
  /**
   * The values of a metric by timestamp, step and value, as in MLflow. If `maxPoints` is given and there are more, they
   * are thinned out: the highest and lowest of each part of the steps stay, and so do the first and the last.
   */
  history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]>;
  /** Sums up the metrics of a run; `key`: only this one. */
  summaries(runId: string, key?: string): Promise<MetricSummary[]>;
  /** Returns the id of the new experiment. */
  createExperiment(experiment: NewExperiment): Promise<string>;
  editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void>;
  editRun(runId: string, edit: RunEdit): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** @internal Creates the error for a run that a store does not have. */
export const noSuchRun = (runId: string, uri: string): PulseError =>
  new PulseError("RUN_NOT_FOUND", `There is no run ${JSON.stringify(runId)} in ${uri}.`);

/** @internal Creates the error for an experiment that a store does not have. */
export const noSuchExperiment = (experimentId: string, uri: string, stage?: "active" | "deleted"): PulseError =>
  new PulseError(
    "EXPERIMENT_NOT_FOUND",
    `There is no ${stage === undefined ? "" : `${stage} `}experiment with id ${JSON.stringify(experimentId)} in ${uri}.`,
  );

/** @internal Creates the error for a change of a deleted run. */
export const runIsDeleted = (runId: string): PulseError => new PulseError("RUN_DELETED", `Run ${runId} was deleted.`);

/**
 * @internal Checks a change of an experiment as MLflow does: only active ones are renamed, tagged and deleted, and only
 * deleted ones restored.
 * @throws PulseError `EXPERIMENT_NOT_FOUND`, `REJECTED`
 */
export function checkExperimentEdit(experimentId: string, isDeleted: boolean, edit: ExperimentEdit, uri: string): void {
  if (edit.kind === "delete" || edit.kind === "restore") {
    if (isDeleted === (edit.kind === "delete"))
      throw noSuchExperiment(experimentId, uri, edit.kind === "delete" ? "active" : "deleted");
  } else if (isDeleted)
    throw new PulseError("REJECTED", `Experiment ${experimentId} in ${uri} was deleted; restore it first.`);
}

/** @internal Creates the error for an experiment's name that is in use. */
export const nameTaken = (name: string): PulseError =>
  new PulseError("REJECTED", `There is an experiment ${JSON.stringify(name)} already, possibly a deleted one.`);

/** @internal Creates the error for a tag to delete that a run does not have. */
export const noSuchTag = (runId: string, key: string): PulseError =>
  new PulseError("REJECTED", `Run ${runId} has no tag ${JSON.stringify(key)}.`);

/** @internal Whether something is listed. */
export const isListed = (viewType: ViewType, { lifecycleStage }: { readonly lifecycleStage: string }): boolean =>
  viewType === "all" || viewType === lifecycleStage;
