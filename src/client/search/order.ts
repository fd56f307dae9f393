import { PulseError } from "../../base/errors.js";
import { type Entity, identifierOf } from "./identifiers.js";
import { fault, tokensOf } from "./tokens.js";

/** A column to order runs by. */
export interface OrderBy {
  readonly entity: Exclude<Entity, "dataset">;
  readonly key: string;
  readonly ascending: boolean;
}

/**
 * Parses the columns to order runs by, each a string such as `metrics.loss DESC`; ascending by default.
 * @throws PulseError `INVALID_FILTER` that points at the mistake.
 */
export function parseOrder(columns: readonly string[]): OrderBy[] {
  const orders = columns.map(parseColumn);
  const names = orders.map(({ entity, key }) => `${entity} ${key}`);
  const twice = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (twice < 0) return orders;
  throw new PulseError("INVALID_FILTER", `orderBy names ${JSON.stringify(columns[twice])} twice; once is enough.`);
}

function parseColumn(text: string): OrderBy {
  const [name, direction, ...rest] = tokensOf(text);
  if (name === undefined || (name.kind !== "word" && name.kind !== "text"))
    throw fault(text, 0, "a column such as metrics.loss or start_time is expected");
  if (/run name/i.test(name.source)) throw fault(text, name.at, "runs are ordered by run_name");
  const { entity, key } = identifierOf(text, name);
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
