import type { TerminalStatus } from "../../base/entities.js";
import type { RunChange, StoredIds } from "../../contracts/tracking-store.js";
import type { Lists } from "../changes/item-kinds.js";
import { FileRows } from "./file-rows.js";
import { OutboxFile } from "./outbox-file.js";
import { summaryOf } from "./outbox-summary.js";
import {
  type ChangeRow,
  DENIED,
  damage,
  type KeptRun,
  type KeptState,
  keptChange,
  keptColumns,
  keptRun,
  type OutboxSummary,
  restOf,
} from "./rows.js";

/** The number of changes read at once, since parsing them blocks the event loop. */
const PAGE_ROWS = 200;
/** The number of rows searched at once for something to drop, since this runs inside the user's call. */
const WALK_ROWS = 150;
const SELECT_CHANGES = "SELECT * FROM changes WHERE run = ? AND seq > ? AND aside IS NULL ORDER BY seq LIMIT ?";

/**
 * Run changes in an SQLite file that one tracker holds while it lives. Writes are synchronous, so they also work
 * while the process exits.
 */
export class Outbox extends OutboxFile {
  /** The size of its changes, in bytes. */
  bytes = 0;
  /** The highest sequence number so far. */
  lastSeq = 0;
  /** How far the search for each kind of droppable rows has come. */
  readonly #walked = new Map<string, number>();
  /** The files of its runs. */
  readonly files: FileRows = new FileRows(this);
  readonly #passed = new Map<string, { readonly seq: number; readonly ids: StoredIds | undefined }>();

  constructor(path: string, created?: { readonly uri: string; readonly now: number }) {
    super(path, created);
    try {
      this.#count();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override transaction<R>(body: () => R): R {
    const { bytes, lastSeq } = this;
    try {
      return super.transaction(body);
    } catch (error) {
      this.bytes = bytes;
      this.lastSeq = lastSeq;
      throw error;
    }
  }

  #count(): void {
    const sums = this.get("SELECT total(bytes) AS bytes, coalesce(max(seq), 0) AS last FROM changes");
    this.bytes = Number(sums?.["bytes"] ?? 0);
    this.lastSeq = Number(sums?.["last"] ?? 0);
  }

  /** Adds a run, or updates it. */
  putRun({ key, experiment, parent, parentId, ids, ended }: KeptState, now: number): void {
    this.run(
      `INSERT INTO runs (key, experiment, parent, parent_id, run_id, experiment_id, recreated, ended, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET run_id = coalesce(excluded.run_id, run_id), experiment_id = coalesce(excluded.experiment_id, experiment_id),
         recreated = max(recreated, excluded.recreated), ended = max(ended, excluded.ended), last = excluded.last`,
      key,
      JSON.stringify(experiment),
      parent ?? null,
      parentId ?? null,
      ids?.runId ?? null,
      ids?.experimentId ?? null,
      ids?.recreated ? 1 : 0,
      ended ? 1 : 0,
      now,
    );
  }

  /** Adds a change and returns its sequence number. `aside`: why the store does not accept it. */
  append(change: RunChange, items: number, attempted: boolean, aside?: string): number {
    const { start, rest, metrics, bytes } = keptColumns(change);
    const { lastInsertRowid } = this.run(
      "INSERT INTO changes (run, items, bytes, attempted, start, rest, metrics, points, aside) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      change.runKey,
      items,
      bytes,
      attempted ? 1 : 0,
      start,
      rest,
      metrics,
      change.metrics.length,
      aside ?? null,
    );
    this.bytes += bytes;
    this.lastSeq = Number(lastInsertRowid);
    return this.lastSeq;
  }

  /** Returns runs with changes after `after`, oldest first, with their experiments as JSON, and where to continue. */
  page(after: number, limit: number): { runs: Map<string, string>; upTo: number } {
    const rows = this.all(
      `SELECT seq, run, experiment FROM changes LEFT JOIN runs ON key = run
       WHERE seq > ? AND changes.aside IS NULL ORDER BY seq LIMIT ?`,
      after,
      limit,
    );
    const lost = rows.filter((row) => row["experiment"] === null);
    for (const { seq } of lost)
      this.run("UPDATE changes SET aside = ? WHERE seq = ?", damage("a run", "there is no such run"), Number(seq));
    return {
      runs: new Map(
        rows.flatMap((row) => (row["experiment"] === null ? [] : [[String(row["run"]), String(row["experiment"])]])),
      ),
      upTo: Number(rows.at(-1)?.["seq"] ?? after),
    };
  }

  find(key: string): KeptRun | undefined {
    const row = this.get("SELECT * FROM runs WHERE key = ?", key);
    const run = row && keptRun(row);
    const ids = this.#passed.get(key)?.ids;
    return run && ids ? { ...run, ids } : run;
  }

