import type { Metric, MetricSummary, MlflowExperiment, MlflowRun, ViewType } from "../../base/entities.js";
import { MlflowError, type PulseError } from "../../base/errors.js";
import {
  type ExperimentEdit,
  type NewExperiment,
  noSuchExperiment,
  noSuchRun,
  noSuchTag,
  type RunEdit,
  type StoreReader,
} from "../../contracts/store-reader.js";
import { list, record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";
import { type Fingerprint, fingerprintOf, stateOf, tokenOf } from "../../search/cursor.js";
import { experimentKey, matchesExperiment } from "../../search/evaluate.js";
import { EVERYTHING } from "../../search/filter.js";
import { pageOf } from "../../search/page.js";
import { byTime, summaryOf, thinned } from "../../search/points.js";
import type { Page, RunSearchRequest, SearchRequest } from "../../search/request.js";
import { experimentIn, metricsIn, runIn } from "./answered-entities.js";
import { mergedRuns } from "./merged-runs.js";
import { RepeatedCalls } from "./repeated-calls.js";
import { alternatives, serverOrder, serverQueries } from "./server-search.js";

/** How many histories are read at once. */
const WIDTH = 4;
/** The size of pages that are filtered here. */
const PAGE = 1_000;
/** The size of pages of a history: what MLflow's servers give at most. */
const POINTS = 25_000;
/** How many searches that were left at a page can go on where they are. */
const MAX_LEFT = 8;

const VIEWS: Readonly<Record<ViewType, string>> = { active: "ACTIVE_ONLY", deleted: "DELETED_ONLY", all: "ALL" };

/** A search that is filtered or merged here, and the run that comes next. */
interface Merged {
  readonly runs: AsyncIterator<MlflowRun, void, void>;
  next: MlflowRun | undefined;
}

/** Reads and administers an MLflow server, with any client. */
export class RestReader implements StoreReader {
  readonly #api: TrackingApi;
  readonly #calls: RepeatedCalls;
  readonly #uri: string;
  /** Whether the server is an MLflow of version 3; undefined until that matters. */
  #isModern: boolean | undefined;
  /** Searches by the token of the page they are at. */
  readonly #left = new Map<string, Merged>();

  constructor(api: TrackingApi, uri: string) {
    this.#api = api;
    this.#calls = new RepeatedCalls(api);
    this.#uri = uri;
  }

  async experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined> {
    const [call, query] =
      "id" in by
        ? (["experiments/get", { experiment_id: by.id }] as const)
        : (["experiments/get-by-name", { experiment_name: by.name }] as const);
    const answer = await this.#found(this.#calls.get(call, query));
    return answer && experimentIn(record(answer["experiment"]));
  }

  async experiments(search: SearchRequest): Promise<Page<MlflowExperiment>> {
    const { filter, orders, viewType, maxResults, pageToken } = search;
    // There are few experiments: what is more than one query is filtered here.
    const only = alternatives(filter) === 1 ? (await this.#queries(filter))[0] : undefined;
    const isOrdered = orders.every(({ entity }) => entity === "attribute");
    if (only?.rest !== EVERYTHING || !isOrdered) {
      const found: MlflowExperiment[] = [];
      for await (const experiment of this.#allExperiments(viewType))
        if (matchesExperiment(filter, experiment)) found.push(experiment);
      return pageOf(found, search, experimentKey);
    }
    const fingerprint = fingerprintOf(search);
    const answer = await this.#calls.post("experiments/search", {
      filter: only.text,
      view_type: VIEWS[viewType],
      order_by: orders.map(({ key, ascending }) => `${key} ${ascending ? "ASC" : "DESC"}`),
      max_results: maxResults,
      ...(pageToken !== undefined && { page_token: serverToken(pageToken, fingerprint) }),
    });
    return pageIn(answer, "experiments", experimentIn, fingerprint);
  }

  async run(runId: string): Promise<MlflowRun | undefined> {
    const answer = await this.#found(this.#calls.get("runs/get", { run_id: runId }));
    return answer && runIn(record(answer["run"]));
  }

  async runs(search: RunSearchRequest): Promise<Page<MlflowRun>> {
    const { filter, orders, maxResults, pageToken } = search;
    const fingerprint = fingerprintOf(search);
    const queries = await this.#queries(filter);
    const order = serverOrder(orders);
    const [only] = queries;
    if (search.experimentIds.length === 0 || only === undefined) return { items: [], nextPageToken: undefined };
    if (queries.length === 1 && only.rest === EVERYTHING && order !== undefined)
      return this.#searched(search, order, only.text, maxResults, pageToken, fingerprint);
    const read = (text: string, token: string | undefined) =>
      this.#searched(search, order ?? [], text, PAGE, token, fingerprint);
    const merged = (): Merged => ({ runs: mergedRuns(queries, read, orders, order !== undefined), next: undefined });
    return this.#page(merged, maxResults, pageToken, fingerprint);
  }

  async history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]> {
    const points: Metric[] = [];
    let pageToken: string | undefined;
    do {
      const answer = await this.#of(
        runId,
        this.#calls.get("metrics/get-history", {
          run_id: runId,
          metric_key: key,
          max_results: String(POINTS),
          ...(pageToken !== undefined && { page_token: pageToken }),
        }),
      );
      const next = text(answer["next_page_token"]);
      for (const point of metricsIn(answer["metrics"])) points.push(point);
      pageToken = next === pageToken ? undefined : next; // a server that knows no pages gives all
    } while (pageToken !== undefined);
    // Servers give no values of a run that does not exist.
    if (points.length === 0 && (await this.run(runId)) === undefined) throw noSuchRun(runId, this.#uri);
    return maxPoints === undefined ? points.sort(byTime) : thinned(points, maxPoints);
  }

  async summaries(runId: string, only?: string): Promise<MetricSummary[]> {
    const answer = await this.#found(this.#calls.get("runs/get", { run_id: runId }));
    if (answer === undefined) throw noSuchRun(runId, this.#uri);
    const latest = new Map(
      [...metricsIn(record(record(answer["run"])?.["data"])?.["metrics"])].map((each) => [each.key, each]),
    );
    const keys = [...latest.keys()].filter((key) => only === undefined || key === only);
    const found: MetricSummary[] = [];
    for (let at = 0; at < keys.length; at += WIDTH) {
      const some = keys.slice(at, at + WIDTH);
      const histories = await Promise.all(some.map((key) => this.history(runId, key, undefined)));
      for (const [i, points] of histories.entries())
        if (points.length > 0) {
          const { key, ...last } = latest.get(some[i] as string) as Metric; // of equal ones the server decides
          found.push({ ...summaryOf(key, points), last });
        }
    }
    return found;
  }

  async createExperiment({ name, artifactLocation, tags }: NewExperiment): Promise<string> {
    const answer = await this.#calls.post("experiments/create", {
      name,
      ...(artifactLocation !== undefined && { artifact_location: artifactLocation }),
      tags,
    });
    const id = text(answer["experiment_id"]);
    if (id === undefined) throw this.#api.incomplete("experiments/create").error;
    return id;
  }

  async editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void> {
    const [call, fields] = experimentCall(edit);
    const answer = this.#calls.post(call, { experiment_id: experimentId, ...fields });
    await this.#there(answer, () => noSuchExperiment(experimentId, this.#uri));
  }

  async editRun(runId: string, edit: RunEdit): Promise<void> {
    const [call, fields] = runCall(edit);
    const answer = this.#calls.post(call, { run_id: runId, ...fields });
    if (edit.kind !== "deleteTag") await this.#of(runId, answer);
    // A server uses one code for a run and for a tag that does not exist.
    else if ((await this.#found(answer)) === undefined)
      throw (await this.run(runId)) === undefined ? noSuchRun(runId, this.#uri) : noSuchTag(runId, edit.key);
  }

  async close(): Promise<void> {
    this.#calls.close();
    this.#left.clear();
  }

  async #queries(filter: SearchRequest["filter"]): Promise<ReturnType<typeof serverQueries>> {
    if (this.#isModern === undefined && /"IS N|"dataset"/.test(JSON.stringify(filter))) {
      const facts = await this.#api.facts?.();
      this.#isModern = Number.parseInt(facts?.version ?? "2", 10) >= 3;
    }
    return serverQueries(filter, this.#isModern ?? true);
  }

  async #searched(
    { experimentIds, viewType }: RunSearchRequest,
    order: readonly string[],
    filter: string,
    maxResults: number,
    pageToken: string | undefined,
    fingerprint: Fingerprint,
  ): Promise<Page<MlflowRun>> {
    const answer = await this.#calls.post("runs/search", {
      experiment_ids: experimentIds,
      filter,
      run_view_type: VIEWS[viewType],
      max_results: maxResults,
      order_by: order,
      ...(pageToken !== undefined && { page_token: serverToken(pageToken, fingerprint) }),
    });
    return pageIn(answer, "runs", runIn, fingerprint);
  }

  /** Returns a page of a search that is filtered or merged here. Its token is a number of runs. */
  async #page(
    begin: () => Merged,
    maxResults: number,
    pageToken: string | undefined,
    fingerprint: Fingerprint,
  ): Promise<Page<MlflowRun>> {
    const offset = pageToken === undefined ? 0 : stateOf(pageToken, fingerprint, isCount);
    const left = pageToken === undefined ? undefined : this.#left.get(pageToken);
    if (pageToken !== undefined) this.#left.delete(pageToken); // nobody else may go on with it
    const merged = left ?? begin();
    const take = async (): Promise<MlflowRun | undefined> => {
      const { next } = merged;
      merged.next = undefined;
      return next ?? ((await merged.runs.next()).value as MlflowRun | undefined);
    };
    if (left === undefined) for (let i = 0; i < offset; i++) if ((await take()) === undefined) break;
    const items: MlflowRun[] = [];
    while (items.length < maxResults) {
      const run = await take();
      if (run === undefined) return { items, nextPageToken: undefined };
      items.push(run);
    }
    merged.next = await take();
    if (merged.next === undefined) return { items, nextPageToken: undefined };
    const nextPageToken = tokenOf(offset + items.length, fingerprint);
    if (maxResults === 1) return { items, nextPageToken }; // somebody wants the first: what is left may be large
    this.#left.set(nextPageToken, merged);
    if (this.#left.size > MAX_LEFT) this.#left.delete(this.#left.keys().next().value as string);
    return { items, nextPageToken };
  }

  async *#allExperiments(viewType: ViewType): AsyncGenerator<MlflowExperiment, void, void> {
    let pageToken: string | undefined;
    do {
      const answer = await this.#calls.post("experiments/search", {
        view_type: VIEWS[viewType],
        max_results: PAGE,
        ...(pageToken !== undefined && { page_token: pageToken }),
      });
      yield* list(answer["experiments"]).flatMap((each) => experimentIn(each) ?? []);
      const next = text(answer["next_page_token"]);
      pageToken = next === pageToken ? undefined : next; // else a server that repeats itself would never end
    } while (pageToken !== undefined);
  }

  /** Returns an answer; undefined if what was asked for does not exist. */
  async #found(answer: Promise<Record<string, unknown>>): Promise<Record<string, unknown> | undefined> {
    try {
      return await answer;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Awaits an answer about something that must exist. */
  async #there(answer: Promise<Record<string, unknown>>, missing: () => PulseError): Promise<Record<string, unknown>> {
    try {
      return await answer;
    } catch (error) {
      throw isMissing(error) ? missing() : error;
    }
  }

  #of(runId: string, answer: Promise<Record<string, unknown>>): Promise<Record<string, unknown>> {
    return this.#there(answer, () => noSuchRun(runId, this.#uri));
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof MlflowError && error.errorCode === "RESOURCE_DOES_NOT_EXIST";

