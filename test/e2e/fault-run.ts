import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { PulseConfig, Tracker, TrackingStore } from "../../src/index.js";
import { Denial } from "../support/fault-denial.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { collectWarnings } from "../support/warnings.js";
import { FairTime } from "./fair-time.js";
import { runAwaiting } from "./fault-awaits.js";
import type { Package } from "./fault-copy.js";
import { OutboxDisk } from "./fault-disk.js";
import { drawSchedule, type Schedule } from "./fault-draw.js";
import type { FileHabits } from "./fault-files.js";
import { compare, type Verdict } from "./fault-model.js";
import { compareReplaced, type View, withParent } from "./fault-replaced.js";
import type { Stage } from "./fault-stage.js";
import { Workload } from "./fault-workload.js";
import type { DumpRun } from "./peer.js";
import type { Twin } from "./wide-model.js";

/** How long what is left may take once everything works. */
const CALM_MS = 90_000;
const TURN_MS = 5_000;
/** How often it is looked whether what is not denied has arrived. */
const LOOK_MS = 300;

export interface Played extends Verdict {
  readonly schedule: string;
  readonly runs: number;
  /** Files that were logged. */
  readonly files: number;
  readonly requests: number;
  readonly faults: readonly { readonly kind: string; readonly path: string }[];
  /** What the trackers say that cannot be. */
  readonly unbalanced: readonly string[];
  /** What did not arrive while nothing stood in its way. */
  readonly heldUp: readonly string[];
  readonly warnings: readonly string[];
  readonly seconds: number;
}

interface Actor {
  readonly tracker: Tracker;
  readonly workload: Workload;
}

/** Gives the store by which a tracker speaks to a URL, where it is not the URI's own. */
type StoreMaker = (url: string, requestTimeoutMs: number) => TrackingStore;

/** Plays one schedule between trackers and a server, and says what became of it. */
export async function play(seed: number, stage: Stage, makeStore?: StoreMaker): Promise<Played> {
  const started = Date.now();
  const schedule = drawSchedule(seed);
  const experiment = `faults-${seed}`;
  const denial = new Denial(schedule.denied?.which === "beside" ? `${experiment} beside` : experiment);
  const proxy = await startFaultProxy({
    target: stage.first.url,
    seed,
    rate: schedule.rate,
    retryAfter: schedule.retryAfter,
    kinds: schedule.faults,
    fileFaults: schedule.fileFaults,
    tls: schedule.tunnelRate === undefined ? undefined : stage.tls.server,
    denial,
  });
  const disk = new OutboxDisk(mkdtempSync(join(tmpdir(), `pulse-faults-${seed}-`)), schedule.disk?.what === "full");
  const userFolder = mkdtempSync(join(tmpdir(), "pulse-users-"));
  try {
    return {
      ...(await new Play({ seed, schedule, stage, proxy, denial, disk, userFolder, makeStore }).played()),
      seconds: (Date.now() - started) / 1_000,
    };
  } finally {
    await proxy.close();
    disk.close();
    rmSync(userFolder, { recursive: true, force: true });
  }
}

type Proxy = Awaited<ReturnType<typeof startFaultProxy>>;

interface Scene {
  readonly seed: number;
  readonly schedule: Schedule;
  readonly stage: Stage;
  readonly proxy: Proxy;
  readonly denial: Denial;
  readonly disk: OutboxDisk;
  readonly userFolder: string;
  readonly makeStore: StoreMaker | undefined;
}

class Play {
  readonly #seed: number;
  readonly #schedule: Schedule;
  readonly #stage: Stage;
  readonly #proxy: Proxy;
  readonly #denial: Denial;
  readonly #disk: OutboxDisk;
  readonly #experiment: string;
  /** Where files of the user's lie: beside the outboxes, where that is no disk of its own. */
  readonly #userFolder: string;
  readonly #makeStore: StoreMaker | undefined;
  readonly #workloads: Workload[] = [];
  readonly #programs: Twin[] = [];
  readonly #said = collectWarnings();
  readonly #unbalanced: string[] = [];
  readonly #tunnels: ReturnType<Stage["tunnels"]> | undefined;
  #dropped = 0;
  #tokens = 0;

