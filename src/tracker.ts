import { openArtifactRepository, repositoryOptions } from "./artifacts/registry.js";
import { type Clock, ReadClock, systemClock } from "./base/clock.js";
import { detached, later } from "./base/detached.js";
import { Diagnostics, type Stats } from "./base/diagnostics.js";
import { messageOf, PulseError } from "./base/errors.js";
import type { TrackerEvents } from "./base/events.js";
import { shared } from "./base/shared-state.js";
import { makeRedactor, type Redactor, shownUri } from "./base/text/redact.js";
import { type Check, checkOptions, needFunction, unknownOption, wrongInput } from "./base/wrong-input.js";
import type { Untyped } from "./capture/selector.js";
import { oddSwitch } from "./config/off.js";
import { checkConfig, type PulseConfig, SHARE } from "./config/options.js";
import { NOTHING_CONFIGURED, type ResolvedConfig, RUN_ID, resolveConfig } from "./config/resolve.js";
import { doubleExperiment, strayExperiment, strayRuns, strayUri } from "./config/strays.js";
import type { ReadyStore, TrackingStore } from "./contracts/tracking-store.js";
import { endAt, guardAtExit, unguard, watchLeaving } from "./recorder/exit.js";
import { OutboxFolder } from "./recorder/outbox/outbox-folder.js";
import { Recorder } from "./recorder/recorder.js";
import { type tracked, trackedBy } from "./run/call/tracked.js";
import { endUnended } from "./run/call/tracked-call.js";
import { runBlock, type withRun } from "./run/call/with-run.js";
import { startRun } from "./run/current.js";
import { application, OFF, provideDefaultHost } from "./run/default-host.js";
import { type ExperimentLog, type LoggedExperiment, logRun } from "./run/log-experiment.js";
import type { StartOptions } from "./run/options.js";
import type { Run } from "./run/run.js";
import { carryBy, scopes } from "./run/scope.js";
import type { RunHost } from "./run/verbs/run-host.js";
import { takeStore } from "./stores/checked-store.js";
import { RefusingStore } from "./stores/refusing-store.js";
import { openConfigured, registeredFor, type StoreMaker } from "./stores/registry.js";
import { likelyAbsolute } from "./stores/sql/database-file.js";

/** One configured instance of everything: where runs go, how problems are told, what is counted. */
export interface Tracker {
  /** Like the function of that name, with this tracker. */
  withRun: typeof withRun;
  /** Like the function of that name, with this tracker. */
  startRun(options?: StartOptions): Run;
  /** Like the function of that name, with this tracker at every call. */
  tracked: typeof tracked;
  /** Calls `fn`; inside, decorated calls and all functions use this tracker, and no run is open. */
  run<R>(fn: () => R): R;
  /** Resolves when everything recorded so far is stored, or the store has accepted nothing for `exitTimeoutMs`. */
  flush(options?: FlushOptions): Promise<void>;
  /**
   * Ends open runs, flushes and lets go of the store; what is recorded afterwards is dropped and counted. Idempotent.
   */
  shutdown(options?: FlushOptions): Promise<void>;
  /** What has been recorded and what became of it; a snapshot. */
  stats(): Stats;
  /**
   * Opens no more runs until `resume()`: decorated calls and `withRun` run untracked, `startRun` gives a run that
   * forgets, `logExperiment` rejects with `DISABLED`. Runs that are open go on to their end, and what is recorded is
   * delivered. For one process: it is set nowhere else, and not for a tracker that takes this one's place.
   */
  pause(): void;
  /** Opens runs again. */
  resume(): void;
  /**
   * Changes settings while the program runs.
   * @throws PulseError `INVALID_OPTION` naming what is wrong.
   * @example
   * ```ts
   * const tracker = createTracker({ trackingUri: "memory:" });
   * tracker.set({ sample: 0.01 }); // one top-level run of a hundred from now on, and each that fails
   * ```
   */
  set(settings: TrackerSettings): void;
  /**
   * Calls a function at each event of a kind, behind the tracker's own work and outside of any call; what it throws is
   * a warning (`LISTENER_FAILED`). Gives a function that ends this.
   * @throws PulseError `INVALID_OPTION` for an event that there is not.
   * @example
   * ```ts
   * const tracker = createTracker({ trackingUri: "memory:" });
   * const off = tracker.on("dropped", ({ changes, error }) => console.error(`${changes} changes lost`, error?.code));
   * off();
   * ```
   */
  on<E extends keyof TrackerEvents>(event: E, listener: (event: TrackerEvents[E]) => unknown): () => void;
}

