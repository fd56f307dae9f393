import { shownText } from "./text/redact.js";
import { bounded, isError, shortText } from "./text/value-text.js";

/**
 * Every problem of this package: a stable code, advice, and whether a retry can help. Codes are never renamed or
 * reused.
 */
const PROBLEMS = {
  INVALID_CONFIG: { retry: false, todo: "" },
  INVALID_OPTION: { retry: false, todo: "" },
  INVALID_TRACKING_URI: {
    retry: false,
    todo: 'Use http(s)://host:port, sqlite:///relative.db, sqlite:////absolute.db, a folder such as ./mlruns or another form of docs/configuration.md, or register a scheme of your own before the first run (for commands: NODE_OPTIONS="--import ./my-store.js").',
  },
  WRONG_TARGET: { retry: false, todo: "" },
  STORE_NOT_FOUND: {
    retry: false,
    todo: "Check the tracking URI; a store that does not exist yet is made when something is recorded.",
  },
  UNSUPPORTED: { retry: false, todo: "" },
  NO_ACTIVE_RUN: {
    retry: false,
    todo: "Call it inside a tracked method, tracked() or withRun(), or use currentRun() and test for undefined.",
  },
  OUTSIDE_RUN: {
    retry: false,
    todo: 'Set outsideRun: "ignore" to silence this.',
  },
  CLOSED: { retry: false, todo: "Record before shutdown(), or make a new tracker." },
  DISABLED: { retry: false, todo: "" },
  INVALID_KEY: {
    retry: false,
    todo: "Use letters, digits, and _ - . / : or space, at most 250 characters, with no / at either end and no two side by side.",
  },
  INVALID_VALUE: { retry: false, todo: "" },
  REDACTED: { retry: false, todo: "If it is not a secret, give it another name, or set the option `redact`." },
  VALUE_CUT: { retry: false, todo: "Shorten it. The hash at its end keeps different values distinct." },
  INPUT_REPEATED: {
    retry: false,
    todo: "MLflow keeps the first use of a dataset in a run; use another digest, or log it in a separate run.",
  },
  PARAM_CONFLICT: { retry: false, todo: "A param keeps its first value; log a changing number as a metric." },
  CAPTURE_FAILED: {
    retry: false,
    todo: "The call itself was not affected. Fix the function, or use a selector that picks what can be read.",
  },
  INTERNAL: {
    retry: false,
    todo: "The call itself was not affected. This is a bug in pulse-mlflow, or in code that replaces Node's own functions: please report it.",
  },
  INVALID_FILTER: { retry: false, todo: "" },
  LISTENER_FAILED: {
    retry: false,
    todo: "Recording goes on; fix the function passed to tracker.on(), onRunStart or onRunEnd.",
  },
  NOTHING_FOUND: { retry: false, todo: "" },
  CAPTURE_LIMIT: { retry: false, todo: "Use a selector that picks only what you need." },
  NOT_RECORDED: {
    retry: false,
    todo: "Failed runs are always recorded; raise `sample` or `maxRunsPerSecond` to record more.",
  },
  OUT_OF_RANGE: {
    retry: false,
    todo: "It is logged anyway; fix the value, or the range in defineExperiment().",
  },
  TOO_MANY_RUNS: {
    retry: false,
    todo: 'End the runs you start, log steps of one run instead of child runs (nest: "join"), or set maxRunsPerSecond.',
  },
  SKETCH_MISSING: {
    retry: false,
    todo: "Only p50, p95 and p99 are missing. Reinstall pulse-mlflow, or exclude it from the bundle.",
  },
  MINIFIED_NAMES: {
    retry: false,
    todo: 'Keep names when minifying (esbuild: keepNames; terser and swc: keep_classnames, keep_fnames), or set them: `experiment`, `runName`, and arguments by position, @LogParam({ lr: "0" }).',
  },
  UNKNOWN_ARGUMENT: {
    retry: false,
    todo: 'Name one of its arguments, a position ("0"), or a path into one ("options.lr", "1.lr").',
  },
  THENABLE_UNTRACKED: {
    retry: false,
    todo: "Await it inside the tracked method to have its result and its time tracked.",
  },
  MEMORY_FULL: {
    retry: true,
    todo: "The store cannot keep up: log less often, or raise maxPendingBytes.",
  },
  OUTBOX_FAILED: {
    retry: false,
    todo: "Recording goes on in memory; to survive a crash, set `outbox.folder` to a folder that only this user can write to.",
  },
  OUTBOX_LEFT: {
    retry: false,
    todo: "Deliver it as the user and with the version that wrote it; remove it by hand only if nobody needs it.",
  },
  OUTBOX_FULL: { retry: true, todo: "Log less often, or raise `outbox.maxBytes` and `outbox.maxTotalBytes`." },
  OUTBOX_EXPIRED: { retry: false, todo: "Deliver earlier with `npx pulse-mlflow sync`, or raise `outbox.maxAgeMs`." },
  KEPT_FOR_LATER: {
    retry: false,
    todo: "The next program with this tracking URI delivers them, or `npx pulse-mlflow sync` does.",
  },
  LOST_AT_EXIT: { retry: false, todo: "Call `await flush()` earlier, and fix the cause named above." },
  STORE_UNAVAILABLE: { retry: true, todo: "Recording goes on; it is delivered when the store is back." },
  TLS_FAILED: { retry: false, todo: "Recording goes on meanwhile." },
  UNAUTHORIZED: {
    retry: false,
    todo: "Check `auth`, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, and whether they may be sent to this server (docs/configuration.md); recording goes on meanwhile.",
  },
  FORBIDDEN: {
    retry: false,
    todo: "Check `auth` and what the user may do; recording goes on, and it is delivered once the server allows it.",
  },
  NO_MLFLOW: {
    retry: false,
    todo: "Check the tracking URI: it must be the root of an MLflow server. Recording goes on meanwhile.",
  },
  SERVER_ERROR: { retry: true, todo: "Recording goes on; it will be retried." },
  STORE_BUSY: { retry: true, todo: "Recording goes on; it is written when the store is free." },
  DISK_FULL: { retry: true, todo: "Free space on that disk; recording goes on and is written afterwards." },
  DRIVER_MISSING: {
    retry: false,
    todo: "Run `npm install @photostructure/sqlite@1` (or `pnpm add --allow-build=@photostructure/sqlite @photostructure/sqlite@1`) in the folder where the program runs; it cannot be part of a bundle. Or use Node 24 or newer.",
  },
  NOT_WRITABLE: { retry: false, todo: "Make the folder and file writable, or choose another trackingUri." },
  NOT_A_DATABASE: { retry: false, todo: "Choose another file in trackingUri; this one was not touched." },
  NOT_MLFLOW: { retry: false, todo: "Choose another file in trackingUri; this database was not touched." },
  SCHEMA_UNSUPPORTED: {
    retry: false,
    todo: "Update pulse-mlflow, or choose another file in trackingUri; this database was not touched.",
  },
  EXPERIMENT_DELETED: { retry: false, todo: "Restore it (`mlflow experiments restore`) or choose another name." },
  EXPERIMENT_NOT_FOUND: {
    retry: false,
    todo: "Check the tracking URI and MLFLOW_EXPERIMENT_ID: use the id of an existing experiment, or give its name instead (MLFLOW_EXPERIMENT_NAME).",
  },
  RUN_NOT_FOUND: {
    retry: false,
    todo: "Check the tracking URI, the option runId or MLFLOW_RUN_ID, and whether the database or folder was removed or replaced while the run was open.",
  },
  RUN_DELETED: { retry: false, todo: "Restore the run in MLflow to log into it." },
  ARTIFACT_UNREADABLE: {
    retry: false,
    todo: "Fix the problem named above; everything else continues.",
  },
  ARTIFACT_REWRITTEN: {
    retry: false,
    todo: "Its current content is stored; log it with `copy: true` to keep the content it had.",
  },
  ARTIFACT_NOT_FOUND: { retry: false, todo: "List its folder to see what is there." },
  ARTIFACT_ROOT: { retry: false, todo: "" },
  ARTIFACT_RENAMED: { retry: false, todo: "Log it under a valid name." },
  PACKAGE_MISSING: { retry: false, todo: "Install the missing package next to pulse-mlflow." },
  ARTIFACT_REFUSED: { retry: false, todo: "The rest of the run is not affected." },
  REJECTED: { retry: false, todo: "" },
} as const;

