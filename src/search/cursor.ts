import { PulseError } from "../base/errors.js";
import { shortHash } from "../base/text/keys.js";
import type { SortKey, Value } from "./evaluate.js";
import type { SearchRequest } from "./request.js";

/** What a page token is for: tokens of another search are refused. */
export type Fingerprint = string;

/** Returns the fingerprint of a search. Its filter may change from page to page by `now()`, what was asked does not. */
export function fingerprintOf({ asked, orders, viewType }: SearchRequest): Fingerprint {
  return shortHash(JSON.stringify([asked, orders, viewType]));
}

/** Longer tokens are not ours. */
const MAX_LENGTH = 100_000;

/**
 * Makes the token of the page behind a result. It holds the result's place in the order, so that results that vanish in
 * between move no others.
 */
export function tokenAfter(key: SortKey, fingerprint: Fingerprint): string {
  return tokenOf(key.map(encoded), fingerprint);
}

/** Makes a token from plain data. */
export function tokenOf(state: unknown, fingerprint: Fingerprint): string {
  return Buffer.from(JSON.stringify([fingerprint, state])).toString("base64url");
}

/**
 * Returns the place behind which a page begins.
 * @throws PulseError `INVALID_OPTION` for a token that this search has not given.
 */
export function cursorOf(token: string, fingerprint: Fingerprint, columns: number): SortKey {
  const isKey = (state: unknown): state is unknown[] =>
    Array.isArray(state) && state.length === columns && state.every(isEncoded);
  return stateOf(token, fingerprint, isKey).map(decoded);
}

/**
 * Returns the data that a token was made from.
 * @throws PulseError `INVALID_OPTION` for a token that this search has not given.
 */
export function stateOf<T>(token: string, fingerprint: Fingerprint, isState: (state: unknown) => state is T): T {
  let content: unknown;
  try {
    if (token.length <= MAX_LENGTH) content = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    // Not JSON.
  }
  if (Array.isArray(content) && content.length === 2 && content[0] === fingerprint && isState(content[1]))
    return content[1];
  const detail = "does not belong to this search; pass the nextPageToken of a page of the same search.";
  throw new PulseError("INVALID_OPTION", `page: pageToken ${detail}`);
}

const isEncoded = (value: unknown): boolean =>
  value === null ||
  typeof value === "string" ||
  (typeof value === "number" && Number.isFinite(value)) ||
  (Array.isArray(value) && value.length === 0);

/** NaN is `[]`, and a missing value null. */
const encoded = (value: Value): unknown => (Number.isNaN(value) ? [] : (value ?? null));
const decoded = (value: unknown): Value =>
  value === null ? undefined : Array.isArray(value) ? Number.NaN : (value as Value);
