import { types } from "node:util";
import { messageOf } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import { bounded, isError, valueText } from "../../base/text/value-text.js";
import { keepLongText, longTextFile } from "../files/long-text.js";
import type { RunOptions } from "../options.js";
import type { Run } from "../run.js";
import type { RunHost } from "../verbs/run-host.js";
import { redactedText } from "../verbs/values.js";
import { failedHere, readStack, storedStack } from "./stack.js";

const STACK_CHARACTERS = 4_000;
const MESSAGE_CHARACTERS = 1_000;
/** The number of causes of an error, and of errors of an AggregateError, that are recorded. */
const MAX_DESCRIBED = 5;
/** The number of arguments searched for an aborted signal. */
const MAX_ARGUMENTS = 100;

/** Errors that are not failures: a list of classes and names, or a function that decides. */
type Ignored = Exclude<NonNullable<RunOptions["ignore"]>, (...args: never[]) => unknown> | (() => boolean);

/** A thrown value. Each of its properties is read at most once, since it may be a getter. */
class Thrown {
  readonly error: unknown;
  readonly #read = new Map<string, unknown>();

  constructor(error: unknown) {
    this.error = error;
  }

  get(key: string): unknown {
    if (!this.#read.has(key)) this.#read.set(key, read(this.error, key));
    return this.#read.get(key);
  }

  /** The stack, as V8 or the error's class formats it. */
  get stack(): unknown {
    const [name, message] = [this.#asked("name"), this.#asked("message")];
    if (name === undefined && message === undefined) return read(this.error, "stack");
    const parts = (): string[] =>
      [name ?? read(this.error, "name"), message ?? read(this.error, "message")].map(String);
    return readStack(
      () => read(this.error, "stack"),
      () => parts().filter(Boolean).join(": "),
    );
  }

  /** Returns what a getter of the program returned for a key; undefined if the property is not a getter. */
  #asked(key: string): unknown {
    const getter = getterOf(this.error as object, key);
    return getter !== undefined && this.#read.has(key) ? (this.#read.get(key) ?? "") : undefined;
  }

  get type(): string {
    const { error } = this;
    if (typeof error !== "object" || error === null) return typeof error;
    const name = this.get("name");
    const made = this.get("constructor");
    const className: unknown = typeof made === "function" ? made.name : "";
    // A subclass that never set `name` has "Error"; its class name says more.
    return typeof name === "string" && name !== "" && name !== "Error"
      ? name
      : typeof className === "string" && className !== ""
        ? className
        : "Error";
  }

  message(run: Run): string {
    const { error } = this;
    const message = this.get("message");
    if (typeof message === "string") return message;
    // A thrown object that is not an error, such as `{ code: 404 }`, is described by its fields.
    return typeof error === "object" && error !== null
      ? valueText("error", error, run.host.config.redact !== false, (field) => this.get(field))
      : messageOf(error);
  }
}

/**
 * Ends a run whose call threw: KILLED for an abort, FINISHED for an ignored error, else FAILED, with tags that
 * describe the error.
 */
export function endWithError(run: Run, error: unknown, args: readonly unknown[], ignored?: Ignored): void {
  try {
    const thrown = new Thrown(error);
    if (ignored !== undefined && isIgnored(thrown, ignored)) {
      setErrorTag(run, "pulse.ignored_error", thrown.type, MESSAGE_CHARACTERS);
      run.end("FINISHED");
      return;
    }
    describe(run, thrown);
    if (isAbort(thrown, args)) run.end("KILLED");
  } catch (problem) {
    if (run.host.config.strict) throw problem; // otherwise ignored: the error or an argument cannot be inspected
  } finally {
    run.end("FAILED");
  }
}

/**
 * Sets a tag that describes the error, cut to `limit` characters. `file`: the artifact that stores a longer text in
 * full.
 */
function setErrorTag(run: Run, key: string, given: string, limit: number, file?: string): void {
  const { log } = run;
  if (log === undefined) return;
  const text = redactedText(run, key, given, run.method, true);
  log.tag({ key, value: cutText(text, limit) });
  if (file !== undefined && text.length > limit) keepLongText(run, log, longTextFile(run, file), key, given, text);
}

/** Ends a run FAILED because `failOn` called the result a failure, with its error, its reason or just true. */
export function endWithFault(run: Run, fault: unknown): void {
  if (isError(fault)) {
    endWithError(run, fault, []);
    return;
  }
  setErrorTag(run, "error.type", "failOn", MESSAGE_CHARACTERS);
  setErrorTag(run, "error.message", fault === true ? "The result is a failure." : String(fault), MESSAGE_CHARACTERS);
  run.end("FAILED");
}

function describe(run: Run, thrown: Thrown): void {
  const tag = (key: string, text: string, limit: number): void => setErrorTag(run, key, text, limit);
  tag("error.type", thrown.type, MESSAGE_CHARACTERS);
  tag("error.message", thrown.message(run), MESSAGE_CHARACTERS);
  if (typeof thrown.error === "object" && thrown.error !== null) tagStack(run, thrown);
  const causes = causesOf(thrown);
  if (causes.length > 0)
    tag("error.cause", causes.map((cause) => described(run, cause)).join("\n"), MESSAGE_CHARACTERS);
  const errors = thrown.get("errors");
  if (!Array.isArray(errors) || errors.length === 0) return;
  const lines = errors.slice(0, MAX_DESCRIBED).map((each) => described(run, new Thrown(each)));
  if (errors.length > MAX_DESCRIBED) lines.push(`and ${errors.length - MAX_DESCRIBED} more`);
  tag("error.errors", lines.join("\n"), MESSAGE_CHARACTERS);
}

/**
 * Records the error's stack at the end of this turn: until then the program may still change the error's message,
 * which only shows in a stack that has not been read yet. With a tracker from an older copy of the package, records
 * it at once.
 */
function tagStack(run: Run, thrown: Thrown): void {
  const at = failedHere();
  const record = (): void => {
    const stack = thrown.stack;
    if (typeof stack === "string")
      setErrorTag(run, "error.stack", storedStack(stack, at), STACK_CHARACTERS, "error.stack");
  };
  const recorder: Partial<Pick<RunHost["recorder"], "late">> = run.host.recorder;
  if (recorder.late === undefined) record();
  else recorder.late(record, thrown.error);
}

const described = (run: Run, thrown: Thrown): string => `${bounded(thrown.type)}: ${bounded(thrown.message(run))}`;

/** Returns the causes of an error, nearest first. */
function causesOf(thrown: Thrown): Thrown[] {
  const chain: Thrown[] = [];
  for (let at = thrown; chain.length < MAX_DESCRIBED; ) {
    const cause = at.get("cause");
    if (cause === undefined || cause === thrown.error || chain.some(({ error }) => error === cause)) break;
    at = new Thrown(cause);
    chain.push(at);
  }
  return chain;
}

function isIgnored(thrown: Thrown, ignored: Ignored): boolean {
  if (typeof ignored === "function") return ignored();
  return ignored.some((each) =>
    typeof each === "string" ? thrown.get("name") === each || thrown.type === each : thrown.error instanceof each,
  );
}

function isAbort(thrown: Thrown, args: readonly unknown[]): boolean {
  if (thrown.get("name") === "AbortError" || thrown.get("code") === "ABORT_ERR") return true;
  return args.slice(0, MAX_ARGUMENTS).some((arg) => isAborted(arg) || isAborted(read(arg, "signal")));
}

/** Whether a value is an aborted signal, of any realm (jsdom has its own). */
function isAborted(value: unknown): boolean {
  return !types.isProxy(value) && read(value, "aborted") === true && read(value, Symbol.toStringTag) === "AbortSignal";
}

function read(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return (value as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined; // a getter that throws
  }
}

/** Returns the getter of a property, own or inherited. */
function getterOf(value: object, key: string): (() => unknown) | undefined {
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (types.isProxy(at)) return undefined;
    const found = Object.getOwnPropertyDescriptor(at, key);
    if (found) return found.get;
  }
  return undefined;
}
