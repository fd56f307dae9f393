import { setImmediate as nextTurn } from "node:timers/promises";
import type { Metric, MetricSummary, MlflowExperiment, MlflowRun } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import {
  type ExperimentEdit,
  type NewExperiment,
  noSuchRun,
  type RunEdit,
  type StoreReader,
} from "../../contracts/store-reader.js";
import { cursorOf, fingerprintOf, tokenAfter } from "../../search/cursor.js";
import { experimentKey, runKey, type SortKey } from "../../search/evaluate.js";
import { thinned } from "../../search/points.js";
import type { Page, RunSearchRequest, SearchRequest } from "../../search/request.js";
import { Administration } from "./administration.js";
import { LongHistory } from "./history.js";
import { dateOf, hydration, POINT, pointsByKey, pointsIn, recordsOf, runsIn } from "./read-rows.js";
import type { Columns, Query } from "./read-thread.js";
import { ReadThread } from "./read-thread.js";
import { experimentTables, orderOf, runTables, type SearchTables, type Sql, whereOf } from "./search-sql.js";
import type { SqliteStore } from "./sqlite-store.js";

/** How many runs are read together: few enough to hold the event loop for a few milliseconds only. */
const CHUNK = 50;
/** How many values of a metric are made in one turn of the event loop. */
const SLICE = 5_000;
/** A run with fewer values than this is read by the index of its values. */
const FEW_POINTS = 50_000;

/** What the tables of the file have. */
interface Schema {
  readonly runs: SearchTables;
  readonly experiments: SearchTables;
  readonly times: boolean;
  readonly workspaces: boolean;
}

/** What a query finds. */
interface FoundBy {
  readonly joins: Sql;
  readonly where: Sql;
  readonly orderBy: string;
  readonly most: number;
}

const NOTHING: Sql = { sql: "", values: [] };

/** Reads MLflow's database file in a thread, and administers it through the store's own connection. */
export class SqliteReader implements StoreReader {
  readonly #store: SqliteStore;
  readonly #path: string;
  readonly #thread: ReadThread;
  #schema: Promise<Schema> | undefined;
  #closed = false;

  constructor(store: SqliteStore, path: string) {
    this.#store = store;
    this.#path = path;
    this.#thread = new ReadThread(path);
  }