  constructor({ seed, schedule, stage, proxy, denial, disk, userFolder, makeStore }: Scene) {
    this.#makeStore = makeStore;
    this.#seed = seed;
    this.#schedule = schedule;
    this.#stage = stage;
    this.#proxy = proxy;
    this.#denial = denial;
    this.#disk = disk;
    this.#userFolder = userFolder;
    this.#experiment = `faults-${seed}`;
    this.#tunnels = schedule.tunnelRate === undefined ? undefined : stage.tunnels(proxy.url, seed, schedule.tunnelRate);
  }

  async played(): Promise<Omit<Played, "seconds">> {
    const schedule = this.#schedule;
    let actor = this.#begin();
    const beside = schedule.copies ? this.#begin(this.#stage.copy) : undefined;
    const playing = actor.workload.play(schedule.programs);
    const playingBeside = beside?.workload.play(2);
    const troubles = this.#troubles();
    const program = this.#program(troubles.disk);
    const left: string[] = [];
    if (schedule.shutdown) {
      await sleep(schedule.shutdown.afterMs);
      actor.workload.stop();
      await actor.tracker.shutdown({ timeoutMs: schedule.shutdown.withinMs });
      await playing;
      if (this.#hasFiles) await this.#disk.quiet();
      left.push(...this.#isOver("the first tracker", actor));
      await troubles.disk; // an heir that finds a full disk comes back a minute later
      actor = this.#begin();
      await actor.workload.play(2);
    } else await playing;
    await playingBeside;
    const { tracker } = actor;
    for (const end = Date.now() + schedule.struggleMs; tracker.stats().pending > 0 && Date.now() < end; )
      await tracker.flush({ timeoutMs: Math.min(schedule.wakeMs, end - Date.now()) });
    await troubles.all;
    left.push(...(await program));
    this.#proxy.calm();
    if (this.#tunnels) this.#tunnels.rate = 0;
    // A tracker looks for what programs have left a while after it first records something.
    const actors = [
      actor,
      ...(beside ? [beside] : []),
      ...(schedule.awaits ? [this.#begin(this.#stage.own, true)] : []),
    ];
    if (schedule.awaits) await actors.at(-1)?.workload.play(1);
    await this.#proxy.settled();
    const heldUp = await this.#othersGoOn(actors);
    this.#denial.denied = undefined;
    for (const { workload } of actors) workload.stop();
    this.#unbalanced.push(...(await deliver(actors, left, this.#time())));
    await this.#proxy.settled();
    for (const [i, each] of actors.entries()) this.#isOver(`tracker ${i + 1} of ${actors.length}`, each);
    await this.#emptied();
    this.#unbalanced.push(...this.#disk.outboxes().map((path) => `left behind: ${path}`));
    return this.#result(heldUp);
  }

  /**
   * What was delivered from an outbox on a full disk stays in it, and nobody says so: one more tracker finds that it is
   * there already.
   */
  async #emptied(): Promise<void> {
    const left = this.#disk.outboxes();
    if (left.length === 0 || !this.#disk.wasFull) return;
    const heir = this.#begin(this.#stage.own, true);
    await heir.workload.play(1);
    heir.workload.stop();
    this.#unbalanced.push(...(await deliver([heir], left, this.#time())));
    this.#isOver("the heir", heir);
  }

  /**
   * A tracker and what it is to record; whether it cares for what others left behind, which it does not where all is in
   * memory.
   */
  #begin(copy: Package = this.#stage.own, inherits: boolean = false): Actor {
    const { replaced, refused, maxPendingBytes, requestTimeoutMs } = this.#schedule;
    const { trackingUri = "", ...config } = this.#config(`tracker ${this.#workloads.length}`, inherits);
    const makeStore = copy === this.#stage.own ? this.#makeStore : undefined; // another copy has stores of its own
    const tracker = copy.createTracker({
      ...config,
      ...(makeStore ? { store: makeStore(trackingUri, requestTimeoutMs) } : { trackingUri }),
      maxPendingBytes,
      auth: { token: () => `token ${this.#tokens++}` },
      logger: this.#said.logger,
    });
    const seed = this.#seed + this.#workloads.length * 1_000_003;
    const url = replaced ? undefined : this.#stage.first.url;
    const files = this.#hasFiles ? this.#habits(seed) : undefined;
    const workload = new Workload({
      seed,
      tracker,
      experiment: this.#experiment,
      url,
      copy,
      refused,
      files,
      mayLoseFiles: this.#mayLoseFiles,
    });
    this.#workloads.push(workload);
    return { tracker, workload };
  }

  /**
   * A file can be linked from the disk of the outboxes only; where there are none, or on another disk, it has to stay.
   */
  #habits(seed: number): FileHabits {
    const { durability, shutdown } = this.#schedule;
    const removes = durability !== "memory" && !this.#disk.isOwn;
    return { seed, folder: this.#userFolder, removes, isCut: shutdown !== undefined && this.#workloads.length === 0 };
  }

  get #hasFiles(): boolean {
    return this.#schedule.fileFaults !== undefined;
  }

  /**
   * Where somebody takes away what lies beside an outbox, or neither disk nor memory has room, some cannot be stored.
   */
  get #mayLoseFiles(): boolean {
    const { disk, durability, maxPendingBytes } = this.#schedule;
    return this.#hasFiles && (disk !== undefined || (durability === "memory" && maxPendingBytes !== undefined));
  }

  #config(client: string, keeps: boolean = false): PulseConfig {
    const { requestTimeoutMs, durability, flushIntervalMs, tunnelRate } = this.#schedule;
    return {
      trackingUri: this.#proxy.url,
      experiment: this.#experiment,
      requestTimeoutMs,
      durability: keeps && durability === "memory" ? "exit" : durability,
      flushIntervalMs,
      exitTimeoutMs: TURN_MS,
      headers: { "x-client": client },
      outbox: { folder: this.#disk.folder },
      tls: tunnelRate === undefined ? undefined : { ca: this.#stage.tls.ca },
    };
  }

  /** Whatever happens at a moment of its own; what happens to the disk is over first. */
  #troubles(): { readonly disk: Promise<unknown>; readonly all: Promise<unknown> } {
    const { troubles, denied, replaced, disk } = this.#schedule;
    const proxy = this.#proxy;
    const during = async (afterMs: number, begin: () => unknown, forMs: number, end: () => unknown): Promise<void> => {
      await sleep(afterMs);
      await begin();
      if (forMs === Infinity) return;
      await sleep(forMs);
      await end();
    };
    const everyday = troubles.map(({ what, afterMs, forMs }) => {
      if (what === "down")
        return during(
          afterMs,
          () => proxy.down(),
          forMs,
          () => proxy.up(),
        );
      if (what === "silent")
        return during(
          afterMs,
          () => Object.assign(proxy, { silent: true }),
          forMs,
          () => Object.assign(proxy, { silent: false }),
        );
      return during(
        afterMs,
        () => Object.assign(proxy, { delayMs: 100 }),
        forMs,
        () => Object.assign(proxy, { delayMs: 0 }),
      );
    });
    const deny = (what: Denial["denied"]): void => {
      this.#denial.denied = what;
    };
    const denying =
      denied &&
      during(
        denied.afterMs,
        () => deny(denied.what),
        denied.forMs,
        () => deny(undefined),
      );
    const replacing =
      replaced &&
      during(
        replaced.afterMs,
        () => proxy.down(),
        replaced.awayMs,
        () => this.#replace(),
      );
    const onDisk =
      disk &&
      during(
        disk.afterMs,
        () => this.#disk.begin(disk.what),
        disk.forMs,
        () => this.#disk.end(),
      );
    return { disk: Promise.resolve(onDisk), all: Promise.all([...everyday, denying, replacing, onDisk]) };
  }

  /**
   * Each client finds connections broken before it reaches the new server: one that notices nothing looks at its ids
   * once a minute only.
   */
  async #replace(): Promise<void> {
    this.#proxy.replace(this.#stage.second.url);
    this.#denial.forget();
    await this.#proxy.up();
  }

  /**
   * Has a program that only awaits its run's id come, when nobody takes its outbox away any more; gives the outboxes it
   * leaves.
   */
  async #program(disk: Promise<unknown>): Promise<string[]> {
    const { awaits } = this.#schedule;
    if (awaits === undefined) return [];
    await sleep(awaits.afterMs);
    await disk;
    // What is only in memory ends with the program.
    const { twin, problems, stderr } = await runAwaiting(this.#config("program", true), this.#experiment);
    this.#programs.push(twin);
    this.#unbalanced.push(...problems);
    return this.#disk.outboxes().filter((path) => stderr.includes(path));
  }

  /**
   * While one experiment is denied, what belongs to the other one arrives: what is missing after the time it may take.
   */
  async #othersGoOn(actors: readonly Actor[]): Promise<string[]> {
    if (this.#denial.denied === undefined || this.#schedule.replaced) return [];
    const [main, beside] = this.#experiments;
    const open = this.#denial.experiment === main ? (beside as string) : (main as string);
    const twins = this.#twins;
    const byKey = new Map(twins.map((twin) => [twin.run.id, twin]));
    // A child comes after its parent, wherever that is.
    const isFree = ({ run, expected }: Twin): boolean =>
      expected.experiment === open &&
      run.ended &&
      (expected.parent === undefined || isCreated(byKey.get(expected.parent)));
    const isCreated = (twin: Twin | undefined): boolean =>
      twin !== undefined &&
      twin.expected.experiment === open &&
      (twin.expected.parent === undefined || isCreated(byKey.get(twin.expected.parent)));
    const free = twins.filter(isFree);
    const keys = new Set(free.map(({ run }) => run.id));
    for (const time = this.#time(); ; ) {
      await time.pass(() => Promise.all(actors.map(({ tracker }) => tracker.flush({ timeoutMs: LOOK_MS }))));
      const { runs, experiments } = await this.#stage.first.view([open], []);
      const ours = this.#children(runs).filter(({ tags }) => keys.has(tags["pulse.run_key"] ?? ""));
      const { lost, running, wrong } = compare(free, ours, experiments, runs);
      const missing = [...lost, ...running, ...wrong];
      if (missing.length === 0 && this.#hasFiles)
        missing.push(...compare(free, await this.#stage.first.withFiles(ours), experiments, runs).wrong);
      if (missing.length === 0 || this.#dropped > 0 || actors.some(({ tracker }) => tracker.stats().dropped > 0))
        return [];
      if (time.isOver(CALM_MS)) return missing.map((what) => `while ${this.#denial.experiment} was denied: ${what}`);
    }
  }

  /** A tracker is shut down: is what it says so? Gives the outboxes it leaves. */
  #isOver(who: string, { tracker, workload }: Actor): string[] {
    const { runs, metrics, params, tags, inputs, artifacts, delivered, pending, dropped, rejected } = tracker.stats();
    const { disk, shutdown, maxPendingBytes, durability } = this.#schedule;
    const first = who === "the first tracker";
    const recorded = 2 * runs + metrics + params + tags + inputs + artifacts;
    const most = workload.refused + (first || this.#mayLoseFiles ? (workload.files?.count ?? 0) : 0);
    // Where there is no room, neither in memory nor on disk, something goes; and it says so.
    const mayDrop = disk
      ? first || shutdown !== undefined || maxPendingBytes !== undefined
      : durability === "memory" && maxPendingBytes !== undefined;
    const balanced =
      delivered + pending + dropped + rejected === recorded &&
      (mayDrop || dropped === 0) &&
      (first || dropped > 0 || this.#mayLoseFiles ? rejected <= most : rejected === workload.refused) &&
      (first || pending === 0);
    this.#dropped += dropped;
    const counts = `${delivered} delivered, ${pending} pending, ${dropped} dropped, ${rejected} of ${workload.refused} rejected`;
    if (!balanced) this.#unbalanced.push(`${who} recorded ${recorded} items: ${counts}`);
    const { paths, untrue } = first ? this.#disk.promised(this.#said.warnings) : { paths: [], untrue: [] };
    this.#unbalanced.push(...untrue);
    if (first && pending > 0 && paths.length === 0)
      this.#unbalanced.push(`${who} has ${pending} items pending and says nothing of it`);
    return paths;
  }

  /** The time of the server that is there in the end. */
  #time(): FairTime {
    const { first, second } = this.#stage;
    return new FairTime((this.#schedule.replaced ? second : first).url, this.#schedule.requestTimeoutMs);
  }

  get #twins(): Twin[] {
    return [...this.#workloads.flatMap(({ twins }) => twins), ...this.#programs];
  }

  get #experiments(): string[] {
    return [this.#experiment, `${this.#experiment} beside`];
  }

  /** A child does not wait for a parent that is denied. */
  #children(runs: readonly DumpRun[]): readonly DumpRun[] {
    return this.#schedule.denied ? runs.map((run) => withParent(run, runs)) : runs;
  }

  async #result(heldUp: readonly string[]): Promise<Omit<Played, "seconds">> {
    const twins = this.#twins;
    const keys = twins.map(({ run }) => run.id);
    const { first, second } = this.#stage;
    const look = async (place: Stage["first"]): Promise<View> => {
      const view = await place.view(this.#experiments, keys);
      return this.#hasFiles ? { ...view, runs: await place.withFiles(view.runs) } : view;
    };
    const there = await look(first);
    const here = this.#schedule.replaced && (await look(second));
    const verdict = here
      ? compareReplaced(twins, there, here)
      : compare(twins, this.#children(there.runs), there.experiments);
    verdict.wrong.push(...first.strays(there, here ? here.runs : []), ...(here ? second.strays(here, there.runs) : []));
    // What was dropped, and counted, is missing somewhere.
    const missing = this.#dropped > 0 ? { lost: [], wrong: [], running: [] } : {};
    return {
      ...verdict,
      ...missing,
      schedule: JSON.stringify(this.#schedule),
      runs: twins.length,
      files: this.#workloads.reduce((sum, { files }) => sum + (files?.count ?? 0), 0),
      requests: this.#proxy.requests,
      faults: [...this.#proxy.faults, ...(this.#tunnels?.faults ?? []).map((kind) => ({ kind, path: "" }))],
      unbalanced: this.#unbalanced,
      heldUp,
      warnings: this.#said.warnings,
    };
  }
}

/**
 * Gives trackers, and outboxes that others left behind, time to deliver; says what is not over by then, and shuts the
 * trackers down.
 */
async function deliver(actors: readonly Actor[], left: readonly string[], time: FairTime): Promise<string[]> {
  const pending = (): number => actors.reduce((sum, { tracker }) => sum + tracker.stats().pending, 0);
  const waiting = (): string[] => [
    ...(pending() > 0 ? [`${pending()} items still pending after ${CALM_MS} ms`] : []),
    ...left.filter(existsSync).map((path) => `still not delivered after ${CALM_MS} ms: ${path}`),
  ];
  while (!time.isOver(CALM_MS) && waiting().length > 0) {
    await time.pass(async () => {
      await Promise.all(actors.map(({ tracker }) => tracker.flush({ timeoutMs: TURN_MS })));
      await sleep(20);
    });
  }
  const over = waiting();
  await Promise.all(actors.map(({ tracker }) => tracker.shutdown()));
  return over;
}
