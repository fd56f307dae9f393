import { valueText } from "../capture/text.js";
import { messageOf } from "../errors.js";
import type { RunOptions } from "./options.js";
import type { Run } from "./run.js";

const STACK_CHARACTERS = 4_000;
const MESSAGE_CHARACTERS = 1_000;
/** Most causes of an error, and most errors of an AggregateError, that are told. */
const MOST_TOLD = 5;

/** What is no failure: a list of classes and names, or a function that says so. */
type Ignored = Exclude<NonNullable<RunOptions["ignore"]>, (...args: never[]) => unknown> | (() => boolean);

/** Ends a run with what was thrown: KILLED for an abort, FINISHED for what is ignored, else FAILED, with tags that say what it was. */
export function endWithError(run: Run, error: unknown, args: readonly unknown[], ignored?: Ignored): void {
  try {
    if (ignored !== undefined && isIgnored(error, ignored)) {
      run.setErrorTag("pulse.ignored_error", errorType(error), MESSAGE_CHARACTERS);
      run.end("FINISHED");
      return;
    }
    describe(run, error);
    if (isAbort(error, args)) run.end("KILLED");
  } catch (problem) {
    if (run.host.config.strict) throw problem; // else: an error or an argument that cannot even be looked at
  } finally {
    run.end("FAILED");
  }
}

/** Ends a run FAILED whose call returned what `failOn` calls a failure: an error, a reason, or just true. */
export function endWithFault(run: Run, fault: unknown): void {
  if (fault instanceof Error) {
    endWithError(run, fault, []);
    return;
  }
  run.setErrorTag("error.type", "failOn", MESSAGE_CHARACTERS);
  run.setErrorTag("error.message", fault === true ? "The result is a failure." : String(fault), MESSAGE_CHARACTERS);
  run.end("FAILED");
}

function describe(run: Run, error: unknown): void {
  const tag = run.setErrorTag.bind(run);
  tag("error.type", errorType(error), MESSAGE_CHARACTERS);
  tag("error.message", errorMessage(run, error), MESSAGE_CHARACTERS);
  const stack = read(error, "stack");
  if (typeof stack === "string") tag("error.stack", stack, STACK_CHARACTERS);
  const causes = causesOf(error);
  if (causes.length > 0) tag("error.cause", causes.map((cause) => told(run, cause)).join("\n"), MESSAGE_CHARACTERS);
  const errors = read(error, "errors");
  if (!Array.isArray(errors) || errors.length === 0) return;
  const lines = errors.slice(0, MOST_TOLD).map((each) => told(run, each));
  if (errors.length > MOST_TOLD) lines.push(`and ${errors.length - MOST_TOLD} more`);
  tag("error.errors", lines.join("\n"), MESSAGE_CHARACTERS);
}

const told = (run: Run, error: unknown): string => `${errorType(error)}: ${errorMessage(run, error)}`;

/** The chain of causes behind an error, nearest first. */
function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let cause = read(error, "cause"); cause !== undefined && chain.length < MOST_TOLD; cause = read(cause, "cause")) {
    if (cause === error || chain.includes(cause)) break;
    chain.push(cause);
  }
  return chain;
}

function errorMessage(run: Run, error: unknown): string {
  const message = read(error, "message");
  if (typeof message === "string") return message;
  // What is thrown and no error says what it holds: `{ code: 404 }`.
  return typeof error === "object" && error !== null ? valueText("error", error, run.host.config.redact !== false) : messageOf(error);
}

function errorType(error: unknown): string {
  if (typeof error !== "object" || error === null) return typeof error;
  const name = read(error, "name");
  const made = read(error, "constructor");
  const className = typeof made === "function" ? made.name : "";
  // A subclass that never set `name` says "Error": its class then tells more.
  return typeof name === "string" && name !== "" && name !== "Error" ? name : className || "Error";
}

function isIgnored(error: unknown, ignored: Ignored): boolean {
  if (typeof ignored === "function") return ignored();
  return ignored.some((each) =>
    typeof each === "string" ? read(error, "name") === each || errorType(error) === each : error instanceof each,
  );
}

function isAbort(error: unknown, args: readonly unknown[]): boolean {
  if (read(error, "name") === "AbortError" || read(error, "code") === "ABORT_ERR") return true;
  return args.some((arg) => isAborted(arg) || isAborted(read(arg, "signal")));
}

function isAborted(value: unknown): boolean {
  return value instanceof AbortSignal && value.aborted;
}

function read(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[key];
  } catch {
    return undefined; // a getter that throws
  }
}
