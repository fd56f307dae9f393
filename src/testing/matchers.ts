import { inspect } from "node:util";
import { valueText } from "../base/text/value-text.js";
import { type Check, checkOptions, shownValue, wrongInput } from "../base/wrong-input.js";
import { isRecord } from "../inner/testing.js";
import { type ArtifactExpectation, artifactFaults, OF_ARTIFACT } from "./artifact-faults.js";
import { assert } from "./assert.js";
import { nothingRecorded } from "./nothing-recorded.js";
import type { TestRun } from "./test-run.js";

/** What is searched: a test tracker, one of its runs, or a list of them. */
export type Recorded = { readonly runs: readonly TestRun[] } | TestRun | readonly TestRun[];

/** What a metric's history is expected to be. */
export interface MetricExpectation {
  /** The last value, or all values. */
  readonly near?: number | readonly number[] | undefined;
  /** The tolerance of the values. @default 1e-9 of the value */
  readonly within?: number | undefined;
  /** The number of values, or their steps. */
  readonly steps?: number | readonly number[] | undefined;
}

/**
 * What a run is expected to be. Only the params, tags and metrics (last values) that are listed are compared. Params
 * and tags are compared in the form MLflow stores: as text.
 */
export interface RunExpectation {
  readonly name?: string | undefined;
  readonly experiment?: string | undefined;
  readonly status?: TestRun["status"] | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/** The result of a matcher, as Vitest and Jest expect it. */
export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** The number of runs shown in a message. */
const MAX_SHOWN = 10;
const DEFAULT_TOLERANCE = 1e-9;

function runsOf(user: string, recorded: Recorded): readonly TestRun[] {
  const given = recorded as Partial<{ runs: unknown; metrics: unknown }> | null | undefined;
  const runs = Array.isArray(given)
    ? given
    : typeof given === "object" && given !== null
      ? (given.runs ?? [given])
      : undefined;
  const isRun = (run: unknown): run is TestRun => typeof (run as Partial<TestRun> | null)?.metrics === "object";
  if (Array.isArray(runs) && runs.every(isRun)) return runs;
  throw wrongInput(user, "recorded", "a test tracker, one of its runs, or a list of them", recorded);
}

const show = (value: unknown): string => inspect(value, { depth: 4, breakLength: 100 });

const isNear = (
  value: number | undefined,
  expected: number,
  within = Math.abs(expected) * DEFAULT_TOLERANCE,
): boolean => value !== undefined && (Object.is(value, expected) || Math.abs(value - expected) <= within);

const NUMBER: Check = ["a number", (value) => typeof value === "number"];
const TEXT: Check = ["a string", (value) => typeof value === "string"];
const RECORD: Check = ["a record of names and values", isRecord];
const NUMBERS: Check = [
  "a number or a list of numbers",
  (value) => [value].flat().every((each) => typeof each === "number"),
];
const OF_METRIC: Record<keyof MetricExpectation, Check> = { near: NUMBERS, within: NUMBER, steps: NUMBERS };
const OF_RUN: Record<keyof RunExpectation, Check> = {
  name: TEXT,
  experiment: TEXT,
  status: TEXT,
  params: RECORD,
  tags: RECORD,
  metrics: [
    "a record of names and numbers",
    (value) => isRecord(value) && Object.values(value).every((each) => typeof each === "number"),
  ],
};

/** Returns what is wrong with a metric's history; an empty list if nothing is. */
function metricFaults(run: TestRun, key: string, expected: MetricExpectation): string[] {
  const { near, within, steps } = expected;
  const points = run.metrics[key];
  if (points === undefined) return [`no such metric, only ${Object.keys(run.metrics).join(", ") || "none"}`];
  const faults: string[] = [];
  const values = points.map(({ value }) => value);
  if (typeof near === "number" && !isNear(values.at(-1), near, within))
    faults.push(`the last value is ${values.at(-1)}`);
  if (Array.isArray(near)) {
    const right = near.length === values.length && near.every((each, i) => isNear(values[i], each as number, within));
    if (!right) faults.push(`the values are ${show(values)}`);
  }
  const logged = points.map(({ step }) => step);
  if (typeof steps === "number" && logged.length !== steps) faults.push(`there are ${logged.length} values`);
  if (Array.isArray(steps) && (steps.length !== logged.length || steps.some((step, i) => step !== logged[i])))
    faults.push(`the steps are ${show(logged)}`);
  return faults;
}

/** Returns what is wrong with a run; an empty list if nothing is. */
function runFaults(run: TestRun, expected: RunExpectation): string[] {
  const faults: string[] = [];
  for (const key of ["name", "experiment", "status"] as const)
    if (expected[key] !== undefined && run[key] !== expected[key]) faults.push(`${key} is ${show(run[key])}`);
  for (const kind of ["params", "tags"] as const)
    for (const [key, value] of Object.entries(expected[kind] ?? {}))
      if (run[kind][key] !== valueText(key, value, false)) faults.push(`${kind}.${key} is ${show(run[kind][key])}`);
  for (const [key, near] of Object.entries(expected.metrics ?? {}))
    faults.push(...metricFaults(run, key, { near }).map((fault) => `metrics.${key}: ${fault}`));
  return faults;
}

/** Passes if at least one run has no faults; otherwise the message lists the faults of each. */
function judge(runs: readonly TestRun[], what: string, faultsOf: (run: TestRun) => string[]): MatcherResult {
  const judged = runs.map((run) => ({ run, faults: faultsOf(run) }));
  const fit = judged.filter(({ faults }) => faults.length === 0);
  return {
    pass: fit.length > 0,
    message: () => {
      if (fit.length > 0)
        return `expected no ${what}, but there is ${fit.map(({ run }) => `${run.name} (${run.id})`).join(", ")}`;
      const lines = judged
        .slice(0, MAX_SHOWN)
        .map(({ run, faults }) => `  ${run.name} (${run.status}): ${faults.join("; ")}`);
      if (judged.length > MAX_SHOWN) lines.push(`  and ${judged.length - MAX_SHOWN} more`);
      return [
        `expected ${/^[aeiou]/.test(what) ? "an" : "a"} ${what}`,
        ...(lines.length > 0 ? lines : [`  ${nothingRecorded()}`]),
      ].join("\n");
    },
  };
}

/**
 * Matchers for Vitest and Jest: `expect.extend(pulseMatchers)`.
 * @example
 * ```ts
 * import { createTestTracker, pulseMatchers } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * tracker.withRun({}, (run) => run.logMetric("loss", 0.5));
 * // expect.extend(pulseMatchers); expect(tracker).toHaveLoggedMetric("loss", { near: 0.5, steps: [0] });
 * console.assert(pulseMatchers.toHaveLoggedMetric(tracker, "loss", { near: 0.5 }).pass);
 * ```
 */
export const pulseMatchers: {
  toHaveLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): MatcherResult;
  toHaveLoggedArtifact(recorded: Recorded, path: string, expected?: ArtifactExpectation): MatcherResult;
  toHaveRun(recorded: Recorded, expected?: RunExpectation): MatcherResult;
} = {
  toHaveLoggedArtifact: (recorded, path, expected) => judgeArtifact("toHaveLoggedArtifact", recorded, path, expected),
  toHaveLoggedMetric: (recorded, key, expected) => judgeMetric("toHaveLoggedMetric", recorded, key, expected),
  toHaveRun: (recorded, expected) => judgeRun("toHaveRun", recorded, expected),
};

