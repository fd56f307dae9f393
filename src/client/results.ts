import { PulseError } from "../base/errors.js";
import { wrongInput } from "../base/wrong-input.js";
import type { Page } from "../search/request.js";

/** How many results are read at once where that is not said. */
const PAGE = 1_000;
/** @internal What MLflow's servers return at once. */
export const MAX_PAGE = 50_000;

/** @internal Reads one page. */
export type PageReader<T> = (maxResults: number, pageToken: string | undefined) => Promise<Page<T>>;

/**
 * The results of a search: iterate over them with `for await`, or take them by `first`, `toArray` or page. Each use
 * searches anew. Nothing is searched before.
 */
export class Results<T> implements AsyncIterable<T> {
  readonly #read: PageReader<T>;
  readonly #most: number;

  /** @internal Use the methods of `MlflowClient`. */
  constructor(read: PageReader<T>, maxResults: number = Number.POSITIVE_INFINITY) {
    this.#read = read;
    this.#most = maxResults;
  }

  /**
   * Reads one page.
   * @param options.maxResults the size of the page, from 1 to 50,000. @default the `maxResults` of the search, else
   * 1,000; pages go on beyond the `maxResults` of the search
   * @param options.pageToken the `nextPageToken` of the page before. @default the first page
   * @throws (rejects) PulseError `INVALID_FILTER`; `INVALID_OPTION` also for a token of another search
   */
  async page(
    options: { readonly maxResults?: number | undefined; readonly pageToken?: string | undefined } = {},
  ): Promise<{ readonly items: T[]; readonly nextPageToken?: string }> {
    const { maxResults = Math.min(this.#most, PAGE), pageToken } = options;
    needCount("page", "maxResults", maxResults, MAX_PAGE);
    if (pageToken !== undefined && (typeof pageToken !== "string" || pageToken === ""))
      throw wrongInput("page", "pageToken", "the nextPageToken of another page", pageToken);
    const { items, nextPageToken } = await this.#read(maxResults, pageToken);
    return { items: [...items], ...(nextPageToken !== undefined && { nextPageToken }) };
  }

  /** Returns the first result; undefined if there is none. */
  async first(): Promise<T | undefined> {
    return (await this.#read(1, undefined)).items[0];
  }

  /** Returns all results, or the first `limit`. */
  async toArray(limit: number = Number.POSITIVE_INFINITY): Promise<T[]> {
    if (limit !== Number.POSITIVE_INFINITY) needCount("toArray", "limit", limit);
    const found: T[] = [];
    for await (const item of this.#upTo(limit)) found.push(item);
    return found;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.#upTo(Number.POSITIVE_INFINITY)[Symbol.asyncIterator]();
  }

  async *#upTo(limit: number): AsyncGenerator<T, undefined, undefined> {
    let left = Math.min(limit, this.#most);
    let token: string | undefined;
    while (left > 0) {
      const { items, nextPageToken } = await this.#read(Math.min(left, PAGE), token);
      yield* items;
      left -= items.length;
      if (nextPageToken === undefined) return;
      // A server that gives the same page again would never end.
      if (nextPageToken === token)
        throw new PulseError("STORE_UNAVAILABLE", "The server gave the same page token twice.");
      token = nextPageToken;
    }
  }
}

/** @internal @throws PulseError `INVALID_OPTION` */
export function needCount(user: string, name: string, value: unknown, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= most) return;
  const upTo = most === Number.MAX_SAFE_INTEGER ? "1 or more" : `from 1 to ${most.toLocaleString("en")}`;
  throw wrongInput(user, name, `an integer, ${upTo}`, value);
}
