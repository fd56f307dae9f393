import type { Metric } from "../../entities.js";
import type { RunChange } from "../tracking-store.js";
import { refusal } from "./failure.js";

/** What a server takes in one `log-batch`. */
const MOST_ITEMS = 1_000;
const MOST_PARAMS = 100;
const MOST_TAGS = 100;

/** The bodies of the `log-batch` requests of a change: as few as MLflow's limits and `maxBytes` allow. */
export function batches(runId: string, { params, tags, metrics }: RunChange, maxBytes: number): string[] {
  const bodies: string[] = [];
  const lists = { params: [] as string[], tags: [] as string[], metrics: [] as string[] };
  let items = 0;
  let bytes = 0;
  const flush = (): void => {
    if (items === 0) return;
    const parts = Object.entries(lists).flatMap(([name, list]) => (list.length > 0 ? [`"${name}":[${list.join(",")}]`] : []));
    bodies.push(`{"run_id":${JSON.stringify(runId)},${parts.join(",")}}`);
    for (const list of Object.values(lists)) list.length = 0;
    items = 0;
    bytes = 0;
  };
  const add = (list: string[], most: number, text: string): void => {
    const size = Buffer.byteLength(text) + 1;
    if (items === MOST_ITEMS || list.length === most || bytes + size > maxBytes) flush();
    list.push(text);
    items++;
    bytes += size;
  };
  for (const { key, value } of params) add(lists.params, MOST_PARAMS, pair(key, value));
  for (const { key, value } of tags) add(lists.tags, MOST_TAGS, pair(key, value));
  for (const metric of metrics) add(lists.metrics, MOST_ITEMS, point(metric));
  flush();
  return bodies;
}

/** Gives a text as JSON; half a surrogate pair, which is no character, would make the server fail. */
function text(value: string): string {
  return JSON.stringify((value as string & { toWellFormed(): string }).toWellFormed());
}

function pair(key: string, value: string): string {
  return `{"key":${text(key)},"value":${text(value)}}`;
}

/** Servers read on after a number they cannot take as if nothing had happened, and lose the rest of the body: nothing of that kind is sent. */
function point({ key, value, timestamp, step }: Metric): string {
  const number = Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
  return `{"key":${text(key)},"value":${number},"timestamp":${integer(timestamp, "timestamp")},"step":${integer(step, "step")}}`;
}

/** @throws Failure `rejected` for what is no integer. */
export function integer(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw refusal("INVALID_VALUE", `A ${what} must be an integer, got ${value}.`);
  return value;
}
