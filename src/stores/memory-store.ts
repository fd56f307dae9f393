import { MemoryRepository } from "../artifacts/memory.js";
import { systemClock } from "../base/clock.js";
import type { ExperimentRef, Metric, Tag } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import type { StoreReader } from "../contracts/store-reader.js";
import type { ReadRun, TrackingReader } from "../contracts/tracking-reader.js";
import { DONE, type Outcome, type ReadyStore, type RunChange, type StoredIds } from "../contracts/tracking-store.js";
import type { StoredExperiment, StoredRun } from "./stored-run.js";

const BATCH_ITEMS = 10_000;

/** Keeps everything in this process, readable. For tests, and to see what a program would log. */
export class MemoryStore implements ReadyStore, TrackingReader {
  readonly uri: string = "memory:";
  readonly batchItems: number = BATCH_ITEMS;
  readonly durable: boolean = false;
  readonly volatile: boolean = true;
  /** By name. */
  readonly experiments: Map<string, StoredExperiment> = new Map();
  readonly runs: Map<string, StoredRun> = new Map();
  readonly #points = new Set<string>();

  constructor() {
    this.addExperiment("Default");
  }

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.resolve(this.applySync(changes));
  }

  applySync(changes: readonly RunChange[]): readonly Outcome[] {
    return changes.map((change) => this.#write(change));
  }

  readRun(runId: string): Promise<ReadRun | undefined> {
    const run = this.runs.get(runId);
    if (run === undefined) return Promise.resolve(undefined);
    const { name, status, startTime, endTime = null } = run;
    return Promise.resolve({
      experiment: this.#experimentWith(run.experimentId)?.name ?? "",
      name,
      status,
      startTime,
      endTime,
      params: Object.fromEntries(run.params),
      tags: Object.fromEntries(run.tags),
      metrics: Object.fromEntries(
        [...run.metrics].map(([key, points]) => [
          key,
          points.map(({ step, timestamp, value }) => [step, timestamp, value] as const),
        ]),
      ),
      inputs: run.inputs,
    });
  }

  tagOf({ runId }: StoredIds, key: string): string | undefined {
    return this.runs.get(runId)?.tags.get(key);
  }

  artifactsOf({ runId }: StoredIds): MemoryRepository {
    const run = this.runs.get(runId);
    if (run === undefined) throw new PulseError("RUN_NOT_FOUND", `There is no run ${runId} in this store.`);
    return run.artifacts;
  }

  /** Loaded on demand. */
  async reader(): Promise<StoreReader> {
    const { MemoryReader } = await import("./memory-reader.js");
    return new MemoryReader(this);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** @internal */
  addExperiment(name: string, artifactLocation: string = "memory:"): StoredExperiment {
    const now = systemClock.now();
    const id = String(this.experiments.size);
    const experiment = { id, name, artifactLocation, created: now, updated: now, deleted: false, tags: new Map() };
    this.experiments.set(name, experiment);
    return experiment;
  }

  #write(change: RunChange): Outcome {
    const { create, runKey, end } = change;
    if (create && !create.resume && !this.runs.has(runKey)) {
      const experiment = this.#experiment(change.experiment);
      if (experiment?.deleted)
        return {
          kind: "rejected",
          error: new PulseError("EXPERIMENT_DELETED", `Experiment ${JSON.stringify(experiment.name)} was deleted.`),
        };
      const experimentId = experiment?.id;
      if (experimentId === undefined)
        return {
          kind: "rejected",
          error: new PulseError("EXPERIMENT_NOT_FOUND", "There is no experiment with that id in this store."),
        };
      const tags = new Map(create.sourceTags.map((tag: Tag) => [tag.key, tag.value]));
      tags.set("mlflow.runName", create.name);
      if (create.parentKey !== undefined) tags.set("mlflow.parentRunId", create.parentKey);
      this.runs.set(runKey, {
        runId: runKey,
        experimentId,
        name: create.name,
        userId: create.userId,
        status: "RUNNING",
        startTime: create.startTime,
        endTime: undefined,
        params: new Map(),
        tags,
        metrics: new Map(),
        inputs: [],
        artifacts: new MemoryRepository(),
        deleted: false,
      });
    }
    const run = this.runs.get(runKey);
    if (run === undefined && end?.ifRunning) return DONE; // it was never created
    if (run === undefined)
      return { kind: "rejected", error: new PulseError("RUN_NOT_FOUND", `There is no run ${runKey} in this store.`) };
    if (run.deleted) return { kind: "rejected", error: new PulseError("RUN_DELETED", `Run ${runKey} was deleted.`) };
    if (create?.resume) {
      run.status = "RUNNING";
      run.endTime = undefined;
    }
    const conflicts = change.params.filter(({ key, value }) => (run.params.get(key) ?? value) !== value);
    if (conflicts.length > 0) return { kind: "conflict", params: conflicts.map(({ key }) => key) };
    for (const { key, value } of change.params) run.params.set(key, value);
    for (const { key, value } of change.tags) {
      run.tags.set(key, value);
      if (key === "mlflow.runName") run.name = value;
    }
    for (const metric of change.metrics) this.#metric(run, metric);
    for (const input of change.inputs)
      if (!run.inputs.some(({ name, digest }) => name === input.name && digest === input.digest))
        run.inputs.push(input);
    if (end && (run.status === "RUNNING" || !end.ifRunning)) {
      run.status = end.status;
      const points = end.ifRunning ? [...run.metrics.values()].flat().map(({ timestamp }) => timestamp) : [];
      run.endTime = Math.max(end.endTime, ...points);
    }
    return create ? { kind: "done", ids: { runId: runKey, experimentId: run.experimentId } } : DONE;
  }

  #metric(run: StoredRun, metric: Metric): void {
    const point = `${run.runId} ${metric.key} ${metric.step} ${metric.timestamp} ${metric.value}`;
    if (this.#points.has(point)) return;
    this.#points.add(point);
    const history = run.metrics.get(metric.key);
    if (history) history.push(metric);
    else run.metrics.set(metric.key, [metric]);
  }

  #experiment(ref: ExperimentRef): StoredExperiment | undefined {
    const of = ref.of === undefined ? undefined : this.runs.get(ref.of);
    if (of) return this.#experimentWith(of.experimentId);
    if ("id" in ref) return this.#experimentWith(ref.id);
    const experiment = this.experiments.get(ref.name) ?? this.addExperiment(ref.name);
    for (const { key, value } of ref.tags ?? []) experiment.tags.set(key, value);
    return experiment;
  }

  #experimentWith(experimentId: string): StoredExperiment | undefined {
    for (const experiment of this.experiments.values()) if (experiment.id === experimentId) return experiment;
    return undefined;
  }
}
