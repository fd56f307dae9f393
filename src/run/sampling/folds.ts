import { later } from "../../base/detached.js";
import { shared } from "../../base/shared-state.js";
import type { Aggregate } from "../../capture/aggregate.js";
import { DeferredRuns, type Verdict } from "../../recorder/buffer/deferred-runs.js";
import { Series } from "../metrics/series.js";
import { openRun } from "../open-run.js";
import type { Run } from "../run.js";
import type { RunHost } from "../verbs/run-host.js";

// Taken now: a test that later puts fake timers in place must not leave a window open.
const { clearTimeout } = globalThis;

const WINDOW_MS = 1_000;
/**
 * Most windows that are remembered when their second is over, and most functions of one experiment that are counted
 * apart in one second.
 */
const MAX_WINDOWS = 1_000;
/** Most names likewise. */
const MAX_NAMES = 100;

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
 * The calls of one method in the present second: the first ones are runs of their own, the others are held back and
 * become one run together when the second is over. The first of them that fails is a run of its own instead.
 */
class FoldWindow {
  readonly #host: RunHost;
  readonly #opening: FoldOpening;
  #second = Number.NaN;
  #admitted = 0;
  /** One call of this second has failed, and is a run of its own. */
  #failed = false;
  /** What was folded in this second, if anything. */
  #folded: Folded | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The last second in which it was one of those that are counted apart. */
  countedIn = Number.NaN;

  constructor(host: RunHost, opening: FoldOpening) {
    this.#host = host;
    this.#opening = opening;
  }

  /** Whether this call is one of the first; else what it is held back by. */
  admit(most: number, parent: Run | undefined): DeferredRuns | undefined {
    this.#roll();
    if (this.#admitted < most) {
      this.#admitted++;
      return undefined;
    }
    const { recorder } = this.#host;
    return new DeferredRuns(recorder, (root) =>
      this.#take(root.gathered?.end?.status === "FAILED", root.gathered?.metrics ?? [], parent),
    );
  }

  /** Whether something is folded that is not over. */
  get isOpen(): boolean {
    return this.#folded !== undefined;
  }

  /** Ends what is folded so far: it is whole, whatever ends the program. */
  endOpen(): void {
    this.#host.diagnostics.apart(() => this.#close());
  }

  /** Ends what is folded of a second that is over. */
  endOverdue(): void {
    this.#roll();
  }

  /** A call is over: it is counted in the second in which that happens. */
  #take(
    failed: boolean,
    metrics: readonly { readonly key: string; readonly value: number }[],
    parent: Run | undefined,
  ): Verdict {
    this.#roll();
    if (failed && !this.#failed) {
      this.#failed = true;
      return "record";
    }
    const folded = this.#fold(parent);
    folded.calls++;
    if (failed) folded.errors++;
    if (folded.parent !== parent) folded.parent = undefined; // calls of several parents are nobody's children
    this.#host.recorder.accounting.folded();
    const { name } = this.#opening;
    for (const { key, value } of metrics) {
      if (!Number.isFinite(value) || folded.series.sum(key, value, KINDS, this.#host.diagnostics)) continue;
      const detail = `${name}: of the metrics of folded calls only the first 200 keys are summed up.`;
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

/** The calls of one second that are one run. */
interface Folded {
  readonly startTime: number;
  /** The run they all were called in. */
  parent: Run | undefined;
  /** The run the first was called in: theirs is the experiment, if nobody says another. */
  readonly first: Run | undefined;
  calls: number;
  errors: number;
  readonly series: Series;
}

/** The windows of one tracker, by experiment and what is counted. */
interface Windows {
  second: number;
  readonly byKey: Map<unknown, FoldWindow>;
  /** How many names, and how many functions, each experiment has had in this second. */
  readonly counts: Map<string, number>;
}

const windows = shared("fold windows", () => new WeakMap<RunHost, Windows>());

/** What of an experiment is counted as one: a method by its plan, which is an object, everything else by name. */
export interface FoldSubject {
  readonly experiment: string | undefined;
  readonly key: object | string;
}

/**
 * Gives what a call is held back by when the second has had its `most` runs. Names can be made up without end, and so
 * can functions: of those an experiment has more of in one second all are counted as one, `others`.
 */
export function fold(
  host: RunHost,
  parent: Run | undefined,
  { experiment = "", key }: FoldSubject,
  most: number,
  opening: (others?: string) => FoldOpening,
): DeferredRuns | undefined {
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
  return window.admit(most, parent);
}
