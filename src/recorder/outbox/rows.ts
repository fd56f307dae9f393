import type { ExperimentRef } from "../../base/entities.js";
import { messageOf } from "../../base/errors.js";
import {
  LIST_NAMES,
  type ListName,
  type RunChange,
  type RunEnd,
  type RunStart,
  type StoredIds,
} from "../../contracts/tracking-store.js";
import { FILE } from "../../stores/sql/driver.js";
import { fromRows, isPair, type Lists, toRows } from "../changes/item-kinds.js";

/** The version of the tables below, stored as SQLite's `user_version`. Files of other versions are left untouched. */
export const OUTBOX_VERSION = 1 as const;

const FILE_COLUMNS = `seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, kind TEXT NOT NULL,
  bytes BLOB, place TEXT, changed REAL, state TEXT, aside TEXT, run_end TEXT`;

/**
 * Replaces the table of files for an outbox of version 0.1.0, which has none. It is temporary, since that file may be
 * on a full disk.
 */
export const NO_FILES: string = `PRAGMA temp_store = MEMORY; CREATE TEMP TABLE files (${FILE_COLUMNS.replace(" AUTOINCREMENT", "")})`;

/** The prefix of notes about denied experiments. */
export const DENIED = "denied " as const;

/**
 * The tables of an outbox.
 *
 * `meta`, one row per `name`: "uri" (the tracking URI), "created" and "touched" (times in milliseconds since the
 * epoch), "death" (the status of open runs if the process dies) and "denied " + experiment (why its runs wait).
 *
 * `runs`: `key` (the run's own id), `experiment` (JSON), `parent` (the parent's key), `parent_id`, `run_id` and
 * `experiment_id` (the store's ids, once known), `recreated` (1 if the store had to create it again), `ended` (1 once
 * its end is spooled or stored), `last` (time of the last write in milliseconds since the epoch) and `aside` (why it
 * can never be created).
 *
 * `changes`: `seq` (the order), `run` (its key), `items` and `bytes` (their number and size), `attempted` (1 if it
 * may have been sent before), `start` (JSON, of a creation), `rest` (JSON of params, tags, inputs and end), `metrics`
 * (JSON), `points` (the number of metrics) and `aside` (why it is set aside).
 *
 * `files`: `seq`, `run`, `path` (among the run's artifacts), `size` in bytes, `kind` ("bytes", "file" or "staged"),
 * `bytes` (the content of kind "bytes"), `place` (the path of a "file", or the name of a "staged" one), `changed`
 * (its modification time in milliseconds), `state` (JSON, the progress of an upload in parts), `aside` (why it is set
 * aside) and `run_end` (JSON, how the run ended).
 */
export const TABLES: string = `
CREATE TABLE ${FILE}.meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ${FILE}.runs (
  key TEXT PRIMARY KEY, experiment TEXT NOT NULL, parent TEXT, parent_id TEXT,
  run_id TEXT, experiment_id TEXT, recreated INTEGER NOT NULL DEFAULT 0,
  ended INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL, aside TEXT
) WITHOUT ROWID;
CREATE TABLE ${FILE}.changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, items INTEGER NOT NULL, bytes INTEGER NOT NULL, attempted INTEGER NOT NULL,
  start TEXT, rest TEXT, metrics TEXT, points INTEGER NOT NULL, aside TEXT
);
CREATE TABLE ${FILE}.files (${FILE_COLUMNS});
CREATE INDEX ${FILE}.files_by_run ON files (run);
CREATE INDEX ${FILE}.runs_by_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX ${FILE}.changes_by_run ON changes (run, seq);
CREATE INDEX ${FILE}.changes_aside ON changes (seq) WHERE aside IS NOT NULL;
PRAGMA ${FILE}.user_version = ${OUTBOX_VERSION};
`;

/** A run in an outbox. */
export interface KeptRun {
  readonly key: string;
  readonly experiment: ExperimentRef;
  readonly parent: string | undefined;
  /** The store's id of the parent, if it was known. */
  readonly parentId: string | undefined;
  readonly ids: StoredIds | undefined;
  /** Why it can never be created. */
  readonly aside: string | undefined;
}

/** What is stored of a run besides its changes. */
export interface KeptState {
  readonly key: string;
  readonly experiment: ExperimentRef;
  readonly parent: string | undefined;
  readonly parentId: string | undefined;
  readonly ids: StoredIds | undefined;
  readonly ended: boolean;
}

/** A change of a run in an outbox. */
export interface ChangeRow extends Lists {
  readonly seq: number;
  readonly items: number;
  readonly attempted: boolean;
  readonly create: RunStart | undefined;
  readonly end: RunEnd | undefined;
}

/** The number of files, and their size in bytes. */
export interface FileCount {
  readonly files: number;
  readonly fileBytes: number;
}

/** The content of an outbox, for users. */
export interface OutboxSummary {
  readonly uri: string;
  /** The numbers of items and of their runs, including those set aside and open runs. */
  readonly items: number;
  readonly runs: number;
  /** Runs with something that waits. */
  readonly waitingRuns: number;
  readonly asideItems: number;
  readonly asideRuns: number;
  /** The number and size of files in bytes, including those set aside. */
  readonly files: number;
  readonly fileBytes: number;
  readonly asideFiles: number;
  readonly asideFileBytes: number;
  /** The size of the changes, in bytes. */
  readonly bytes: number;
  /** When the oldest waiting change was written, in milliseconds since the epoch. */
  readonly oldest: number | undefined;
  readonly openRuns: number;
  /** Experiments that the store denied to the last credentials used. */
  readonly denied: readonly ({
    readonly experiment: string;
    readonly reason: string;
    readonly runs: number;
  } & FileCount)[];
  readonly setAside: readonly ({ readonly run: string; readonly reason: string; readonly items: number } & FileCount)[];
}

