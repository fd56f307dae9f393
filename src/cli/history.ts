import { counted } from "../base/amounts.js";
import type { Metric } from "../base/entities.js";
import { printable } from "../base/text/printable.js";
import { shownText } from "../base/text/redact.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { chart } from "./chart.js";
import { findRun } from "./find-run.js";
import { printJson, styled, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";
import { shownNumber, shownTime } from "./shown.js";
import { type Column, type Format, printTable, widthOfTerminal } from "./table.js";
import { cutTo } from "./width.js";

/** Options of `history`. */
export interface HistoryRequest {
  /** The id of a run, the beginning of it, or its name. */
  readonly run: string;
  readonly metric: string;
  readonly format: Format;
}

/** The size of a chart where the terminal says none, and the most it takes. */
const [WIDTH, MOST_WIDTH, HEIGHT] = [80, 120, 14];

/** Draws the values of a metric, or gives them all. Returns the exit code. */
export async function showHistory(
  terminal: Terminal,
  { client, uri }: Reading,
  { run: named, metric, format }: HistoryRequest,
): Promise<number> {
  const run = await findRun(client, named);
  const points = await client.getMetricHistory(run, metric);
  if (points.length === 0) throw noSuchMetric(`Run ${run.runId} has no metric`, metric, Object.keys(run.metrics));
  if (format === "json")
    printJson(terminal, { uri: shownText(uri), runId: run.runId, runName: run.runName, metric, points });
  else if (format === "text")
    for (const line of chartOf(terminal, run.runName, points)) terminal.out.write(`${line}\n`);
  else printTable(terminal, pointColumns(points), format);
  return 0;
}

/** The number of names that a message lists. */
const MAX_NAMED = 12;

/** Creates the error for a metric that is missing; it says what there is, and which one was probably meant. */
export function noSuchMetric(missing: string, metric: string, keys: readonly string[]): Error {
  if (keys.length === 0) return new Error(`${missing} ${shownValue(metric)}, nor any other.`);
  const meant = nearest(metric, keys);
  const hint = meant === undefined ? "" : ` Did you mean ${shownValue(meant)}?`;
  const some = `${keys.slice(0, MAX_NAMED).map(printable).join(", ")}${keys.length > MAX_NAMED ? ", …" : ""}`;
  return new Error(`${missing} ${shownValue(metric)}.${hint} There ${keys.length === 1 ? "is" : "are"} ${some}.`);
}

/** Returns the lines of a chart with its title, and the extremes below. */
function chartOf(terminal: Terminal, runName: string, points: readonly Metric[]): string[] {
  const most = widthOfTerminal(terminal);
  const width = Math.min(MOST_WIDTH, most === Number.POSITIVE_INFINITY ? WIDTH : most);
  const finite = points.filter(({ value }) => Number.isFinite(value));
  const title = cutTo(`${printable(points[0]?.key ?? "")} of ${printable(runName)}`, width);
  const extreme = (mark: string, of: "lowest" | "highest"): string => {
    const isBetter = (a: number, b: number): boolean => (of === "lowest" ? a < b : a > b);
    const found = finite.reduce((best, point) => (isBetter(point.value, best.value) ? point : best));
    return `${mark} ${of} ${shownNumber(found.value)} at step ${found.step}`;
  };
  const odd = points.length - finite.length;
  const facts = [
    counted(points.length, "value"),
    ...(new Set(finite.map(({ value }) => value)).size < 2 ? [] : [extreme("▼", "lowest"), extreme("▲", "highest")]),
    ...(odd === 0 ? [] : [`${odd.toLocaleString("en")} not finite, not drawn`]),
  ];
  return [
    styled(terminal, "bold", title),
    ...chart(points, width, HEIGHT),
    styled(terminal, "dim", cutTo(facts.join(" · "), most)),
  ];
}

function pointColumns(points: readonly Metric[]): Column[] {
  return [
    { title: "step", right: true, cells: points.map(({ step }) => ({ text: String(step), value: step })) },
    { title: "value", right: true, cells: points.map(({ value }) => ({ text: String(value), value })) },
    {
      title: "time",
      key: "timestamp",
      cells: points.map(({ timestamp }) => ({ text: shownTime(new Date(timestamp)), value: new Date(timestamp) })),
    },
  ];
}
