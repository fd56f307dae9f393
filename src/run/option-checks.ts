import { PulseError } from "../base/errors.js";
import { type Check, checkOptions as check, shownValue, wrongInput } from "../base/wrong-input.js";
import { isRecord } from "../capture/params.js";
import { artifactFault, metricsFault } from "../capture/selector-faults.js";
import type { CallOptions, Misnamed, Nest, RunPlace, StartOptions } from "./options.js";
import type { Run } from "./run.js";

const NESTS: ReadonlySet<unknown> = new Set<Nest>(["child", "join", "root"]);

const isFunction = (value: unknown): boolean => typeof value === "function";
const isClass = (value: unknown): boolean => typeof value === "function" && typeof value.prototype === "object";
const isShare = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 1;

const CHECKS: Record<Exclude<keyof CallOptions, keyof Misnamed>, Check> = {
  experiment: ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""],
  runName: ["a string or a function", (value) => typeof value === "string" || typeof value === "function"],
  params: [
    "a record, a list of argument names or a function",
    (value) =>
      typeof value === "function" ||
      isRecord(value) ||
      (Array.isArray(value) && value.every((name) => typeof name === "string")),
  ],
  tags: ["a record or a function", (value) => typeof value === "function" || isRecord(value)],
  nest: ['"child", "join" or "root"', (value) => NESTS.has(value)],
  when: ["a function", isFunction],
  sample: ["a number from 0 to 1, or a function", (value) => isFunction(value) || isShare(value)],
  maxRunsPerSecond: ["a whole number, 0 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 0],
  foldKey: ["a non-empty string", (value) => typeof value === "string" && value !== ""],
  failOn: ["a function", isFunction],
  ignore: [
    "a list of error classes and names, or a function",
    (value) =>
      isFunction(value) || (Array.isArray(value) && value.every((each) => typeof each === "string" || isClass(each))),
  ],
  aborted: ["a function", isFunction],
  metrics: [
    "a selector (path, list of paths, record or function)",
    (value) =>
      typeof value === "string" ||
      typeof value === "function" ||
      (typeof value === "object" && metricsFault(value) === undefined),
    metricsFault,
  ],
  artifacts: [
    "the name of a file, or a record of names with paths and functions",
    (value) => artifactFault(value) === undefined,
    artifactFault,
  ],
  library: ["true or false", (value) => typeof value === "boolean"],
};

const isId = (value: unknown): boolean => typeof value === "string" && value.trim() !== "";

const PLACE_CHECKS: Record<keyof RunPlace, Check> = {
  runId: ["the id of a run", isId],
  parentRunId: ["the id of a run", isId],
  // Duck-typed: the run may come from another copy of the package.
  parent: [
    "a run, as startRun() and currentRun() give it",
    (value) => typeof (value as Partial<Run> | null)?.logMetric === "function",
  ],
  description: ["a string", (value) => typeof value === "string"],
};

/** Options that exclude each other. */
const PLACES = ["runId", "parentRunId", "parent"] as const;

function checkPlace(user: string, options: Partial<RunPlace>): void {
  const given = PLACES.filter((name) => options[name] !== undefined);
  if (given.length > 1)
    throw new PulseError("INVALID_OPTION", `${user}: ${given.join(" and ")} exclude each other; give one of them.`);
}

/**
 * @internal
 * Checks the options given to `user` (a decorator's or function's name).
 * @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was got.
 */
export function checkOptions(user: string, options: unknown): void {
  needNoText(user, options, user === "TrackedRun" ? "@TrackedRun({ runName: … })" : "tracked(fn, { experiment: … })");
  check(user, options, CHECKS);
}

/** @throws PulseError `INVALID_OPTION` for a text in place of options, with a suggestion. */
function needNoText(user: string, options: unknown, example: string): void {
  if (typeof options === "string")
    throw wrongInput(user, "options", `an object, as in ${example.replace("…", shownValue(options))}`, options);
}

const BLOCK_CHECKS: Record<Exclude<keyof CallOptions, keyof Misnamed> | keyof RunPlace, Check> = {
  ...CHECKS,
  ...PLACE_CHECKS,
  params: [
    "a record or a function: the function of withRun has no arguments to take",
    (value) => isFunction(value) || isRecord(value),
  ],
};

/** @internal Checks the options of `withRun`. */
export function checkBlockOptions(options: unknown): asserts options is CallOptions & RunPlace {
  needNoText("withRun", options, "withRun({ experiment: … }, fn)");
  check("withRun", options, BLOCK_CHECKS);
  checkPlace("withRun", options as RunPlace);
}

const START_CHECKS: Record<Exclude<keyof StartOptions, keyof Misnamed>, Check> = {
  ...PLACE_CHECKS,
  library: CHECKS.library,
  experiment: CHECKS.experiment,
  runName: ["a string", (value) => typeof value === "string"],
  params: ["a record", isRecord],
  tags: ["a record", isRecord],
  nest: [
    '"child" or "root" (a run that is joined is not yours to end: use withRun)',
    (value) => value === "child" || value === "root",
  ],
  sample: ["a number from 0 to 1", isShare],
  maxRunsPerSecond: CHECKS.maxRunsPerSecond,
  foldKey: CHECKS.foldKey,
  ignore: CHECKS.ignore,
  aborted: CHECKS.aborted,
};

/** @internal Checks the options of `startRun`. */
export function checkStartOptions(options: unknown): void {
  needNoText("startRun", options, "startRun({ experiment: … })");
  check("startRun", options, START_CHECKS);
  checkPlace("startRun", options as RunPlace);
}
