import { bytes } from "../base/amounts.js";
import { systemClock } from "../base/clock.js";
import type { Metric, MetricPoint, MetricSummary, MlflowExperiment, MlflowRun } from "../base/entities.js";
import { messageOf } from "../base/errors.js";
import { printable } from "../base/text/printable.js";
import { shownText } from "../base/text/redact.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import { sparkline } from "./chart.js";
import { findRun } from "./find-run.js";
import { pageOf } from "./open.js";
import { printJson, styled, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";
import { PARENT_TAG } from "./run-tree.js";
import { idLength, lengthOf, shownNumber, shownParam, shownTime, since, span, statusStyle } from "./shown.js";
import { type Column, textTable, widthOfTerminal } from "./table.js";
import { cutTo, widestOf, widthOf } from "./width.js";

/** A run with all that `show` tells about it. */
export interface RunReport {
  readonly run: MlflowRun;
  /** Undefined if the experiment cannot be read. */
  readonly experiment: MlflowExperiment | undefined;
  readonly parent: MlflowRun | undefined;
  /** All; to be drawn, one more than are listed at most. */
  readonly children: readonly MlflowRun[];
  readonly metrics: readonly MetricSummary[];
  /** Thinned histories by metric. */
  readonly histories: ReadonlyMap<string, readonly Metric[]>;
  /** What lies in its root folder; a text says why that is unknown. */
  readonly artifacts: readonly ArtifactInfo[] | string;
  /** Its page in MLflow's user interface. */
  readonly url: string | undefined;
}

/** The children that are listed for people. */
const MAX_CHILDREN = 20;
/** Further metrics have no history. */
const MAX_HISTORIES = 60;
/** The bars of a history on a wide and on a narrow terminal. */
const [BARS, FEW_BARS] = [24, 10];
/** How many histories are read at once. */
const WIDTH = 4;

/** Shows a run. Returns the exit code. */
export async function showRun(terminal: Terminal, reading: Reading, named: string): Promise<number> {
  const run = await findRun(reading.client, named);
  const report = await reportOn(reading, run, !terminal.json);
  if (terminal.json) {
    const { histories: _, experiment, ...rest } = report;
    const uri = shownText(reading.uri);
    const children = rest.children.map(({ runId, runName, status }) => ({ runId, runName, status }));
    printJson(terminal, { uri, experimentName: experiment?.name, ...rest, parent: rest.parent?.runId, children });
  } else for (const line of reportLines(terminal, report, systemClock.now())) terminal.out.write(`${line}\n`);
  return 0;
}

async function reportOn(reading: Reading, run: MlflowRun, drawn: boolean): Promise<RunReport> {
  const { client } = reading;
  const [experiment, parent, children, summaries, artifacts] = await Promise.all([
    client.getExperiment(run.experimentId).catch(() => undefined),
    client.getParentRun(run),
    client
      .runs() // children may belong to other experiments
      .where((r) => r.tag(PARENT_TAG).eq(run.runId))
      .toArray(drawn ? MAX_CHILDREN + 1 : undefined),
    client.bestValues(run),
    client.listArtifacts(run).catch((error: unknown) => shownText(messageOf(error))), // the rest is shown all the same
  ]);
  const metrics = Object.values(summaries).sort((a, b) => (a.key < b.key ? -1 : 1));
  const histories = new Map<string, readonly Metric[]>();
  const left = metrics
    .filter(({ count }) => drawn && count > 1)
    .slice(0, MAX_HISTORIES)
    .values();
  const read = async (): Promise<void> => {
    for (const { key } of left) histories.set(key, await client.getMetricHistory(run, key, { maxPoints: BARS * 4 }));
  };
  await Promise.all(Array.from({ length: WIDTH }, read));
  const url = pageOf(reading, run.runId, run.experimentId);
  return {
    ...{ run, experiment, parent, children, metrics, histories, artifacts },
    url: url?.start === undefined ? url?.url : undefined,
  };
}

/** Returns the lines that show a run. */
function reportLines(terminal: Terminal, report: RunReport, now: number): string[] {
  const { run, artifacts, url } = report;
  const { tags, params } = run;
  const width = widthOfTerminal(terminal);
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", styled(terminal, "bold", title), ...lines.map((line) => `  ${line}`)];
  const pairs = (of: Readonly<Record<string, string>>): string[] => pairLines(terminal, of, width - 2);

  const own = Object.keys(tags).filter((key) => !SHOWN_APART.test(key));
  const picked = (keys: readonly string[]): Record<string, string> =>
    Object.fromEntries([...keys].sort().map((key) => [key, tags[key] ?? ""]));
  const isProblem = (key: string): boolean => PROBLEM.test(key);
  return [
    ...headLines(terminal, report, now),
    ...section(
      "Note",
      (tags[NOTE] ?? "").trim() === ""
        ? []
        : (tags[NOTE] ?? "")
            .trim()
            .split(/\r\n|\n|\r/)
            .map(printable),
    ),
    ...section("Problems", problemLines(terminal, picked(own.filter(isProblem)), width - 2)),
    ...section("Params", pairs(Object.fromEntries(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1))))),
    ...section("Metrics", report.metrics.length === 0 ? [] : metricLines(terminal, report)),
    ...section("Children", childLines(terminal, report.children)),
    ...section("Datasets", datasetLines(run)),
    ...section("Artifacts", artifactLines(terminal, artifacts)),
    ...section("Tags", [
      ...pairs({
        ...picked(own.filter((key) => !isProblem(key) && !isSystem(key))),
        ...picked(own.filter((key) => !isProblem(key) && isSystem(key))),
      }),
    ]),
    ...(url === undefined ? [] : ["", shownText(url)]),
  ];
}

