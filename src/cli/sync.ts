import { systemClock } from "../base/clock.js";
import { Diagnostics } from "../base/diagnostics.js";
import { PulseError } from "../base/errors.js";
import { printable } from "../base/text/printable.js";
import { shownText } from "../base/text/redact.js";
import { advised } from "../contracts/finding.js";
import {
  Dispatcher,
  OutboxFolder,
  OutboxRecovery,
  type OutboxRecoveryOptions,
  openArtifactRepository,
  openConfigured,
  outboxFolders,
  repositoryOptions,
  UploadTarget,
} from "../inner/cli.js";
import { told } from "./error-text.js";
import { Meter } from "./meter.js";
import { driverProblem, outboxStates, together } from "./outboxes.js";
import { Progress, type Terminal } from "./output.js";
import { Patience } from "./retry-limit.js";
import { type Refused, report } from "./sync-report.js";
import { configFor, needReadable, rootOf } from "./target.js";

/** Options of `sync`. */
export interface SyncOptions {
  /** Replaces the configured tracking URI. */
  readonly uri: string | undefined;
  readonly watch: boolean;
  /** A limit on the whole delivery, in milliseconds. */
  readonly timeoutMs: number | undefined;
}

const LOOK_MS = 100;
const WATCH_MS = 2_000;

/**
 * Delivers the outboxes of one tracking URI. Returns the exit code: 0 if everything is delivered, 2 if something is
 * left.
 */
export async function sync(terminal: Terminal, options: SyncOptions): Promise<number> {
  const config = configFor(options.uri);
  const root = rootOf(config);
  const store = openConfigured(config);
  const folder = new OutboxFolder(root, store.uri);
  if (!store.durable)
    throw new PulseError("INVALID_TRACKING_URI", `${store.uri} has no outboxes: nothing is kept on disk for it.`);
  needReadable(root);
  const kept = outboxFolders(root).flatMap(outboxStates);
  const problem = driverProblem(kept);
  if (problem !== undefined) throw problem;
  const progress = new Progress(terminal);
  const meter = new Meter();
  const troubles = new Troubles(progress, shownText(store.uri), options);
  const [forRuns, forFiles] = [new Patience(), new Patience()];
  const common = { diagnostics: troubles, clock: systemClock };
  const dispatcher = new Dispatcher({ ...common, store, onAway: (error) => forRuns.away(error) });
  const target = new UploadTarget(store, (root) => openArtifactRepository(root, repositoryOptions(config, store.uri)));
  const uploads = new Dispatcher({ ...common, store: target, onAway: (error) => forFiles.away(error) });
  const refused: Refused[] = [];
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const started = performance.now();
  const late = (): boolean => options.timeoutMs !== undefined && performance.now() - started > options.timeoutMs;
  const hopeless = (patience: Patience, { refusingFor }: { refusingFor: number }): PulseError | undefined =>
    options.watch ? undefined : patience.over(refusingFor > 0);

  const work: OutboxRecoveryOptions = {
    onDelivered: (items) => {
      meter.delivered(items);
      troubles.over();
    },
    files: {
      moved: (bytes) => meter.moved(bytes),
      stored(bytes) {
        meter.stored(bytes);
        troubles.over();
      },
      refused(path, run, error, kept) {
        if (!kept) refused.push({ run, path: printable(path), reason: advised(error).detail });
      },
    },
  };
  let retrySetAside = true; // only in the first round
  let withFiles = true;
  for (;;) {
    const waiting = together(outboxStates(folder));
    meter.waits(waiting);
    const recovery = new OutboxRecovery(folder, dispatcher, troubles, {
      ...work,
      retrySetAside,
      uploads: withFiles ? () => uploads : undefined,
    });
    retrySetAside = false;
    recovery.start();
    while (
      !recovery.done &&
      !stopped &&
      !late() &&
      !hopeless(forRuns, dispatcher) &&
      !(withFiles && hopeless(forFiles, uploads))
    ) {
      progress.show(meter.part, meter.underWay);
      await pause(LOOK_MS);
    }
    const isOver = !recovery.done && hopeless(forRuns, dispatcher) !== undefined;
    recovery.stop();
    if (stopped || late() || isOver) break;
    const noFiles: boolean = withFiles && hopeless(forFiles, uploads) !== undefined;
    withFiles &&= !noFiles;
    if (noFiles) continue; // go on without files, so that the runs behind them are delivered
    if (!options.watch) break;
    await pause(WATCH_MS);
  }
  if (meter.total.changes + meter.total.artifacts > 0) progress.show(meter.part, meter.ended);
  progress.end();
  dispatcher.stop();
  uploads.stop();
  target.close();
  await store.close();
  const isNamed = config.origins["trackingUri"] !== undefined; // without a named tracking URI, everything that waits counts
  const reason = hopeless(forRuns, dispatcher) ?? hopeless(forFiles, uploads);
  const trouble = reason === undefined ? troubles.last : troubles.inFull(reason);
  return report(terminal, { root, folder, delivered: meter.done, refused, trouble, isNamed });
}

/**
 * Reports problems in the terms of the commands: each when it occurs, and the last one again at the end if nothing
 * has succeeded since.
 */
class Troubles extends Diagnostics {
  /** The last problem, with advice. */
  last = "";
  readonly #progress: Progress;
  readonly #uri: string;
  readonly #hint: string;
  readonly #told = new Set<string>();

  constructor(progress: Progress, uri: string, { timeoutMs, watch }: SyncOptions) {
    super();
    this.#progress = progress;
    this.#uri = uri;
    this.#hint = `Waiting for it (Ctrl+C ends${timeoutMs === undefined && !watch ? ", --timeout limits it" : ""}).`;
  }

  override warnAsync(error: PulseError): void {
    this.last = this.inFull(error);
    const { detail } = advised(error);
    if (this.#told.has(detail)) return;
    this.#told.add(detail);
    this.#progress.say(`pulse-mlflow: ${error.retryable ? `${detail} ${this.#hint}` : this.last}`);
  }

  /** Notes that something succeeded. */
  over(): void {
    this.last = "";
  }

  inFull(error: PulseError): string {
    return told(error, this.#uri);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
