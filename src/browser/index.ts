/**
 * The entry point for browsers and edge runtimes, selected by the conditions `browser`, `edge-light` and `workerd` of
 * `exports`. Code that is shared with a server loads and runs, but nothing is recorded. Behaves like the package with
 * `PULSE_MLFLOW=off`, warns once, and imports nothing.
 */
import type * as pulse from "../index.js";

const NOTHING =
  'pulse-mlflow records nothing here: browsers and edge runtimes get a version that does nothing. If this is Node, as in a test with jsdom, set the export condition "node".';

const warned = { already: false };

/** Warns once that nothing is recorded. */
function warnOnce(): void {
  if (warned.already) return;
  warned.already = true;
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

/** The asynchronous methods of a run, and their results. */
const LATER: Readonly<Record<string, () => Promise<unknown>>> = {
  logStream: async () => undefined,
  serverId: async () => {
    throw disabled();
  },
};

const ignore = (): void => undefined;

/** Creates a run that discards everything. */
function discardingRun({ experiment = "Default" }: { readonly experiment?: string | undefined } = {}): pulse.Run {
  warnOnce();
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
 * Whether a decorator is used without parentheses: it is then called with a member and its context, or with a class or
 * prototype, a name and more.
 */
function isBare([target, second]: readonly unknown[]): boolean {
  if (typeof second === "object" && second !== null) return "kind" in second;
  return (
    (typeof target === "object" || typeof target === "function") &&
    (typeof second === "string" || typeof second === "symbol")
  );
}

/** A decorator of members or arguments, in both dialects, that changes nothing. */
const memberDecorator = (...args: readonly unknown[]): unknown => {
  warnOnce();
  // A constructor's argument has an index but no name.
  return isBare(args) || (args.length === 3 && typeof args[2] === "number") ? undefined : ignore;
};

/** A decorator of classes and methods that changes nothing. */
const classDecorator = (...args: readonly unknown[]): unknown => {
  warnOnce();
  return isBare(args) || (args.length === 1 && typeof args[0] === "function") ? undefined : ignore;
};

export const LogArtifact: typeof pulse.LogArtifact = memberDecorator as never;
export const LogMetric: typeof pulse.LogMetric = memberDecorator as never;
export const LogParam: typeof pulse.LogParam = memberDecorator as never;
export const LogTag: typeof pulse.LogTag = memberDecorator as never;
export const TrackedRun: typeof pulse.TrackedRun = memberDecorator as never;
export const TrackedExperiment: typeof pulse.TrackedExperiment = classDecorator as never;

export const tracked: typeof pulse.tracked = ((fn: unknown) => {
  warnOnce();
  return fn;
}) as never;

export const withRun: typeof pulse.withRun = ((options: object, fn: (run: pulse.Run) => unknown) =>
  fn(discardingRun(options))) as never;
export const startRun: typeof pulse.startRun = (options) => discardingRun(options);
export const currentRun: typeof pulse.currentRun = () => undefined;
export const requireRun: typeof pulse.requireRun = () => discardingRun();
export const withFlush: typeof pulse.withFlush = ((handler: (...args: unknown[]) => unknown) =>
  async (...args: unknown[]) =>
    handler(...args)) as never;
export const bind: typeof pulse.bind = (fn) => fn;
export const flush: typeof pulse.flush = async () => undefined;
export const shutdown: typeof pulse.shutdown = async () => undefined;
export const registerTrackingStore: typeof pulse.registerTrackingStore = ignore;
export const registerResultKind: typeof pulse.registerResultKind = () => ignore;
export const registerArtifactRepository: typeof pulse.registerArtifactRepository = ignore;

export const logExperiment: typeof pulse.logExperiment = async () => {
  warnOnce();
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
  install: () => ({ uninstall: ignore, [Symbol.dispose]: ignore }),
  flush,
  shutdown,
  stats,
  ...{ pause: ignore, resume: ignore, set: ignore, on: () => ignore },
});

const reject = async (): Promise<never> => {
  throw disabled();
};

/** A search that finds nothing, since there is nothing to search in. */
const noResults: object = new Proxy(
  {},
  {
    get: (_, key) => {
      if (key === Symbol.asyncIterator) return () => ({ next: reject });
      if (key === "page" || key === "first" || key === "toArray") return reject;
      return key === "where" || key === "orderBy" || key === "limit" || key === "view" ? () => noResults : undefined;
    },
  },
);

class Client {
  constructor() {
    warnOnce();
    // biome-ignore lint/correctness/noConstructorReturn: each method does the same
    return new Proxy(this, {
      get: (_, key) => {
        if (key === "close" || key === (Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")))
          return async () => undefined;
        if (key === "runs" || key === "searchRuns" || key === "searchExperiments") return () => noResults;
        return typeof key === "symbol" || key === "then" ? undefined : reject;
      },
    });
  }
}

export const MlflowClient: typeof pulse.MlflowClient = Client as never;

export const configure: typeof pulse.configure = warnOnce;
export const defaultTracker: typeof pulse.defaultTracker = () => createTracker();

export const defineExperiment: typeof pulse.defineExperiment = (({
  name,
  metrics,
}: {
  name: string;
  metrics: unknown;
}) => ({
  ...{ name, metrics, TrackedExperiment, LogMetric, withRun, currentRun },
  startRun: (options?: object) => discardingRun({ ...options, experiment: name }),
  ...{ runs: () => noResults, bestRun: reject },
})) as never;
