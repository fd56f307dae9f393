/**
 * What browsers and edge runtimes get in the place of this package, by the conditions `browser`, `edge-light` and
 * `workerd` of `exports`: code that is shared with a server loads and does its own work, and nothing is recorded. It
 * behaves as the package does with `PULSE_MLFLOW=off`, says so once, and imports nothing.
 */
import type * as pulse from "../index.js";

const NOTHING =
  'pulse-mlflow records nothing here: browsers and edge runtimes get a version that does nothing. If this is Node, as in a test with jsdom, set the export condition "node".';

const said = { already: false };

/** Says once that nothing is recorded. */
function say(): void {
  if (said.already) return;
  said.already = true;
  (globalThis as Record<symbol, unknown>)[Symbol.for("pulse-mlflow/browser")] = true; // for `pulse-mlflow/testing`
  console.warn(NOTHING);
}

type ErrorOf<Name extends "PulseError" | "MlflowError"> = (typeof pulse)[Name];

class NamedError extends Error {
  readonly code: string;
  readonly retryable = false;

  constructor(code: string, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = new.target.title;
    this.code = code;
  }

  static readonly title: string = "PulseError";
}

class ServerError extends NamedError {
  static override readonly title: string = "MlflowError";
  readonly errorCode: string;
  readonly httpStatus: number;

  constructor(code: string, detail: string, errorCode: string, httpStatus: number) {
    super(code, detail);
    this.errorCode = errorCode;
    this.httpStatus = httpStatus;
  }
}

export const PulseError: ErrorOf<"PulseError"> = NamedError as never;
export const MlflowError: ErrorOf<"MlflowError"> = ServerError as never;

const disabled = (): pulse.PulseError => new PulseError("DISABLED", NOTHING);

/** The verbs of a run that give a promise, and what it comes to. */
const LATER: Readonly<Record<string, () => Promise<unknown>>> = {
  logStream: async () => undefined,
  serverId: async () => {
    throw disabled();
  },
};

const ignore = (): void => undefined;

/** A run that forgets whatever it is told. */
function forgettingRun({ experiment = "Default" }: { readonly experiment?: string | undefined } = {}): pulse.Run {
  say();
  const id = Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join("");
  const known: Record<PropertyKey, unknown> = {
    ...{
      id,
      experiment,
      experimentRef: { name: experiment },
      children: 0,
      method: undefined,
      runName: "",
      ended: false,
    },
    ...LATER,
    end: () => {
      known["ended"] = true;
    },
    [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]: async () => {
      known["ended"] = true;
    },
  };
  return new Proxy(known, {
    get: (target, key) => (/^(?:log|set)[A-Z]/.test(String(key)) && !(key in target) ? ignore : target[key]),
  }) as never;
}

/**
 * Whether a decorator stands without parentheses: it is given a member and its context, or its class or prototype, its
 * name and more.
 */
function isBare([target, second]: readonly unknown[]): boolean {
  if (typeof second === "object" && second !== null) return "kind" in second;
  return (
    (typeof target === "object" || typeof target === "function") &&
    (typeof second === "string" || typeof second === "symbol")
  );
}

/** A decorator of members, or of arguments, in both dialects: what it stands on stays as it is. */
const memberDecorator = (...args: readonly unknown[]): unknown => {
  say();
  // On an argument of a constructor there is a place, and no name.
  return isBare(args) || (args.length === 3 && typeof args[2] === "number") ? undefined : ignore;
};

/** One of classes and methods. */
const classDecorator = (...args: readonly unknown[]): unknown => {
  say();
  return isBare(args) || (args.length === 1 && typeof args[0] === "function") ? undefined : ignore;
};

export const LogArtifact: typeof pulse.LogArtifact = memberDecorator as never;
export const LogMetric: typeof pulse.LogMetric = memberDecorator as never;
export const LogParam: typeof pulse.LogParam = memberDecorator as never;
export const LogTag: typeof pulse.LogTag = memberDecorator as never;
export const TrackedRun: typeof pulse.TrackedRun = memberDecorator as never;
export const TrackedExperiment: typeof pulse.TrackedExperiment = classDecorator as never;

export const tracked: typeof pulse.tracked = ((fn: unknown) => {
  say();
  return fn;
}) as never;

export const withRun: typeof pulse.withRun = ((options: object, fn: (run: pulse.Run) => unknown) =>
  fn(forgettingRun(options))) as never;
export const startRun: typeof pulse.startRun = (options) => forgettingRun(options);
export const currentRun: typeof pulse.currentRun = () => undefined;
export const requireRun: typeof pulse.requireRun = () => forgettingRun();
export const bind: typeof pulse.bind = (fn) => fn;
export const flush: typeof pulse.flush = async () => undefined;
export const shutdown: typeof pulse.shutdown = async () => undefined;
export const registerTrackingStore: typeof pulse.registerTrackingStore = ignore;
export const registerArtifactRepository: typeof pulse.registerArtifactRepository = ignore;

export const logExperiment: typeof pulse.logExperiment = async () => {
  say();
  throw disabled();
};

export const stats: typeof pulse.stats = () => ({
  ...{ runs: 0, metrics: 0, params: 0, tags: 0, inputs: 0, artifacts: 0, artifactBytes: 0, unsampled: 0, folded: 0 },
  ...{ delivered: 0, pending: 0, dropped: 0, rejected: 0, warnings: {} },
});

export const createTracker: typeof pulse.createTracker = () => ({
  withRun,
  startRun,
  tracked,
  run: (fn) => fn(),
  flush,
  shutdown,
  stats,
  ...{ pause: ignore, resume: ignore, set: ignore, on: () => ignore },
});

export const configure: typeof pulse.configure = say;
export const defaultTracker: typeof pulse.defaultTracker = () => createTracker();

export const defineExperiment: typeof pulse.defineExperiment = (({
  name,
  metrics,
}: {
  name: string;
  metrics: unknown;
}) => ({
  ...{ name, metrics, TrackedExperiment, LogMetric, withRun, currentRun },
  startRun: (options?: object) => forgettingRun({ ...options, experiment: name }),
})) as never;