const NOTE = "mlflow.note.content";
/** Tags whose content is shown elsewhere. */
const SHOWN_APART = /^mlflow\.(?:note\.content|runName|parentRunId|user)$/;
/** Tags that say what went wrong: with the run, with a file, or with what the store refused. */
const PROBLEM = /^error\.|^pulse\.(?:ignored_error|artifact_failed\.|refused\.|conflict\.)/;

/** Returns the lines about the run as a whole. */
export function headLines(terminal: Terminal, { run, experiment, parent }: RunReport, now: number): string[] {
  const { runId, runName, status, startTime, endTime, userId, lifecycleStage } = run;
  const style = statusStyle(status);
  const state = style === undefined ? printable(status) : styled(terminal, style, status);
  const deleted = lifecycleStage === "deleted" ? styled(terminal, "red", "  deleted") : "";
  const fact = (name: string, text: string | undefined): string[] =>
    text === undefined || text === "" ? [] : [`${styled(terminal, "dim", name.padEnd(10))}  ${printable(text)}`];
  const parentId = run.tags[PARENT_TAG];
  return [
    `${styled(terminal, "bold", printable(runName))}  ${state}${deleted}`,
    ...fact("id", runId),
    ...fact("experiment", experiment === undefined ? run.experimentId : `${experiment.name} (${run.experimentId})`),
    ...fact("started", `${shownTime(startTime)} (${since(startTime, now)})`),
    ...fact("ended", endTime && shownTime(endTime)),
    ...fact("duration", `${span(lengthOf(run, now))}${endTime === undefined ? " so far" : ""}`),
    ...fact("user", userId),
    ...fact("parent", parent === undefined ? parentId : `${parent.runName} (${parent.runId})`),
  ];
}

/** Tags of MLflow's and of this package. */
const isSystem = (key: string): boolean => /^(?:mlflow|pulse)\./.test(key);

/** Returns a line for each pair; long values are cut on a terminal. */
export function pairLines(terminal: Terminal, pairs: Readonly<Record<string, string>>, width: number): string[] {
  const shown = Object.entries(pairs).map(([key, value]) => [printable(key), printable(shownParam(value))] as const);
  const most = Math.min(40, widestOf(shown.map(([key]) => key)));
  return shown.map(([key, value]) => {
    const line = cutTo(`${key}${" ".repeat(Math.max(0, most - widthOf(key)))}  ${value}`.trimEnd(), width);
    return isSystem(key) ? styled(terminal, "dim", line) : line;
  });
}

