import { MlflowError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import type { Items } from "../../http/answers.js";
import { Failure } from "../../http/failure.js";
import { list, record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** What can be done about a `log-batch` the server has refused as a whole. */
export type Remedy =
  /** These params have another value already. */
  | { readonly kind: "conflict"; readonly params: readonly string[] }
  /** The body was too large for whoever is in between. */
  | { readonly kind: "smaller" }
  /** This is what is still to be sent. */
  | { readonly kind: "rest"; readonly items: Items };

/** Looks why a batch was refused; undefined when nothing but the refusal itself remains. */
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
  // Servers before 3 take a point they have again, but not when it is NaN: they look for it by comparing, and NaN
  // equals nothing.
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
