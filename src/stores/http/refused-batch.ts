import { MlflowError } from "../../errors.js";
import type { RunChange } from "../tracking-store.js";
import { Failure } from "./failure.js";
import { list, record, text } from "./json.js";
import type { MlflowApi } from "./mlflow-api.js";

/** What can be done about a `log-batch` the server has refused as a whole. */
export type Remedy =
  /** These params have another value already. */
  | { readonly kind: "conflict"; readonly params: readonly string[] }
  /** The body was too large for whoever is in between. */
  | { readonly kind: "smaller" }
  /** This is what is still to be sent. */
  | { readonly kind: "rest"; readonly change: RunChange };

/** Looks why a batch was refused; undefined when nothing but the refusal itself remains. */
export async function remedyFor(error: unknown, api: MlflowApi, runId: string, change: RunChange): Promise<Remedy | undefined> {
  if (!(error instanceof Failure) || !(error.error instanceof MlflowError)) return undefined;
  if (error.error.httpStatus === 413) return { kind: "smaller" };
  // Servers before 2.20 know no colon in keys.
  if (error.kind === "rejected" && /^Invalid .*name/i.test(error.error.serverMessage) && hasColon(change))
    return { kind: "rest", change: withoutColons(change) };
  if (error.kind === "rejected" && change.params.length > 0) {
    const params = await conflicts(api, runId, change);
    return params.length > 0 ? { kind: "conflict", params } : undefined;
  }
  // Servers before 3 take a point they have again, but not when it is NaN: they look for it by comparing, and NaN equals nothing.
  if (error.error.errorCode === "BAD_REQUEST" && change.metrics.some(({ value }) => Number.isNaN(value))) {
    const metrics = await withoutStoredNaN(api, runId, change);
    return metrics.length < change.metrics.length ? { kind: "rest", change: { ...change, metrics } } : undefined;
  }
  return undefined;
}

function hasColon({ metrics, params, tags }: RunChange): boolean {
  return [...metrics, ...params, ...tags].some(({ key }) => key.includes(":"));
}

function withoutColons(change: RunChange): RunChange {
  const mended = <T extends { readonly key: string }>(items: readonly T[]): T[] =>
    items.map((item) => ({ ...item, key: item.key.replaceAll(":", "_") }));
  return { ...change, metrics: mended(change.metrics), params: mended(change.params), tags: mended(change.tags) };
}

async function conflicts(api: MlflowApi, runId: string, { params }: RunChange): Promise<string[]> {
  const run = record((await api.get("runs/get", { run_id: runId }))["run"]);
  if (run === undefined) throw api.incomplete("runs/get");
  const stored = new Map<string, string>();
  for (const param of list(record(run?.["data"])?.["params"])) {
    const key = text(param["key"]);
    if (key !== undefined) stored.set(key, text(param["value"]) ?? "");
  }
  return params.filter(({ key, value }) => (stored.get(key) ?? value) !== value).map(({ key }) => key);
}

async function withoutStoredNaN(api: MlflowApi, runId: string, { metrics }: RunChange): Promise<RunChange["metrics"]> {
  const stored = new Set<string>();
  for (const key of new Set(metrics.filter(({ value }) => Number.isNaN(value)).map(({ key }) => key))) {
    for (const point of list((await api.get("metrics/get-history", { run_id: runId, metric_key: key }))["metrics"])) {
      if (point["value"] === "NaN") stored.add(`${key} ${Number(point["timestamp"])} ${Number(point["step"] ?? 0)}`);
    }
  }
  return metrics.filter(({ key, value, timestamp, step }) => !(Number.isNaN(value) && stored.has(`${key} ${timestamp} ${step}`)));
}
