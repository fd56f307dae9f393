import { download } from "../artifacts/download.js";
import { artifactPath } from "../artifacts/paths.js";
import { openArtifactRepository, repositoryOptions } from "../artifacts/registry.js";
import { bytes } from "../base/amounts.js";
import { systemClock } from "../base/clock.js";
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun, TerminalStatus, ViewType } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { load, part } from "../base/loading.js";
import { shownValue } from "../base/wrong-input.js";
import type { ResolvedConfig } from "../config/resolve.js";
import type { ArtifactInfo, ArtifactRepository } from "../contracts/artifact-repository.js";
import {
  type ExperimentEdit,
  type NewExperiment,
  noSuchExperiment,
  noSuchRun,
  type RunEdit,
  type StoreReader,
} from "../contracts/store-reader.js";
import type { ReadyStore } from "../contracts/tracking-store.js";
import { EVERYTHING, type Filter, parseFilter } from "../search/filter.js";
import { EXPERIMENTS, RUNS } from "../search/identifiers.js";
import { parseOrder, wholeOrder } from "../search/order.js";
import type { Page } from "../search/request.js";
import type { DownloadArtifactsOptions } from "./client-options.js";
import { MAX_PAGE } from "./results.js";
import type { RunQuery } from "./run-search.js";

/** How many things are read at once. */
const WIDTH = 4;
/** Larger files are not loaded into memory. */
const MAX_LOADED = 256 * 1024 * 1024;

/** @internal What a client reads from. */
export interface Source {
  readonly store: ReadyStore;
  readonly config: ResolvedConfig;
  /** Delivers what was recorded, so that it can be read. */
  readonly flush: () => Promise<void>;
  /** Closes the store, if it belongs to the client. */
  readonly release: () => Promise<void>;
}

/** @internal What `MlflowClient` does once it is used. */
export class OpenedClient {
  readonly #source: Source;
  readonly #reader: StoreReader;

  constructor(source: Source, reader: StoreReader) {
    this.#source = source;
    this.#reader = reader;
  }

  get uri(): string {
    return this.#source.store.uri;
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.#source.release();
  }

  async createExperiment(experiment: NewExperiment): Promise<string> {
    await this.#source.flush();
    return this.#reader.createExperiment(experiment);
  }

  async experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined> {
    await this.#source.flush();
    return this.#reader.experiment(by);
  }

  async experiments(
    query: { readonly filter: string; readonly orderBy: readonly string[]; readonly viewType: ViewType },
    maxResults: number,
    pageToken: string | undefined,
  ): Promise<Page<MlflowExperiment>> {
    const { orderBy, viewType } = query;
    const filter = parseFilter(query.filter, systemClock.now(), EXPERIMENTS);
    const orders = wholeOrder(parseOrder(orderBy, EXPERIMENTS), EXPERIMENTS);
    if (pageToken === undefined) await this.#source.flush();
    return this.#reader.experiments({ filter, asked: [query.filter], orders, viewType, maxResults, pageToken });
  }

  async editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void> {
    await this.#source.flush();
    await this.#reader.editExperiment(experimentId, edit);
  }

  async run(runId: string): Promise<MlflowRun> {
    await this.#source.flush();
    const run = await this.#reader.run(runId);
    if (run === undefined) throw noSuchRun(runId, this.uri);
    return run;
  }

  async parentRun(runId: string): Promise<MlflowRun | undefined> {
    const parent = (await this.run(runId)).tags["mlflow.parentRunId"];
    return parent === undefined ? undefined : this.#reader.run(parent);
  }

