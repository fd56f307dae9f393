import { fileDifferences, withoutFailures } from "./fault-files.js";
import type { DumpRun, Num } from "./peer.js";
import { type ExpectedPoint, type ExpectedRun, inputText, type Twin } from "./wide-model.js";

/** What a server shows that differs from what was recorded, in words; and how many twins of runs it has as deleted. */
export interface Verdict {
  readonly lost: string[];
  readonly doubled: string[];
  readonly running: string[];
  readonly wrong: string[];
  readonly deletedTwins: number;
}

export const RUN_KEY = "pulse.run_key";
/** Tags every run has, checked elsewhere. */
const COMMON = new Set([
  RUN_KEY,
  "mlflow.user",
  "mlflow.source.name",
  "mlflow.source.type",
  "mlflow.source.git.commit",
  "mlflow.source.git.branch",
  "error.stack",
]);
const MAX_SHOWN = 4;

/** Tags that say which items of a run the server has refused. */
const REFUSED = /^pulse\.refused\./;

/** Compares twins with the runs of a server; `known` are all runs that may be a parent of theirs. */
export function compare(
  twins: readonly Twin[],
  runs: readonly DumpRun[],
  experiments: ReadonlyMap<string, string>,
  known: readonly DumpRun[] = runs,
): Verdict {
  const verdict = { lost: [] as string[], doubled: [] as string[], running: [] as string[], wrong: [] as string[] };
  const active = runs.filter((run) => run.lifecycle_stage === "active");
  const carriersOf = (key: string): DumpRun[] => active.filter((run) => run.tags[RUN_KEY] === key);
  const recorded = new Set<string | undefined>(twins.map(({ run }) => run.id));
  const keys = new Map(
    known.filter((run) => run.lifecycle_stage === "active").map((run) => [run.run_id, run.tags[RUN_KEY]]),
  );
  for (const run of active) {
    if (run.status === "RUNNING") verdict.running.push(shown(run));
    if (!recorded.has(run.tags[RUN_KEY])) verdict.wrong.push(`nobody recorded ${shown(run)}`);
  }
  for (const { run, expected } of twins) {
    const found = carriersOf(run.id);
    if (found.length === 0) verdict.lost.push(`${expected.name} (key ${run.id})`);
    if (found.length > 1) verdict.doubled.push(found.map(shown).join(" and "));
    for (const each of found.length === 1 ? found : []) {
      const differences = differencesOf(each, expected, experiments, keys);
      if (differences.length > 0) verdict.wrong.push(`${shown(each)}: ${differences.join("; ")}`);
    }
  }
  return { ...verdict, deletedTwins: runs.length - active.length };
}

function shown({ run_id, run_name, status, tags, metrics, params }: DumpRun): string {
  const holds = `${Object.keys(metrics).length} metrics, ${Object.keys(params).length} params`;
  return `${run_name} (run ${run_id}, key ${tags[RUN_KEY]}, ${status}, ${holds})`;
}

function differencesOf(
  run: DumpRun,
  expected: ExpectedRun,
  experiments: ReadonlyMap<string, string>,
  keys: ReadonlyMap<string, string | undefined>,
): string[] {
  const all = Object.entries(withoutFailures(run.tags)).filter(([key]) => !COMMON.has(key));
  const { "mlflow.parentRunId": parent, ...tags } = Object.fromEntries(all.filter(([key]) => !REFUSED.test(key)));
  const refused = all.filter(([key]) => REFUSED.test(key)).map(([key]) => key);
  const { start_time: start, end_time: end } = run;
  const differences = [
    ...difference("experiment", experiments.get(run.experiment_id), expected.experiment),
    ...difference("status", run.status, expected.status),
    ...difference("name", run.run_name, expected.name),
    ...difference(
      "parent",
      parent === undefined ? undefined : (keys.get(parent) ?? `an unknown run ${parent}`),
      expected.parent,
    ),
    ...recordDifferences("param", run.params, expected.params),
    ...difference(`tags of refused items (${refused.join(", ")})`, refused.length, expected.refused?.size ?? 0),
    ...inputDifferences(run.inputs.map(inputText), [...(expected.inputs ?? [])]),
    ...fileDifferences(run, expected),
    ...recordDifferences("tag", tags, { "mlflow.runName": expected.name, ...expected.tags }),
  ];
  if (start === null || end === null || start < expected.since || end < start)
    differences.push(`times: from ${start} to ${end}`);
  for (const key of new Set([...Object.keys(run.history ?? {}), ...Object.keys(expected.metrics)]))
    differences.push(...pointDifferences(key, run.history?.[key] ?? [], expected.metrics[key] ?? [], run));
  return differences;
}

function difference(what: string, got: unknown, wanted: unknown): string[] {
  return got === wanted ? [] : [`${what}: ${brief(got)} instead of ${brief(wanted)}`];
}

function recordDifferences(what: string, got: Record<string, string>, wanted: Record<string, string>): string[] {
  const keys = new Set([...Object.keys(got), ...Object.keys(wanted)]);
  return [...keys].flatMap((key) => difference(`${what} ${key}`, got[key], wanted[key]));
}

function inputDifferences(got: string[], wanted: string[]): string[] {
  const [missing, extra] = [without(wanted, got), without(got, wanted)];
  return [
    ...(missing.length > 0 ? [`lacks the inputs ${missing.join(", ")}`] : []),
    ...(extra.length > 0 ? [`has more inputs: ${extra.join(", ")}`] : []),
  ];
}

/** Compares points; a moment nobody gave must lie within the run. */
function pointDifferences(
  key: string,
  got: [Num, number, number][],
  wanted: ExpectedPoint[],
  { start_time, end_time }: DumpRun,
): string[] {
  const given = new Set(wanted.map(({ timestamp }) => timestamp));
  const isOpen = (moment: number): boolean => moment >= (start_time ?? Infinity) && moment <= (end_time ?? 0);
  const stored = got.map(
    ([value, moment, step]) => `${step}: ${value} ${isOpen(moment) && !given.has(moment) ? "while open" : moment}`,
  );
  const recorded = wanted.map(({ value, timestamp, step }) => `${step}: ${value} ${timestamp ?? "while open"}`);
  const [missing, extra] = [without(recorded, stored), without(stored, recorded)];
  const text = (list: string[]): string =>
    `${list.slice(0, MAX_SHOWN).join(", ")}${list.length > MAX_SHOWN ? ", ..." : ""}`;
  return [
    ...(missing.length > 0
      ? [`metric ${key} lacks ${missing.length} of ${recorded.length} points (${text(missing)})`]
      : []),
    ...(extra.length > 0 ? [`metric ${key} has ${extra.length} more points (${text(extra)})`] : []),
  ];
}

/** The entries of a list that another one does not have, or not as often. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = [...other];
  return list.filter((entry) => {
    const at = left.indexOf(entry);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function brief(value: unknown): string {
  const text = String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
