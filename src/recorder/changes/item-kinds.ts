import type { DatasetInput, Metric, Param, Tag } from "../../base/entities.js";
import { LIST_NAMES, type ListName, type RunChange } from "../../contracts/tracking-store.js";

/** The kinds of recorded items. All but "ends" have a counter of the same name in `stats()`. */
export type ItemKind = "runs" | ListName | "ends";

/** Rough sizes in memory, in bytes, for the memory bound. */
export const START_BYTES = 512;
export const END_BYTES = 96;
export const METRIC_BYTES = 128;
const PAIR_BYTES = 96;
const INPUT_BYTES = 400;

/** A kind of items of which a change can hold any number. */
interface ListKind<T, Row> {
  /** The rough size of an item in memory, in bytes. */
  bytes(item: T): number;
  /** Converts an item to its JSON form in an outbox. */
  toRow(item: T): Row;
  /** Whether a value read from an outbox, which may be damaged, is such a row. */
  isRow(row: unknown): row is Row;
  fromRow(row: Row): T;
}

type Point = [key: string, value: number | string, timestamp: number, step: number];

const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrNothing = (value: unknown): boolean => value === undefined || isText(value);

/** Whether a value read from an outbox is a param or a tag. */
export const isPair = (row: unknown): row is Param & Tag => {
  const { key, value } = (row ?? {}) as Partial<Param>;
  return isText(key) && isText(value);
};

const pairs: ListKind<Param, Param> = {
  bytes: ({ value }) => PAIR_BYTES + 2 * value.length,
  toRow: (pair) => pair,
  isRow: isPair,
  fromRow: (pair) => pair,
};

/** The table of kinds. A new kind needs a row here, a field in the stores' contract, and support in each store. */
export const LIST_KINDS: {
  readonly metrics: ListKind<Metric, Point>;
  readonly params: ListKind<Param, Param>;
  readonly tags: ListKind<Tag, Tag>;
  readonly inputs: ListKind<DatasetInput, DatasetInput>;
} = {
  metrics: {
    bytes: () => METRIC_BYTES,
    // JSON has no non-finite numbers.
    toRow: ({ key, value, timestamp, step }) => [key, Number.isFinite(value) ? value : String(value), timestamp, step],
    isRow: (row): row is Point => {
      if (!Array.isArray(row)) return false;
      const [key, value, timestamp, step] = row as unknown[];
      const isNumber = Number.isFinite(value) || /^(NaN|-?Infinity)$/.test(String(value));
      return isText(key) && isNumber && Number.isFinite(timestamp) && Number.isFinite(step);
    },
    fromRow: ([key, value, timestamp, step]) => ({ key, value: Number(value), timestamp, step }),
  },
  params: pairs,
  tags: pairs,
  inputs: {
    bytes: ({ source, schema, profile }) =>
      INPUT_BYTES + 2 * (source.length + (schema?.length ?? 0) + (profile?.length ?? 0)),
    toRow: (input) => input,
    isRow: (row): row is DatasetInput => {
      const { name, digest, sourceType, source, schema, profile, tags } = (row ?? {}) as Partial<
        Record<keyof DatasetInput, unknown>
      >;
      const texts = [name, digest, sourceType, source].every(isText) && [schema, profile].every(isTextOrNothing);
      return texts && Array.isArray(tags) && tags.every(isPair);
    },
    // JSON leaves out undefined fields.
    fromRow: (input) => ({ ...input, schema: input.schema, profile: input.profile }),
  },
};

/** The lists of a change. */
export type Lists = Pick<RunChange, ListName>;

/** Returns the rough size of a change in memory, in bytes. */
export function bytesOf(change: RunChange): number {
  let bytes = change.metrics.length * METRIC_BYTES + (change.create ? START_BYTES : 0) + (change.end ? END_BYTES : 0);
  if (change.params.length + change.tags.length + change.inputs.length === 0) return bytes;
  for (const name of LIST_NAMES) {
    if (name === "metrics") continue;
    const { bytes: size } = LIST_KINDS[name] as ListKind<unknown, unknown>;
    for (const item of change[name]) bytes += size(item);
  }
  return bytes;
}

/** Converts a list to rows. */
export function toRows<K extends ListName>(name: K, items: Lists[K]): unknown[] {
  const { toRow } = LIST_KINDS[name] as unknown as ListKind<unknown, unknown>;
  return items.map((item) => toRow(item));
}

/**
 * Converts rows to a list; a missing list is empty.
 * @throws TypeError when the rows are damaged.
 */
export function fromRows(name: ListName, rows: unknown): unknown[] {
  if (rows === undefined) return [];
  const { isRow, fromRow } = LIST_KINDS[name] as ListKind<unknown, unknown>;
  if (!Array.isArray(rows) || !rows.every((row) => isRow(row))) throw new TypeError(`no ${name}`);
  return rows.map((row) => fromRow(row));
}
