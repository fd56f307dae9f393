import { wellFormed } from "../base/text/keys.js";
import type { RunChange } from "../contracts/tracking-store.js";
import { Failure } from "./failure.js";
import { list, record, text } from "./json.js";
import type { TrackingApi } from "./tracking-api.js";

/**
 * The fields of MLflow's success answers, for calls where they may also be empty. (For other calls, the caller checks
 * for the field it needs.)
 */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  "runs/log-batch": [],
  "runs/delete": [],
  "runs/search": ["runs", "next_page_token"],
  "experiments/search": ["experiments", "next_page_token"],
  "runs/log-inputs": [],
  "experiments/set-experiment-tag": [],
  "experiments/update": [],
  "experiments/delete": [],
  "experiments/restore": [],
  "runs/restore": [],
  "runs/set-tag": [],
  "runs/delete-tag": [],
  "metrics/get-history": ["metrics", "next_page_token"],
};

/**
 * Returns the fields of a success answer that MLflow does not send, which may mean that something else answered;
 * undefined if there are none.
 */
export function foreignFields(call: string, answer: Readonly<Record<string, unknown>>): string | undefined {
  const known = FIELDS[call];
  const foreign = known && Object.keys(answer).filter((key) => !known.includes(key));
  return foreign === undefined || foreign.length === 0 ? undefined : foreign.sort().join();
}

/** A field that only MLflow's success answers have, for the other calls. */
const OWN_FIELD: Readonly<Record<string, string>> = {
  "runs/create": "run",
  "runs/get": "run",
  "runs/update": "run_info",
  "experiments/get": "experiment",
  "experiments/get-by-name": "experiment",
  "experiments/create": "experiment_id",
};

/** Returns the fields that a gateway has added to an answer that is certainly MLflow's; undefined if there are none. */
export function addedFields(call: string, answer: Readonly<Record<string, unknown>>): string | undefined {
  const own = OWN_FIELD[call];
  if (own === undefined || !(own in answer)) return undefined;
  const added = Object.keys(answer).filter((key) => key !== own);
  return added.length === 0 ? undefined : added.sort().join();
}

type Calls = Pick<TrackingApi, "post" | "get" | "lacks">;

/** The contents of a `log-batch` request. */
export type Items = Pick<RunChange, "metrics" | "params" | "tags">;

/** Sends a batch. An answer that only looks like success is accepted if the run has what was sent. */
export async function logBatch(api: Calls, runId: string, body: string | object, items: Items): Promise<void> {
  await api.post("runs/log-batch", body, () => has(api, runId, items));
}

/** Deletes a run, if permitted: a user who may write may not always delete, and nothing else should wait for that. */
export async function deleteRun(api: Calls, runId: string): Promise<void> {
  const deleted = async (): Promise<boolean> => {
    const run = record((await api.get("runs/get", { run_id: runId }))["run"]);
    return record(run?.["info"])?.["lifecycle_stage"] === "deleted";
  };
  await api.post("runs/delete", { run_id: runId }, deleted).catch((error: unknown) => {
    if (!(error instanceof Failure && error.kind === "denied")) throw error;
  });
}

/** Servers before MLflow 3 cut params after 500 characters; none cuts shorter. */
const MIN_CUT = 250;

function isStored(there: string, value: string): boolean {
  return there === value || (there.length >= MIN_CUT && value.startsWith(there));
}

async function has(api: Calls, runId: string, { metrics, params, tags }: Items): Promise<boolean> {
  const data = record(record((await api.get("runs/get", { run_id: runId }))["run"])?.["data"]);
  if (data === undefined) return false;
  const stored = (name: string): Map<string, Record<string, unknown>> =>
    new Map(list(data[name]).map((item) => [text(item["key"]) ?? "", item]));
  const points = stored("metrics");
  for (const [name, pairs] of Object.entries({ params, tags })) {
    const there = stored(name);
    // If a tag is set twice, the last value wins.
    const wanted = new Map(pairs.map(({ key, value }) => [wellFormed(key), wellFormed(value)]));
    for (const [key, value] of wanted)
      if (!there.has(key) || !isStored(text(there.get(key)?.["value"]) ?? "", value)) return false;
  }
  const last = new Map<string, Items["metrics"][number]>();
  for (const point of metrics) {
    const key = wellFormed(point.key);
    if (point.step >= (last.get(key)?.step ?? Number.NEGATIVE_INFINITY)) last.set(key, point);
  }
  for (const [key, { step, timestamp }] of last) {
    const latest = points.get(key);
    if (latest === undefined || Number(latest["step"] ?? 0) < step) return false;
    // A later value does not prove that this one is stored.
    if (Number(latest["step"] ?? 0) === step && Number(latest["timestamp"]) === timestamp) continue;
    if (api.lacks?.("metrics/get-history")) continue;
    const history = list((await api.get("metrics/get-history", { run_id: runId, metric_key: key }))["metrics"]);
    if (!history.some((point) => Number(point["step"] ?? 0) === step && Number(point["timestamp"]) === timestamp))
      return false;
  }
  return true;
}
