import { systemClock } from "../base/clock.js";
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun } from "../base/entities.js";
import {
  checkExperimentEdit,
  type ExperimentEdit,
  isListed,
  type NewExperiment,
  nameTaken,
  noSuchExperiment,
  noSuchRun,
  noSuchTag,
  type RunEdit,
  runIsDeleted,
  type StoreReader,
} from "../contracts/store-reader.js";
import { experimentKey, matchesExperiment, matchesRun, runKey } from "../search/evaluate.js";
import { pageOf } from "../search/page.js";
import { byTime, isLater, summaryOf, thinned } from "../search/points.js";
import type { Page, RunSearchRequest, SearchRequest } from "../search/request.js";
import type { MemoryStore } from "./memory-store.js";
import type { StoredExperiment, StoredRun } from "./stored-run.js";

/** Reads and administers a store in memory. */
export class MemoryReader implements StoreReader {
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  async experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined> {
    return this.#experiments().find(({ experimentId, name }) =>
      "id" in by ? experimentId === by.id : name === by.name,
    );
  }

  async experiments(search: SearchRequest): Promise<Page<MlflowExperiment>> {
    const found = this.#experiments().filter(
      (experiment) => isListed(search.viewType, experiment) && matchesExperiment(search.filter, experiment),
    );
    return pageOf(found, search, experimentKey);
  }

  async run(runId: string): Promise<MlflowRun | undefined> {
    const run = this.#store.runs.get(runId);
    return run && plainRun(run);
  }

  async runs(search: RunSearchRequest): Promise<Page<MlflowRun>> {
    const found: MlflowRun[] = [];
    for (const stored of this.#store.runs.values()) {
      if (!search.experimentIds.includes(stored.experimentId)) continue;
      const run = plainRun(stored);
      if (isListed(search.viewType, run) && matchesRun(search.filter, run)) found.push(run);
    }
    return pageOf(found, search, runKey);
  }

  async history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]> {
    const points = this.#run(runId).metrics.get(key) ?? [];
    return maxPoints === undefined ? [...points].sort(byTime) : thinned(points, maxPoints);
  }

  async summaries(runId: string, only?: string): Promise<MetricSummary[]> {
    return [...this.#run(runId).metrics].flatMap(([key, points]) =>
      only === undefined || key === only ? summaryOf(key, points) : [],
    );
  }

  async createExperiment({ name, artifactLocation, tags }: NewExperiment): Promise<string> {
    this.#needFree(name);
    const experiment = this.#store.addExperiment(name, artifactLocation);
    for (const { key, value } of tags) experiment.tags.set(key, value);
    return experiment.id;
  }

  async editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void> {
    const found = [...this.#store.experiments.values()].find(({ id }) => id === experimentId);
    if (found === undefined) throw noSuchExperiment(experimentId, this.#store.uri);
    checkExperimentEdit(experimentId, found.deleted, edit, this.#store.uri);
    const now = systemClock.now();
    if (edit.kind === "setTag") found.tags.set(edit.tag.key, edit.tag.value);
    else if (edit.kind === "rename") {
      if (edit.name !== found.name) this.#needFree(edit.name);
      this.#store.experiments.delete(found.name);
      found.name = edit.name;
      this.#store.experiments.set(found.name, found);
    } else {
      found.deleted = edit.kind === "delete";
      for (const run of this.#store.runs.values()) if (run.experimentId === experimentId) run.deleted = found.deleted;
    }
    found.updated = now;
  }

  async editRun(runId: string, edit: RunEdit): Promise<void> {
    const run = this.#run(runId);
    if (run.deleted && edit.kind !== "delete" && edit.kind !== "restore") throw runIsDeleted(runId);
    switch (edit.kind) {
      case "setTag":
        run.tags.set(edit.tag.key, edit.tag.value);
        if (edit.tag.key === "mlflow.runName") run.name = edit.tag.value;
        return;
      case "deleteTag":
        if (!run.tags.delete(edit.key)) throw noSuchTag(runId, edit.key);
        return;
      case "update":
        run.status = edit.status ?? run.status;
        run.endTime = edit.endTime ?? run.endTime;
        if (edit.runName === undefined) return;
        run.name = edit.runName;
        run.tags.set("mlflow.runName", edit.runName);
        return;
      default:
        run.deleted = edit.kind === "delete";
    }
  }

  async close(): Promise<void> {}

  #experiments(): MlflowExperiment[] {
    return [...this.#store.experiments.values()].map(plainExperiment);
  }

  #run(runId: string): StoredRun {
    const run = this.#store.runs.get(runId);
    if (run === undefined) throw noSuchRun(runId, this.#store.uri);
    return run;
  }

  #needFree(name: string): void {
    if (this.#store.experiments.has(name)) throw nameTaken(name);
  }
}

function plainExperiment(experiment: StoredExperiment): MlflowExperiment {
  return {
    experimentId: experiment.id,
    name: experiment.name,
    artifactLocation: experiment.artifactLocation,
    lifecycleStage: experiment.deleted ? "deleted" : "active",
    creationTime: new Date(experiment.created),
    lastUpdateTime: new Date(experiment.updated),
    tags: Object.fromEntries(experiment.tags),
  };
}

function plainRun(run: StoredRun): MlflowRun {
  const metrics = new Map<string, number>();
  for (const [key, points] of run.metrics) {
    let last = points[0] as Metric;
    for (const point of points) if (isLater(point, last)) last = point;
    metrics.set(key, last.value);
  }
  return {
    runId: run.runId,
    runName: run.name,
    experimentId: run.experimentId,
    status: run.status,
    startTime: new Date(run.startTime),
    endTime: run.endTime === undefined ? undefined : new Date(run.endTime),
    userId: run.userId,
    lifecycleStage: run.deleted ? "deleted" : "active",
    artifactUri: run.artifacts.uri,
    params: Object.fromEntries(run.params),
    tags: Object.fromEntries(run.tags),
    metrics: Object.fromEntries(metrics),
    inputs: [...run.inputs],
  };
}