  /**
   * Returns a run's next changes, in order: at most `items` items, but at least one change. Damaged changes are set
   * aside and returned as well; if the creation is damaged, the whole run is set aside.
   */
  changes(key: string, items: number): { found: ChangeRow[]; damaged: { items: number; reason: string }[] } {
    const found: ChangeRow[] = [];
    const damaged: { items: number; reason: string }[] = [];
    let left = items;
    for (const row of this.all(SELECT_CHANGES, key, this.#passedUpTo(key), PAGE_ROWS)) {
      try {
        const change = keptChange(row, this.unsure);
        left -= change.items;
        if (found.length > 0 && left < 0) break;
        found.push(change);
      } catch (error) {
        const reason = damage(`run ${key}`, error);
        const whole = row["start"] !== null;
        damaged.push({ items: whole ? this.itemsOf(key) : Number(row["items"]) || 0, reason });
        if (whole) this.setAside(key, 0, reason, true);
        else this.run("UPDATE changes SET aside = ? WHERE seq = ?", reason, Number(row["seq"]));
        if (whole) return { found: [], damaged };
      }
    }
    return { found, damaged };
  }

  /** Marks a creation as attempted, before it is sent. */
  markAttempted(seq: number): void {
    this.run("UPDATE changes SET attempted = 1 WHERE seq = ?", seq);
  }

  /** Removes the stored changes of a run up to `seq`. Removes the run, too, if it has ended and nothing is left. */
  remove(key: string, seq: number): void {
    const range = "FROM changes WHERE run = ? AND seq <= ? AND aside IS NULL";
    this.bytes -= Number(this.get(`SELECT total(bytes) AS bytes ${range}`, key, seq)?.["bytes"]);
    this.run(`DELETE ${range}`, key, seq);
    this.#forget(key);
  }

  /** Skips stored changes from now on, because they could not be removed while nothing can be written. */
  pass(key: string, seq: number, ids: StoredIds | undefined): void {
    this.#passed.set(key, { seq, ids: ids ?? this.#passed.get(key)?.ids });
  }

  /** Removes what was skipped. */
  takeOutPassed(): void {
    if (this.#passed.size === 0) return;
    this.transaction(() => {
      for (const [key, { seq, ids }] of this.#passed) {
        if (ids) this.setIds(key, ids);
        this.remove(key, seq);
      }
    });
    this.#passed.clear();
  }

  #passedUpTo(key: string): number {
    return this.#passed.get(key)?.seq ?? 0;
  }

  /** Removes a run that has ended and has nothing left. */
  #forget(key: string): void {
    this.run(
      `DELETE FROM runs WHERE key = ?1 AND ended = 1 AND NOT EXISTS (SELECT 1 FROM changes WHERE run = ?1)
       AND NOT EXISTS (SELECT 1 FROM files WHERE run = ?1)`,
      key,
    );
  }

  /** Removes a file that is stored or never will be. */
  removeFile(key: string, seq: number): void {
    this.files.remove(seq);
    this.#forget(key);
  }

  /** Records the store's ids of a run, for itself and its children. */
  setIds(key: string, { runId, experimentId, recreated }: StoredIds): void {
    this.run(
      "UPDATE runs SET run_id = ?, experiment_id = ?, recreated = ? WHERE key = ?",
      runId,
      experimentId,
      recreated ? 1 : 0,
      key,
    );
    this.run("UPDATE runs SET parent_id = ? WHERE parent = ?", runId, key);
  }

  /** Records that a run's end is stored. */
  ended(key: string): void {
    this.run("UPDATE runs SET ended = 1 WHERE key = ?", key);
    this.#forget(key);
  }

  /**
   * Sets aside the changes of a run up to `seq`, with the reason. `whole`: everything of the run, including later
   * changes.
   */
  setAside(key: string, seq: number, reason: string, whole: boolean): void {
    if (whole) this.run("UPDATE runs SET aside = ? WHERE key = ?", reason, key);
    this.run(
      "UPDATE changes SET aside = ? WHERE run = ? AND seq <= ? AND aside IS NULL",
      reason,
      key,
      whole ? Number.MAX_SAFE_INTEGER : seq,
    );
  }

  /** Replaces everything of a change except its start and metrics. */
  replace(seq: number, change: Lists & Pick<RunChange, "end">): void {
    this.run("UPDATE changes SET rest = ? WHERE seq = ?", restOf(change), seq);
  }

  /** Makes everything that was set aside deliverable again. */
  retrySetAside(): void {
    this.run("UPDATE changes SET aside = NULL WHERE aside IS NOT NULL");
    this.run("UPDATE runs SET aside = NULL WHERE aside IS NOT NULL");
    this.run("UPDATE files SET aside = NULL WHERE aside IS NOT NULL");
  }

