import { types } from "node:util";
import { messageOf } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import { bounded, isError, valueText } from "../../base/text/text.js";
import { keepLongText, longTextFile } from "../files/long-text.js";
import type { RunOptions } from "../options.js";
import type { Run } from "../run.js";
import type { RunHost } from "../verbs/run-host.js";
import { redactedText } from "../verbs/values.js";
import { failedHere, readStack, storedStack } from "./stack.js";

const STACK_CHARACTERS = 4_000;
const MESSAGE_CHARACTERS = 1_000;
/** Most causes of an error, and most errors of an AggregateError, that are told. */
const MAX_TOLD = 5;
/** Most arguments among which an aborted signal is looked for. */
const MAX_ARGUMENTS = 100;

/** What is no failure: a list of classes and names, or a function that says so. */
type Ignored = Exclude<NonNullable<RunOptions["ignore"]>, (...args: never[]) => unknown> | (() => boolean);

/** What was thrown; each of its properties is read once at most, since they may be getters. */
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

  /** Its stack, as V8 or its class writes it. */
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

  /** What a getter of the program's has given for a key; undefined where that is no getter. */
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
    // A subclass that never set `name` says "Error": its class then tells more.
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
    // What is thrown and no error says what it holds: `{ code: 404 }`.
    return typeof error === "object" && error !== null
      ? valueText("error", error, run.host.config.redact !== false, (field) => this.get(field))
      : messageOf(error);
  }
}

/**
 * Ends a run with what was thrown: KILLED for an abort, FINISHED for what is ignored, else FAILED, with tags that say
 * what it was.
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
    if (run.host.config.strict) throw problem; // else: an error or an argument that cannot even be looked at
  } finally {
    run.end("FAILED");
  }
}

/**
 * Sets a tag that says what went wrong, of at most `limit` characters; `file`: which artifact has all of a longer text.
 */
function setErrorTag(run: Run, key: string, given: string, limit: number, file?: string): void {
  const { log } = run;
  if (log === undefined) return;
  const text = redactedText(run, key, given, run.method, true);
  log.tag({ key, value: cutText(text, limit) });
  if (file !== undefined && text.length > limit) keepLongText(run, log, longTextFile(run, file), key, given, text);
}

/** Ends a run FAILED whose call returned what `failOn` calls a failure: an error, a reason, or just true. */
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
  if (causes.length > 0) tag("error.cause", causes.map((cause) => told(run, cause)).join("\n"), MESSAGE_CHARACTERS);
  const errors = thrown.get("errors");
  if (!Array.isArray(errors) || errors.length === 0) return;
  const lines = errors.slice(0, MAX_TOLD).map((each) => told(run, new Thrown(each)));
  if (errors.length > MAX_TOLD) lines.push(`and ${errors.length - MAX_TOLD} more`);
  tag("error.errors", lines.join("\n"), MESSAGE_CHARACTERS);
}

/**
 * Records the stack of what was thrown when this turn is over: until then the program may give the error another
 * message, which is in its stack only if nobody has read that before. Where the run's tracker is of an older copy of
 * the package, at once.
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

const told = (run: Run, thrown: Thrown): string => `${bounded(thrown.type)}: ${bounded(thrown.message(run))}`;

/** The chain of causes behind an error, nearest first. */
function causesOf(thrown: Thrown): Thrown[] {
  const chain: Thrown[] = [];
  for (let at = thrown; chain.length < MAX_TOLD; ) {
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

/** Also of a signal of another realm, as jsdom has them. */
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

/** The getter behind a property, however far up. */
function getterOf(value: object, key: string): (() => unknown) | undefined {
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (types.isProxy(at)) return undefined;
    const found = Object.getOwnPropertyDescriptor(at, key);
    if (found) return found.get;
  }
  return undefined;
}
