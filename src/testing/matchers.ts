import { AssertionError } from "node:assert";
import { inspect } from "node:util";
import { valueText } from "../capture/text.js";
import type { TestRun } from "./test-tracker.js";

/** What is looked into: a test tracker, one of its runs, or some of them. */
export type Recorded = { readonly runs: readonly TestRun[] } | TestRun | readonly TestRun[];

/** What a metric's history is expected to be. */
export interface MetricExpectation {
  /** The last value, or all of them. */
  readonly near?: number | readonly number[] | undefined;
  /** How far off a value may be. @default 1e-9 of the value */
  readonly within?: number | undefined;
  /** How many values, or their steps. */
  readonly steps?: number | readonly number[] | undefined;
}

/** What a run is expected to be; of params, tags and metrics (last values) those that are named. Values are compared as MLflow stores them: as texts. */
export interface RunExpectation {
  readonly name?: string | undefined;
  readonly experiment?: string | undefined;
  readonly status?: TestRun["status"] | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/** What vitest and Jest want of a matcher. */
export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/** Most runs that a message shows. */
const MOST_SHOWN = 10;
const DEFAULT_TOLERANCE = 1e-9;

function runsOf(recorded: Recorded): readonly TestRun[] {
  if (Array.isArray(recorded)) return recorded as readonly TestRun[];
  return "runs" in recorded ? recorded.runs : [recorded as TestRun];
}

const show = (value: unknown): string => inspect(value, { depth: 4, breakLength: 100 });

const isNear = (value: number | undefined, expected: number, within = Math.abs(expected) * DEFAULT_TOLERANCE): boolean =>
  value !== undefined && (Object.is(value, expected) || Math.abs(value - expected) <= within);

/** A slip in what is expected would let everything pass. */
function known(expected: object, names: readonly string[]): void {
  const strange = Object.keys(expected).find((name) => !names.includes(name));
  if (strange !== undefined) throw new TypeError(`There is no expectation ${show(strange)}; there are ${names.join(", ")}.`);
}

/** What is wrong with a run's history of a metric; empty when nothing is. */
function metricFaults(run: TestRun, key: string, expected: MetricExpectation): string[] {
  known(expected, ["near", "within", "steps"]);
  const { near, within, steps } = expected;
  const points = run.metrics[key];
  if (points === undefined) return [`no such metric, only ${Object.keys(run.metrics).join(", ") || "none"}`];
  const faults: string[] = [];
  const values = points.map(({ value }) => value);
  if (typeof near === "number" && !isNear(values.at(-1), near, within)) faults.push(`the last value is ${values.at(-1)}`);
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

/** What is wrong with a run; empty when nothing is. */
function runFaults(run: TestRun, expected: RunExpectation): string[] {
  known(expected, ["name", "experiment", "status", "params", "tags", "metrics"]);
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

/** Whether some run has no faults; the message tells those of each. */
function judge(recorded: Recorded, what: string, faultsOf: (run: TestRun) => string[]): MatcherResult {
  const runs = runsOf(recorded);
  const judged = runs.map((run) => ({ run, faults: faultsOf(run) }));
  const fit = judged.filter(({ faults }) => faults.length === 0);
  return {
    pass: fit.length > 0,
    message: () => {
      if (fit.length > 0) return `expected no ${what}, but there is ${fit.map(({ run }) => `${run.name} (${run.id})`).join(", ")}`;
      const lines = judged.slice(0, MOST_SHOWN).map(({ run, faults }) => `  ${run.name} (${run.status}): ${faults.join("; ")}`);
      if (judged.length > MOST_SHOWN) lines.push(`  and ${judged.length - MOST_SHOWN} more`);
      return [`expected a ${what}`, ...(lines.length > 0 ? lines : ["  nothing was recorded"])].join("\n");
    },
  };
}

/**
 * Matchers for vitest and Jest: `expect.extend(pulseMatchers)`.
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
  toHaveRun(recorded: Recorded, expected?: RunExpectation): MatcherResult;
} = {
  toHaveLoggedMetric: (recorded, key, expected = {}) =>
    judge(recorded, `metric ${show(key)} ${show(expected)}`, (run) => metricFaults(run, key, expected)),
  toHaveRun: (recorded, expected = {}) => judge(recorded, `run ${show(expected)}`, (run) => runFaults(run, expected)),
};

/** The matchers as methods of `expect(…)`; add them in a declaration of yours: `declare module "vitest" { interface Matchers<T = any> extends PulseAssertions {} }`. */
export interface PulseAssertions {
  /** Some run has logged the metric like that. */
  toHaveLoggedMetric(key: string, expected?: MetricExpectation): void;
  /** Some run is like that. */
  toHaveRun(expected?: RunExpectation): void;
}

/**
 * The same for `node:test`, or any other runner.
 * @throws AssertionError telling what each run has instead.
 */
export function assertLoggedMetric(recorded: Recorded, key: string, expected?: MetricExpectation): void {
  assertPass(pulseMatchers.toHaveLoggedMetric(recorded, key, expected));
}

/**
 * The same for `node:test`, or any other runner.
 * @throws AssertionError telling what each run has instead.
 */
export function assertRun(recorded: Recorded, expected?: RunExpectation): void {
  assertPass(pulseMatchers.toHaveRun(recorded, expected));
}

function assertPass({ pass, message }: MatcherResult): void {
  if (!pass) throw new AssertionError({ message: message(), stackStartFn: assertPass });
}
