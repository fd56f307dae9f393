import type { SortKey, Value } from "../../search/evaluate.js";
import type { Comparison, Filter } from "../../search/filter.js";
import type { OrderBy } from "../../search/order.js";
import { real } from "./driver.js";
import type { SqlValue } from "./sql-values.js";

/** A piece of SQL and its values. No text of a user ever stands in the SQL. */
export interface Sql {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

const TRUE: Sql = { sql: "1", values: [] };
const FALSE: Sql = { sql: "0", values: [] };

/** What is searched: the columns of its attributes, and where its keyed values are. */
export interface SearchTables {
  /** Expressions by attribute, on the alias `r`. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The attributes that are never NULL. */
  readonly always: readonly string[];
  readonly id: string;
  readonly tables: Readonly<Partial<Record<Comparison["entity"], string>>>;
  /** Whether there are tables for datasets. */
  readonly datasets: boolean;
}

/** Runs in MLflow's tables. */
export const runTables = (datasets: boolean): SearchTables => ({
  attributes: {
    run_id: "r.run_uuid",
    status: "r.status",
    artifact_uri: "coalesce(r.artifact_uri, '')", // NULL is read as an empty text
    user_id: "coalesce(r.user_id, '')",
    start_time: "r.start_time",
    end_time: "r.end_time",
    duration: "(r.end_time - r.start_time)",
  },
  always: ["run_id", "status", "start_time", "artifact_uri", "user_id"],
  id: "run_uuid",
  tables: { metric: "latest_metrics", param: "params", tag: "tags" },
  datasets,
});

/** Experiments in MLflow's tables. */
export const experimentTables = (times: boolean): SearchTables => ({
  attributes: {
    experiment_id: "r.experiment_id",
    name: "r.name",
    creation_time: times ? "r.creation_time" : "NULL",
    last_update_time: times ? "r.last_update_time" : "NULL",
  },
  always: ["experiment_id", "name"],
  id: "experiment_id",
  tables: { tag: "experiment_tags" },
  datasets: false,
});

/** The tag that runs are filtered by for their name, as in MLflow. */
const RUN_NAME = "mlflow.runName";

/** Returns the condition of a filter. */
export function whereOf(filter: Filter, of: SearchTables): Sql {
  if (filter.kind === "comparison") return comparison(filter, of);
  const parts = filter.of.map((each) => whereOf(each, of));
  return filter.kind === "and" ? joined(parts, " AND ", TRUE) : joined(parts, " OR ", FALSE);
}

/** Joins conditions as a balanced tree: SQLite takes expressions that are 1,000 levels deep. */
function joined(parts: readonly Sql[], by: string, none: Sql): Sql {
  const [only] = parts;
  if (only === undefined) return none;
  if (parts.length === 1) return only;
  const middle = parts.length >> 1;
  const [a, b] = [joined(parts.slice(0, middle), by, none), joined(parts.slice(middle), by, none)];
  return { sql: `(${a.sql}${by}${b.sql})`, values: [...a.values, ...b.values] };
}

function comparison(given: Comparison, of: SearchTables): Sql {
  const { entity, key, operator } = given;
  if (entity === "dataset") return datasetComparison(given, of);
  const attribute = entity === "attribute" ? of.attributes[key] : undefined;
  if (attribute !== undefined) return compared(attribute, given);
  // The name of a run is one of its tags.
  const table = of.tables[entity === "attribute" ? "tag" : entity];
  const keyed = entity === "attribute" ? RUN_NAME : key;
  const bound = textBound(keyed);
  const has = `SELECT 1 FROM ${table} v WHERE v.${of.id} = r.${of.id} AND v.key = ${bound.sql}`;
  if (operator === "IS NULL") return { sql: `NOT EXISTS (${has})`, values: bound.values };
  if (operator === "IS NOT NULL") return { sql: `EXISTS (${has})`, values: bound.values };
  const { sql, values } = entity === "metric" ? metricCompared(given) : compared("v.value", given);
  return { sql: `EXISTS (${has} AND ${sql})`, values: [...bound.values, ...values] };
}

/** The driver ends a text at the character NUL, but no bytes. */
const textBound = (text: string): Sql =>
  text.includes("\0") ? { sql: "CAST(? AS TEXT)", values: [Buffer.from(text)] } : { sql: "?", values: [text] };

/** NaN matches `!=` only. */
function metricCompared({ operator, value }: Comparison): Sql {
  const values = [real(value as number)];
  if (operator === "!=") return { sql: "(v.is_nan OR v.value != ?)", values };
  return { sql: `(NOT v.is_nan AND v.value ${operator} ?)`, values };
}

function datasetComparison(given: Comparison, { datasets }: SearchTables): Sql {
  if (!datasets) return FALSE;
  const isContext = given.key === "context";
  const context = isContext
    ? " JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'"
    : "";
  const { sql, values } = compared(isContext ? "t.value" : `d.${given.key === "name" ? "name" : "digest"}`, given);
  return {
    sql: `EXISTS (SELECT 1 FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id${context}
      WHERE i.destination_type = 'RUN' AND i.destination_id = r.run_uuid AND i.source_type = 'DATASET' AND ${sql})`,
    values,
  };
}

function compared(expression: string, { operator, value }: Comparison): Sql {
  switch (operator) {
    case "LIKE":
    case "NOT LIKE":
      return { sql: `${expression} ${operator === "LIKE" ? "" : "NOT "}GLOB ?`, values: [globOf(value as string)] };
    case "ILIKE":
    case "NOT ILIKE":
      // Folds ASCII letters, as MLflow does on SQLite.
      return { sql: `${expression} ${operator === "ILIKE" ? "" : "NOT "}LIKE ?`, values: [value as string] };
    case "IN":
    case "NOT IN":
      return {
        sql: `CAST(${expression} AS TEXT) ${operator} (SELECT value FROM json_each(?))`,
        // No value of a database's JSON has NUL in it.
        values: [JSON.stringify((value as readonly string[]).filter((each) => !each.includes("\0")))],
      };
    case "IS NULL":
    case "IS NOT NULL":
      return { sql: `${expression} ${operator}`, values: [] };
    default: {
      const bound = typeof value === "string" ? textBound(value) : { sql: "?", values: [value as number] };
      return { sql: `${expression} ${operator} ${bound.sql}`, values: bound.values };
    }
  }
}

/** LIKE ignores the case of letters in SQLite, GLOB does not. */
const globOf = (pattern: string): string =>
  pattern.replace(/[*?[%_]/g, (char) => (char === "%" ? "*" : char === "_" ? "?" : `[${char}]`));

/** One term of ORDER BY. */
interface Term {
  readonly sql: string;
  readonly ascending: boolean;
  /** The value at the cursor; undefined if all that follow have the same. */
  readonly at: SqlValue | undefined;
}

/** How results are ordered, and where a page begins. */
export interface Ordered {
  readonly joins: Sql;
  readonly orderBy: string;
  /** The condition of the page behind the cursor. */
  readonly after: Sql;
}

/** Returns the joins, the order, and the condition for what comes behind a cursor. NaN, then missing, come last. */
export function orderOf(orders: readonly OrderBy[], of: SearchTables, cursor: SortKey | undefined): Ordered {
  const joins: string[] = [];
  const keys: SqlValue[] = [];
  const terms = orders.flatMap((order, i): Term[] => {
    const at = cursor?.[i];
    const { entity, key, ascending } = order;
    const attribute = entity === "attribute" ? of.attributes[key] : undefined;
    if (attribute !== undefined) {
      const value: Term = { sql: attribute, ascending, at };
      return of.always.includes(key) ? [value] : [missing(attribute, cursor, at), value];
    }
    const table = of.tables[entity === "attribute" ? "tag" : entity];
    const bound = textBound(entity === "attribute" ? RUN_NAME : key);
    joins.push(`LEFT JOIN ${table} o${i} ON o${i}.${of.id} = r.${of.id} AND o${i}.key = ${bound.sql}`);
    keys.push(...bound.values);
    const column = entity === "metric" ? `o${i}.value` : `coalesce(o${i}.value, '')`;
    const absent = missing(`o${i}.key`, cursor, at);
    if (entity !== "metric") return [absent, { sql: column, ascending, at }];
    const noNumber = Number.isNaN(at);
    return [
      absent,
      { sql: `o${i}.is_nan`, ascending: true, at: at === undefined ? undefined : Number(noNumber) },
      { sql: column, ascending, at: noNumber || at === undefined ? undefined : real(at as number) },
    ];
  });
  return {
    joins: { sql: joins.join(" "), values: keys },
    orderBy: terms.map(({ sql, ascending }) => (ascending ? sql : `${sql} DESC`)).join(", "),
    after: cursor === undefined ? TRUE : afterCursor(terms),
  };
}

const missing = (column: string, cursor: SortKey | undefined, at: Value): Term => ({
  sql: `(${column} IS NULL)`,
  ascending: true,
  at: cursor && Number(at === undefined),
});

function afterCursor([term, ...rest]: readonly Term[]): Sql {
  if (term === undefined) return FALSE;
  const { sql, ascending, at } = term;
  const behind = afterCursor(rest);
  if (at === undefined) return behind;
  const beyond = ascending ? ">" : "<";
  if (rest.length === 0) return { sql: `${sql} ${beyond} ?`, values: [at] };
  // The first condition lets SQLite begin at that place of an index.
  return {
    sql: `(${sql} ${beyond}= ? AND (${sql} ${beyond} ? OR ${behind.sql}))`,
    values: [at, at, ...behind.values],
  };
}
