import { load, locate } from "../../base/loading.js";
import type { Table } from "./table.js";

interface Writer {
  parquetWriteBuffer(options: { columnData: object[] }): ArrayBuffer;
}

/** Whether the package that writes Parquet is installed. */
export function canWriteParquet(): boolean {
  try {
    return locate("hyparquet-writer") !== "";
  } catch {
    return false;
  }
}

/**
 * Encodes a table as Parquet. A column has the type that all its values share, otherwise its values are JSON text.
 * @throws Error if `hyparquet-writer` is not installed.
 */
export function parquetOf({ columns, rows }: Table): Uint8Array {
  const { parquetWriteBuffer } = load("hyparquet-writer") as Writer;
  const columnData = columns.map((name, i) => {
    const values = rows.map((row) => row[i] ?? null);
    const type = typeOf(values);
    return { name, type, nullable: true, data: type === "STRING" ? values.map(textOf) : values };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

function typeOf(values: readonly unknown[]): "BOOLEAN" | "INT32" | "DOUBLE" | "STRING" {
  const kinds = new Set(values.filter((value) => value !== null).map((value) => typeof value));
  if (kinds.size !== 1) return "STRING";
  if (kinds.has("boolean")) return "BOOLEAN";
  if (!kinds.has("number")) return "STRING";
  return values.every((value) => value === null || (Number.isInteger(value) && Math.abs(value as number) < 2 ** 31))
    ? "INT32"
    : "DOUBLE";
}

const textOf = (value: unknown): string | null =>
  value === null || typeof value === "string" ? value : JSON.stringify(value);