const text = (value: unknown): string | undefined =>
  value === null || value === undefined ? undefined : String(value);

/** The rough size on disk of a row and of its run besides their texts, including indexes. */
const ROW_BYTES = 150;
const RUN_BYTES = 250;

/** Converts a change to columns, and returns their size in bytes. */
export function keptColumns(change: RunChange): {
  start: string | null;
  rest: string | null;
  metrics: string | null;
  bytes: number;
} {
  const start = change.create ? JSON.stringify(change.create) : null;
  const rest = restOf(change);
  const metrics = change.metrics.length > 0 ? JSON.stringify(toRows("metrics", change.metrics)) : null;
  const text = (start?.length ?? 0) + (rest?.length ?? 0) + (metrics?.length ?? 0);
  return { start, rest, metrics, bytes: text + ROW_BYTES + (start === null ? 0 : RUN_BYTES) };
}

/** Returns the column for all lists except the metrics, and the end; null if there is nothing. */
export function restOf(change: Lists & Pick<RunChange, "end">): string | null {
  const lists = REST.filter((name) => change[name].length > 0).map(
    (name) => [name, toRows(name, change[name])] as const,
  );
  if (lists.length === 0 && change.end === undefined) return null;
  return JSON.stringify({ ...Object.fromEntries(lists), end: change.end });
}

/** The lists that share a column. */
const REST = LIST_NAMES.filter((name) => name !== "metrics");

/** Reads a row of `runs`. A damaged one counts as set aside. */
export function keptRun(row: Record<string, unknown>): KeptRun {
  const [runId, experimentId] = [text(row["run_id"]), text(row["experiment_id"])];
  let experiment: ExperimentRef = { name: "" };
  let aside = text(row["aside"]);
  try {
    experiment = experimentIn(row["experiment"]);
  } catch (error) {
    aside ??= damage("the run", error);
  }
  return {
    key: String(row["key"]),
    experiment,
    parent: text(row["parent"]),
    parentId: text(row["parent_id"]),
    ids:
      runId === undefined ? undefined : { runId, experimentId: experimentId ?? "", recreated: row["recreated"] === 1 },
    aside,
  };
}

/** Describes why a row cannot be used. */
export function damage(what: string, error: unknown): string {
  return `What is kept of ${what} is damaged: ${messageOf(error)}.`;
}

/** Parses an experiment. */
function experimentIn(column: unknown): ExperimentRef {
  const ref = JSON.parse(String(column)) as {
    readonly name?: unknown;
    readonly id?: unknown;
    readonly tags?: unknown;
    readonly of?: unknown;
  } | null;
  hold(isText(ref?.name) || isText(ref?.id), "experiment");
  hold(ref?.tags === undefined || (Array.isArray(ref.tags) && ref.tags.every(isPair)), "experiment's tags");
  hold(ref?.of === undefined || isText(ref.of), "run whose experiment it is");
  return ref as ExperimentRef;
}

/** Checks parsed data: a file may be damaged, or written by something else. */
function hold(holds: boolean, what: string): void {
  if (!holds) throw new TypeError(`no ${what}`);
}

const isText = (value: unknown): boolean => typeof value === "string";
const isEnd = (end: RunEnd | undefined): boolean =>
  end === undefined || (["FINISHED", "FAILED", "KILLED"].includes(end?.status) && Number.isFinite(end.endTime));
const isStart = (start: RunStart | undefined): boolean =>
  start === undefined ||
  (isText(start?.name) &&
    Number.isFinite(start.startTime) &&
    isText(start.userId) &&
    Array.isArray(start.sourceTags) &&
    start.sourceTags.every(isPair) &&
    ["string", "undefined"].includes(typeof start.parentKey));

/**
 * Reads a row of `changes`.
 * @throws Error that says what is wrong if it is damaged.
 */
export function keptChange(row: Record<string, unknown>, unsure: boolean): ChangeRow {
  const parsed = (column: string): unknown => (row[column] === null ? undefined : JSON.parse(String(row[column])));
  const [create, given] = [parsed("start") as RunStart | undefined, parsed("rest")];
  const rest = given === undefined ? {} : given; // a text "null" is damaged
  hold(typeof rest === "object" && rest !== null, "object");
  const { end, ...lists } = rest as Partial<Record<ListName, unknown>> & { end?: RunEnd };
  hold(isStart(create), "start of a run");
  hold(isEnd(end), "end of a run");
  hold(Number.isSafeInteger(row["items"]), "number of items");
  const found = { ...lists, metrics: parsed("metrics") };
  return {
    seq: Number(row["seq"]),
    items: Number(row["items"]),
    attempted: row["attempted"] === 1 || unsure,
    create,
    ...(Object.fromEntries(LIST_NAMES.map((name) => [name, fromRows(name, found[name])])) as unknown as Lists),
    end,
  };
}