  /** Removes what is set aside. Children of runs that will never be created lose their parent. */
  dropSetAside(): void {
    this.transaction(() => {
      this.run(
        `UPDATE changes SET start = json_remove(start, '$.parentKey')
         WHERE start IS NOT NULL AND run IN (SELECT key FROM runs WHERE parent IN (SELECT key FROM runs WHERE aside IS NOT NULL))`,
      );
      this.run("DELETE FROM changes WHERE aside IS NOT NULL");
      this.run("DELETE FROM files WHERE aside IS NOT NULL OR run IN (SELECT key FROM runs WHERE aside IS NOT NULL)");
      this.run(
        "DELETE FROM runs WHERE (aside IS NOT NULL OR ended = 1) AND key NOT IN (SELECT run FROM changes UNION SELECT run FROM files)",
      );
    });
    this.#count();
  }

  /** Records the status that open runs get if the tracker dies; undefined removes it. */
  recordExitStatus(status: TerminalStatus | undefined): void {
    if (status === undefined) {
      this.run("DELETE FROM meta WHERE name = 'death'");
      return;
    }
    this.run("INSERT INTO meta VALUES ('death', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", status);
  }

  /** Checks that the file can be written. */
  touch(now: number): void {
    this.run(
      "INSERT INTO meta VALUES ('touched', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      String(now),
    );
  }

  /** Records, for users, the denied experiments whose runs wait, and why. */
  noteDenied(reasons: readonly (readonly [experiment: string, reason: string])[]): void {
    this.run(`DELETE FROM meta WHERE name LIKE '${DENIED}%'`);
    for (const [experiment, reason] of reasons) this.run("INSERT INTO meta VALUES (?, ?)", DENIED + experiment, reason);
  }

  /** Ends the runs that a dead tracker left open, each at the time of its last change. */
  endOpenRuns(): void {
    const death = this.get("SELECT value FROM meta WHERE name = 'death'")?.["value"];
    const status: TerminalStatus = death === "KILLED" ? "KILLED" : "FAILED";
    // In SQL, since there may be many: `rest` of an end in the format of `keptColumns`.
    const [before, after] = [`{"end":{"status":"${status}","endTime":`, ',"ifRunning":true}}'];
    this.transaction(() => {
      this.run(
        `INSERT INTO changes (run, items, bytes, attempted, rest, points)
         SELECT key, 1, length(?1 || last || ?2), 0, ?1 || last || ?2, 0 FROM runs WHERE ended = 0 AND aside IS NULL`,
        before,
        after,
      );
      this.run("UPDATE runs SET ended = 1 WHERE ended = 0 AND aside IS NULL");
    });
    this.#count();
  }

