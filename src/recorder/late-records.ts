import { detached, later, soon } from "../base/detached.js";

/**
 * The number of records that may wait. Beyond it, all are recorded except those about the newest object, which the
 * program may still change.
 */
const MAX_WAITING = 1_000;

interface Late {
  readonly about: unknown;
  readonly record: () => void;
}

/**
 * Records that are made one turn later, outside of any call, because the program may still change the object they are
 * read from. They are settled before a final delivery, and before somebody waits for delivery.
 */
export class LateRecords {
  #waiting: Late[] = [];
  /** Growing content, such as tables, that is recorded from time to time. */
  readonly #growing = new Set<() => void>();
  readonly #everyMs: number;

  /** `everyMs`: how long growing content may wait before it is recorded. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Schedules growing content to be recorded. Adding the same function again before that has no effect. */
  grow(record: () => void): void {
    if (this.#growing.size === 0) later(() => this.settleGrowing(), this.#everyMs).unref();
    this.#growing.add(record);
  }

  /** Records all growing content now. */
  settleGrowing(): void {
    const due = [...this.#growing];
    this.#growing.clear();
    run(due.map((record) => ({ record })));
  }

  add(record: () => void, about: unknown): void {
    // Ref'd for this one turn, like delivery.
    if (this.#waiting.push({ about, record }) === 1) soon(() => this.settle());
    if (this.#waiting.length < MAX_WAITING || this.#waiting[0]?.about === about) return;
    const due = this.#waiting.filter((each) => each.about !== about);
    this.#waiting = this.#waiting.filter((each) => each.about === about);
    run(due);
  }

  /** Records everything that waits. */
  settle(): void {
    if (this.#growing.size > 0) this.settleGrowing();
    if (this.#waiting.length > 0) run(this.#waiting.splice(0));
  }
}

const run = (due: readonly Pick<Late, "record">[]): void =>
  detached(() => {
    for (const { record } of due) record();
  });
