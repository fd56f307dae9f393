import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTracker, type PulseConfig, type Tracker } from "../../src/index.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { FAULTS, type FaultKind } from "../support/fault-schedule.js";
import { compare, type Verdict } from "./fault-model.js";
import { Workload } from "./fault-workload.js";
import type { Peer } from "./peer.js";
import { Dice } from "./wide-model.js";

/** How long what is left may take once everything works. */
const CALM_MS = 30_000;
const TURN_MS = 5_000;
/** After these nobody knows whether the server has acted, or will. */
const DOUBTFUL: readonly FaultKind[] = [
  "late-504",
  "late-reset",
  "reset-after",
  "black-hole-after",
  "503-after-commit",
  "truncated",
  "wrong-type",
];

interface Trouble {
  readonly what: "down" | "silent" | "slow";
  readonly afterMs: number;
  readonly forMs: number;
}

/** Everything that a seed decides beside what is recorded. */
interface Schedule {
  readonly rate: number;
  readonly kinds: "all" | "doubtful";
  readonly durability: NonNullable<PulseConfig["durability"]>;
  readonly requestTimeoutMs: number;
  readonly flushIntervalMs: number;
  readonly retryAfter: number;
  readonly programs: number;
  readonly troubles: readonly Trouble[];
  /** How long delivery goes on with faults once everything is recorded. */
  readonly struggleMs: number;
  /** How often it is woken meanwhile: otherwise most of the time is waits. */
  readonly wakeMs: number;
  /** The first tracker is shut down while things go wrong, and gets this long; a second one delivers the rest. */
  readonly shutdown: { readonly afterMs: number; readonly withinMs: number } | undefined;
}

export interface Played extends Verdict {
  readonly schedule: string;
  readonly runs: number;
  readonly requests: number;
  readonly faults: readonly { readonly kind: FaultKind; readonly path: string }[];
  /** What the trackers say that cannot be. */
  readonly unbalanced: readonly string[];
  readonly warnings: readonly string[];
  readonly seconds: number;
}

function draw(seed: number): Schedule {
  const dice = new Dice(Math.imul(seed, 7_919));
  const durability = dice.of(["exit", "exit", "outbox", "memory"] as const);
  const troubles = Array.from({ length: dice.below(3) }, () => ({
    what: dice.of(["down", "silent", "slow"] as const),
    afterMs: dice.below(1_500),
    forMs: 100 + dice.below(1_500),
  }));
  const early = { afterMs: dice.below(1_200), withinMs: dice.below(1_000) };
  return {
    rate: Math.round(dice.next() * 50) / 100,
    kinds: dice.of(["all", "all", "doubtful"] as const),
    durability,
    requestTimeoutMs: 400 + dice.below(1_100),
    flushIntervalMs: 50 + dice.below(950),
    retryAfter: dice.below(2),
    programs: 3 + dice.below(4),
    troubles,
    struggleMs: dice.below(4_000),
    wakeMs: dice.of([100, 300, 4_000]),
    shutdown: dice.below(3) === 0 && durability !== "memory" ? early : undefined,
  };
}

