import type { OutboxFile } from "./outbox-file.js";
import { DENIED, type OutboxSummary } from "./rows.js";

/** Files of a run that is set aside as a whole count as set aside, too. */
const FILES =
  "(SELECT files.run, size, coalesce(files.aside, runs.aside) AS aside, seq FROM files LEFT JOIN runs ON key = run)";

/** Summarizes the content of an outbox. */
export function summaryOf(outbox: OutboxFile & { readonly bytes: number; readonly items: number }): OutboxSummary {
  const count = (sql: string): number => Number(outbox.get(`SELECT ${sql}`)?.["n"]);
  const files = (which: string): { files: number; fileBytes: number } =>
    fileCount(outbox.get(`SELECT ${FILE_COUNT} FROM ${FILES} WHERE ${which}`) ?? {});
  const oldest = outbox.get("SELECT min(last) AS t FROM runs")?.["t"];
  const all = files("TRUE");
  const aside = files("aside IS NOT NULL");
  return {
    uri: String(outbox.get("SELECT value FROM meta WHERE name = 'uri'")?.["value"]),
    items: outbox.items,
    runs: count(
      "count(*) AS n FROM (SELECT run FROM changes UNION SELECT key FROM runs WHERE ended = 0 UNION SELECT run FROM files)",
    ),
    waitingRuns: count(
      `count(*) AS n FROM (SELECT run FROM changes WHERE aside IS NULL UNION SELECT key FROM runs WHERE ended = 0 AND aside IS NULL
       UNION SELECT run FROM ${FILES} WHERE aside IS NULL)`,
    ),
    asideItems: count("total(items) AS n FROM changes WHERE aside IS NOT NULL"),
    asideRuns: count(
      `count(*) AS n FROM (SELECT run FROM changes WHERE aside IS NOT NULL UNION SELECT run FROM ${FILES} WHERE aside IS NOT NULL)`,
    ),
    ...all,
    asideFiles: aside.files,
    asideFileBytes: aside.fileBytes,
    bytes: outbox.bytes,
    oldest: oldest === null || oldest === undefined ? undefined : Number(oldest),
    openRuns: count("count(*) AS n FROM runs WHERE ended = 0"),
    denied: outbox
      .all(
        `SELECT substr(name, ${DENIED.length + 1}) AS experiment, value, count(*) AS runs, total(files) AS files, total(bytes) AS bytes
         FROM meta JOIN runs ON experiment = substr(name, ${DENIED.length + 1})
         LEFT JOIN (SELECT run, ${FILE_COUNT} FROM ${FILES} WHERE aside IS NULL GROUP BY run) ON run = key
         WHERE name LIKE '${DENIED}%' GROUP BY name LIMIT 1000`,
      )
      .map((row) => ({
        ...{ experiment: nameIn(String(row["experiment"])), reason: String(row["value"]), runs: Number(row["runs"]) },
        ...fileCount(row),
      })),
    setAside: outbox
      .all(
        `SELECT run, aside, total(items) AS items, total(file) AS files, total(size) AS bytes FROM (
           SELECT run, aside, items, 0 AS file, 0 AS size, seq FROM changes WHERE aside IS NOT NULL
           UNION ALL SELECT run, aside, 0, 1, size, ${Number.MAX_SAFE_INTEGER} FROM ${FILES} WHERE aside IS NOT NULL
         ) GROUP BY run, aside ORDER BY min(seq) LIMIT 1000`,
      )
      .map((row) => ({
        run: String(row["run"]),
        reason: String(row["aside"]),
        items: Number(row["items"]),
        ...fileCount(row),
      })),
  };
}

const FILE_COUNT = "count(*) AS files, total(size) AS bytes";

const fileCount = (row: Record<string, unknown>): { files: number; fileBytes: number } => ({
  files: Number(row["files"] ?? 0),
  fileBytes: Number(row["bytes"] ?? 0),
});

/** Returns the name or id of an experiment that is stored as JSON. */
function nameIn(experiment: string): string {
  try {
    const { name, id, of } = JSON.parse(experiment) as { name?: string; id?: string; of?: string };
    return of === undefined ? (name ?? `with id ${id}`) : `of run ${of}`;
  } catch {
    return experiment; // damaged
  }
}