/** A stable, documented problem code. */
export type PulseErrorCode = keyof typeof PROBLEMS;

const BRAND = Symbol.for("pulse-mlflow/error");

/**
 * The error class of this package. `code` is stable, `message` says what happened and what to do, `cause` is the
 * original error. `instanceof` also works across two loaded copies (ESM and CommonJS) of the package.
 */
export class PulseError extends Error {
  override readonly name: string = "PulseError";
  readonly code: PulseErrorCode;
  /** @internal The advice at the end of the message. */
  readonly todo: string;

  constructor(code: PulseErrorCode, detail: string, cause?: unknown);
  /** @internal `advice`: instead of the code's. */
  constructor(code: PulseErrorCode, detail: string, cause: unknown, advice: string | undefined);
  constructor(code: PulseErrorCode, detail: string, cause?: unknown, advice?: string) {
    const known = Object.hasOwn(PROBLEMS, code);
    const todo = advice ?? PROBLEMS[known ? code : "INVALID_OPTION"].todo;
    const what = known
      ? detail
      : `PulseError: code must be one of PulseErrorCode; got ${JSON.stringify(code)}. ${detail}`;
    // A quoted message may bring its own full stop.
    const shown = shownText(bounded(String(what))).replace(/(?<=[\w)"'`])\.\.(?=\s|$)/g, "."); // the detail may quote user input or a server's answer
    super(todo === "" ? shown : `${shown} ${todo}`, cause === undefined ? undefined : { cause });
    this.code = known ? code : "INVALID_OPTION";
    this.todo = todo;
    Object.defineProperty(this, "todo", { enumerable: false }); // it is in the message
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** @internal What happened: the message without the advice. */
  get detail(): string {
    return this.todo === "" ? this.message : this.message.replace(this.todo, "").trim();
  }

  /** Whether a later retry of the same operation can succeed. */
  get retryable(): boolean {
    return PROBLEMS[this.code].retry;
  }
}

// Not in the class: a class that names itself is renamed in bundles, and Node prints that name.
Object.defineProperty(PulseError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // A user's subclass is recognised by its prototype, like any other class.
    if (this !== PulseError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && BRAND in value;
  },
});

/** An error reported by an MLflow server. */
export class MlflowError extends PulseError {
  override readonly name: string = "MlflowError";
  /** MLflow's own code, such as `INVALID_PARAMETER_VALUE`. */
  readonly errorCode: string;
  /** The HTTP status code. */
  readonly httpStatus: number;
  /** @internal The server's own message. */
  readonly serverMessage: string;

  constructor(code: PulseErrorCode, detail: string, errorCode: string, httpStatus: number, serverMessage?: string);
  /** @internal `advice`: instead of the code's. */
  constructor(
    code: PulseErrorCode,
    detail: string,
    errorCode: string,
    httpStatus: number,
    serverMessage: string,
    advice: string | undefined,
  );
  constructor(
    code: PulseErrorCode,
    detail: string,
    errorCode: string,
    httpStatus: number,
    serverMessage: string = "",
    advice?: string,
  ) {
    super(code, detail, undefined, advice);
    this.serverMessage = shownText(String(serverMessage));
    this.errorCode = shownText(String(errorCode));
    this.httpStatus = httpStatus;
  }
}

Object.defineProperty(MlflowError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (this !== MlflowError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof PulseError && "errorCode" in value;
  },
});

/** What to do about problems whose usual advice is for a program that records. */
const WHEN_READING: Partial<Record<PulseErrorCode, string>> = {
  CLOSED: "Make a new client.",
  STORE_UNAVAILABLE: "Try again when the store is back.",
  STORE_BUSY: "Try again when the store is free.",
  SERVER_ERROR: "Try again later.",
  RUN_NOT_FOUND: "Check the id of the run, and the tracking URI.",
  EXPERIMENT_NOT_FOUND: "Check the id or the name of the experiment, and the tracking URI.",
  RUN_DELETED: "Restore the run first.",
};

/** @internal Removes the trailing "recording goes on ...", which only applies to programs that record. */
export function withoutRecording(text: string): string {
  return text.replace(/;?\s*\brecording goes on\b.*/i, (cut) => (cut.startsWith(";") ? "." : ""));
}

/** @internal Gives an error the advice for somebody who reads or administers; `code`: instead of its own. */
export function forReaders(error: unknown, code?: PulseErrorCode): unknown {
  if (!(error instanceof PulseError)) return error;
  const { detail, cause, todo } = error;
  const as = code ?? error.code;
  const isUsual = todo === PROBLEMS[error.code].todo; // that of an object store is its own
  const advice = (isUsual ? WHEN_READING[as] : undefined) ?? withoutRecording(isUsual ? PROBLEMS[as].todo : todo);
  if (code === undefined && advice === todo) return error;
  return error instanceof MlflowError
    ? new MlflowError(as, detail, error.errorCode, error.httpStatus, error.serverMessage, advice)
    : new PulseError(as, detail, cause, advice);
}

/** @internal Returns the message of any thrown value; long ones are cut. */
export function messageOf(error: unknown): string {
  try {
    return shortText(isError(error) ? error.message : error);
  } catch {
    return "a value that cannot be shown";
  }
}
