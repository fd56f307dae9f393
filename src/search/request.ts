import type { ViewType } from "../base/entities.js";
import type { Filter } from "./filter.js";
import type { OrderBy } from "./order.js";

/** @internal A search as a store gets it. */
export interface SearchRequest {
  readonly filter: Filter;
  /** What was asked for, as it was given: other searches have other page tokens. */
  readonly asked: readonly unknown[];
  /** The whole order: no two results are equal in it. */
  readonly orders: readonly OrderBy[];
  readonly viewType: ViewType;
  /** Maximum number of results in this page, at least 1. */
  readonly maxResults: number;
  readonly pageToken: string | undefined;
}

/** @internal A search for runs in some experiments. */
export interface RunSearchRequest extends SearchRequest {
  readonly experimentIds: readonly string[];
}

/** @internal One page of a search. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Passed to the next call; undefined on the last page. */
  readonly nextPageToken: string | undefined;
}
