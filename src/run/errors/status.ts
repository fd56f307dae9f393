import { types } from "node:util";
import type { TerminalStatus } from "../../base/entities.js";
import { messageOf } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import { bounded, isError, valueText } from "../../base/text/value-text.js";
import type { RunBuffer } from "../../recorder/buffer/run-buffer.js";
import { keepLongText, longTextFile } from "../files/long-text.js";
import { callUser } from "../verbs/call-user.js";
import type { RunHost } from "../verbs/run-host.js";
import { type Place, redactedText } from "../verbs/values.js";
import type { Asked, ErrorClass, ErrorRules } from "./error-rules.js";
import { failedHere, readStack, storedStack } from "./stack.js";

const STACK_CHARACTERS = 4_000;
const MESSAGE_CHARACTERS = 1_000;
/** The number of causes of an error, and of errors of an AggregateError, that are recorded. */
const MAX_DESCRIBED = 5;
/** The number of arguments searched for an aborted signal. */
const MAX_ARGUMENTS = 100;

/** A run that an error ends. */
interface FailingRun extends Place {
  readonly log: RunBuffer | undefined;
  readonly rules: ErrorRules | undefined;
  /** Tells how it ended, before its end. */
  ends(how: { readonly error?: unknown }): void;
  end(status: TerminalStatus): void;
}

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

  message(run: Place): string {
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
 * describe the error. `where` names the call in warnings about its rules.
 */
export function endWithError(
  run: FailingRun,
  error: unknown,
  args: readonly unknown[],
  where: () => string,
  { ignore, aborted }: ErrorRules = run.rules ?? {},
  status?: "FAILED" | "KILLED",
): void {
  const asks = (name: keyof ErrorRules, rule: Asked): boolean =>
    callUser(
      run.host,
      () => `${where()}: ${name}`,
      () => rule(error as never, args as never),
    ) === true;
  run.ends({ error });
  try {
    const thrown = new Thrown(error);
    if (typeof ignore === "function" ? asks("ignore", ignore) : ignore?.some((each) => isOf(thrown, each))) {
      setErrorTag(run, "pulse.ignored_error", thrown.type, MESSAGE_CHARACTERS);
      run.end("FINISHED");
      return;
    }
    const causes = causesOf(thrown);
    describe(run, thrown, causes);
    const isKilled = (): boolean =>
      isAbort(thrown, args, causes) || (aborted !== undefined && asks("aborted", aborted));
    if (status === undefined ? isKilled() : status === "KILLED") run.end("KILLED");
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
function setErrorTag(run: FailingRun, key: string, given: string, limit: number, file?: string): void {
  const { log } = run;
  if (log === undefined) return;
  const text = redactedText(run, key, given, run.method, true);
  log.tag({ key, value: cutText(text, limit) });
  if (file !== undefined && text.length > limit) keepLongText(run, log, longTextFile(run, file), key, given, text);
}

/** Ends a run FAILED because `failOn` called the result a failure, with its error, its reason or just true. */
export function endWithFault(run: FailingRun, fault: unknown): void {
  if (isError(fault)) {
    endWithError(run, fault, [], () => "failOn", {});
    return;
  }
  setErrorTag(run, "error.type", "failOn", MESSAGE_CHARACTERS);
  setErrorTag(run, "error.message", fault === true ? "The result is a failure." : String(fault), MESSAGE_CHARACTERS);
  run.end("FAILED");
}

function describe(run: FailingRun, thrown: Thrown, causes: readonly Thrown[]): void {
  const tag = (key: string, text: string, limit: number): void => setErrorTag(run, key, text, limit);
  tag("error.type", thrown.type, MESSAGE_CHARACTERS);
  tag("error.message", thrown.message(run), MESSAGE_CHARACTERS);
  if (typeof thrown.error === "object" && thrown.error !== null) tagStack(run, thrown);
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
function tagStack(run: FailingRun, thrown: Thrown): void {
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

const described = (run: Place, thrown: Thrown): string => `${bounded(thrown.type)}: ${bounded(thrown.message(run))}`;

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

const isOf = (thrown: Thrown, named: ErrorClass | string): boolean =>
  typeof named === "string" ? thrown.get("name") === named || thrown.type === named : thrown.error instanceof named;

/**
 * Whether a call was aborted: by an abort error, also as a cause, or because a signal among its arguments is aborted.
 * What was aborted by a time limit, as a signal with a time limit does it, has failed.
 */
function isAbort(thrown: Thrown, args: readonly unknown[], causes: readonly Thrown[]): boolean {
  const chain = [thrown, ...causes];
  if (chain.some((each) => each.get("name") === "TimeoutError")) return false;
  const signals = args
    .slice(0, MAX_ARGUMENTS)
    .flatMap((arg) => [arg, read(arg, "signal"), read(arg, "abortSignal")])
    .filter(isAborted);
  if (signals.length > 0) return signals.some((signal) => read(read(signal, "reason"), "name") !== "TimeoutError");
  return chain.some(
    (each) => each.get("code") === "ABORT_ERR" || each.get("name") === "AbortError" || each.type === USER_ABORT,
  );
}

/** The class of aborts in OpenAI's and Anthropic's clients, whose errors are called "Error". */
const USER_ABORT = "APIUserAbortError";

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
