import { PulseError } from "../../base/errors.js";
import { type Comparison, EVERYTHING, type Filter } from "../../search/filter.js";
import type { OrderBy } from "../../search/order.js";

/** One query to the server, and what has to be filtered of its answer. */
export interface ServerQuery {
  /** In MLflow's search language. */
  readonly text: string;
  /** What the server cannot filter. */
  readonly rest: Filter;
}

/** Maximum number of queries of one search. */
const MAX_QUERIES = 64;
/** How many comparisons a server gets in one query; the others are made here. */
const MAX_COMPARED = 50;

/**
 * Splits a filter into queries in MLflow's search language, which knows AND only: a result matches if it is in the
 * answer to one of them, and matches the rest of that one.
 * @param isModern whether the server is an MLflow of version 3. MLflow 2 does not know `IS NULL`, and its databases fail
 * on datasets together with other conditions.
 * @throws PulseError `INVALID_FILTER` for more than 64 queries
 */
export function serverQueries(filter: Filter, isModern: boolean): ServerQuery[] {
  const count = alternatives(filter);
  if (count > MAX_QUERIES)
    throw new PulseError(
      "INVALID_FILTER",
      `MLflow's servers know no OR, so this filter needs ${count > 1e6 ? "more than a million" : count} queries; ${MAX_QUERIES} are the most. Split it, or narrow it down first.`,
    );
  return conjunctions(filter).map((comparisons) => {
    const texts: string[] = [];
    const rest: Comparison[] = [];
    for (const comparison of comparisons) {
      // A database joins a table for each, and SQLite at most 64.
      const text = texts.length < MAX_COMPARED ? textOf(comparison, isModern) : undefined;
      if (text === undefined) rest.push(comparison);
      else texts.push(text);
    }
    return { text: texts.join(" AND "), rest: rest.length === 0 ? EVERYTHING : { kind: "and", of: rest } };
  });
}

/** Returns how many queries a filter needs, since a server knows no OR. */
export function alternatives(filter: Filter): number {
  if (filter.kind === "comparison")
    return filter.operator === "IN" && isSplit(filter) ? (filter.value as readonly string[]).length : 1;
  const counts = filter.of.map(alternatives);
  return filter.kind === "or"
    ? counts.reduce((sum, each) => sum + each, 0)
    : counts.reduce((product, each) => product * each, 1);
}

function conjunctions(filter: Filter): Comparison[][] {
  if (filter.kind === "comparison") {
    if ((filter.operator !== "IN" && filter.operator !== "NOT IN") || !isSplit(filter)) return [[filter]];
    const isIn = filter.operator === "IN";
    const each = (filter.value as readonly string[]).map(
      (value): Comparison => ({ ...filter, operator: isIn ? "=" : "!=", value }),
    );
    return isIn ? each.map((one) => [one]) : [each];
  }
  const parts = filter.of.map(conjunctions);
  if (filter.kind === "or") return parts.flat();
  return parts.reduce<Comparison[][]>(
    (all, part) => all.flatMap((one) => part.map((other) => [...one, ...other])),
    [[]],
  );
}

/** MLflow has lists for `run_id` and datasets only. */
const isSplit = ({ entity, key }: Comparison): boolean =>
  entity !== "dataset" && key !== "run_id" && key !== "experiment_id";

/** Returns a comparison in MLflow's language; undefined if that cannot express it. */
function textOf({ entity, key, operator, value }: Comparison, isModern: boolean): string | undefined {
  const name = nameOf(entity, key);
  if (name === undefined || key === "duration" || (entity === "dataset" && !isModern)) return undefined;
  switch (operator) {
    case "NOT LIKE":
    case "NOT ILIKE":
      return undefined;
    case "IS NULL":
    case "IS NOT NULL":
      return isModern ? `${name} ${operator}` : undefined;
    case "IN":
    case "NOT IN": {
      const texts = (value as readonly string[]).map(listed);
      return texts.includes(undefined) ? undefined : `${name} ${operator} (${texts.join(", ")})`;
    }
  }
  if (typeof value === "number") return `${name} ${operator} ${numberText(value)}`;
  const text = quoted(value as string);
  return text && `${name} ${operator} ${text}`;
}

/** MLflow's language has no word for infinity, but numbers that are as large. */
const numberText = (value: number): string => String(value).replace("e+", "e").replace("Infinity", "1e400");

function nameOf(entity: Comparison["entity"], key: string): string | undefined {
  if (entity === "attribute" || entity === "dataset") return `${entity}.${key}`;
  if (/[\\'"]/.test(key) || key.trim() !== key) return undefined;
  const quote = key.includes("`") ? undefined : "`";
  return quote && `${entity}.${quote}${key}${quote}`;
}

/** Quotes cannot be escaped, and a backslash at the end would escape one. */
function quoted(text: string): string | undefined {
  if (text.endsWith("\\")) return undefined;
  return text.includes("'") ? (text.includes('"') ? undefined : `"${text}"`) : `'${text}'`;
}

/** Lists are read as Python's. */
const listed = (text: string): string | undefined => (/['\\\n\r]/.test(text) ? undefined : `'${text}'`);

/** Returns the columns for the server, which adds those for ties; undefined if it cannot order by them. */
export function serverOrder(orders: readonly OrderBy[]): string[] | undefined {
  const given = [...orders];
  if (isAttribute(given.at(-1), "run_id", true)) given.pop();
  if (isAttribute(given.at(-1), "start_time", false)) given.pop();
  const columns = given.map(({ entity, key, ascending }) => {
    const name = key === "duration" && entity === "attribute" ? undefined : nameOf(entity, key);
    return name && `${name} ${ascending ? "ASC" : "DESC"}`;
  });
  return columns.includes(undefined) ? undefined : (columns as string[]);
}

const isAttribute = (order: OrderBy | undefined, key: string, ascending: boolean): boolean =>
  order?.entity === "attribute" && order.key === key && order.ascending === ascending;
