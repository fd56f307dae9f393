import { cursorOf, fingerprintOf, tokenAfter } from "./cursor.js";
import { compareKeys, type SortKey } from "./evaluate.js";
import type { OrderBy } from "./order.js";
import type { Page, SearchRequest } from "./request.js";

/** Returns a page of results that are all in memory and match, in order. */
export function pageOf<T>(
  found: readonly T[],
  search: SearchRequest,
  keyOf: (item: T, orders: readonly OrderBy[]) => SortKey,
): Page<T> {
  const { orders, maxResults, pageToken } = search;
  const fingerprint = fingerprintOf(search);
  const after = pageToken === undefined ? undefined : cursorOf(pageToken, fingerprint, orders.length);
  const keyed = found.map((item) => ({ item, key: keyOf(item, orders) }));
  const left = after ? keyed.filter(({ key }) => compareKeys(orders, after, key) < 0) : keyed;
  left.sort((a, b) => compareKeys(orders, a.key, b.key));
  const page = left.slice(0, maxResults);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    nextPageToken: last && left.length > page.length ? tokenAfter(last.key, fingerprint) : undefined,
  };
}
