import type { Metric } from "../../base/entities.js";
import { wellFormed } from "../../base/text/keys.js";
import type { Items } from "../../http/answers.js";
import { refusal } from "../../http/failure.js";

/** MLflow's limits for one `log-batch` request. */
const MAX_ITEMS = 1_000;
const MAX_PARAMS = 100;
const MAX_TAGS = 100;

/** A `log-batch` request and the items in it. */
export interface Batch {
  readonly body: string;
  readonly items: Items;
}

/** Splits the items of a change into as few `log-batch` requests as MLflow's limits and `maxBytes` allow. */
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

/** Encodes a text as JSON. Lone surrogates are replaced, because the server would fail on them. */
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
 * Checks that a value is an integer. Servers treat a number they cannot parse as the end of the body and silently lose
 * the rest, so such numbers are never sent.
 * @throws Failure `rejected` if it is not an integer.
 */
export function integer(value: number, what: string): number {
  if (!Number.isSafeInteger(value)) throw refusal("INVALID_VALUE", `A ${what} must be an integer, got ${value}.`);
  return value;
}
