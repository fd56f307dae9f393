import { PulseError } from "../base/errors.js";
import { type Entity, identifierOf, RUNS, type Searchable } from "./identifiers.js";
import { fault, tokensOf } from "./tokens.js";

/** @internal A column to order runs by. */
export interface OrderBy {
  readonly entity: Exclude<Entity, "dataset">;
  readonly key: string;
  readonly ascending: boolean;
}

/**
 * @internal Parses the columns to order runs by, each a string such as `metrics.loss DESC`; ascending by default.
 * @throws PulseError `INVALID_FILTER` that points at the mistake.
 */
export function parseOrder(columns: readonly string[], of: Searchable = RUNS): OrderBy[] {
  return distinct(columns.map((column) => parseColumn(column, of)));
}

/** @internal @throws PulseError `INVALID_FILTER` for a column that is named twice */
export function distinct(orders: OrderBy[]): OrderBy[] {
  const names = orders.map(({ entity, key }) => (entity === "attribute" ? key : `${entity}s.${key}`));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return orders;
  throw new PulseError("INVALID_FILTER", `orderBy names ${JSON.stringify(twice)} twice; once is enough.`);
}

function parseColumn(text: string, of: Searchable): OrderBy {
  const [name, direction, ...rest] = tokensOf(text);
  if (name === undefined || (name.kind !== "word" && name.kind !== "text"))
    throw fault(text, 0, "a column such as metrics.loss or start_time is expected");
  if (/run name/i.test(name.source)) throw fault(text, name.at, "runs are ordered by run_name");
  const { entity, key } = identifierOf(of, text, name);
  if (entity === "dataset") throw fault(text, name.at, "runs cannot be ordered by datasets");
  const word = direction?.kind === "word" ? direction.value.toUpperCase() : undefined;
  const after = word === undefined ? direction : rest[0];
  if ((word !== undefined && word !== "ASC" && word !== "DESC") || after?.kind !== "end")
    throw fault(
      text,
      (word !== undefined && word !== "ASC" && word !== "DESC" ? direction : after)?.at ?? 0,
      "ASC, DESC or the end is expected; give each column as a text of its own",
    );
  return { entity, key, ascending: word !== "DESC" };
}

const attribute = (key: string, ascending: boolean): OrderBy => ({ entity: "attribute", key, ascending });

/**
 * @internal Returns the whole order, in which no two are equal: MLflow's own order where none is given, and its columns for ties
 * behind a given one.
 */
export function wholeOrder(orders: readonly OrderBy[], of: Searchable): readonly OrderBy[] {
  const isRuns = of === RUNS;
  const first =
    isRuns || orders.length > 0 ? orders : [attribute("creation_time", false), attribute("experiment_id", true)];
  const ties = isRuns
    ? [attribute("start_time", false), attribute("run_id", true)]
    : [attribute("experiment_id", false)];
  const isIn = ({ key }: OrderBy): boolean => first.some((each) => each.entity === "attribute" && each.key === key);
  return [...first, ...ties.filter((tie) => !isIn(tie))];
}
