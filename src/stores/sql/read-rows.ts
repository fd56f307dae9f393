import type { DatasetInput, MetricPoint, MlflowRun, RunStatus, Tag } from "../../base/entities.js";
import type { Columns, Query } from "./read-thread.js";

/** The columns of a value. Steps and times may be larger than JavaScript's integers. */
export const POINT = "value, is_nan, timestamp + 0.0 AS timestamp, step + 0.0 AS step";

/** Makes points from the columns `POINT`. */
export function* pointsIn(columns: Columns | undefined): Generator<MetricPoint> {
  const [values = [], isNaNs = [], timestamps = [], steps = []] = columns ?? [];
  for (let i = 0; i < values.length; i++)
    yield {
      value: isNaNs[i] ? Number.NaN : Number(values[i]),
      timestamp: Number(timestamps[i]),
      step: Number(steps[i]),
    };
}

/** Makes points from a key and the columns `POINT`. */
export function pointsByKey(columns: Columns | undefined): Map<string, MetricPoint> {
  const [keys = [], ...rest] = columns ?? [];
  const points = [...pointsIn(rest)];
  return new Map((keys as readonly string[]).map((key, i) => [key, points[i] as MetricPoint]));
}

/** The queries that read runs by their ids. */
export function hydration(datasets: boolean, ids: readonly string[]): Query[] {
  const values = [JSON.stringify(ids)];
  const keyed = (table: string, columns: string): Query => ({
    sql: `SELECT j.key AS place, v.key, ${columns} FROM json_each(?) j CROSS JOIN ${table} v ON v.run_uuid = j.value`,
    values,
  });
  const inputs: Query = {
    sql: `SELECT j.key AS place, i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema,
        d.dataset_profile, t.name AS tag, t.value FROM json_each(?) j
      CROSS JOIN inputs i ON i.destination_type = 'RUN' AND i.destination_id = j.value AND i.source_type = 'DATASET'
      CROSS JOIN datasets d ON d.dataset_uuid = i.source_id LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid`,
    values,
  };
  return [
    {
      sql: `SELECT r.run_uuid, r.name, CAST(r.experiment_id AS TEXT) AS experiment, r.status, r.start_time, r.end_time, r.user_id,
          r.lifecycle_stage, r.artifact_uri, j.key AS place FROM json_each(?) j CROSS JOIN runs r ON r.run_uuid = j.value`,
      values,
    },
    keyed("params", "v.value"),
    keyed("tags", "v.value"),
    keyed("latest_metrics", "CASE WHEN v.is_nan THEN NULL ELSE v.value END AS value"),
    ...(datasets ? [inputs] : []),
  ];
}

/** Makes runs from what `hydration` has read. */
export function runsIn([runs, params, tags, metrics, inputs]: readonly Columns[]): MlflowRun[] {
  const [ids = [], names = [], experiments = [], statuses = [], starts = [], ends = [], users = []] = runs ?? [];
  const [stages = [], uris = [], places = []] = runs?.slice(7) ?? [];
  const most = Math.max(-1, ...(places as readonly number[])) + 1;
  const paramsOf = recordsOf(most, params, (value) => String(value ?? ""));
  const tagsOf = recordsOf(most, tags, (value) => String(value ?? ""));
  const metricsOf = recordsOf(most, metrics, (value) => (value === null ? Number.NaN : Number(value)));
  const inputsOf = datasetsOf(most, inputs);
  return Array.from(ids as readonly string[], (runId, i): MlflowRun => {
    const place = Number(places[i]);
    return {
      runId,
      runName: String(names[i] ?? tagsOf[place]?.["mlflow.runName"] ?? ""),
      experimentId: String(experiments[i]),
      status: String(statuses[i]) as RunStatus,
      startTime: dateOf(starts[i]) ?? new Date(0),
      endTime: dateOf(ends[i]),
      userId: String(users[i] ?? ""),
      lifecycleStage: stages[i] === "deleted" ? "deleted" : "active",
      artifactUri: String(uris[i] ?? ""),
      params: paramsOf[place] ?? {},
      tags: tagsOf[place] ?? {},
      metrics: metricsOf[place] ?? {},
      inputs: inputsOf[place] ?? [],
    };
  });
}

/** Makes a record for each place from rows of place, key and value. */
export function recordsOf<T>(
  count: number,
  columns: Columns | undefined,
  of: (value: unknown) => T,
): Record<string, T>[] {
  const records = Array.from({ length: count }, (): Record<string, T> => ({}));
  const [places = [], keys = [], values = []] = columns ?? [];
  for (let i = 0; i < places.length; i++) {
    const record = records[Number(places[i])];
    const key = String(keys[i]);
    if (record === undefined) continue;
    if (key === "__proto__") Object.defineProperty(record, key, { value: of(values[i]), enumerable: true });
    else record[key] = of(values[i]);
  }
  return records;
}

function datasetsOf(count: number, columns: Columns | undefined): DatasetInput[][] {
  const found = Array.from({ length: count }, () => new Map<unknown, DatasetInput & { tags: Tag[] }>());
  const [places = [], ids = [], names = [], digests = [], types = [], sources = []] = columns ?? [];
  const [schemas = [], profiles = [], tags = [], values = []] = columns?.slice(6) ?? [];
  for (let i = 0; i < places.length; i++) {
    const inputs = found[Number(places[i])];
    const input = inputs?.get(ids[i]) ?? {
      name: String(names[i]),
      digest: String(digests[i]),
      sourceType: String(types[i]),
      source: String(sources[i]),
      schema: textOf(schemas[i]),
      profile: textOf(profiles[i]),
      tags: [],
    };
    if (typeof tags[i] === "string") input.tags.push({ key: String(tags[i]), value: String(values[i]) });
    inputs?.set(ids[i], input);
  }
  return found.map((inputs) => [...inputs.values()]);
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
/** Makes a date from milliseconds, if there are any. */
export const dateOf = (value: unknown): Date | undefined => (typeof value === "number" ? new Date(value) : undefined);
