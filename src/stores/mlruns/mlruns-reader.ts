import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun } from "../../base/entities.js";
import {
  type ExperimentEdit,
  isListed,
  type NewExperiment,
  noSuchExperiment,
  noSuchRun,
  type RunEdit,
  type StoreReader,
} from "../../contracts/store-reader.js";
import { experimentKey, matchesExperiment, matchesRun, runKey } from "../../search/evaluate.js";
import { pageOf } from "../../search/page.js";
import { byTime, summaryOf, thinned } from "../../search/points.js";
import type { Page, RunSearchRequest, SearchRequest } from "../../search/request.js";
import { type Experiments, TRASH } from "./experiments.js";
import type { MlrunsStore } from "./mlruns-store.js";
import { experimentAt, historyAt, metricFiles, Pace, runAt } from "./read-folder.js";
import { RunFolder } from "./run-folder.js";

/** The run ids that MLflow accepts. */
const RUN_ID = /^[a-zA-Z0-9][\w-]{0,255}$/;
/** Folders of an experiment that are no runs. */
const NO_RUNS = ["tags", "datasets", "traces", "models"];

/** Reads and administers an `mlruns` folder, in slices: nothing holds the event loop for long. */
export class MlrunsReader implements StoreReader {
  readonly #store: MlrunsStore;
  readonly #experiments: Experiments;

  constructor(store: MlrunsStore, experiments: Experiments) {
    this.#store = store;
    this.#experiments = experiments;
  }

  async experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined> {
    for await (const { experiment } of this.#all())
      if ("id" in by ? experiment.experimentId === by.id : experiment.name === by.name) return experiment;
    return undefined;
  }

  async experiments(search: SearchRequest): Promise<Page<MlflowExperiment>> {
    const found: MlflowExperiment[] = [];
    for await (const { experiment } of this.#all())
      if (isListed(search.viewType, experiment) && matchesExperiment(search.filter, experiment)) found.push(experiment);
    return pageOf(found, search, experimentKey);
  }

  async run(runId: string): Promise<MlflowRun | undefined> {
    const folder = this.#folderOf(runId);
    return folder === undefined ? undefined : runAt(folder, runId, new Pace());
  }

  async runs(search: RunSearchRequest): Promise<Page<MlflowRun>> {
    const pace = new Pace();
    const found: MlflowRun[] = [];
    for await (const { experiment, folder } of this.#all()) {
      if (!search.experimentIds.includes(experiment.experimentId)) continue;
      for (const runId of namesIn(folder)) {
        if (!RUN_ID.test(runId) || NO_RUNS.includes(runId)) continue;
        const run = await runAt(join(folder, runId), runId, pace);
        await pace.step();
        if (run !== undefined && isListed(search.viewType, run) && matchesRun(search.filter, run)) found.push(run);
      }
    }
    return pageOf(found, search, runKey);
  }

  async history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]> {
    const file = metricFiles(this.#needFolder(runId)).find((each) => each.key === key);
    const points = file === undefined ? [] : await historyAt(file.path, key, new Pace());
    return maxPoints === undefined ? points.sort(byTime) : thinned(points, maxPoints);
  }

  async summaries(runId: string, only?: string): Promise<MetricSummary[]> {
    const pace = new Pace();
    const found: MetricSummary[] = [];
    for (const { key, path } of metricFiles(this.#needFolder(runId))) {
      if (only !== undefined && key !== only) continue;
      const points = await historyAt(path, key, pace);
      if (points.length > 0) found.push(summaryOf(key, points));
    }
    return found;
  }

  createExperiment(experiment: NewExperiment): Promise<string> {
    return this.#store.administer(() => this.#experiments.create(experiment));
  }

  editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void> {
    return this.#store.administer(() => {
      const found = this.#experiments.edit(experimentId, edit);
      if (found === undefined) throw noSuchExperiment(experimentId, this.#store.uri);
      if (edit.kind !== "delete" && edit.kind !== "restore") return;
      for (const name of namesIn(found)) {
        const run = RUN_ID.test(name) && !NO_RUNS.includes(name) ? RunFolder.at(join(found, name)) : undefined;
        run?.setDeleted(edit.kind === "delete");
      }
    });
  }

  editRun(runId: string, edit: RunEdit): Promise<void> {
    return this.#store.administer(() => {
      const run = RunFolder.at(this.#needFolder(runId));
      if (run === undefined) throw noSuchRun(runId, this.#store.uri);
      if (edit.kind === "delete" || edit.kind === "restore") return run.setDeleted(edit.kind === "delete");
      run.edit(edit);
    });
  }

  async close(): Promise<void> {}

  /** Yields the experiments and their folders. */
  async *#all(): AsyncGenerator<{ readonly experiment: MlflowExperiment; readonly folder: string }, void, void> {
    const pace = new Pace();
    this.#experiments.needRoot();
    for (const folder of this.#experiments.folders()) {
      const experiment = experimentAt(folder, basename(folder), basename(dirname(folder)) === TRASH);
      if (experiment) yield { experiment, folder };
      await pace.step();
    }
  }

  #folderOf(runId: string): string | undefined {
    this.#experiments.needRoot();
    if (!RUN_ID.test(runId) || NO_RUNS.includes(runId)) return undefined;
    return this.#experiments
      .folders()
      .map((folder) => join(folder, runId))
      .find((folder) => RunFolder.isAt(folder));
  }

  #needFolder(runId: string): string {
    const folder = this.#folderOf(runId);
    if (folder === undefined) throw noSuchRun(runId, this.#store.uri);
    return folder;
  }
}

/** The names of the folders in a folder; links are none. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));
  } catch {
    return []; // removed meanwhile, or not readable
  }
}
