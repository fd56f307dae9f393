import type { Aggregate } from "../capture/aggregate.js";
import { messageOf } from "../errors.js";
import { HeldRuns } from "../recorder/held-runs.js";
import type { RunHost } from "./host.js";
import { openRun } from "./open-run.js";
import type { Run } from "./run.js";

// Taken now: a test that later puts fake timers in place must not leave a window open.
const { setTimeout, clearTimeout } = globalThis;

const WINDOW_MS = 1_000;
/** Most windows remembered for one parent; only methods that are called by ever new names have more. */
const MOST_WINDOWS = 1_000;

/** What is made of each metric of folded calls. */
const KINDS: readonly Aggregate[] = ["count", "mean", "min", "max", "p50", "p95", "p99"];

/** How the run of folded calls is opened. */
export interface FoldOpening {
  readonly experiment: string | undefined;
  readonly fallbackExperiment: string | undefined;
  readonly name: string;
  readonly params: readonly Readonly<Record<string, unknown>>[];
  readonly tags: readonly Readonly<Record<string, unknown>>[];
}

/**
 * The calls of one method in the present second: the first ones are runs of their own, the others are held back and become one
 * run together when the second is over. The first of them that fails is a run of its own all the same.
 */
class FoldWindow {
  readonly #host: RunHost;
  readonly #parent: Run | undefined;
  readonly #opening: FoldOpening;
  #second = Number.NaN;
  #admitted = 0;
  #run: Run | undefined;
  #calls = 0;
  #errors = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: RunHost, parent: Run | undefined, opening: FoldOpening) {
    this.#host = host;
    this.#parent = parent;
    this.#opening = opening;
  }

  /** Whether this call is one of the first; else what it is held back by. */
  admit(most: number): HeldRuns | undefined {
    this.#roll();
    if (this.#admitted < most) {
      this.#admitted++;
      return undefined;
    }
    return new HeldRuns(this.#host.recorder, (failed, root) => this.#take(failed, root.gathered?.metrics ?? []));
  }

  /** A call is over: it is counted in the second in which that happens. */
  #take(failed: boolean, metrics: readonly { readonly key: string; readonly value: number }[]): "record" | "drop" {
    this.#roll();
    if (failed && this.#errors++ === 0) return "record";
    this.#run ??= this.#open();
    this.#calls++;
    this.#host.diagnostics.stats.folded++;
    try {
      for (const { key, value } of metrics) this.#run.aggregate(key, value, KINDS);
    } catch (error) {
      this.#host.diagnostics.warn("CAPTURE_FAILED", `${this.#opening.name}: folding failed: ${messageOf(error)}.`, error, "folding");
    }
    return "drop";
  }

  #open(): Run {
    const { params, tags, name, experiment, fallbackExperiment } = this.#opening;
    const run = openRun(this.#host, { experiment, fallbackExperiment, name: `${name} (folded)`, parent: this.#parent });
    for (const record of params) run.logParams(record);
    for (const record of tags) run.setTags(record);
    run.beforeEnd = () => {
      run.setTag("pulse.folded", this.#calls);
      run.logMetric("errors", this.#errors);
    };
    this.#timer = setTimeout(() => this.#close(), WINDOW_MS).unref();
    return run;
  }

  #roll(): void {
    const second = Math.floor(this.#host.clock.now() / WINDOW_MS);
    if (second === this.#second) return;
    this.#close();
    this.#second = second;
    this.#admitted = 0;
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#run?.end();
    this.#run = undefined;
    this.#calls = 0;
    this.#errors = 0;
  }
}

const windows = new WeakMap<RunHost | Run, Map<unknown, FoldWindow>>();

/** Gives what a call of a method is held back by when the second has had its `most` runs; `key` stands for the method. */
export function fold(host: RunHost, parent: Run | undefined, key: unknown, most: number, opening: () => FoldOpening): HeldRuns | undefined {
  const owner = parent ?? host;
  let ofOwner = windows.get(owner);
  if (ofOwner === undefined || ofOwner.size >= MOST_WINDOWS) {
    ofOwner = new Map();
    windows.set(owner, ofOwner);
  }
  let window = ofOwner.get(key);
  if (window === undefined) {
    window = new FoldWindow(host, parent, opening());
    ofOwner.set(key, window);
  }
  return window.admit(most);
}
