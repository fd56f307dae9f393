import { cutText } from "../capture/keys.js";
import { redactText } from "../capture/redact.js";
import { messageOf } from "../errors.js";
import type { Run } from "./run.js";

const STACK_CHARACTERS = 4_000;
const MESSAGE_CHARACTERS = 1_000;

/** Ends a run with what was thrown: KILLED for an abort, else FAILED, with tags that say what it was. */
export function endWithError(run: Run, error: unknown, args: readonly unknown[]): void {
  try {
    describe(run, error);
    if (isAbort(error, args)) run.end("KILLED");
  } catch (problem) {
    if (run.host.config.strict) throw problem; // else: an error or an argument that cannot even be looked at
  } finally {
    run.end("FAILED");
  }
}

function describe(run: Run, error: unknown): void {
  const redact = (text: string): string => (run.host.config.redact === false ? text : redactText(text));
  run.setTag("error.type", errorType(error));
  run.setTag("error.message", cutText(redact(messageOf(error)), MESSAGE_CHARACTERS));
  const stack = read(error, "stack");
  if (typeof stack === "string") run.setTag("error.stack", cutText(redact(stack), STACK_CHARACTERS));
}

function errorType(error: unknown): string {
  if (typeof error !== "object" || error === null) return typeof error;
  const name = read(error, "name");
  const made = read(error, "constructor");
  const className = typeof made === "function" ? made.name : "";
  // A subclass that never set `name` says "Error": its class then tells more.
  return typeof name === "string" && name !== "" && name !== "Error" ? name : className || "Error";
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