/** What can be changed while a program runs. */
export interface TrackerSettings {
  /** The share of top-level runs that are recorded, from 0 to 1; as option `sample` of `configure`. */
  readonly sample?: number | undefined;
}

/** How long to wait. */
export interface FlushOptions {
  /** A limit in all, in milliseconds. @default none beside `exitTimeoutMs` since the last accepted change */
  readonly timeoutMs?: number | undefined;
}

const SETTINGS: Readonly<Record<keyof TrackerSettings, Check>> = { sample: SHARE };
const EVENTS: readonly (keyof TrackerEvents)[] = ["unavailable", "available", "dropped", "rejected"];

/** How often a replaced tracker looks whether its last run has ended. */
const RETIRE_CHECK_MS = 500;

class TrackerInstance implements Tracker, RunHost {
  readonly config: ResolvedConfig;
  readonly diagnostics: Diagnostics;
  readonly clock: ReadClock;
  readonly recorder: Recorder;
  readonly redact: Redactor;
  opened = 0;
  replaced = false;
  paused = false;
  sample: number;
  #resumeId: string | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(config: ResolvedConfig, store: ReadyStore, resumeId: string | undefined, clock: Clock = systemClock) {
    this.config = config;
    this.clock = new ReadClock(clock);
    this.#resumeId = resumeId;
    this.sample = config.sample;
    this.diagnostics = new Diagnostics({ strict: config.strict, logger: config.logger });
    this.redact = makeRedactor(config.redact);
    const { diagnostics } = this;
    const {
      maxPendingBytes,
      exitTimeoutMs,
      durability,
      flushIntervalMs,
      maxOutboxBytes,
      maxArtifactBytes,
      outboxFolder,
    } = config;
    const outboxes = store.durable && durability !== "memory" ? new OutboxFolder(outboxFolder, store.uri) : undefined;
    this.recorder = new Recorder({
      store,
      diagnostics,
      clock: this.clock,
      maxPendingBytes,
      exitTimeoutMs,
      patienceMs: config.server.requestTimeoutMs,
      durability: outboxes ? durability : "memory",
      flushIntervalMs,
      outboxes,
      maxOutboxBytes,
      outboxLimits: config.outboxLimits,
      maxArtifactBytes,
      openRepository: (root) => openArtifactRepository(root, repositoryOptions(config, store.uri)),
    });
    detached(watchLeaving);
    if (!store.volatile) detached(() => guardAtExit(this.recorder)); // Node's watchers of signals have a context, too
  }

  takeResumeId(): string | undefined {
    const id = this.#resumeId;
    if (id === undefined) return undefined;
    this.#resumeId = undefined;
    // Whoever takes it takes it out of the environment, as Python's client does: what is not there any more was taken.
    if (process.env[RUN_ID] !== id) return undefined;
    delete process.env[RUN_ID];
    return id;
  }

  withRun(options: Untyped, fn: (run: Run) => Untyped): Untyped {
    return runBlock(options, fn, this);
  }

  startRun(options: StartOptions = {}): Run {
    return this.#inside(() => startRun(options));
  }

  tracked(fn: Untyped, options: Untyped = {}): Untyped {
    return trackedBy(this, fn, options);
  }

  run<R>(fn: () => R): R {
    needFunction("tracker.run", "fn", fn);
    return OFF ? fn() : scopes.storage.run({ host: this, run: undefined }, fn);
  }

  async flush(options?: FlushOptions): Promise<void> {
    endUnended();
    await this.recorder.flush(limitOf("flush", options));
    this.#throwDeferred();
  }

  shutdown(options?: FlushOptions): Promise<void> {
    try {
      const timeoutMs = limitOf("shutdown", options);
      this.#shutdown ??= this.#close(timeoutMs);
      return this.#shutdown;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Delivers what is left in the background, and shuts down once no run is open any more. */
  retire(): void {
    this.replaced = true;
    if (this.recorder.hasOpenRuns) later(() => this.retire(), RETIRE_CHECK_MS).unref();
    else detached(() => this.shutdown()).catch(() => undefined);
  }

  stats(): Stats {
    const { stats } = this.diagnostics;
    return { ...stats, warnings: { ...stats.warnings } };
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  set(settings: TrackerSettings): void {
    checkOptions("tracker.set", settings, SETTINGS);
    this.sample = settings.sample ?? this.sample;
  }

  on<E extends keyof TrackerEvents>(event: E, listener: (event: TrackerEvents[E]) => unknown): () => void {
    if (!EVENTS.includes(event))
      throw wrongInput("tracker.on", "event", EVENTS.map((name) => `"${name}"`).join(", "), event);
    needFunction("tracker.on", "listener", listener);
    return this.diagnostics.events.on(event, listener);
  }

  /** Has code use this tracker, keeping the enclosing run when it is this tracker's. */
  #inside<R>(fn: () => R): R {
    return OFF || scopes.get()?.host === this ? fn() : this.run(fn);
  }

  async #close(timeoutMs: number | undefined): Promise<void> {
    this.recorder.endOpenRuns(endAt(0));
    try {
      await this.recorder.close(timeoutMs);
    } finally {
      unguard(this.recorder);
    }
    this.#throwDeferred();
  }

  #throwDeferred(): void {
    const error = this.diagnostics.takeDeferred();
    if (error) throw error;
  }
}