/** Shows a tag of several lines, such as a stack, as several lines. */
function problemLines(terminal: Terminal, tags: Readonly<Record<string, string>>, width: number): string[] {
  const order = ["error.message", "error.type"]; // the last one comes first
  const placed = Object.entries(tags).sort(([a], [b]) => order.indexOf(b) - order.indexOf(a));
  return placed.flatMap(([key, value]) => {
    const [first = "", ...more] = value.split(/\r\n|\n|\r/).map(printable);
    const lines = [`${printable(key)}  ${first}`, ...more.map((line) => `  ${line}`)];
    return lines.map((line, i) => styled(terminal, i === 0 ? "red" : "dim", cutTo(line, width)));
  });
}

function metricLines(terminal: Terminal, { metrics, histories }: RunReport): string[] {
  const value = (point: MetricPoint | undefined) => ({ text: point === undefined ? "" : shownNumber(point.value) });
  const step = (point: MetricPoint | undefined) => ({
    text: point === undefined ? "" : `@${point.step}`,
    style: "dim" as const,
  });
  const bars = widthOfTerminal(terminal) < 100 ? FEW_BARS : BARS;
  const several = metrics.some(({ count }) => count > 1);
  const columns: Column[] = [
    { title: "metric", least: 12, cells: metrics.map(({ key }) => ({ text: key })) },
    { title: "last", right: true, cells: metrics.map(({ last }) => value(last)) },
  ];
  const more: Column[] = [
    { title: "", cells: metrics.map(({ last }) => step(last)) },
    { title: "min", right: true, cells: metrics.map(({ min }) => value(min)) },
    { title: "", cells: metrics.map(({ min }) => step(min)) },
    { title: "max", right: true, cells: metrics.map(({ max }) => value(max)) },
    { title: "", cells: metrics.map(({ max }) => step(max)) },
    { title: "count", right: true, cells: metrics.map(({ count }) => ({ text: count.toLocaleString("en") })) },
    {
      title: "history",
      cells: metrics.map(({ key }) => ({ text: sparkline(histories.get(key) ?? [], bars) })),
    },
  ];
  return textTable(terminal, [...columns, ...(several ? more : [])], [], 2);
}

function childLines(terminal: Terminal, children: readonly MlflowRun[]): string[] {
  if (children.length === 0) return [];
  const listed = children.slice(0, MAX_CHILDREN);
  const digits = idLength(listed.map(({ runId }) => runId));
  const columns: Column[] = [
    { title: "id", cells: listed.map(({ runId }) => ({ text: runId.slice(0, digits), style: "dim" })) },
    { title: "name", least: 12, cells: listed.map(({ runName }) => ({ text: runName })) },
    { title: "status", cells: listed.map(({ status }) => ({ text: status, style: statusStyle(status) })) },
  ];
  return textTable(terminal, columns, children.length > listed.length ? ["and more: --json lists all"] : [], 2);
}

const datasetLines = ({ inputs }: MlflowRun): string[] =>
  inputs.map(({ name, digest, sourceType, tags }) => {
    const purpose = tags.find(({ key }) => key === "mlflow.data.context")?.value;
    return printable(`${name} (${digest}) from ${sourceType}${purpose === undefined ? "" : `, for ${purpose}`}`);
  });

function artifactLines(terminal: Terminal, artifacts: readonly ArtifactInfo[] | string): string[] {
  if (typeof artifacts === "string") return [styled(terminal, "yellow", artifacts)];
  const widest = widestOf(artifacts.map(({ path }) => printable(path))) + 1;
  return artifacts.map(({ path, isDir, size }) => {
    const name = printable(path) + (isDir ? "/" : "");
    const gap = " ".repeat(widest - widthOf(name));
    return size === undefined ? name : `${name}${gap}  ${bytes(size)}`;
  });
}
