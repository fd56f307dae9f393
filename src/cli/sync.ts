import { systemClock } from "../clock.js";
import { resolveConfig } from "../config/resolve.js";
import { Diagnostics } from "../diagnostics.js";
import { PulseError } from "../errors.js";
import { Dispatcher } from "../recorder/dispatch/dispatcher.js";
import { OutboxFolder, stateFolder } from "../recorder/outbox/outbox-folder.js";
import { OutboxRecovery } from "../recorder/outbox/outbox-recovery.js";
import { openStore } from "../stores/registry.js";
import { outboxStates } from "./outboxes.js";
import { Progress, printJson, styled, type Terminal } from "./output.js";

/** How `sync` goes about it. */
export interface SyncOptions {
  readonly watch: boolean;
  /** Milliseconds in all. */
  readonly timeoutMs: number | undefined;
}

const LOOK_MS = 100;
const WATCH_MS = 2_000;

/** Delivers the outboxes of the configured tracking URI. Gives the exit code: 0 all delivered, 2 something is left. */
export async function sync(terminal: Terminal, options: SyncOptions): Promise<number> {
  const config = resolveConfig();
  const store = openStore(config.trackingUri, { clock: systemClock, server: config.server });
  const folder = new OutboxFolder(config.outboxFolder ?? stateFolder(), store.uri);
  if (!store.durable) throw new PulseError("INVALID_TRACKING_URI", `${store.uri} has no outboxes: nothing is kept on disk for it.`);
  let trouble = "";
  const diagnostics = new Diagnostics({
    logger: {
      warn: (message) => {
        trouble = message.replace(/^pulse-mlflow: /, "");
      },
    },
  });
  const dispatcher = new Dispatcher({ store, diagnostics, clock: systemClock });
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
    const total = delivered + outboxStates(folder).reduce((sum, { items = 0 }) => sum + items, 0);
    const heir = new OutboxRecovery(folder, dispatcher, diagnostics, {
      retrySetAside: first,
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
  await store.close();

  const left = outboxStates(folder);
  const waiting = left.filter(({ state }) => state === "waiting");
  const items = waiting.reduce((sum, box) => sum + (box.items ?? 0), 0);
  const foreign = left.filter(({ state }) => state === "foreign");
  const live = left.length - waiting.length - foreign.length;
  const code = items > 0 || foreign.length > 0 ? 2 : 0;
  if (terminal.json) printJson(terminal, { uri: store.uri, delivered, left: items, live, outboxes: left, ...(trouble && { trouble }) });
  else say(terminal, { uri: store.uri, delivered, items, live, foreign: foreign.map(({ path }) => path), waiting, trouble });
  return code;
}

interface Outcome {
  readonly uri: string;
  readonly delivered: number;
  readonly items: number;
  readonly live: number;
  readonly foreign: readonly string[];
  readonly waiting: ReturnType<typeof outboxStates>;
  readonly trouble: string;
}

function say(terminal: Terminal, { uri, delivered, items, live, foreign, waiting, trouble }: Outcome): void {
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  print(`${delivered.toLocaleString("en")} items delivered to ${uri}.`);
  if (live > 0) print(`${live} outbox${live === 1 ? " is" : "es are"} held by running programs, which deliver what is in there.`);
  for (const path of foreign)
    print(styled(terminal, "yellow", `${path} is of another version of this package, or none of its files; it was left alone.`));
  for (const { setAside = [] } of waiting)
    for (const { run, reason, items: count } of setAside)
      print(styled(terminal, "yellow", `Set aside: run ${run}, ${count} items: ${reason}`));
  for (const { denied = [] } of waiting)
    for (const { experiment, reason, runs } of denied)
      print(styled(terminal, "yellow", `Waiting for permission: experiment ${experiment}, ${runs} runs: ${reason}`));
  if (items > 0) print(styled(terminal, "yellow", `${items.toLocaleString("en")} items are left.${trouble === "" ? "" : ` ${trouble}`}`));
}

function speed(delivered: number, started: number): string {
  return `${Math.round(delivered / Math.max(0.001, (performance.now() - started) / 1_000)).toLocaleString("en")}/s`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
