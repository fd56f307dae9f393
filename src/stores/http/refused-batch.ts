import { MlflowError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import type { Items } from "../../http/answers.js";
import { Failure } from "../../http/failure.js";
import { list, record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** What to do about a `log-batch` that the server refused as a whole. */
export type Remedy =
  /** Report these params, which already have other values. */
  | { readonly kind: "conflict"; readonly params: readonly string[] }
  /** Send smaller batches: a proxy refused the size. */
  | { readonly kind: "smaller" }
  /** Send only these items. */
  | { readonly kind: "rest"; readonly items: Items };

/** Finds out why a batch was refused; undefined if there is no remedy. */
export async function remedyFor(
  error: unknown,
  api: TrackingApi,
  runId: string,
  items: Items,
): Promise<Remedy | undefined> {
  if (!(error instanceof Failure) || !(error.error instanceof MlflowError)) return undefined;
  if (error.error.httpStatus === 413) return { kind: "smaller" };
  if (error.kind === "rejected" && items.params.length > 0) {
    const params = await conflicts(api, runId, items);
    return params.length > 0 ? { kind: "conflict", params } : undefined;
  }
  // Servers before MLflow 3 accept a metric value again unless it is NaN: they look for it by comparing, and NaN equals
  // nothing.
  if (error.error.errorCode === "BAD_REQUEST" && items.metrics.some(({ value }) => Number.isNaN(value))) {
    const metrics = await withoutStoredNaN(api, runId, items);
    return metrics.length < items.metrics.length ? { kind: "rest", items: { ...items, metrics } } : undefined;
  }
  return undefined;
}

async function conflicts(api: TrackingApi, runId: string, { params }: Items): Promise<string[]> {
  const run = record((await api.get("runs/get", { run_id: runId }))["run"]);
  if (run === undefined) throw api.incomplete("runs/get");
  const stored = new Map<string, string>();
  for (const param of list(record(run?.["data"])?.["params"])) {
    const key = text(param["key"]);
    if (key !== undefined) stored.set(key, text(param["value"]) ?? "");
  }
  return params
    .filter(({ key, value }) => (stored.get(wellFormed(key)) ?? wellFormed(value)) !== wellFormed(value))
    .map(({ key }) => key);
}

async function withoutStoredNaN(api: TrackingApi, runId: string, { metrics }: Items): Promise<Items["metrics"]> {
  const stored = new Set<string>();
  for (const key of new Set(metrics.filter(({ value }) => Number.isNaN(value)).map(({ key }) => key))) {
    for (const point of list((await api.get("metrics/get-history", { run_id: runId, metric_key: key }))["metrics"])) {
      if (point["value"] === "NaN") stored.add(`${key} ${Number(point["timestamp"])} ${Number(point["step"] ?? 0)}`);
    }
  }
  return metrics.filter(
    ({ key, value, timestamp, step }) => !(Number.isNaN(value) && stored.has(`${key} ${timestamp} ${step}`)),
  );
}
