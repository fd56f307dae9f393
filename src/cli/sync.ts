import { amount, counted } from "../amounts.js";
import { openArtifactRepository, repositoryOptions } from "../artifacts/registry.js";
import { shownText } from "../capture/redact.js";
import { systemClock } from "../clock.js";
import { Diagnostics } from "../diagnostics.js";
import { PulseError } from "../errors.js";
import { Dispatcher } from "../recorder/dispatch/dispatcher.js";
import { OutboxFolder, outboxFolders } from "../recorder/outbox/outbox-folder.js";
import { OutboxRecovery } from "../recorder/outbox/outbox-recovery.js";
import { UploadTarget } from "../recorder/uploads/upload-target.js";
import { openConfigured } from "../stores/registry.js";
import { commandFor, FOREIGN_TODO, outboxStates, together } from "./outboxes.js";
import { Progress, printJson, styled, type Terminal } from "./output.js";
import { configFor, rootOf } from "./target.js";

/** How `sync` goes about it. */
export interface SyncOptions {
  /** Instead of the configured one. */
  readonly uri: string | undefined;
  readonly watch: boolean;
  /** Milliseconds in all. */
  readonly timeoutMs: number | undefined;
}

const LOOK_MS = 100;
const WATCH_MS = 2_000;

/** Delivers the outboxes of one tracking URI. Gives the exit code: 0 all delivered, 2 something is left. */
export async function sync(terminal: Terminal, options: SyncOptions): Promise<number> {
  const config = configFor(options.uri);
  const root = rootOf(config);
  const store = openConfigured(config);
  const folder = new OutboxFolder(root, store.uri);
  if (!store.durable) throw new PulseError("INVALID_TRACKING_URI", `${store.uri} has no outboxes: nothing is kept on disk for it.`);
  const kept = outboxFolders(root).flatMap(outboxStates);
  if (kept.some(({ state }) => state === "unread")) throw new PulseError("DRIVER_MISSING", "What is kept cannot be read.");
  let trouble = "";
  const diagnostics = new Diagnostics({
    logger: {
      warn: (message) => {
        trouble = message.replace(/^pulse-mlflow: /, "");
      },
    },
  });
  const dispatcher = new Dispatcher({ store, diagnostics, clock: systemClock });
  const target = new UploadTarget(store, (root) => openArtifactRepository(root, repositoryOptions(config, store.uri)));
  const uploads = new Dispatcher({ store: target, diagnostics, clock: systemClock });
  const progress = new Progress(terminal);
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const started = performance.now();
  const late = (): boolean => options.timeoutMs !== undefined && performance.now() - started > options.timeoutMs;

  let delivered = 0;
  // What is set aside is tried once more, not every time one looks.
  for (let first = true; ; first = false) {
    const total = delivered + outboxStates(folder).reduce((sum, { changes = 0 }) => sum + changes, 0);
    const heir = new OutboxRecovery(folder, dispatcher, diagnostics, {
      retrySetAside: first,
      uploads: () => uploads,
      onDelivered: (items) => {
        delivered += items;
        trouble = "";
      },
    });
    heir.start();
    while (!heir.done && !stopped && !late()) {
      progress.show(delivered, Math.max(total, delivered), trouble === "" ? speed(delivered, started) : trouble);
      await pause(LOOK_MS);
    }
    if (total > 0) progress.show(delivered, Math.max(total, delivered), speed(delivered, started));
    heir.stop();
    if (!options.watch || stopped || late()) break;
    await pause(WATCH_MS);
  }
  progress.end();
  dispatcher.stop();
  uploads.stop();
  target.close();
  await store.close();

  const left = outboxStates(folder);
  const waiting = left.filter(({ state }) => state === "waiting");
  const { changes, runs } = together(waiting);
  const foreign = left.filter(({ state }) => state === "foreign");
  const live = left.length - waiting.length - foreign.length;
  const others = othersIn(root, store.uri);
  const anybody = config.origins["trackingUri"] !== undefined; // who names no tracking URI means all that waits
  const code = changes > 0 || foreign.length > 0 || (others.length > 0 && !anybody) ? 2 : 0;
  const uri = shownText(store.uri);
  if (terminal.json) printJson(terminal, { uri, delivered, left: changes, live, outboxes: left, others, ...(trouble && { trouble }) });
  else say(terminal, { uri, delivered, changes, runs, live, foreign: foreign.map(({ path }) => path), waiting, others, trouble });
  return code;
}

interface Other {
  readonly uri: string;
  readonly changes: number;
  readonly runs: number;
}

/** What waits for other tracking URIs. */
function othersIn(root: string, uri: string): Other[] {
  return outboxFolders(root)
    .filter((folder) => folder.uri !== uri)
    .map((folder) => ({ folder, waiting: outboxStates(folder).filter(({ state }) => state === "waiting") }))
    .filter(({ waiting }) => waiting.length > 0)
    .map(({ folder, waiting }) => ({ uri: shownText(folder.uri), ...together(waiting) }));
}

interface Outcome {
  readonly uri: string;
  readonly delivered: number;
  readonly changes: number;
  readonly runs: number;
  readonly live: number;
  readonly foreign: readonly string[];
  readonly waiting: ReturnType<typeof outboxStates>;
  readonly others: readonly Other[];
  readonly trouble: string;
}

function say(terminal: Terminal, { uri, delivered, changes, runs, live, foreign, waiting, others, trouble }: Outcome): void {
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  print(`${amount(delivered)} delivered to ${uri}.`);
  if (live > 0) print(`${counted(live, "outbox is", "outboxes are")} held by running programs, which deliver what is in there.`);
  for (const path of foreign)
    print(styled(terminal, "yellow", `${path} is of another version of this package, or damaged; it was left alone. ${FOREIGN_TODO}`));
  for (const { setAside = [] } of waiting)
    for (const { run, reason, changes } of setAside)
      print(styled(terminal, "yellow", `Set aside: run ${run}, ${amount(changes)}: ${reason}`));
  for (const { denied = [] } of waiting)
    for (const { experiment, reason, runs } of denied)
      print(styled(terminal, "yellow", `Waiting for permission: experiment ${experiment}, ${runs} runs: ${reason}`));
  if (changes > 0) {
    print(
      styled(terminal, "yellow", `${amount(changes, runs)} ${changes === 1 ? "is" : "are"} left.${trouble === "" ? "" : ` ${trouble}`}`),
    );
    if (waiting.some(({ setAside = [] }) => setAside.length > 0))
      print(`What is set aside is tried again by each sync; throw it away with: ${commandFor("discard", uri, "--set-aside")}`);
  }
  for (const other of others)
    print(
      styled(
        terminal,
        "yellow",
        `For ${other.uri}: ${amount(other.changes, other.runs)} wait. Deliver with: ${commandFor("sync", other.uri)}`,
      ),
    );
}

function speed(delivered: number, started: number): string {
  return `${Math.round(delivered / Math.max(0.001, (performance.now() - started) / 1_000)).toLocaleString("en")}/s`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
