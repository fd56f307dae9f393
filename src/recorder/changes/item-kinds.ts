import type { DatasetInput, Metric, Param, Tag } from "../../base/entities.js";
import { LIST_NAMES, type ListName, type RunChange } from "../../contracts/tracking-store.js";

/** The kinds of items that are recorded of a run; all but the ends have a counter of that name in `stats()`. */
export type ItemKind = "runs" | ListName | "ends";

/** Rough resident sizes, for the memory bound, in bytes. */
export const START_BYTES = 512;
export const END_BYTES = 96;
export const METRIC_BYTES = 128;
const PAIR_BYTES = 96;
const INPUT_BYTES = 400;

/** One kind of items of which a change may hold any number. */
interface ListKind<T, Row> {
  /** Rough resident size of one, in bytes. */
  bytes(item: T): number;
  /** How one is written into an outbox, as JSON. */
  toRow(item: T): Row;
  /** Whether something read from an outbox, which may be damaged, is one. */
  isRow(row: unknown): row is Row;
  fromRow(row: Row): T;
}

type Point = [key: string, value: number | string, timestamp: number, step: number];

const isText = (value: unknown): value is string => typeof value === "string";
const isTextOrNothing = (value: unknown): boolean => value === undefined || isText(value);

/** Whether something read from an outbox is a param or a tag. */
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

/**
 * The one table of kinds: a new kind of items is a row here, a field of the stores' contract, and what each store does
 * with it.
 */
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
    // JSON has left out what was undefined.
    fromRow: (input) => ({ ...input, schema: input.schema, profile: input.profile }),
  },
};

/** The lists of a change. */
export type Lists = Pick<RunChange, ListName>;

/** Gives the rough resident size of a change in bytes. */
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

/** Writes a list as rows. */
export function toRows<K extends ListName>(name: K, items: Lists[K]): unknown[] {
  const { toRow } = LIST_KINDS[name] as unknown as ListKind<unknown, unknown>;
  return items.map((item) => toRow(item));
}

/**
 * Reads a list that was written as rows; one that was not written is empty.
 * @throws TypeError when it is damaged.
 */
export function fromRows(name: ListName, rows: unknown): unknown[] {
  if (rows === undefined) return [];
  const { isRow, fromRow } = LIST_KINDS[name] as ListKind<unknown, unknown>;
  if (!Array.isArray(rows) || !rows.every((row) => isRow(row))) throw new TypeError(`no ${name}`);
  return rows.map((row) => fromRow(row));
}