// Options are checked, since a misspelt expectation would match everything.
function judgeMetric(user: string, recorded: Recorded, key: string, expected: MetricExpectation = {}): MatcherResult {
  const runs = runsOf(user, recorded);
  if (typeof key !== "string") throw wrongInput(user, "key", "a string", key);
  needExpected(user, expected, `{ near: ${typeof expected === "number" ? expected : "0.42"} }`);
  checkOptions(user, expected, OF_METRIC, { at: "expected" });
  return judge(runs, `metric ${show(key)} ${show(expected)}`, (run) => metricFaults(run, key, expected));
}

/** @throws PulseError `INVALID_OPTION` with the right form, if a value was passed instead of an expectation. */
function needExpected(user: string, expected: unknown, form: string): void {
  if (typeof expected === "object" && expected !== null) return;
  throw wrongInput(user, "expected", `an object, as in ${form}`, expected);
}

function judgeArtifact(
  user: string,
  recorded: Recorded,
  path: string,
  expected: ArtifactExpectation = {},
): MatcherResult {
  const runs = runsOf(user, recorded);
  if (typeof path !== "string" || path === "") throw wrongInput(user, "path", "a non-empty string", path);
  needExpected(user, expected, `{ text: ${typeof expected === "string" ? shownValue(expected) : '"# Report"'} }`);
  checkOptions(user, expected, OF_ARTIFACT, { at: "expected" });
  return judge(runs, `artifact ${show(path)} ${show(expected)}`, (run) => artifactFaults(run, path, expected, show));
}

function judgeRun(user: string, recorded: Recorded, expected: RunExpectation = {}): MatcherResult {
  const runs = runsOf(user, recorded);
  checkOptions(user, expected, OF_RUN, { at: "expected" });
  return judge(runs, `run ${show(expected)}`, (run) => runFaults(run, expected));
}

/**
 * The matchers as methods of `expect(…)`. Add them to your declarations: `declare module "vitest" { interface
 * Matchers<T = any> extends PulseAssertions {} }`.
 */
export interface PulseAssertions {
  /** Passes if at least one run has logged such a metric. */
  toHaveLoggedMetric(key: string, expected?: MetricExpectation): void;
  /** Passes if at least one run has such a file. */
  toHaveLoggedArtifact(path: string, expected?: ArtifactExpectation): void;
  /** Passes if at least one run is like that. */
  toHaveRun(expected?: RunExpectation): void;
}

/**
 * Asserts that at least one run has logged such a metric. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
 */
export function assertLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): void {
  assertPass(judgeMetric("assertLoggedMetric", recorded, key, expected));
}

/**
 * Asserts that at least one run has such a file. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
 * @example
 * ```ts
 * import { assertLoggedArtifact, createTestTracker } from "pulse-mlflow/testing";
 * const tracker = createTestTracker();
 * tracker.withRun({}, (run) => run.logDict({ layers: [64, 32] }, "config.json"));
 * assertLoggedArtifact(tracker, "config.json", { json: { layers: [64, 32] } });
 * ```
 */
export function assertLoggedArtifact(recorded: Recorded, path: string, expected?: ArtifactExpectation): void {
  assertPass(judgeArtifact("assertLoggedArtifact", recorded, path, expected));
}

/**
 * Asserts that at least one run is like that. For `node:test` or any other test runner.
 * @throws AssertionError that shows what each run contains instead.
 */
export function assertRun(recorded: Recorded, expected?: RunExpectation): void {
  assertPass(judgeRun("assertRun", recorded, expected));
}

function assertPass({ pass, message }: MatcherResult): void {
  if (!pass) throw new assert.AssertionError({ message: message(), stackStartFn: assertPass });
}
