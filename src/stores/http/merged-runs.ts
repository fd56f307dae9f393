import type { MlflowRun } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { compareKeys, matchesRun, runKey, type SortKey } from "../../search/evaluate.js";
import type { OrderBy } from "../../search/order.js";
import type { ServerQuery } from "./server-search.js";

/** How many streams are begun at once. */
const WIDTH = 4;
/** How many runs are sorted here. */
const MAX_SORTED = 100_000;

/** Reads a page of the runs that a text finds. */
export type ReadRuns = (
  text: string,
  pageToken: string | undefined,
) => Promise<{ readonly items: readonly MlflowRun[]; readonly nextPageToken: string | undefined }>;

interface Head {
  readonly run: MlflowRun;
  readonly key: SortKey;
  readonly from: AsyncIterator<MlflowRun>;
}

/**
 * Yields the runs that one of several queries finds, each once, in order.
 * @param sorted whether the server has ordered them
 */
export async function* mergedRuns(
  queries: readonly ServerQuery[],
  read: ReadRuns,
  orders: readonly OrderBy[],
  sorted: boolean,
): AsyncGenerator<MlflowRun, void, void> {
  const streams = queries.map((query) => matching(query, read));
  if (!sorted) {
    yield* await sortedHere(streams, orders);
    return;
  }
  const heads: Head[] = [];
  const pull = async (from: AsyncIterator<MlflowRun>): Promise<void> => {
    const { value, done } = await from.next();
    if (done !== true) heads.push({ run: value, key: runKey(value, orders), from });
  };
  for (let at = 0; at < streams.length; at += WIDTH) await Promise.all(streams.slice(at, at + WIDTH).map(pull));
  const seen = new Set<string>();
  while (heads.length > 0) {
    let first = 0;
    for (let i = 1; i < heads.length; i++)
      if (compareKeys(orders, (heads[i] as Head).key, (heads[first] as Head).key) < 0) first = i;
    const [{ run, from }] = heads.splice(first, 1) as [Head];
    if (!seen.has(run.runId)) yield run;
    if (streams.length > 1) seen.add(run.runId);
    await pull(from);
  }
}

async function* matching({ text, rest }: ServerQuery, read: ReadRuns): AsyncGenerator<MlflowRun, void, void> {
  let pageToken: string | undefined;
  do {
    const page = await read(text, pageToken);
    for (const run of page.items) if (matchesRun(rest, run)) yield run;
    pageToken = page.nextPageToken === pageToken ? undefined : page.nextPageToken; // else it would never end
  } while (pageToken !== undefined);
}

async function sortedHere(
  streams: readonly AsyncIterable<MlflowRun>[],
  orders: readonly OrderBy[],
): Promise<MlflowRun[]> {
  const found = new Map<string, MlflowRun>();
  for (const stream of streams)
    for await (const run of stream) {
      found.set(run.runId, run);
      if (found.size > MAX_SORTED)
        throw new PulseError(
          "INVALID_FILTER",
          `MLflow's servers cannot give this order, and more than ${MAX_SORTED.toLocaleString("en")} runs match; narrow the filter down.`,
        );
    }
  return [...found.values()].sort((a, b) => compareKeys(orders, runKey(a, orders), runKey(b, orders)));
}
