import type { Stats } from "pulse-mlflow";
import type { ScoringService } from "./service.js";
import type { StoredRun } from "./stand-in.js";

/** The most that waited for the server, and the largest size of the outbox. */
export interface Waiting {
  values: number;
  outboxBytes: number;
}

/** Everything that is reported at the end; `--json` prints it. */
export interface Outcome {
  readonly calls: ScoringService["calls"];
  readonly stats: Stats;
  readonly waiting: Waiting;
  /** What the stand-in has; undefined with a real server, which is not read. */
  readonly stored: StoredSummary | undefined;
  /** Where changes are kept that the server has not taken. */
  readonly kept: string | undefined;
}

export interface StoredSummary {
  readonly own: number;
  readonly failures: readonly FailureSummary[];
  readonly folded: readonly FoldedSummary[];
  /** Calls that appear in a run: those in folded runs, and those with a run of their own. */
  readonly calls: number;
  readonly unfinished: number;
}

interface FailureSummary {
  readonly message: string;
  readonly users: readonly string[];
}

interface FoldedSummary {
  readonly second: string;
  readonly calls: number;
  readonly errors: number;
  readonly p50: number;
  readonly p99: number;
  readonly score: number;
}

/** Summarises the runs that a server has of a program. */
export function summary(runs: readonly StoredRun[]): StoredSummary {
  const folded = runs.filter(({ tags }) => tags.has("pulse.folded")).toSorted((a, b) => a.startTime - b.startTime);
  const own = runs.filter(({ tags }) => !tags.has("pulse.folded"));
  const seconds = folded.map(foldedSummary);
  return {
    own: own.length,
    failures: failuresAmong(own),
    folded: seconds,
    calls: own.length + seconds.reduce((sum, { calls }) => sum + calls, 0),
    unfinished: runs.filter(({ status }) => status !== "FINISHED" && status !== "FAILED").length,
  };
}

function failuresAmong(runs: readonly StoredRun[]): FailureSummary[] {
  const failures = new Map<string, FailureSummary>();
  for (const { status, params, tags } of runs) {
    if (status !== "FAILED") continue;
    const message = tags.get("error.message") ?? "";
    const same = failures.get(message) ?? { message, users: [] };
    failures.set(message, { message, users: [...same.users, params.get("user") ?? "?"] });
  }
  return [...failures.values()];
}

function foldedSummary({ startTime, tags, metrics }: StoredRun): FoldedSummary {
  const metric = (key: string): number => metrics.get(key) ?? Number.NaN;
  return {
    second: new Date(startTime).toTimeString().slice(0, 8),
    calls: Number(tags.get("pulse.folded")),
    errors: metric("errors"),
    p50: metric("ms.p50"),
    p99: metric("ms.p99"),
    score: metric("score.mean"),
  };
}

/** The report as text. */
export function textOf({ calls, stats, waiting, stored, kept }: Outcome): string {
  const { made, scored, fallback, unknown, broken } = calls;
  const lines = [
    `${count(made)} calls: ${count(scored)} scored, ${fallback} by the fallback, ${unknown} of unknown users, ${broken} broken`,
  ];
  if (stored) {
    const rows = stored.folded.map(({ second, calls, errors, p50, p99, score }) => [
      ...[second, count(calls), String(errors)],
      ...[p50, p99, score].map((value) => (Number.isNaN(value) ? "-" : value.toFixed(2))),
    ]);
    lines.push(
      `${stored.own + stored.folded.length} runs in MLflow: ${stored.own} calls of their own, and of all the others one for each second:`,
      "",
      table([["folded", "calls", "errors", "ms.p50", "ms.p99", "score.mean"], ...rows]),
      "",
      "Failures that are runs of their own:",
      ...stored.failures.map(({ message, users }) => `  ${users.length} × ${message}  (user ${users.join(", ")})`),
      "",
      `Calls in these runs: ${count(stored.calls)} of ${count(made)}`,
    );
  } else {
    lines.push(`${stats.runs} runs in MLflow; ${count(stats.folded)} calls are folded into one for each second`);
  }
  lines.push(
    `Waited for the server meanwhile: at most ${count(waiting.values)} values, in an outbox of ${Math.ceil(waiting.outboxBytes / 1024)} KiB`,
    `Lost: ${stats.dropped + stats.rejected}`,
  );
  if (kept)
    lines.push(
      `${count(stats.pending + stats.rejected)} values that the server has not taken are kept in ${kept}: the next program with that outbox folder delivers them.`,
    );
  return lines.join("\n");
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join("  ")}`).join("\n");
}

export function count(value: number): string {
  return value.toLocaleString("en");
}
