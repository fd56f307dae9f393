import { detached, soon } from "../context/detached.js";

/** So many that wait are enough; then all are recorded but those about the newest thing, which may still be on its way through the program. */
const MOST = 1_000;

interface Late {
  readonly about: unknown;
  readonly record: () => void;
}

/**
 * What is recorded a turn later, outside of any call: what can only be read then, because the program may still change it in the turn in
 * which it happened. Whoever hands things over for the last time, or is waited for, settles it before.
 */
export class LateRecords {
  #waiting: Late[] = [];

  add(record: () => void, about: unknown): void {
    if (this.#waiting.push({ about, record }) === 1) soon(() => this.settle()); // referenced for this one turn, as delivery is
    if (this.#waiting.length < MOST || this.#waiting[0]?.about === about) return;
    const due = this.#waiting.filter((each) => each.about !== about);
    this.#waiting = this.#waiting.filter((each) => each.about === about);
    run(due);
  }

  /** Records all of it now. */
  settle(): void {
    if (this.#waiting.length > 0) run(this.#waiting.splice(0));
  }
}

const run = (due: readonly Late[]): void =>
  detached(() => {
    for (const { record } of due) record();
  });
