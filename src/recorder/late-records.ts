import { detached, later, soon } from "../base/detached.js";

/**
 * So many that wait are enough; then all are recorded but those about the newest thing, which may still be on its way
 * through the program.
 */
const MOST = 1_000;

interface Late {
  readonly about: unknown;
  readonly record: () => void;
}

/**
 * What is recorded a turn later, outside of any call: what can only be read then, because the program may still change
 * it in the turn in which it happened. Whoever hands things over for the last time, or is waited for, settles it
 * before.
 */
export class LateRecords {
  #waiting: Late[] = [];
  /** What grows, and is recorded from time to time. */
  readonly #growing = new Set<() => void>();
  readonly #everyMs: number;

  /** `everyMs`: how long what grows is left to. */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Has what grows recorded soon; the same function again before that changes nothing. */
  grow(record: () => void): void {
    if (this.#growing.size === 0) later(() => this.settleGrowing(), this.#everyMs).unref();
    this.#growing.add(record);
  }

  /** Records now what grows, as it is. */
  settleGrowing(): void {
    const due = [...this.#growing];
    this.#growing.clear();
    run(due.map((record) => ({ record })));
  }

  add(record: () => void, about: unknown): void {
    // Referenced for this one turn, as delivery is
    if (this.#waiting.push({ about, record }) === 1) soon(() => this.settle());
    if (this.#waiting.length < MOST || this.#waiting[0]?.about === about) return;
    const due = this.#waiting.filter((each) => each.about !== about);
    this.#waiting = this.#waiting.filter((each) => each.about === about);
    run(due);
  }

  /** Records all of it now. */
  settle(): void {
    if (this.#growing.size > 0) this.settleGrowing();
    if (this.#waiting.length > 0) run(this.#waiting.splice(0));
  }
}

const run = (due: readonly Pick<Late, "record">[]): void =>
  detached(() => {
    for (const { record } of due) record();
  });
