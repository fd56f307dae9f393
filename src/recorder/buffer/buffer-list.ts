import type { RunBuffer } from "./run-buffer.js";

/** Gaps are removed when there are more of them than this, and more gaps than buffers. */
const MAX_GAPS = 1024;

/**
 * A first-in, first-out list of run buffers without duplicates, from which any buffer can be removed. Not a `Set`:
 * when it grows, its old tables stay linked to each other, and keep what they once held in memory until a full
 * garbage collection.
 */
export class BufferList {
  size = 0;
  #places: (RunBuffer | undefined)[] = [];
  /** The first place that may be occupied. */
  #from = 0;

  push(log: RunBuffer): void {
    if (log.place >= 0) return;
    log.place = this.#places.length;
    this.#places.push(log);
    this.size++;
  }

  get first(): RunBuffer | undefined {
    if (this.size === 0) return undefined;
    while (this.#places[this.#from] === undefined) this.#from++;
    return this.#places[this.#from];
  }

  delete(log: RunBuffer): void {
    if (log.place < 0) return;
    this.#places[log.place] = undefined;
    log.place = -1;
    this.size--;
    const gaps = this.#places.length - this.size;
    if (gaps > MAX_GAPS && gaps > this.size) this.#tidy();
  }

  clear(): void {
    for (const log of this) log.place = -1;
    this.#places = [];
    this.#from = 0;
    this.size = 0;
  }

  /** Iterates in order. Buffers removed meanwhile are skipped. */
  *[Symbol.iterator](): Generator<RunBuffer> {
    for (const log of this.#places) if (log && log.place >= 0) yield log;
  }

  #tidy(): void {
    this.#places = this.#places.filter((each) => each !== undefined);
    this.#from = 0;
    this.#places.forEach((log, place) => {
      (log as RunBuffer).place = place;
    });
  }
}
