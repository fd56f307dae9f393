import assert from "node:assert/strict";

// biome-ignore lint/suspicious/noExplicitAny: decorators in the shapes of both dialects
export type Decorator = (...args: any[]) => any;
export type Dialect = "standard" | "legacy";

/** Numbers from a seed, the same each time. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }

  /** Mulberry32: a number from 0 to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

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
}

/** A class to be made by hand: what stands on it and on its method `m`, the outermost first. */
export interface Decorated {
  readonly decorators: readonly Decorator[];
  readonly onClass: readonly Decorator[];
  readonly makeMethod: () => object;
}

/** Makes the class in the shapes of one dialect, whichever the compiler is set to. */
export function decorated(dialect: Dialect, { decorators, onClass, makeMethod }: Decorated): { m: Decorator } {
  class Subject {}
  const { prototype } = Subject;
  const addInitializer = (): void => undefined;
  const original = Object.getOwnPropertyDescriptor(makeMethod(), "m") as PropertyDescriptor;
  let descriptor: PropertyDescriptor = { ...original, enumerable: false };
  const context = { kind: "method", name: "m", static: false, private: false, addInitializer };
  for (const decorator of [...decorators].reverse()) {
    if (dialect === "legacy") descriptor = decorator(prototype, "m", descriptor) ?? descriptor;
    else descriptor.value = decorator(descriptor.value, context);
  }
  Object.defineProperty(prototype, "m", descriptor);
  for (const decorator of onClass) {
    const given = dialect === "legacy" ? [Subject] : [Subject, { kind: "class", name: "Subject", addInitializer }];
    assert.equal(decorator(...given), undefined);
  }
  return new Subject() as { m: Decorator };
}