  async experiment(by: { readonly id: string } | { readonly name: string }): Promise<MlflowExperiment | undefined> {
    const schema = await this.#needSchema();
    const workspace = schema.workspaces ? " AND r.workspace = 'default'" : "";
    const where: Sql =
      "id" in by
        ? { sql: "CAST(r.experiment_id AS TEXT) = ?", values: [by.id] }
        : { sql: `r.name = ?${workspace}`, values: [by.name] };
    return (await this.#experiments(schema, { joins: NOTHING, where, orderBy: "r.experiment_id", most: 1 }))[0];
  }

  async experiments(search: SearchRequest): Promise<Page<MlflowExperiment>> {
    const schema = await this.#needSchema();
    const read = async (found: FoundBy) => {
      const items = await this.#experiments(schema, { ...found, most: found.most + 1 });
      return { items: items.slice(0, found.most), more: items.length > found.most };
    };
    return this.#page(search, schema.experiments, [], read, experimentKey);
  }

  async run(runId: string): Promise<MlflowRun | undefined> {
    return (await this.#hydrated(await this.#needSchema(), [runId]))[0];
  }

  async runs(search: RunSearchRequest): Promise<Page<MlflowRun>> {
    const schema = await this.#needSchema();
    const { experimentIds } = search;
    const within: Sql =
      experimentIds.length === 1
        ? { sql: "r.experiment_id = ?", values: [experimentIds[0] as string] }
        : {
            sql: "r.experiment_id IN (SELECT CAST(value AS INTEGER) FROM json_each(?))",
            values: [JSON.stringify(experimentIds.filter((id) => /^\d{1,18}$/.test(id)))],
          };
    const read = async ({ joins, where, orderBy, most }: FoundBy) => {
      const [found] = await this.#read([
        {
          sql: `SELECT r.run_uuid AS id FROM runs r ${joins.sql} WHERE ${where.sql} ORDER BY ${orderBy} LIMIT ?`,
          values: [...joins.values, ...where.values, most + 1],
        },
      ]);
      const ids = (found?.[0] ?? []) as readonly string[];
      return { items: await this.#hydrated(schema, ids.slice(0, most)), more: ids.length > most };
    };
    return this.#page(search, schema.runs, [within], read, runKey);
  }

  async history(runId: string, key: string, maxPoints: number | undefined): Promise<Metric[]> {
    const [runs, few] = await this.#read([
      { sql: "SELECT 1 AS found FROM runs WHERE run_uuid = ?", values: [runId] },
      {
        sql: "SELECT COUNT(*) AS few FROM (SELECT 1 FROM metrics WHERE run_uuid = ? LIMIT ?)",
        values: [runId, FEW_POINTS],
      },
    ]);
    if (runs?.[0] === undefined) throw noSuchRun(runId, this.#store.uri);
    const isLong = Number(few?.[0]?.[0]) >= FEW_POINTS;
    if (isLong && maxPoints !== undefined) {
      const points = await new LongHistory((queries) => this.#read(queries), runId, key).thinned(maxPoints);
      if (points !== undefined) return points.map((point) => ({ key, ...point }));
    }
    // The unary + keeps SQLite from an index: the primary key holds the values of all runs with the same key, but those
    // of the run's index are read one by one.
    const from = `FROM metrics m WHERE ${isLong ? "+" : ""}run_uuid = ? AND ${isLong ? "" : "+"}key = ?`;
    const [columns] = await this.#read([
      { sql: `SELECT ${POINT} ${from} ORDER BY timestamp, step, value`, values: [runId, key] },
    ]);
    const found: Metric[] = [];
    for (const point of pointsIn(columns)) {
      found.push({ key, ...point });
      if (found.length % SLICE === 0) await nextTurn();
    }
    return maxPoints === undefined ? found : thinned(found, maxPoints);
  }

  async summaries(runId: string, key?: string): Promise<MetricSummary[]> {
    const only = key === undefined ? "" : "AND +key = ?";
    const values = key === undefined ? [runId] : [runId, key];
    const of = `FROM metrics WHERE run_uuid = ? ${only}`;
    const columns = "key, value, is_nan, timestamp, step";
    // Of equal values the one of the first step, of equal steps the one of the first time.
    const extreme = (what: string, first: string): Query => ({
      sql: `SELECT ${columns} FROM (SELECT m.key, m.value, 0 AS is_nan, m.timestamp + 0.0 AS timestamp, m.step + 0.0 AS step,
          ROW_NUMBER() OVER (PARTITION BY m.key ORDER BY m.step, m.timestamp, m.value) AS place FROM metrics m
          JOIN (SELECT key, ${what} AS wanted ${of} AND NOT is_nan GROUP BY key) x ON x.key = +m.key AND x.wanted = m.${first}
          WHERE m.run_uuid = ? AND NOT m.is_nan) WHERE place = 1`,
      values: [...values, runId],
    });
    const [runs, counts, lasts, lows, highs, firsts] = await this.#read([
      { sql: "SELECT 1 AS found FROM runs WHERE run_uuid = ?", values: [runId] },
      { sql: `SELECT key, COUNT(*) AS count ${of} GROUP BY key`, values },
      { sql: `SELECT key, ${POINT} FROM latest_metrics WHERE run_uuid = ? ${only} ORDER BY key`, values },
      extreme("MIN(value)", "value"),
      extreme("MAX(value)", "value"),
      extreme("MIN(step)", "step"),
    ]);
    if (runs?.[0] === undefined) throw noSuchRun(runId, this.#store.uri);
    const [low, high, first] = [lows, highs, firsts].map(pointsByKey);
    const count = new Map(((counts?.[0] ?? []) as readonly string[]).map((key, i) => [key, Number(counts?.[1]?.[i])]));
    return [...pointsByKey(lasts)].map(([key, last]) => ({
      key,
      count: count.get(key) ?? 1,
      first: first?.get(key),
      last,
      min: low?.get(key),
      max: high?.get(key),
    }));
  }

  createExperiment(experiment: NewExperiment): Promise<string> {
    return this.#administer((work) => work.createExperiment(experiment, (id) => this.#store.locate(id)));
  }

  editExperiment(experimentId: string, edit: ExperimentEdit): Promise<void> {
    return this.#administer((work) => work.editExperiment(experimentId, edit));
  }

  editRun(runId: string, edit: RunEdit): Promise<void> {
    return this.#administer((work) => work.editRun(runId, edit));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread.close();
  }

  #administer<R>(work: (administration: Administration) => R): Promise<R> {
    return this.#store.transact((db, schema) => work(new Administration(db, schema, this.#store.uri)));
  }

  /** Reads a page behind its token; `read` gives what it has found, and whether there is more. */
  async #page<T>(
    search: SearchRequest,
    of: SearchTables,
    within: readonly Sql[],
    read: (found: FoundBy) => Promise<{ readonly items: readonly T[]; readonly more: boolean }>,
    keyOf: (item: T, orders: SearchRequest["orders"]) => SortKey,
  ): Promise<Page<T>> {
    const { filter, orders, viewType, maxResults, pageToken } = search;
    const fingerprint = fingerprintOf(search);
    const cursor = pageToken === undefined ? undefined : cursorOf(pageToken, fingerprint, orders.length);
    const { joins, orderBy, after } = orderOf(orders, of, cursor);
    const listed: Sql[] = viewType === "all" ? [] : [{ sql: "r.lifecycle_stage = ?", values: [viewType] }];
    const where = andOf([...within, ...listed, whereOf(filter, of), after]);
    for (;;) {
      const { items, more } = await read({ joins, where, orderBy, most: maxResults });
      const last = items.at(-1);
      // All that was found vanished before it was read: the same page has others now.
      if (more && last === undefined) continue;
      return { items, nextPageToken: more && last ? tokenAfter(keyOf(last, orders), fingerprint) : undefined };
    }
  }

  async #experiments(schema: Schema, { joins, where, orderBy, most }: FoundBy): Promise<MlflowExperiment[]> {
    const times = schema.times
      ? "r.creation_time, r.last_update_time"
      : "NULL AS creation_time, NULL AS last_update_time";
    const [columns] = await this.#read([
      {
        sql: `SELECT CAST(r.experiment_id AS TEXT) AS id, r.name, r.artifact_location, r.lifecycle_stage, ${times}
          FROM experiments r ${joins.sql} WHERE ${where.sql} ORDER BY ${orderBy} LIMIT ?`,
        values: [...joins.values, ...where.values, most],
      },
    ]);
    const [ids = [], names = [], locations = [], stages = [], created = [], updated = []] = columns ?? [];
    if (ids.length === 0) return [];
    const [tags] = await this.#read([
      {
        sql: "SELECT j.key AS place, t.key, t.value FROM json_each(?) j CROSS JOIN experiment_tags t ON t.experiment_id = CAST(j.value AS INTEGER)",
        values: [JSON.stringify(ids)],
      },
    ]);
    const tagged = recordsOf(ids.length, tags, (value) => String(value ?? ""));
    return Array.from(ids as readonly string[], (experimentId, i) => ({
      experimentId,
      name: String(names[i]),
      artifactLocation: String(locations[i] ?? ""),
      lifecycleStage: stages[i] === "deleted" ? "deleted" : "active",
      creationTime: dateOf(created[i]),
      lastUpdateTime: dateOf(updated[i]),
      tags: tagged[i] ?? {},
    }));
  }

  /** Reads runs, in the order of their ids. Those that vanished are left out. */
  async #hydrated(schema: Schema, ids: readonly string[]): Promise<MlflowRun[]> {
    const chunks: Promise<MlflowRun[]>[] = [];
    for (let at = 0; at < ids.length; at += CHUNK)
      chunks.push(this.#read(hydration(schema.runs.datasets, ids.slice(at, at + CHUNK))).then(runsIn));
    return (await Promise.all(chunks)).flat();
  }

  #needSchema(): Promise<Schema> {
    if (this.#schema === undefined) {
      const reading = this.#readSchema();
      this.#schema = reading;
      reading.catch(() => {
        if (this.#schema === reading) this.#schema = undefined;
      });
    }
    return this.#schema;
  }

  async #readSchema(): Promise<Schema> {
    const [tables, columns] = await this.#read([
      { sql: "SELECT name FROM file.sqlite_master WHERE type = 'table'", values: [] },
      { sql: "SELECT name FROM pragma_table_info('experiments', 'file')", values: [] },
    ]);
    const [names, own] = [new Set(tables?.[0]), new Set(columns?.[0])];
    const needed = ["experiments", "experiment_tags", "runs", "params", "tags", "metrics", "latest_metrics"];
    if (!needed.every((table) => names.has(table)))
      throw new PulseError("NOT_MLFLOW", `${this.#path} is an SQLite database, but not an MLflow database.`);
    const datasets = ["datasets", "inputs", "input_tags"].every((table) => names.has(table));
    const times = own.has("creation_time") && own.has("last_update_time");
    return {
      runs: runTables(datasets),
      experiments: experimentTables(times),
      times,
      workspaces: own.has("workspace"),
    };
  }

  async #read(queries: readonly Query[]): Promise<readonly Columns[]> {
    if (this.#closed) throw new PulseError("CLOSED", "This client is closed.");
    try {
      return await this.#thread.read(queries);
    } catch (error) {
      throw this.#store.problemOf(error);
    }
  }
}

function andOf(conditions: readonly Sql[]): Sql {
  return {
    sql: conditions.map(({ sql }) => sql).join(" AND "),
    values: conditions.flatMap(({ values }) => values),
  };
}