function pageIn<T>(
  answer: Readonly<Record<string, unknown>>,
  name: string,
  read: (item: Record<string, unknown>) => T | undefined,
  fingerprint: Fingerprint,
): Page<T> {
  const token = text(answer["next_page_token"]);
  return {
    items: list(answer[name]).flatMap((item) => read(item) ?? []),
    nextPageToken: token && tokenOf(token, fingerprint),
  };
}

const isText = (state: unknown): state is string => typeof state === "string";
const isCount = (state: unknown): state is number => Number.isSafeInteger(state) && (state as number) > 0;

/** The token of the server's own page. */
const serverToken = (token: string, fingerprint: Fingerprint): string => stateOf(token, fingerprint, isText);

function runCall(edit: RunEdit): readonly [call: string, fields: object] {
  switch (edit.kind) {
    case "setTag":
      return ["runs/set-tag", edit.tag];
    case "deleteTag":
      return ["runs/delete-tag", { key: edit.key }];
    case "update":
      return ["runs/update", { status: edit.status, end_time: edit.endTime, run_name: edit.runName }];
    default:
      return [`runs/${edit.kind}`, {}];
  }
}

function experimentCall(edit: ExperimentEdit): readonly [call: string, fields: object] {
  switch (edit.kind) {
    case "setTag":
      return ["experiments/set-experiment-tag", edit.tag];
    case "rename":
      return ["experiments/update", { new_name: edit.name }];
    default:
      return [`experiments/${edit.kind}`, {}];
  }
}
