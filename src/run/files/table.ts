import { types } from "node:util";
import { PulseError } from "../../base/errors.js";
import { shownValue } from "../../base/wrong-input.js";

/** A list of rows, or a record of columns; a record of single values is one row. */
export type TableRows = readonly object[] | object;

/** Characters that break the tag in which MLflow's Python client looks up tables by name. */
const SPOILING = /["',:[\]{}]/;

/** @internal A table that grows, in MLflow's format. Missing values are null. */
export class Table {
  readonly columns: string[] = [];
  readonly rows: unknown[][] = [];
  readonly #places = new Map<string, number>();

  /**
   * Adds rows; `plain` converts each value.
   * @throws PulseError `INVALID_VALUE` when they are not rows or columns.
   */
  add(given: TableRows, plain: (column: string, value: unknown) => unknown): void {
    const rows = Array.isArray(given) ? Array.from(given, fieldsOf) : rowsOf(given as Record<string, unknown>);
    for (const fields of rows) {
      const row: unknown[] = new Array(this.columns.length).fill(null);
      for (const [column, value] of fields) row[this.#place(column)] = plain(column, value) ?? null;
      this.rows.push(row);
    }
  }

  /**
   * Returns a table with the rows of a stored table, followed by these.
   * @throws Error when the stored value is not a table.
   */
  behind(stored: unknown): Table {
    const { columns, data } = Object(stored) as { columns?: unknown; data?: unknown };
    const isTable =
      Array.isArray(columns) &&
      columns.every((name) => typeof name === "string") &&
      Array.isArray(data) &&
      data.every(Array.isArray);
    if (!isTable) throw new Error("it is not a table");
    const whole = new Table();
    const add = (names: readonly string[], rows: readonly (readonly unknown[])[]): void =>
      whole.add(
        rows.map((row) => new Map(names.map((name, i) => [name, row[i]]))),
        (_column, value) => value,
      );
    for (const name of columns as string[]) whole.#place(name);
    add(columns as string[], data as unknown[][]);
    add(this.columns, this.rows);
    return whole;
  }

  #place(column: string): number {
    const known = this.#places.get(column);
    if (known !== undefined) return known;
    this.#places.set(column, this.columns.length);
    for (const row of this.rows) row.push(null);
    return this.columns.push(column) - 1;
  }

  /** Returns the table as pandas reads it with orient "split". */
  toJSON(): { columns: readonly string[]; data: readonly (readonly unknown[])[] } {
    const { length } = this.columns;
    return {
      columns: this.columns,
      data: this.rows.map((row) =>
        row.length < length ? [...row, ...new Array(length - row.length).fill(null)] : row,
      ),
    };
  }
}

/**
 * @internal Checks the path of a table.
 * @throws PulseError `INVALID_VALUE`
 */
export function checkTablePath(path: string): string {
  if (SPOILING.test(path))
    throw new PulseError(
      "INVALID_VALUE",
      `Table ${shownValue(path)} has one of " ' , : [ ] { } in its name; MLflow cannot find such tables.`,
    );
  if (!/\.(json|parquet)$/.test(path))
    throw new PulseError("INVALID_VALUE", `Table ${shownValue(path)} must end in .json or .parquet.`);
  return path;
}

function fieldsOf(row: unknown): [string, unknown][] {
  if (types.isMap(row)) return [...row].map(([key, value]) => [String(key), value]);
  if (typeof row !== "object" || row === null || Array.isArray(row) || types.isPromise(row))
    throw new PulseError("INVALID_VALUE", `logTable needs rows that are objects, got ${shownValue(row)}.`);
  return Object.entries(row);
}

const isColumn = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !types.isDataView(value));

/** Converts columns to rows. */
function rowsOf(columns: Record<string, unknown>): [string, unknown][][] {
  if (
    typeof columns !== "object" ||
    columns === null ||
    types.isPromise(columns) ||
    types.isMap(columns) ||
    Symbol.iterator in columns
  )
    throw new PulseError("INVALID_VALUE", `logTable needs rows or columns, got ${shownValue(columns)}.`);
  const entries = Object.entries(columns);
  if (!entries.some(([, value]) => isColumn(value))) return [entries];
  const lengths = entries.map(([name, value]) => {
    if (!isColumn(value))
      throw new PulseError(
        "INVALID_VALUE",
        `logTable needs lists as columns, ${JSON.stringify(name)} is ${shownValue(value)}.`,
      );
    return value.length;
  });
  const odd = lengths.findIndex((length) => length !== lengths[0]);
  if (odd > 0) {
    const [first, other] = [entries[0]?.[0], entries[odd]?.[0]];
    throw new PulseError(
      "INVALID_VALUE",
      `logTable needs columns of one length: ${JSON.stringify(first)} has ${lengths[0]} values, ${JSON.stringify(other)} ${lengths[odd]}.`,
    );
  }
  return Array.from({ length: lengths[0] ?? 0 }, (_, i) =>
    entries.map(([name, value]) => [name, (value as ArrayLike<unknown>)[i]]),
  );
}