/**
 * Reads how long to wait. What is no options object is let pass: `flush` and `shutdown` are handed to emitters as
 * listeners, which give them a signal, a code or an event.
 */
function limitOf(user: string, options: unknown): number | undefined {
  if (typeof options !== "object" || options === null) return undefined;
  const { timeoutMs } = options as FlushOptions;
  const meant =
    timeoutMs === undefined && Object.hasOwn(options, "timeout") && Object.getPrototypeOf(options) === Object.prototype;
  if (meant) throw unknownOption(user, "timeout", ["timeoutMs"]);
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0))
    throw wrongInput(user, "timeoutMs", "a number of milliseconds, 0 or more", timeoutMs);
  return timeoutMs;
}

interface Current {
  tracker: TrackerInstance | undefined;
  given: PulseConfig;
  /** The tracker only refuses: for this URI, and with this maker or none. */
  refused?: { readonly uri: string; readonly make: StoreMaker | undefined } | undefined;
}

const current: Current = shared("default tracker", (): Current => ({ tracker: undefined, given: {} }));

/**
 * Makes the default tracker at the first need. What is wrong with the environment must not reach the user's call: it is
 * warned of, and the runs are refused.
 */
function currentTracker(): TrackerInstance {
  const { refused } = current;
  if (refused && registeredFor(refused.uri) !== refused.make) {
    current.tracker?.retire(); // a store was registered behind the first run
    current.tracker = undefined;
  }
  current.tracker ??= makeDefault();
  return current.tracker;
}

function makeDefault(): TrackerInstance {
  let config: ResolvedConfig | undefined;
  current.refused = undefined;
  try {
    const resolved = resolveConfig(current.given);
    config = resolved;
    return build(resolved, resolved.runId);
  } catch (error) {
    const problem = nothingStored(error);
    if (config?.strict) throw problem;
    config ??= { ...NOTHING_CONFIGURED, ...(current.given.logger && { logger: current.given.logger }) };
    const { trackingUri: uri } = config;
    current.refused = { uri, make: registeredFor(uri) };
    return new TrackerInstance(config, new RefusingStore(shownUri(uri), problem), undefined);
  }
}

/** What is wrong with a configuration that no call of `configure` has checked. */
function nothingStored(error: unknown): PulseError {
  const begin = "Nothing is stored until this is mended:";
  if (error instanceof PulseError) return new PulseError(error.code, `${begin} ${error.detail}`, error);
  return new PulseError("INVALID_CONFIG", `${begin} tracking cannot be set up: ${messageOf(error)}.`, error);
}