  /**
   * Drops some metrics until `bytes` of changes are left, or a limit per call is reached: oldest first, those set
   * aside last, and none of `busy` runs. Returns how many waiting values were dropped, and whether there may be more.
   */
  dropOldestMetrics(bytes: number, busy: (key: string) => boolean): { items: number; more: boolean } {
    let items = 0;
    // Few rows are set aside: without this index, each search for them would scan everything.
    const more = ["IS NULL", "IS NOT NULL"].some((which) => {
      const from = which === "IS NULL" ? "changes" : "changes INDEXED BY changes_aside";
      const columns = "seq, run, points, length(metrics) AS size, start IS NULL AND rest IS NULL AS bare";
      return this.#walk(
        `metrics ${which}`,
        `SELECT ${columns} FROM ${from} WHERE points > 0 AND aside ${which}`,
        bytes,
        (row) => {
          if (busy(String(row["run"]))) return;
          this.#dropMetrics(row);
          if (which === "IS NULL") items += Number(row["points"]); // those set aside have been counted as rejected
        },
      );
    });
    return { items, more };
  }

  /**
   * Drops some runs in the same way: first what is set aside, then whole runs that have ended but are not created,
   * oldest first. Returns the waiting ones with their items.
   */
  dropOldestRuns(
    bytes: number,
    busy: (key: string) => boolean,
  ): { runs: { key: string; items: number }[]; more: boolean } {
    const runs: { key: string; items: number }[] = [];
    const more =
      this.#walk(
        "aside",
        "SELECT seq, run, bytes FROM changes INDEXED BY changes_aside WHERE aside IS NOT NULL",
        bytes,
        (row) => {
          this.bytes -= Number(row["bytes"]);
          this.run("DELETE FROM changes WHERE seq = ?", Number(row["seq"]));
          this.#forget(String(row["run"]));
        },
      ) ||
      this.#walk(
        "runs",
        "SELECT seq, run FROM changes WHERE start IS NOT NULL AND attempted = 0 AND aside IS NULL",
        bytes,
        ({ run }) => {
          const key = String(run);
          if (
            busy(key) ||
            this.get("SELECT 1 FROM runs WHERE key = ? AND ended = 1 AND run_id IS NULL", key) === undefined
          )
            return;
          const sums = this.get("SELECT total(items) AS items, total(bytes) AS bytes FROM changes WHERE run = ?", key);
          this.bytes -= Number(sums?.["bytes"]);
          this.run("DELETE FROM changes WHERE run = ?", key);
          this.#forget(key);
          runs.push({ key, items: Number(sums?.["items"]) });
        },
      );
    return { runs, more };
  }

  /** Restarts the search for droppable rows, since those that were in flight may be dropped now. */
  lookAgain(): void {
    this.#walked.clear();
  }

  /**
   * Visits rows from where the last walk of that name ended, until `bytes` are left. Returns false when there are no
   * more.
   */
  #walk(name: string, select: string, bytes: number, visit: (row: Record<string, unknown>) => void): boolean {
    return this.transaction(() => {
      const rows = this.all(`${select} AND seq > ? ORDER BY seq LIMIT ${WALK_ROWS}`, this.#walked.get(name) ?? 0);
      for (const row of rows) {
        if (this.bytes <= bytes) return true;
        this.#walked.set(name, Number(row["seq"]));
        visit(row);
      }
      return rows.length === WALK_ROWS;
    });
  }

  #dropMetrics(row: Record<string, unknown>): void {
    const [seq, size] = [Number(row["seq"]), Number(row["size"])];
    if (row["bare"] === 1) {
      this.bytes -= Number(this.get("SELECT bytes FROM changes WHERE seq = ?", seq)?.["bytes"]);
      this.run("DELETE FROM changes WHERE seq = ?", seq);
    } else {
      this.bytes -= size;
      this.run(
        "UPDATE changes SET metrics = NULL, points = 0, items = items - points, bytes = bytes - ? WHERE seq = ?",
        size,
        seq,
      );
    }
  }

  /** Removes everything. */
  clear(): void {
    this.transaction(() => {
      this.run("DELETE FROM changes");
      this.run("DELETE FROM files");
      this.run("DELETE FROM runs");
    });
    this.bytes = 0;
  }

  /** Whether it holds nothing, not even an open run. */
  get empty(): boolean {
    if (this.#passed.size > 0) {
      // Everything skipped is stored, although that could not be written down.
      const others =
        "SELECT 1 FROM runs WHERE key NOT IN (SELECT value FROM json_each(?)) UNION ALL SELECT 1 FROM files UNION ALL SELECT 1 FROM changes WHERE aside IS NOT NULL LIMIT 1";
      return !this.waitsUpTo(this.lastSeq) && this.get(others, JSON.stringify([...this.#passed.keys()])) === undefined;
    }
    return (
      this.get("SELECT 1 FROM changes UNION ALL SELECT 1 FROM runs UNION ALL SELECT 1 FROM files LIMIT 1") === undefined
    );
  }

  /** Whether a change up to `seq` still waits, in an experiment that is not among the denied ones. */
  waitsUpTo(seq: number, denied: readonly string[] = []): boolean {
    if (denied.length + this.#passed.size === 0)
      return this.get("SELECT 1 FROM changes WHERE seq <= ? AND aside IS NULL LIMIT 1", seq) !== undefined;
    const sql = `SELECT 1 FROM changes JOIN runs ON key = run WHERE seq <= ?1 AND changes.aside IS NULL
      AND experiment NOT IN (SELECT value FROM json_each(?2))
      AND NOT EXISTS (SELECT 1 FROM json_each(?3) AS passed WHERE passed.key = run AND seq <= passed.value) LIMIT 1`;
    const passed = Object.fromEntries([...this.#passed].map(([key, each]) => [key, each.seq]));
    return this.get(sql, seq, JSON.stringify(denied), JSON.stringify(passed)) !== undefined;
  }

  /** The number of items. */
  get items(): number {
    return Number(this.get("SELECT total(items) AS n FROM changes")?.["n"]);
  }

  /** Returns the number of waiting items of a run. */
  itemsOf(key: string): number {
    return Number(this.get("SELECT total(items) AS n FROM changes WHERE run = ? AND aside IS NULL", key)?.["n"]);
  }

  /** Whether a run has waiting changes. */
  holds(key: string): boolean {
    return (
      this.get(
        "SELECT 1 FROM changes WHERE run = ? AND seq > ? AND aside IS NULL LIMIT 1",
        key,
        this.#passedUpTo(key),
      ) !== undefined
    );
  }

  summary(): OutboxSummary {
    return summaryOf(this);
  }
}