  async runs(query: RunQuery, maxResults: number, pageToken: string | undefined): Promise<Page<MlflowRun>> {
    const { conditions, experimentNames, experimentIds, viewType } = query;
    if (pageToken === undefined) await this.#source.flush();
    return this.#reader.runs({
      experimentIds: await this.#experimentIds(query),
      filter: allOf(conditions),
      asked: [conditions, experimentNames, experimentIds],
      orders: wholeOrder(query.orders, RUNS),
      viewType,
      maxResults,
      pageToken,
    });
  }

  async editRun(runId: string, edit: RunEdit): Promise<void> {
    await this.#source.flush();
    await this.#reader.editRun(runId, edit);
  }

  async updateRun(
    runId: string,
    status: "RUNNING" | TerminalStatus | undefined,
    runName: string | undefined,
  ): Promise<void> {
    const endTime = status === undefined || status === "RUNNING" ? undefined : systemClock.now();
    await this.editRun(runId, { kind: "update", status, endTime, runName });
  }

  async history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]> {
    await this.#source.flush();
    return this.#reader.history(runId, key, maxPoints);
  }

  async histories(
    runIds: readonly string[],
    key: string,
    maxPoints: number | undefined,
  ): Promise<Map<string, Metric[]>> {
    await this.#source.flush();
    const found = new Map<string, Metric[]>(runIds.map((runId) => [runId, []]));
    await eachOf(runIds, async (runId) => found.set(runId, await this.#reader.history(runId, key, maxPoints)));
    return found;
  }

  async bestValues(runId: string): Promise<Record<string, MetricSummary>> {
    await this.#source.flush();
    const summaries = await this.#reader.summaries(runId);
    return Object.fromEntries(summaries.map((summary) => [summary.key, summary]));
  }

  async bestOf(
    runs: AsyncIterable<MlflowRun>,
    key: string,
    by: "min" | "max",
    goal: "minimize" | "maximize",
  ): Promise<MlflowRun | undefined> {
    let best: { readonly run: MlflowRun; readonly value: number; readonly place: number } | undefined;
    let place = 0;
    await eachOf(runs, async (run) => {
      const own = place++;
      const value = (await this.#reader.summaries(run.runId, key))[0]?.[by]?.value;
      if (value === undefined) return;
      const sign = goal === "minimize" ? 1 : -1;
      // Of equal ones the first, whichever was read first.
      if (best === undefined || sign * (value - best.value) < 0 || (value === best.value && own < best.place))
        best = { run, value, place: own };
    });
    return (best as { readonly run: MlflowRun } | undefined)?.run;
  }

  async listArtifacts(runId: string, path: string): Promise<ArtifactInfo[]> {
    return this.#withArtifacts(runId, async (repository) => [
      ...(await repository.list(path === "" ? "" : artifactPath(path))),
    ]);
  }

  async downloadArtifacts(
    runId: string,
    { path = "", to, onProgress, signal }: DownloadArtifactsOptions,
  ): Promise<string> {
    return this.#withArtifacts(runId, (repository) =>
      download(repository, path === "" ? "" : artifactPath(path), to, { onProgress, signal }),
    );
  }

  async loadText(runId: string, path: string): Promise<string> {
    return (await this.#load(runId, path)).toString("utf8");
  }

  async loadDict(runId: string, path: string): Promise<unknown> {
    const text = await this.loadText(runId, path);
    const isYaml = /\.ya?ml$/i.test(path);
    try {
      if (!isYaml) return parsedJson(text);
      const yaml = part("yaml") as { parse(text: string, options: object): unknown };
      return yaml.parse(text, { version: "1.1", logLevel: "silent" });
    } catch (error) {
      const detail = `${path} of run ${runId} is not ${isYaml ? "YAML" : "JSON"}: ${messageOf(error)}.`;
      throw new PulseError("ARTIFACT_UNREADABLE", detail, error);
    }
  }

  async loadTable(runId: string, path: string): Promise<Record<string, unknown>[]> {
    if (/\.parquet$/i.test(path)) return readParquet(await this.#load(runId, path), `${path} of run ${runId}`);
    const { columns, data } = Object(await this.loadDict(runId, path)) as { columns?: unknown; data?: unknown };
    if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray))
      throw new PulseError("ARTIFACT_UNREADABLE", `${path} of run ${runId} is not a table of MLflow's.`);
    return data.map((row: unknown[]) => Object.fromEntries(columns.map((name, i) => [String(name), row[i]])));
  }

  async #load(runId: string, path: string): Promise<Buffer> {
    return this.#withArtifacts(runId, async (repository) => {
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of await repository.read(artifactPath(path))) {
        size += (chunk as Uint8Array).length;
        if (size > MAX_LOADED)
          throw new PulseError(
            "ARTIFACT_UNREADABLE",
            `${path} of run ${runId} is larger than ${bytes(MAX_LOADED)}; use downloadArtifacts().`,
          );
        parts.push(chunk as Uint8Array);
      }
      return Buffer.concat(parts);
    });
  }

  async #withArtifacts<R>(runId: string, use: (repository: ArtifactRepository) => Promise<R>): Promise<R> {
    await this.#source.flush();
    const { store, config } = this.#source;
    const place = await store.artifactsOf?.({ runId, experimentId: "" });
    if (place === undefined) throw new PulseError("ARTIFACT_NOT_FOUND", `${store.uri} keeps no files.`);
    const repository =
      typeof place === "string" ? openArtifactRepository(place, repositoryOptions(config, store.uri)) : place;
    try {
      return await use(repository);
    } finally {
      repository.close();
    }
  }

  async #experimentIds({ experimentNames, experimentIds, viewType }: RunQuery): Promise<readonly string[]> {
    if (experimentNames.length === 0 && experimentIds.length > 0) return experimentIds;
    if (experimentNames.length === 0) return this.#allExperimentIds(viewType === "active" ? "active" : "all");
    const found = await Promise.all(
      experimentNames.map(async (name) => {
        const experiment = await this.#reader.experiment({ name });
        if (experiment !== undefined) return experiment.experimentId;
        throw new PulseError("EXPERIMENT_NOT_FOUND", `There is no experiment ${shownValue(name)} in ${this.uri}.`);
      }),
    );
    return [...new Set([...found, ...experimentIds])];
  }

  async #allExperimentIds(viewType: ViewType): Promise<string[]> {
    const search = { filter: EVERYTHING, asked: [], orders: wholeOrder([], EXPERIMENTS), viewType } as const;
    const ids: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await this.#reader.experiments({ ...search, maxResults: MAX_PAGE, pageToken });
      ids.push(...page.items.map(({ experimentId }) => experimentId));
      pageToken = page.nextPageToken === pageToken ? undefined : page.nextPageToken; // else it would never end
    } while (pageToken !== undefined);
    return [...new Set(ids)];
  }

  async needExperiment(experimentId: string): Promise<MlflowExperiment> {
    const experiment = await this.experiment({ id: experimentId });
    if (experiment === undefined) throw noSuchExperiment(experimentId, this.uri);
    return experiment;
  }
}

