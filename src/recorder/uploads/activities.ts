/** Something that is still being made or read, and is recorded when it is there. */
export interface Activity {
  /** The process or the tracker has ended: what comes now is for nobody. */
  readonly over: boolean;
  /** It goes on: who waits for it waits on. */
  progress(): void;
}

interface Running extends Activity {
  over: boolean;
  /** What it is for. */
  readonly of: object | undefined;
  /** What it waits for, in messages. */
  readonly source: string | undefined;
  readonly otherwise: () => void;
}

/**
 * What is under way and needs turns of the event loop before it can be recorded. Who waits for delivery waits for it,
 * too.
 */
export class Activities {
  /** When one of them last went on, on the clock that is never set back. */
  lastProgress = 0;
  readonly #running = new Set<Running>();
  readonly #onSettled: () => void;

  constructor(onSettled: () => void) {
    this.#onSettled = onSettled;
  }

  get any(): boolean {
    return this.#running.size > 0;
  }

  /** Whether one is under way for something. */
  anyOf(of: object): boolean {
    for (const running of this.#running) if (running.of === of) return true;
    return false;
  }

  /** Those that are under way now, for `waits`. */
  mark(): ReadonlySet<object> {
    return new Set(this.#running);
  }

  /** Whether some of these are still under way. */
  waits(some: ReadonlySet<object>): boolean {
    for (const each of some) if (this.#running.has(each as Running)) return true;
    return false;
  }

  /** What some of these wait for that are still under way, in messages. */
  sources(some: ReadonlySet<object>): string[] {
    return [...this.#running].flatMap((each) => (some.has(each) && each.source !== undefined ? [each.source] : []));
  }

  /**
   * Does `work`, or, should it fail or the process end before, `otherwise`. Resolves when one of them is done, and
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

  /** The process or the tracker ends. */
  end(): void {
    for (const running of this.#running) {
      running.over = true;
      this.#running.delete(running);
      running.otherwise();
    }
  }
}
