import { PulseError } from "../base/errors.js";
import { type Check, checkOptions, wrongInput } from "../base/wrong-input.js";
import { isRecord } from "../capture/params.js";
import type { StoredIds } from "../contracts/tracking-store.js";
import type { Recorder } from "../recorder/recorder.js";
import { activeHost, activeHostIfMade, OFF } from "./default-host.js";
import { checkContent } from "./files/content.js";
import { openRun } from "./open-run.js";
import type { Run } from "./run.js";
import { scopes } from "./scope.js";
import type { MetricValue } from "./verbs/metric-value.js";
import type { RunHost } from "./verbs/run-host.js";
import { paused, switchedOff } from "./verbs/unrecorded.js";

/** A complete run to be logged by one call. */
export interface ExperimentLog {
  readonly experiment: string;
  /** @default "run" */
  readonly runName?: string | undefined;
  readonly params?: Readonly<Record<string, unknown>> | undefined;
  readonly metrics?: Readonly<Record<string, MetricValue>> | undefined;
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Files by their path in the run's artifacts. Content may be text, bytes, a Blob, a stream, `{ path }` of a file or
   * folder, or, for names that end in `.json` or `.yaml`, an object.
   */
  readonly artifacts?: Readonly<Record<string, unknown>> | undefined;
  /** @default the configured one */
  readonly trackingUri?: string | undefined;
  /** How long to wait for an unavailable store, in milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined;
}

/** Identifies a run that was logged. */
export interface LoggedExperiment {
  readonly runId: string;
  readonly experimentId: string;
  /** The run's page in MLflow's UI, if the store is a server. */
  readonly url?: string;
}

const TEXT: Check = ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""];
const RECORD: Check = ["a record of names and values", isRecord];
const CHECKS: Record<keyof ExperimentLog, Check> = {
  experiment: TEXT,
  runName: ["a string", (value) => typeof value === "string"],
  params: RECORD,
  metrics: RECORD,
  tags: RECORD,
  artifacts: ["a record of paths and contents", (value) => isRecord(value)],
  trackingUri: TEXT,
  timeoutMs: ["a number of milliseconds, 0 or more", (value) => typeof value === "number" && value >= 0],
};

const TIMEOUT_MS = 10_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** @internal A host borrowed for one run, and how to release it. */
export interface Lease {
  readonly host: RunHost;
  /** Waits for delivery at most `timeoutMs`. */
  readonly release: (timeoutMs?: number) => Promise<void>;
}

/**
 * @internal Logs one run to the leased host and resolves once it is stored. Its timeout keeps the process alive
 * meanwhile.
 */
export async function logRun(log: ExperimentLog, lease: (trackingUri: string) => Lease): Promise<LoggedExperiment> {
  checkOptions("logExperiment", log, CHECKS);
  if (log.experiment === undefined) throw wrongInput("logExperiment", "experiment", CHECKS.experiment[0], undefined);
  if (OFF) throw switchedOff();
  // Checked before the run is opened, so that invalid content leaves no run behind.
  for (const [file, content] of Object.entries({ ...log.artifacts })) checkContent(content, file);
  const timeoutMs = Math.min(log.timeoutMs ?? TIMEOUT_MS, MAX_TIMER_MS);
  const here = scopes.get();
  if (activeHostIfMade(here)?.paused) throw paused();
  const { host, release } =
    log.trackingUri === undefined ? { host: activeHost(here), release: async () => undefined } : lease(log.trackingUri);
  try {
    const run = openRun(host, {
      experiment: log.experiment,
      fallbackExperiment: undefined,
      name: log.runName ?? "run",
      parent: undefined,
    });
    const trouble: { last?: PulseError } = {};
    const stored = new Promise<StoredIds>((resolve, reject) => {
      run.watch({
        stored: resolve,
        lost: reject,
        away: (error) => {
          trouble.last = error;
          if (!error.retryable) reject(error);
        },
      });
    });
    stored.catch(() => undefined); // `stored` may reject before it is awaited below
    try {
      // Spread here, so that a getter that throws rejects the call instead of causing a warning.
      run.logParams({ ...log.params });
      run.logMetrics({ ...log.metrics });
      run.setTags({ ...log.tags });
      for (const [file, content] of Object.entries({ ...log.artifacts })) {
        run.logContent(content, file, () => "logExperiment");
      }
      run.end();
    } finally {
      run.end("FAILED");
    }
    const started = performance.now();
    const ids = await within(timeoutMs, stored, host.recorder, run, trouble);
    const left = timeoutMs - (performance.now() - started);
    if (log.artifacts && run.log && !(await host.recorder.flushFiles(run.log, left)))
      throw new PulseError("STORE_UNAVAILABLE", `The files of run ${run.id} were not stored within ${timeoutMs} ms.`);
    const { runId, experimentId } = ids;
    const url = host.recorder.store.runUrl?.(ids);
    await release();
    return { runId, experimentId, ...(url !== undefined && { url }) };
  } catch (error) {
    await release(0);
    throw error;
  }
}

/** Waits for a run to be stored and triggers delivery; rejects if the store has not taken it within `timeoutMs`. */
async function within<T>(
  timeoutMs: number,
  stored: Promise<T>,
  recorder: Recorder,
  run: Run,
  trouble: { readonly last?: PulseError },
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const { last } = trouble;
      const why = last === undefined ? "" : ` (${last.message.replace(last.todo, "").trim().replace(/\.$/, "")})`;
      const where = recorder.keep(run.log)
        ? "it is kept on disk: the next program with this tracking URI delivers it, or `npx pulse-mlflow sync` does"
        : "it is kept in memory until this process ends";
      const detail = `${recorder.store.uri} did not take the run within ${timeoutMs} ms${why}; ${where}.`;
      reject(new PulseError("STORE_UNAVAILABLE", detail, last));
    }, timeoutMs);
  });
  try {
    recorder.push();
    return await Promise.race([stored, late]);
  } finally {
    clearTimeout(timer);
  }
}
