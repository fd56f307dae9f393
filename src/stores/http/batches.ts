import type { Metric } from "../../base/entities.js";
import { wellFormed } from "../../base/text/keys.js";
import type { Items } from "../../http/answers.js";
import { refusal } from "../../http/failure.js";

/** What a server takes in one `log-batch`. */
const MAX_ITEMS = 1_000;
const MAX_PARAMS = 100;
const MAX_TAGS = 100;

/** One `log-batch` request and what it holds. */
export interface Batch {
  readonly body: string;
  readonly items: Items;
}

/** The `log-batch` requests of a change: as few as MLflow's limits and `maxBytes` allow. */
export function batches(runId: string, { params, tags, metrics }: Items, maxBytes: number): Batch[] {
  const made: Batch[] = [];
  const fresh = () => ({
    params: [] as Items["params"][number][],
    tags: [] as Items["tags"][number][],
    metrics: [] as Metric[],
  });
  let items = fresh();
  const texts = { params: [] as string[], tags: [] as string[], metrics: [] as string[] };
  let count = 0;
  let bytes = 0;
  const flush = (): void => {
    if (count === 0) return;
    const parts = Object.entries(texts).flatMap(([name, list]) =>
      list.length > 0 ? [`"${name}":[${list.join(",")}]`] : [],
    );
    made.push({ body: `{"run_id":${JSON.stringify(runId)},${parts.join(",")}}`, items });
    for (const list of Object.values(texts)) list.length = 0;
    items = fresh();
    count = 0;
    bytes = 0;
  };
  const add = <K extends keyof Items>(kind: K, most: number, item: Items[K][number], text: string): void => {
    const size = Buffer.byteLength(text) + 1;
    if (count === MAX_ITEMS || texts[kind].length === most || bytes + size > maxBytes) flush();
    texts[kind].push(text);
    (items[kind] as Items[K][number][]).push(item);
    count++;
    bytes += size;
  };
  for (const param of params) add("params", MAX_PARAMS, param, pair(param.key, param.value));
  for (const tag of tags) add("tags", MAX_TAGS, tag, pair(tag.key, tag.value));
  for (const metric of metrics) add("metrics", MAX_ITEMS, metric, point(metric));
  flush();
  return made;
}

/** Gives a text as JSON; half a surrogate pair, which is no character, would make the server fail. */
function text(value: string): string {
  return JSON.stringify(wellFormed(value));
}

function pair(key: string, value: string): string {
  return `{"key":${text(key)},"value":${text(value)}}`;
}

function point({ key, value, timestamp, step }: Metric): string {
  const number = Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
  return `{"key":${text(key)},"value":${number},"timestamp":${timestamp},"step":${step}}`;
}

/**
 * Servers read on after a number they cannot take as if nothing had happened, and lose the rest of the body: nothing of
 * that kind is sent.
 * @throws Failure `rejected` for what is no integer.
 */
export function integer(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw refusal("INVALID_VALUE", `A ${what} must be an integer, got ${value}.`);
  return value;
}
