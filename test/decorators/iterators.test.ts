// Iterators that are no generators, as results: Node's, and those of classes.
import assert from "node:assert/strict";
import { EventEmitter, on } from "node:events";
import { test } from "node:test";
import { tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

test("iterators of Node's events end their run when they close or fail", async () => {
  const tracker = createTestTracker();
  const emitter = new EventEmitter();
  const listen = tracker.tracked(() => on(emitter, "n"), { metrics: ([n]: number[]) => ({ n }) });
  const closed = listen();
  emitter.emit("n", 1);
  emitter.emit("n", 2);
  assert.deepEqual([(await closed.next()).value, (await closed.next()).value], [[1], [2]]);
  await closed.return?.();
  const fails = listen();
  const waiting = assert.rejects(fails.next(), { message: "broken" });
  emitter.emit("error", new Error("broken"));
  await waiting;
  assert.equal(emitter.listenerCount("n"), 0);
  assert.deepEqual(
    tracker.runs.map((run) => [run.status, values(run), run.tags["pulse.partial"]]),
    [
      ["FINISHED", { n: [1, 2] }, "true"],
      ["FAILED", {}, undefined],
    ],
  );
});

/** An iterator as libraries write them: members of its own class around `next`. */
class Cursor {
  #at: number;
  readonly spy: { (): number; calls: number };
  constructor(from = 0) {
    this.#at = from;
    this.spy = Object.assign(() => ++this.spy.calls, { calls: 0 });
  }
  next(): IteratorResult<number> {
    return this.#at < 3 ? { value: this.#at++, done: false } : { value: undefined, done: true };
  }
  return(): IteratorResult<number> {
    this.#at = 3;
    return { value: undefined, done: true };
  }
  skip(count: number): this {
    this.#at += count;
    return this;
  }
  [Symbol.iterator](): this {
    return this;
  }
}

test("an iterator keeps its constructor and functions with their own properties", () => {
  const tracker = createTestTracker();
  const cursor = tracker.tracked(() => new Cursor())();
  assert.equal(cursor.constructor, Cursor);
  assert.equal(cursor.spy(), 1);
  assert.equal(cursor.spy.calls, 1);
});

test("an iterator stays followed through its fluent methods", async () => {
  const tracker = createTestTracker();
  const open = tracker.tracked(() => new Cursor(), { metrics: "n" });
  assert.deepEqual([...open().skip(1)], [1, 2]);
  const run = tracker.onlyRun;
  assert.deepEqual([run.status, values(run)], ["FINISHED", { n: [1, 2] }]);
});

test("an iterator with read-only members works like any other", async () => {
  const tracker = createTestTracker();
  const readOnly = (): IterableIterator<number> => {
    const cursor = new Cursor();
    return Object.defineProperties({} as IterableIterator<number>, {
      next: { value: () => cursor.next() },
      return: { value: () => cursor.return() },
      [Symbol.iterator]: {
        value(this: unknown) {
          return this;
        },
      },
    });
  };
  const partly = (): Cursor & { stop(): string } =>
    Object.defineProperty(new Cursor(), "stop", { value: () => "stopped" }) as never;
  assert.deepEqual([...tracker.tracked(readOnly)()], [0, 1, 2]);
  assert.equal(tracker.tracked(partly)().stop(), "stopped");
  assert.equal(tracker.runs.length, 2);
});

test("a value the consumer never looks at is not the consumer's error", () => {
  let left = 2;
  const lazy = {
    next: () => ({
      done: left-- === 0,
      get value(): number {
        throw new Error("looked at");
      },
    }),
    return: () => ({ done: true, value: undefined }),
    [Symbol.iterator]() {
      return this;
    },
  };
  const tracker = createTestTracker();
  const iterator = tracker.run(() => tracked(() => lazy)());
  let count = 0;
  while (!iterator.next().done) count++;
  assert.equal(count, 2);
});

test("an iterator that calls its own next logs each value that comes out once", async () => {
  class Evens {
    #at = 0;
    next(): IteratorResult<number> {
      const value = this.#at++;
      if (value > 6) return { value: undefined, done: true };
      return value % 2 === 0 ? { value, done: false } : this.next();
    }
    return(): IteratorResult<number> {
      return { value: undefined, done: true };
    }
    [Symbol.iterator](): this {
      return this;
    }
  }
  class Later {
    readonly #evens = new Evens();
    async next(): Promise<IteratorResult<number>> {
      const result = this.#evens.next();
      await Promise.resolve();
      return result.done || result.value % 4 === 0 ? result : this.next();
    }
    async return(): Promise<IteratorResult<number>> {
      return { value: undefined, done: true };
    }
    [Symbol.asyncIterator](): this {
      return this;
    }
  }
  const tracker = createTestTracker();
  const seen = [...tracker.tracked(() => new Evens(), { metrics: "n" })()];
  for await (const n of tracker.tracked(() => new Later(), { metrics: "n" })()) seen.push(n);
  assert.deepEqual(seen, [0, 2, 4, 6, 0, 4]);
  assert.deepEqual(
    tracker.runs.map((run) => [run.status, values(run)]),
    [
      ["FINISHED", { n: [0, 2, 4, 6] }],
      ["FINISHED", { n: [0, 4] }],
    ],
  );
});

test("an iterator that is returned again and again does not get slower", async () => {
  const tracker = createTestTracker();
  const kept = new Cursor();
  const inner = tracker.tracked(() => kept, { runName: "inner", metrics: "n" });
  const outer = tracker.tracked(() => inner(), { runName: "outer", metrics: "n" });
  assert.deepEqual([...outer()], [0, 1, 2]);
  const long = new Cursor(-300);
  const give = tracker.tracked(() => long, { metrics: "n" });
  for (let i = 0; i < 20_000; i++) give();
  let count = 0;
  while (!give().next().done) count++;
  assert.equal(count, 303);
  const all = tracker.runs;
  for (const name of ["outer", "inner"])
    assert.deepEqual(all.filter((run) => run.name === name).map(values), [{ n: [0, 1, 2] }]);
  assert.equal(all.length, 2 + 20_000 + 304);
  assert.ok(all.every((run) => run.status === "FINISHED"));
});

test("iterators keep working with fluent methods, private setters and frozen objects", async () => {
  class Cursor {
    #n = 0;
    set n(value: number) {
      this.#n = value;
    }
    next(): IteratorResult<number> {
      return this.#n < 2 ? { value: this.#n++, done: false } : { value: undefined, done: true };
    }
    return(): IteratorResult<number> {
      return { value: undefined, done: true };
    }
    [Symbol.iterator](): this {
      return this;
    }
    reset(): this {
      this.#n = 0;
      return this;
    }
  }
  const tracker = createTestTracker();
  const cursor = new Cursor();
  const reset = tracker.tracked(Cursor.prototype.reset);
  assert.equal(reset.call(cursor), cursor);
  const made = tracker.tracked(() => new Cursor())();
  made.n = 1;
  assert.deepEqual([...made], [1]);
  const frozen = Object.freeze(new Cursor());
  assert.equal(tracker.tracked(() => frozen)(), frozen);

  const thenables = tracker.tracked(() => {
    let n = 0;
    return {
      // biome-ignore lint/suspicious/noThenProperty: some clients' next() gives such
      next: () => ({ then: (ok: (result: IteratorResult<number>) => void) => ok({ value: n, done: n++ > 1 }) }),
      return: () => ({ value: undefined, done: true }),
      [Symbol.asyncIterator]() {
        return this;
      },
    } as unknown as AsyncGenerator<number>;
  })();
  const seen: number[] = [];
  for await (const n of thenables) seen.push(n);
  assert.deepEqual(seen, [0, 1]);
  await tracker.flush();
  assert.equal(tracker.stats().pending, 0);
});

test("closing an unstarted generator from a plain function ends its run", async () => {
  const tracker = createTestTracker();
  const closed = tracker.tracked(() =>
    (function* () {
      yield 1;
    })(),
  )();
  closed.return(undefined);
  const run = tracker.onlyRun;
  assert.equal(run.status, "FINISHED");
  assert.equal(run.tags["pulse.partial"], "true");
});
