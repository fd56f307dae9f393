import { systemClock } from "../base/clock.js";
import type { MetricPoint, MetricSummary, MlflowExperiment, MlflowRun } from "../base/entities.js";
import { sanitizeKey } from "../base/text/keys.js";
import { shownText } from "../base/text/redact.js";
import { shownValue } from "../base/wrong-input.js";
import { findExperiment } from "./find-run.js";
import { noSuchMetric } from "./history.js";
import { pageOf } from "./open.js";
import { printJson, styled, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";
import { headLines, pairLines } from "./show.js";
import { shownNumber } from "./shown.js";
import { widthOfTerminal } from "./table.js";

/** Options of `best`. */
export interface BestRequest {
  /** A name or an id. */
  readonly experiment: string;
  readonly metric: string;
  /** Which value of each run is compared. @default "last" */
  readonly by: "last" | "min" | "max" | undefined;
  /** Whether lower or higher is better. @default what the experiment or its runs say */
  readonly goal: "min" | "max" | undefined;
}

type Goal = "min" | "max";

interface Candidate {
  readonly run: MlflowRun;
  readonly point: Pick<MetricPoint, "value"> & Partial<MetricPoint>;
}

/** How many runs are read at once. */
const WIDTH = 4;

/** Shows the best run of an experiment. Returns the exit code. */
export async function showBest(terminal: Terminal, reading: Reading, request: BestRequest): Promise<number> {
  const { client, uri } = reading;
  const { metric, by = "last" } = request;
  const experiment = await findExperiment(client, request.experiment);
  const runs: MlflowRun[] = [];
  const keys = new Set<string>();
  for await (const run of client.searchRuns({ experimentIds: [experiment.experimentId] })) {
    if (Object.hasOwn(run.metrics, metric)) runs.push(run);
    for (const key of Object.keys(run.metrics)) keys.add(key);
  }
  if (runs.length === 0)
    throw noSuchMetric(`No active run of ${shownValue(experiment.name)} has a metric`, metric, [...keys]);
  const goal = request.goal ?? goalOf(metric, experiment, runs);
  if (goal === undefined)
    throw new Error(
      `Whether lower or higher values of ${shownValue(metric)} are better is not known: give --goal min or --goal max.`,
    );
  const candidates = await candidatesOf(reading, runs, metric, by);
  const found = bestOf(candidates, goal);
  if (found === undefined) throw new Error(`All values of ${shownValue(metric)} are NaN.`);
  const { run, point } = found;
  if (terminal.json) {
    printJson(terminal, { uri: shownText(uri), metric, by, goal, value: point.value, step: point.step, run });
    return 0;
  }
  const url = pageOf(reading, run.runId, run.experimentId);
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  const none = { children: [], metrics: [], histories: new Map(), artifacts: [], url: undefined, parent: undefined };
  for (const line of headLines(terminal, { ...none, run, experiment }, systemClock.now())) print(line);
  const at = point.step === undefined ? "" : ` at step ${point.step}`;
  const of = `${by === "last" ? "" : `${by === "min" ? "lowest" : "highest"} `}${metric}`;
  print("");
  print(styled(terminal, "green", shownText(`${of} ${shownNumber(point.value)}${at}`)));
  const compared = candidates.length === 1 ? "the only run that has it" : `the ${goal === "min" ? "lowest" : "highest"} of ${candidates.length.toLocaleString("en")} runs`; // biome-ignore format: one line
  print(styled(terminal, "dim", compared));
  if (Object.keys(run.params).length > 0) print("");
  for (const line of pairLines(terminal, run.params, widthOfTerminal(terminal))) print(line);
  if (url?.start === undefined && url !== undefined) print(`\n${url.url}`);
  return 0;
}

/** Returns the values to compare: those that the runs have already, or of their summaries. */
async function candidatesOf(
  { client }: Reading,
  runs: readonly MlflowRun[],
  metric: string,
  by: "last" | "min" | "max",
): Promise<Candidate[]> {
  if (by === "last") return runs.map((run) => ({ run, point: { value: run.metrics[metric] as number } }));
  const found: (Candidate | undefined)[] = [];
  const left = runs.entries();
  const read = async (): Promise<void> => {
    for (const [i, run] of left) {
      const summaries: Readonly<Record<string, MetricSummary>> = await client.bestValues(run);
      const point = summaries[metric]?.[by];
      found[i] = point && { run, point };
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, read));
  return found.filter((each) => each !== undefined);
}

/** Returns the best one; of equal ones the latest run. NaN is never the best. */
function bestOf(candidates: readonly Candidate[], goal: Goal): Candidate | undefined {
  let best: Candidate | undefined;
  for (const each of candidates) {
    const { value } = each.point;
    if (Number.isNaN(value)) continue;
    if (best === undefined || (goal === "min" ? value < best.point.value : value > best.point.value)) best = each;
  }
  return best;
}

/** Reads the goal that `defineExperiment` has stored; undefined if there is none, or runs differ. */
function goalOf(metric: string, experiment: MlflowExperiment, runs: readonly MlflowRun[]): Goal | undefined {
  const key = sanitizeKey(`pulse.goal.${metric}`);
  const goals = new Set([experiment, ...runs].flatMap(({ tags }) => (Object.hasOwn(tags, key) ? [tags[key]] : [])));
  const [goal] = goals;
  if (goals.size !== 1) return undefined;
  return goal === "minimize" ? "min" : goal === "maximize" ? "max" : undefined;
}