/** Parses JSON, also as Python writes it: with NaN and infinities. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const words = new Map(
      [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => [`\0${value}`, value]),
    );
    const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (found) =>
      found.startsWith('"') ? found : `"\\u0000${found}"`,
    );
    if (quoted === text) throw error;
    return JSON.parse(quoted, (_, value: unknown) => words.get(value as string) ?? value);
  }
}

/** Parses the texts among conditions anew, since `now()` goes on; all must match. */
function allOf(conditions: RunQuery["conditions"]): Filter {
  const now = systemClock.now();
  const of = conditions.map((each) => (typeof each === "string" ? parseFilter(each, now) : each));
  return of.length === 1 ? (of[0] as Filter) : { kind: "and", of };
}

/** Does something with each of them, a few at once; nothing more is begun after the first error. */
async function eachOf<T>(items: Iterable<T> | AsyncIterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  const left = (async function* () {
    yield* items;
  })();
  let failed = false;
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      try {
        for (let next = await left.next(); !failed && next.done !== true; next = await left.next())
          await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }),
  );
}

interface Hyparquet {
  parquetReadObjects(options: { file: ArrayBuffer }): Promise<Record<string, unknown>[]>;
}

async function readParquet(content: Buffer, what: string): Promise<Record<string, unknown>[]> {
  let hyparquet: Hyparquet;
  try {
    hyparquet = load("hyparquet") as Hyparquet;
  } catch (error) {
    throw new PulseError("PACKAGE_MISSING", `${what} needs hyparquet to be read.`, error);
  }
  const file = content.buffer.slice(content.byteOffset, content.byteOffset + content.length) as ArrayBuffer;
  return hyparquet.parquetReadObjects({ file });
}
