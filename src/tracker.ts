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
import { oddSwitch } from "./config/off-switch.js";
import { type ConfigOptions, checkConfig, SHARE } from "./config/options.js";
import { NOTHING_CONFIGURED, type ResolvedConfig, RUN_ID, resolveConfig } from "./config/resolve.js";
import { doubleExperiment, strayExperiment, strayRuns, strayUri } from "./config/unread-settings.js";
import type { ReadyStore, TrackingStore } from "./contracts/tracking-store.js";
import { endAt, guardAtExit, unguard, watchLeaving } from "./recorder/exit.js";
import { OutboxFolder } from "./recorder/outbox/outbox-folder.js";
import { Recorder } from "./recorder/recorder.js";
import { startRun } from "./run/call/start-run.js";
import { type tracked, trackedBy } from "./run/call/tracked.js";
import { endUnended } from "./run/call/tracked-call.js";
import { runBlock, type withRun } from "./run/call/with-run.js";
import { application, OFF, provideDefaultHost } from "./run/default-host.js";
import type { RunHooks } from "./run/hooks.js";
import { type ExperimentLog, type LoggedExperiment, logRun } from "./run/log-experiment.js";
import type { StartOptions } from "./run/options.js";
import type { Run } from "./run/run.js";
import { carryBy, scopes } from "./run/scope.js";
import type { RunHost } from "./run/verbs/run-host.js";
import { takeStore } from "./stores/checked-store.js";
import { RefusingStore } from "./stores/refusing-store.js";
import { openConfigured, registeredFor, type StoreMaker } from "./stores/registry.js";
import { likelyAbsolute } from "./stores/sql/database-file.js";

/** A configured instance: where runs go, how problems are reported, and what is counted. */
export interface Tracker {
  /** Like the function `withRun`, with this tracker. */
  withRun: typeof withRun;
  /** Like the function `startRun`, with this tracker. */
  startRun(options?: StartOptions): Run;
  /** Like the function `tracked`; every call uses this tracker. */
  tracked: typeof tracked;
  /** Calls `fn`. Inside it, decorated calls and all functions use this tracker, and no run is open at first. */
  run<R>(fn: () => R): R;
  /**
   * Makes this tracker the default one for a while, wherever code runs: also in sockets, timers and a framework's own
   * code, which `run` may not reach. Meant for tests. `configure` has its effect afterwards, and `shutdown` ends the
   * open runs but not this tracker. Of several installed trackers the last one counts.
   * @example
   * ```ts
   * const tracker = createTracker({ trackingUri: "memory:" });
   * const installed = tracker.install(); // or: using _ = tracker.install();
   * withRun({ experiment: "Sweep" }, (run) => run.logMetric("loss", 0.42));
   * installed.uninstall();
   * tracker.stats().metrics; // 1
   * ```
   */
  install(): Installed;
  /** Resolves when everything recorded so far is stored, or the store has accepted nothing for `exitTimeoutMs`. */
  flush(options?: FlushOptions): Promise<void>;
  /** Ends open runs, flushes and closes the store. What is recorded afterwards is dropped and counted. Idempotent. */
  shutdown(options?: FlushOptions): Promise<void>;
  /** Returns a snapshot of what was recorded and what became of it. */
  stats(): Stats;
  /**
   * Opens no more runs until `resume()`: decorated calls and `withRun` run untracked, `startRun` returns a run that
   * records nothing, and `logExperiment` rejects with `DISABLED`. Open runs continue, and what they record is
   * delivered. Applies to this tracker in this process only, not to a tracker that replaces it.
   */
  pause(): void;
  /** Opens runs again after `pause()`. */
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
   * Calls a function for each event of a kind, after the tracker's own work and outside of any call. If it throws,
   * that is a warning (`LISTENER_FAILED`). Returns a function that removes the listener.
   * @throws PulseError `INVALID_OPTION` for an unknown event.
   * @example
   * ```ts
   * const tracker = createTracker({ trackingUri: "memory:" });
   * const off = tracker.on("dropped", ({ changes, error }) => console.error(`${changes} changes lost`, error?.code));
   * off();
   * ```
   */
  on<E extends keyof TrackerEvents>(event: E, listener: (event: TrackerEvents[E]) => unknown): () => void;
}

/** What makes a tracker the default one, until it is uninstalled. */
export interface Installed extends Disposable {
  /** Makes the default tracker what it was, or what it was configured to be since. Idempotent. */
  uninstall(): void;
}

