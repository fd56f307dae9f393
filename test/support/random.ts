/** Numbers from a seed (Mulberry32), the same each time and everywhere. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 on. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const left = [...list];
    return list.map(() => left.splice(this.below(left.length), 1)[0] as T);
  }

  /** Any double but NaN: all bits by chance, of all magnitudes. */
  double(): number {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setUint32(0, this.below(2 ** 32));
    bits.setUint32(4, this.below(2 ** 32));
    const value = bits.getFloat64(0);
    return Number.isNaN(value) ? this.double() : value;
  }
}
