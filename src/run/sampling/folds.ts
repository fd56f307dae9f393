import { later } from "../../base/detached.js";
import { shared } from "../../base/shared-state.js";
import type { Aggregate } from "../../capture/aggregate.js";
import { DeferredRuns, type Verdict } from "../../recorder/buffer/deferred-runs.js";
import type { RunBuffer } from "../../recorder/buffer/run-buffer.js";
import { Series } from "../metrics/series.js";
import { openRun } from "../open-run.js";
import type { Run } from "../run.js";
import type { RunHost } from "../verbs/run-host.js";

// Captured now, so that a test that later installs fake timers does not leave a window open.
const { clearTimeout } = globalThis;

const WINDOW_MS = 1_000;
/**
 * The number of windows remembered from the previous second, and of functions counted separately per experiment and
 * second.
 */
const MAX_WINDOWS = 1_000;
/** The number of names counted separately per experiment and second. */
const MAX_NAMES = 100;

/** The aggregates of each metric of folded calls. */
const KINDS: readonly Aggregate[] = ["count", "mean", "min", "max", "p50", "p95", "p99"];

/** How to open the run of folded calls. */
export interface FoldOpening {
  readonly experiment: string | undefined;
  readonly fallbackExperiment: string | undefined;
  readonly name: string;
  readonly params: readonly Readonly<Record<string, unknown>>[];
  readonly tags: readonly Readonly<Record<string, unknown>>[];
}

/**
 * The calls of one method in the current second. The first ones are runs of their own; the others are deferred and
 * folded into one run when the second is over. The first of them that fails becomes a run of its own.
 */
class FoldWindow {
  readonly #host: RunHost;
  readonly #opening: FoldOpening;
  #second = Number.NaN;
  #admitted = 0;
  /** Whether a call of this second has failed and become a run of its own. */
  #failed = false;
  /** The calls folded in this second, if any. */
  #folded: Folded | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last second in which this window counted as one of its own, not among `others`. */
  countedIn = Number.NaN;

  constructor(host: RunHost, opening: FoldOpening) {
    this.#host = host;
    this.#opening = opening;
  }