function build(config: ResolvedConfig, resumeId: string | undefined): TrackerInstance {
  const store = config.store ? taken(config.store) : detached(() => openConfigured(config));
  const tracker = new TrackerInstance(config, store, resumeId);
  const doubt = config.store ? undefined : likelyAbsolute(config.trackingUri);
  if (doubt !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", doubt, "path");
  const byDefault = config.store === undefined && config.origins["trackingUri"] === undefined;
  const older = byDefault ? strayRuns(config.trackingUri) : undefined;
  if (older !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", older, "folder");
  const stray = byDefault ? strayUri(process.env) : undefined;
  if (stray !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", `${stray}, ${config.trackingUri}.`, "variable");
  const unnamed = config.origins["experiment"] === undefined ? strayExperiment(process.env) : undefined;
  if (unnamed !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", unnamed, "experiment");
  const double = config.origins["experiment"] === "MLFLOW_EXPERIMENT_NAME" ? doubleExperiment(process.env) : undefined;
  if (double !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", double, "experiment");
  const odd = oddSwitch(process.env);
  if (odd !== undefined) tracker.diagnostics.notice("INVALID_CONFIG", odd, "switch");
  if (config.server.problem) tracker.diagnostics.warnAsync(config.server.problem);
  return tracker;
}

function taken(store: TrackingStore): ReadyStore {
  const detail = "store: this one belongs to another tracker, which closes it; make a store for each tracker.";
  const ready = takeStore(store);
  if (ready === undefined) throw new PulseError("INVALID_CONFIG", detail);
  return ready;
}

/**
 * @internal Makes a tracker on a store of one's own, which neither environment nor files reach: for tests, which look
 * into it or have it fail.
 */
export function trackerOn(
  store: ReadyStore,
  config: PulseConfig = {},
  clock: Clock = systemClock,
): Tracker & { readonly recorder: Recorder } {
  return new TrackerInstance(resolveConfig({ trackingUri: "memory:", ...config }, {}, {}), store, undefined, clock);
}

/**
 * Sets up the default tracker. A later call replaces it; runs that are open keep theirs.
 * @throws PulseError `INVALID_CONFIG` naming the option, what is expected and what was got; `INVALID_TRACKING_URI`.
 * @example
 * ```ts
 * configure({ trackingUri: "sqlite:///mlflow.db", experiment: "Sweep" });
 * ```
 */
export function configure(config: PulseConfig): void {
  application.asked = true;
  checkConfig(config, "configure"); // also when there is none, which would mean the defaults
  const resolved = resolveConfig(config);
  carryBy(config.context);
  const tracker = build(resolved, resolved.runId);
  const previous = current.tracker;
  current.given = config;
  current.tracker = tracker;
  current.refused = undefined;
  previous?.retire();
}

/**
 * Returns the default tracker, made from the environment if `configure` was not called, to pause it or to listen to it.
 * A later `configure` makes another one.
 * @example
 * ```ts
 * defaultTracker().set({ sample: 0.1 });
 * ```
 */
export function defaultTracker(): Tracker {
  return currentTracker();
}

/**
 * Makes a tracker of its own beside the default one.
 * @throws PulseError like `configure`.
 * @example
 * ```ts
 * const tracker = createTracker({ trackingUri: "memory:" });
 * await tracker.withRun({ experiment: "Sweep" }, async (run) => run.logMetric("loss", 0.42));
 * tracker.stats().metrics; // 1
 * ```
 */
export function createTracker(config: PulseConfig = {}): Tracker {
  checkConfig(config, "createTracker");
  const resolved = resolveConfig(config);
  if (config.context) carryBy(config.context);
  return build(resolved, undefined);
}

/**
 * Resolves when everything recorded so far with the default tracker is stored, or the store has accepted nothing for
 * `exitTimeoutMs`.
 */
export async function flush(options?: FlushOptions): Promise<void> {
  limitOf("flush", options);
  await current.tracker?.flush(options);
}

/** Ends the default tracker's open runs, flushes it and lets go of its store. */
export async function shutdown(options?: FlushOptions): Promise<void> {
  limitOf("shutdown", options);
  await current.tracker?.shutdown(options);
}

/** What the default tracker has recorded and what became of it. */
export function stats(): Stats {
  return current.tracker?.stats() ?? new Diagnostics().stats;
}

/**
 * Logs one whole run and resolves once it is stored.
 * @throws (rejects) PulseError at once when the target cannot be used, `STORE_UNAVAILABLE` after `timeoutMs` when it is
 * absent.
 * @example
 * ```ts
 * const { runId } = await logExperiment({ experiment: "Sweep", params: { lr: 0.1 }, metrics: { loss: 0.42 } });
 * ```
 */
export function logExperiment(log: ExperimentLog): Promise<LoggedExperiment> {
  return logRun(log, (trackingUri) => {
    const tracker = build(resolveConfig(current.given, process.env, undefined, trackingUri), undefined);
    return { host: tracker, release: (timeoutMs) => tracker.shutdown({ timeoutMs }).catch(() => undefined) };
  });
}

if (!OFF) provideDefaultHost(currentTracker, () => current.tracker);