/** Plays one schedule between a tracker and the server at `url`, and says what became of it. */
export async function play(seed: number, url: string, peer: Peer, databaseUri: string): Promise<Played> {
  const started = Date.now();
  const schedule = draw(seed);
  const folder = mkdtempSync(join(tmpdir(), `pulse-faults-${seed}-`));
  const { rate, retryAfter } = schedule;
  const proxy = await startFaultProxy({ target: url, seed, rate, retryAfter, kinds: schedule.kinds === "all" ? FAULTS : DOUBTFUL });
  const experiment = `faults-${seed}`;
  const warnings: string[] = [];
  const unbalanced: string[] = [];
  const workloads: Workload[] = [];
  let tokens = 0;
  const begin = (): { tracker: Tracker; workload: Workload } => {
    const tracker = createTracker({
      trackingUri: proxy.url,
      experiment,
      requestTimeoutMs: schedule.requestTimeoutMs,
      durability: schedule.durability,
      flushIntervalMs: schedule.flushIntervalMs,
      exitTimeoutMs: TURN_MS,
      outbox: { folder },
      auth: { token: () => `token ${tokens++}` },
      logger: { warn: (message) => warnings.push(message) },
    });
    const workload = new Workload({ seed: seed + workloads.length * 1_000_003, tracker, experiment, url });
    workloads.push(workload);
    return { tracker, workload };
  };
  const troubles = schedule.troubles.map(async ({ what, afterMs, forMs }) => {
    await sleep(afterMs);
    if (what === "down") await proxy.down();
    else if (what === "silent") proxy.silent = true;
    else proxy.delayMs = 100;
    await sleep(forMs);
    if (what === "down") await proxy.up();
    else if (what === "silent") proxy.silent = false;
    else proxy.delayMs = 0;
  });
  try {
    let { tracker, workload } = begin();
    let left: string[] = [];
    const playing = workload.play(schedule.programs);
    if (schedule.shutdown) {
      await sleep(schedule.shutdown.afterMs);
      workload.stop();
      await tracker.shutdown({ timeoutMs: schedule.shutdown.withinMs });
      await playing;
      unbalanced.push(...imbalance("the first tracker", tracker, true));
      left = outboxes(folder);
      ({ tracker, workload } = begin());
      await workload.play(2);
    } else await playing;
    for (const end = Date.now() + schedule.struggleMs; tracker.stats().pending > 0 && Date.now() < end; )
      await tracker.flush({ timeoutMs: Math.min(schedule.wakeMs, end - Date.now()) });
    await Promise.all(troubles);
    proxy.calm();
    await proxy.settled();
    workload.stop();
    unbalanced.push(...(await deliver(tracker, left)));
    await proxy.settled();
    unbalanced.push(...imbalance("the tracker", tracker, false));
    unbalanced.push(...outboxes(folder).map((path) => `left behind: ${path}`));
    const verdict = await read(peer, databaseUri, experiment, workloads);
    const runs = workloads.reduce((sum, { twins }) => sum + twins.length, 0);
    const seconds = (Date.now() - started) / 1_000;
    return {
      ...verdict,
      schedule: JSON.stringify(schedule),
      runs,
      requests: proxy.requests,
      faults: proxy.faults,
      unbalanced,
      warnings,
      seconds,
    };
  } finally {
    await proxy.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Gives the tracker, and the outboxes an earlier one left behind, time to deliver; says what is not over by then. */
async function deliver(tracker: Tracker, left: readonly string[]): Promise<string[]> {
  const waiting = (): string[] => [
    ...(tracker.stats().pending > 0 ? [`${tracker.stats().pending} items still pending after ${CALM_MS} ms`] : []),
    ...left.filter(existsSync).map((path) => `still not delivered after ${CALM_MS} ms: ${path}`),
  ];
  for (const deadline = Date.now() + CALM_MS; Date.now() < deadline && waiting().length > 0; ) {
    await tracker.flush({ timeoutMs: TURN_MS });
    await sleep(20);
  }
  const over = waiting();
  await tracker.shutdown();
  return over;
}

function outboxes(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  return files.filter((name) => name.endsWith(".db"));
}

/** Every item recorded is delivered, or, where that is allowed, kept. */
function imbalance(who: string, tracker: Tracker, mayKeep: boolean): string[] {
  const { runs, metrics, params, tags, delivered, pending, dropped, rejected } = tracker.stats();
  const recorded = 2 * runs + metrics + params + tags;
  const balanced = delivered + pending === recorded && dropped === 0 && rejected === 0 && (mayKeep || pending === 0);
  const counts = `${delivered} delivered, ${pending} pending, ${dropped} dropped, ${rejected} rejected`;
  return balanced ? [] : [`${who} recorded ${recorded} items: ${counts}`];
}

async function read(peer: Peer, databaseUri: string, experiment: string, workloads: readonly Workload[]): Promise<Verdict> {
  const dumps = await Promise.all([experiment, `${experiment} beside`].map((name) => peer.dump(databaseUri, { experiment: name })));
  const experiments = new Map(dumps.flatMap((dump) => dump.experiments.map(({ experiment_id, name }) => [experiment_id, name] as const)));
  return compare(
    workloads.flatMap(({ twins }) => twins),
    dumps.flatMap(({ runs }) => runs),
    experiments,
  );
}