  /** Returns undefined if the call may open a run, else the deferral that folds it. */
  admit(most: number, parent: Run | undefined): DeferredRuns | undefined {
    this.#roll();
    if (this.#admitted < most) {
      this.#admitted++;
      return undefined;
    }
    return new DeferredRuns(this.#host.recorder, (root) => this.take(root, parent), foldBelow(this.#host));
  }

  /** Whether there are folded calls that are not recorded yet. */
  get isOpen(): boolean {
    return this.#folded !== undefined;
  }

  /** Records the calls folded so far, so that nothing is lost when the program ends. */
  endOpen(): void {
    this.#host.diagnostics.apart(() => this.#close());
  }

  /** Records the folded calls of a second that is over. */
  endOverdue(): void {
    this.#roll();
  }

  /** Handles a call that ended: it counts for the second in which it ends. */
  take({ gathered }: RunBuffer, parent: Run | undefined): Verdict {
    this.#roll();
    const failed = gathered?.end?.status === "FAILED";
    if (failed && !this.#failed) {
      this.#failed = true;
      return "record";
    }
    const folded = this.#fold(parent);
    folded.calls++;
    if (failed) folded.errors++;
    if (folded.parent !== parent) folded.parent = undefined; // calls made in several runs have no common parent
    this.#host.recorder.accounting.folded();
    const { name } = this.#opening;
    for (const { key, value } of gathered?.metrics ?? []) {
      if (!Number.isFinite(value) || folded.series.sum(key, value, KINDS, this.#host.diagnostics)) continue;
      const detail = `${name}: only the first 200 metric keys of folded calls are aggregated.`;
      this.#host.diagnostics.apart(() => this.#host.diagnostics.warn("CAPTURE_LIMIT", detail, undefined, name));
    }
    return "drop";
  }

  #fold(parent: Run | undefined): Folded {
    if (this.#folded === undefined) {
      this.#folded = {
        startTime: this.#host.clock.now(),
        parent,
        first: parent,
        calls: 0,
        errors: 0,
        series: new Series(),
      };
      this.#host.recorder.held.add(this);
      this.#timer = later(() => this.endOpen(), WINDOW_MS).unref();
    }
    return this.#folded;
  }

  #roll(): void {
    const second = Math.floor(this.#host.clock.now() / WINDOW_MS);
    if (second === this.#second) return;
    this.endOpen();
    this.#second = second;
    this.#admitted = 0;
    this.#failed = false;
  }

  #close(): void {
    const folded = this.#folded;
    if (folded === undefined) return;
    clearTimeout(this.#timer);
    this.#folded = undefined;
    this.#host.recorder.held.delete(this);
    const { params, tags, name, ...experiments } = this.#opening;
    const { parent, first, startTime } = folded;
    const run = openRun(this.#host, { ...experiments, name: `${name} (folded)`, parent, startTime, sibling: first });
    try {
      for (const record of params) run.logParams(record);
      for (const record of tags) run.setTags(record);
      run.setTag("pulse.folded", folded.calls);
      run.logMetric("errors", folded.errors);
      for (const [key, value] of folded.series.results()) run.logMetric(key, value);
    } finally {
      run.end();
    }
  }
}

/** The calls of one second that become one run. */
interface Folded {
  readonly startTime: number;
  /** The run in which all of them were made. */
  parent: Run | undefined;
  /** The run in which the first was made. Its experiment is used if none is named. */
  readonly first: Run | undefined;
  calls: number;
  errors: number;
  readonly series: Series;
}

/** The windows of one tracker, by experiment and subject. */
interface Windows {
  second: number;
  readonly byKey: Map<unknown, FoldWindow>;
  /** The numbers of names and functions counted per experiment in this second. */
  readonly counts: Map<string, number>;
}

const windows = shared("fold windows", () => new WeakMap<RunHost, Windows>());

/**
 * What is counted together within an experiment: a method by its plan, which is an object, anything else by its name.
 */
export interface FoldSubject {
  readonly experiment: string | undefined;
  readonly key: object | string;
}

/** Returns the deferral of a call when the second already has `most` runs. */
export function fold(
  host: RunHost,
  parent: Run | undefined,
  subject: FoldSubject,
  most: number,
  opening: (others?: string) => FoldOpening,
): DeferredRuns | undefined {
  return windowOf(host, subject, opening).admit(most, parent);
}

/**
 * Folds what was recorded below a call that is folded, all runs of a name into one: the call has no run that they could
 * be children of.
 */
function foldBelow(host: RunHost): (log: RunBuffer) => Verdict {
  return (log) => {
    const experiment = "name" in log.experiment ? log.experiment.name : undefined;
    const name = log.gathered?.create?.name ?? "run";
    const window = windowOf(host, { experiment, key: `${name}\0below` }, (others) => ({
      experiment,
      fallbackExperiment: undefined,
      name: others ?? name,
      params: [],
      tags: [],
    }));
    return window.take(log, undefined);
  };
}

/**
 * Returns the window of a subject in the current second. Programs can make up names and functions without limit: beyond
 * a number per experiment and second, they are counted together as `others`.
 */
function windowOf(
  host: RunHost,
  { experiment = "", key }: FoldSubject,
  opening: (others?: string) => FoldOpening,
): FoldWindow {
  const second = Math.floor(host.clock.now() / WINDOW_MS);
  let of = windows.get(host);
  if (of === undefined) {
    of = { second, byKey: new Map(), counts: new Map() };
    windows.set(host, of);
  }
  if (of.second !== second) {
    of.second = second;
    of.counts.clear();
    if (of.byKey.size > MAX_WINDOWS)
      for (const [each, window] of of.byKey)
        if (!window.isOpen && !(window.countedIn >= second - 1)) of.byKey.delete(each);
  }
  const isName = typeof key === "string";
  const own = isName ? `${experiment}\0${key}` : key;
  let window = of.byKey.get(own);
  if (window?.countedIn !== second) {
    const kind = `\0${isName}\0${experiment}`;
    const count = of.counts.get(kind) ?? 0;
    const isOther = count >= (isName ? MAX_NAMES : MAX_WINDOWS);
    const subject = isOther ? kind : own;
    if (!isOther) of.counts.set(kind, count + 1);
    window = of.byKey.get(subject) ?? new FoldWindow(host, opening(isOther ? "others" : undefined));
    of.byKey.set(subject, window);
    window.countedIn = isOther ? Number.NaN : second;
  }
  return window;
}
