/** Work in progress whose result is recorded when it is complete. */
export interface Activity {
  /** Whether the process or the tracker has ended, so that the result is no longer needed. */
  readonly over: boolean;
  /** Reports progress, so that those who wait keep waiting. */
  progress(): void;
}

interface Running extends Activity {
  over: boolean;
  /** What the work belongs to. */
  readonly of: object | undefined;
  /** What it waits for, for messages. */
  readonly source: string | undefined;
  readonly otherwise: () => void;
}

/**
 * Work that takes turns of the event loop before its result can be recorded. Whoever waits for delivery waits for it,
 * too.
 */
export class Activities {
  /** When any of them last made progress, by the monotonic clock. */
  lastProgress = 0;
  readonly #running = new Set<Running>();
  readonly #onSettled: () => void;

  constructor(onSettled: () => void) {
    this.#onSettled = onSettled;
  }

  get any(): boolean {
    return this.#running.size > 0;
  }

  /** Whether work for this object is in progress. */
  anyOf(of: object): boolean {
    for (const running of this.#running) if (running.of === of) return true;
    return false;
  }

  /** Returns the work in progress, for `waits`. */
  mark(): ReadonlySet<object> {
    return new Set(this.#running);
  }

  /** Whether some of this work is still in progress. */
  waits(some: ReadonlySet<object>): boolean {
    for (const each of some) if (this.#running.has(each as Running)) return true;
    return false;
  }

  /** Returns what unfinished work waits for, for messages. */
  sources(some: ReadonlySet<object>): string[] {
    return [...this.#running].flatMap((each) => (some.has(each) && each.source !== undefined ? [each.source] : []));
  }

  /**
   * Runs `work`; calls `otherwise` if it fails or the process ends first. Resolves when one of them is done, and
   * never rejects.
   */
  async run(
    work: (activity: Activity) => Promise<void>,
    otherwise: (error?: unknown) => void,
    of?: object,
    source?: string,
  ): Promise<void> {
    const progress = (): void => {
      this.lastProgress = performance.now();
    };
    const running: Running = { over: false, of, source, otherwise, progress };
    this.#running.add(running);
    try {
      await work(running);
      this.#running.delete(running);
    } catch (error) {
      if (this.#running.delete(running)) otherwise(error);
    }
    this.#onSettled();
  }

  /** Ends all work, because the process or the tracker ends. */
  end(): void {
    for (const running of this.#running) {
      running.over = true;
      this.#running.delete(running);
      running.otherwise();
    }
  }
}