/**
 * Settings of a tracker. The first source that sets a value wins: option at the call, decorator, `configure()`,
 * `pulse-mlflow.config.json`, MLflow's environment variables, default.
 */
export interface PulseConfig extends ConfigOptions, RunHooks {}

/** Settings that can be changed while the program runs. */
export interface TrackerSettings {
  /** The share of top-level runs that are recorded, from 0 to 1; see option `sample` of `configure`. */
  readonly sample?: number | undefined;
}

/** Options of `flush` and `shutdown`. */
export interface FlushOptions {
  /**
   * A limit on the whole wait, in milliseconds. @default none; only `exitTimeoutMs` since the last accepted change
   * applies
   */
  readonly timeoutMs?: number | undefined;
}

const SETTINGS: Readonly<Record<keyof TrackerSettings, Check>> = { sample: SHARE };
const EVENTS: readonly (keyof TrackerEvents)[] = ["unavailable", "available", "dropped", "rejected"];

/** The interval at which a replaced tracker checks whether its last run has ended. */
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
    // Detached, since Node's signal handles would otherwise keep the caller's async context.
    if (!store.volatile) detached(() => guardAtExit(this.recorder));
  }

  takeResumeId(): string | undefined {
    const id = this.#resumeId;
    if (id === undefined) return undefined;
    this.#resumeId = undefined;
    // The variable is removed by whoever uses the id first, as in Python's client: if it is gone, the id is taken.
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

  install(): Installed {
    if (OFF) return { uninstall: () => undefined, [Symbol.dispose]: () => undefined };
    application.asked = true;
    const of = { tracker: this };
    current.installed = [...(current.installed ?? []), of];
    const uninstall = (): void => {
      current.installed = current.installed?.filter((each) => each !== of);
    };
    return { uninstall, [Symbol.dispose]: uninstall };
  }

  /** Ends the open runs and delivers them; goes on recording. */
  endRuns(options?: FlushOptions): Promise<void> {
    this.recorder.endOpenRuns(endAt(0));
    return this.flush(options);
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

  /** Delivers what is left in the background, and shuts down once no run is open. */
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

  /** Runs code with this tracker, keeping the current run if it belongs to this tracker. */
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
 * Reads the limit to wait. Other arguments are ignored, since `flush` and `shutdown` may be used as event listeners,
 * which receive a signal, a code or an event.
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
  /** The trackers that take its place for a while; the last one counts. */
  installed?: readonly { readonly tracker: TrackerInstance }[] | undefined;
  given: PulseConfig;
  /** Set while the tracker only refuses runs: the tracking URI, and the store maker registered for it at that time. */
  refused?: { readonly uri: string; readonly make: StoreMaker | undefined } | undefined;
}

const current: Current = shared("default tracker", (): Current => ({ tracker: undefined, given: {} }));

const installedTracker = (): TrackerInstance | undefined => current.installed?.at(-1)?.tracker;
const madeTracker = (): TrackerInstance | undefined => installedTracker() ?? current.tracker;

/**
 * Creates the default tracker when it is first needed. A wrong configuration must not break the user's call: it is
 * warned of, and runs are refused.
 */
function currentTracker(): TrackerInstance {
  const installed = installedTracker();
  if (installed !== undefined) return installed;
  const { refused } = current;
  if (refused && registeredFor(refused.uri) !== refused.make) {
    current.tracker?.retire(); // a store was registered after the first run
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

/** Returns the warning for a configuration that `configure` has not checked. */
function nothingStored(error: unknown): PulseError {
  const begin = "Nothing is stored until this is fixed:";
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
 * @internal Creates a tracker on a given store, without environment variables and files. For tests, which inspect the
 * store or make it fail.
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
  checkConfig(config, "configure"); // a missing argument must not mean the defaults
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
 * Creates a tracker beside the default one.
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
  await madeTracker()?.flush(options);
}

/** Ends the default tracker's open runs, flushes it and closes its store. */
export async function shutdown(options?: FlushOptions): Promise<void> {
  limitOf("shutdown", options);
  await (installedTracker()?.endRuns(options) ?? current.tracker?.shutdown(options));
}

/** Returns what the default tracker has recorded and what became of it. */
export function stats(): Stats {
  return madeTracker()?.stats() ?? new Diagnostics().stats;
}

/**
 * Logs one complete run and resolves once it is stored.
 * @throws (rejects) PulseError at once when the target cannot be used, `STORE_UNAVAILABLE` when it is still
 * unavailable after `timeoutMs`.
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

if (!OFF) provideDefaultHost(currentTracker, madeTracker);
