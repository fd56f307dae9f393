import type { LogMetricOptions, Selector, Untyped } from "../capture/metrics.js";
import { PulseError } from "../errors.js";

/** What a call does when a run is open already: open a child of it, log into it, or open a run of its own at the top. */
export type Nest = "child" | "join" | "root";

/** Options of the class and method decorators, `tracked`, `withRun` and `startRun`. Functions of `args` get the list of the call's arguments. */
export interface RunOptions {
  /** @default the class's experiment, else the parent run's, else the configured one, else MLflow's "Default" */
  readonly experiment?: string | undefined;
  /** At most 250 characters. @default runtime class `.` method, or the function's name */
  readonly runName?: string | ((args: Untyped) => string) | undefined;
  /** Fixed params, or the arguments to take (names or index paths such as `"1.lr"`), or a function. Those of a base class come first. */
  readonly params?:
    | Readonly<Record<string, unknown>>
    | readonly string[]
    | ((args: Untyped) => Readonly<Record<string, unknown>>)
    | undefined;
  /** Tags of the run. Those of a base class come first. */
  readonly tags?: Readonly<Record<string, unknown>> | ((args: Untyped) => Readonly<Record<string, unknown>>) | undefined;
  /** @default "child"; for `@Log…` methods of a tracked class "join" */
  readonly nest?: Nest | undefined;
  /** Calls for which this returns false are not tracked at all. @default every call */
  readonly when?: ((args: Untyped) => boolean) | undefined;
}

/** Options of `startRun`, which has no call: nothing to take arguments from, and no run of somebody else's to end. */
export interface StartOptions {
  /** @default the parent run's experiment, else the configured one, else MLflow's "Default" */
  readonly experiment?: string | undefined;
  /** At most 250 characters. @default "run" */
  readonly runName?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  /** @default "child" */
  readonly nest?: "child" | "root" | undefined;
}

/** Options of what has a result to take metrics from: `tracked`, `withRun`, `@TrackedRun` and `@TrackedExperiment` on a method. */
export interface CallOptions extends RunOptions {
  /** Metrics to take from what the function returns, as `@LogMetric` does. @default none */
  readonly metrics?: Selector | undefined;
}

const NESTS: ReadonlySet<unknown> = new Set<Nest>(["child", "join", "root"]);

const isRecord = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

type Check = readonly [expected: string, holds: (value: unknown) => boolean];

const CHECKS: Record<keyof CallOptions, Check> = {
  experiment: ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""],
  runName: ["a string or a function", (value) => typeof value === "string" || typeof value === "function"],
  params: [
    "a record, a list of argument names or a function",
    (value) => typeof value === "function" || isRecord(value) || (Array.isArray(value) && value.every((name) => typeof name === "string")),
  ],
  tags: ["a record or a function", (value) => typeof value === "function" || isRecord(value)],
  nest: ['"child", "join" or "root"', (value) => NESTS.has(value)],
  when: ["a function", (value) => typeof value === "function"],
  metrics: [
    "a selector (path, list of paths, record or function)",
    (value) => typeof value === "string" || typeof value === "function" || typeof value === "object",
  ],
};

/**
 * @internal
 * Checks the options given to `user` (a decorator's or function's name).
 * @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was got.
 */
export function checkOptions(user: string, options: unknown): void {
  check(user, options, CHECKS);
}

const START_CHECKS: Record<keyof StartOptions, Check> = {
  experiment: CHECKS.experiment,
  runName: ["a string", (value) => typeof value === "string"],
  params: ["a record", isRecord],
  tags: ["a record", isRecord],
  nest: ['"child" or "root" (a run that is joined is not yours to end: use withRun)', (value) => value === "child" || value === "root"],
};

/** @internal Checks the options of `startRun`, likewise. */
export function checkStartOptions(options: unknown): void {
  check("startRun", options, START_CHECKS);
}

const METRIC_CHECKS: Record<keyof LogMetricOptions, Check> = {
  step: ["a path or a function", (value) => typeof value === "string" || typeof value === "function"],
  prefix: ["a string", (value) => typeof value === "string"],
  timestamp: [
    "a number, a Date or a function",
    (value) => typeof value === "number" || typeof value === "function" || value instanceof Date,
  ],
  when: ["a function", (value) => typeof value === "function"],
  nonFinite: ['"log" or "skip"', (value) => value === "log" || value === "skip"],
};

/** @internal Checks the options of `@LogMetric`, likewise. */
export function checkMetricOptions(options: unknown): void {
  check("LogMetric", options, METRIC_CHECKS);
}

function check(user: string, options: unknown, checks: Readonly<Record<string, Check>>): void {
  const fail = (name: string, expected: string, got: unknown): never => {
    throw new PulseError(
      "INVALID_OPTION",
      `${user}: ${name} must be ${expected}; got ${typeof got === "string" ? JSON.stringify(got) : got === null ? "null" : typeof got}.`,
    );
  };
  if (typeof options !== "object" || options === null || Array.isArray(options)) fail("options", "an object", options);
  for (const [name, value] of Object.entries(options as object)) {
    if (value === undefined) continue;
    const known = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (known === undefined) fail(`option ${JSON.stringify(name)}`, `one of ${Object.keys(checks).join(", ")}`, value);
    else if (!known[1](value)) fail(name, known[0], value);
  }
}
