import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRun, LogMetric, TrackedExperiment, tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { collectGarbage } from "../../support/heap.js";
import { steps, values } from "../../support/runs.js";
import { unhandled } from "../../support/unhandled.js";
import { sleep } from "../../support/wait.js";

test("a promise subclass stays one, and its own then is used", async () => {
  class Lazy<T> extends Promise<T> {
    tagged = false;
  }
  const tracker = createTestTracker();
  // An own property would be lost on a derived promise, so a subclass without any is made here.
  class Bare<T> extends Promise<T> {}
  const result = tracker.tracked(() => Bare.resolve(4) as Bare<number>, { metrics: "n" })();
  assert.ok(result instanceof Bare);
  assert.equal(await result, 4);
  assert.deepEqual(values(tracker.onlyRun), { n: [4] });
  assert.ok(Lazy.resolve(1) instanceof Lazy);
});

test("a rejection stays the very error, and an unhandled one stays unhandled", async () => {
  const tracker = createTestTracker();
  const error = new Error("mine");
  const fails = tracker.tracked(async () => {
    throw error;
  });
  await assert.rejects(fails(), (thrown) => thrown === error);
  const seen = await unhandled(() => void fails());
  assert.deepEqual(seen, [error]);
  assert.deepEqual(
    tracker.runs.map((run) => run.status),
    ["FAILED", "FAILED"],
  );
});

test("a thenable, or a promise with its own properties, is returned untouched", async () => {
  const tracker = createTestTracker();
  let asked = 0;
  const query = {
    // biome-ignore lint/suspicious/noThenProperty: a query builder is exactly this
    then(resolve: (rows: number) => void) {
      asked++;
      resolve(1);
    },
    limit: () => query,
  };
  const handle = Object.assign(Promise.resolve(1), { child: "process" });
  assert.equal(tracker.tracked(() => query, { metrics: "n" })(), query);
  assert.equal(tracker.tracked(() => handle, { metrics: "n" })(), handle);
  assert.equal(asked, 0);
  await handle;
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.status, values(run)]),
    [
      ["FINISHED", {}],
      ["FINISHED", { n: [1] }], // watched from the side
    ],
  );
  assert.equal(tracker.stats().warnings.THENABLE_UNTRACKED, 1);
  assert.ok(tracker.warnings.length >= 1);
});

test("a promise settles for the caller only after the run's end is recorded", async () => {
  const tracker = createTestTracker();
  let ended = false;
  await tracker
    .tracked(async () => {
      const run = currentRun();
      queueMicrotask(() => {
        ended = run?.ended ?? true;
      });
      assert.equal(run?.ended, false);
      return run;
    })()
    .then((run) => assert.equal(run?.ended, true));
  assert.equal(ended, false);
});

@TrackedExperiment("Generators")
class Source {
  closed = 0;

  @LogMetric("n")
  *count(to: number): Generator<number, string, string | undefined> {
    try {
      for (let n = 0; n < to; n++) {
        assert.ok(currentRun());
        const said = yield n;
        if (said === "stop") return "stopped";
      }
      return "done";
    } finally {
      this.closed++;
    }
  }

  @LogMetric("n")
  async *stream(to: number): AsyncGenerator<{ n: number }> {
    for (let n = 0; n < to; n++) {
      await sleep(1);
      assert.ok(currentRun());
      yield { n };
    }
  }

  @LogMetric("n")
  *breaks(): Generator<number> {
    yield 1;
    throw new Error("broken");
  }
}

test("a generator that is never iterated opens no run", async () => {
  const tracker = createTestTracker();
  tracker.run(() => void new Source().count(3));
  assert.equal(tracker.runs.length, 0);
});

test("a generator keeps its prototype, return value and the values sent into it", async () => {
  const tracker = createTestTracker();
  const source = new Source();
  tracker.run(() => {
    const counted = source.count(5);
    assert.equal(
      Object.getPrototypeOf(Object.getPrototypeOf(counted)),
      Object.getPrototypeOf(function* () {}).prototype,
    );
    assert.equal(counted[Symbol.iterator](), counted);
    assert.deepEqual(counted.next(), { value: 0, done: false });
    assert.deepEqual(counted.next("stop"), { value: "stopped", done: true });
  });
  const run = tracker.onlyRun;
  assert.deepEqual(steps(run, "n"), [[0, 0]]);
  assert.equal(run.status, "FINISHED");
  assert.equal(Object.hasOwn(run.tags, "pulse.partial"), false);
});

test("a tracked generator gets no own properties, and an untracked one stays as it is", async () => {
  const tracker = createTestTracker();
  function* count(to: number): Generator<number> {
    for (let n = 0; n < to; n++) yield n;
  }
  const tracking = tracker.tracked(count, { metrics: "n" });
  const [followed, alone] = [tracking(2), count(2)];
  assert.deepEqual(Reflect.ownKeys(followed), []);
  assert.ok(followed instanceof count && alone instanceof count);
  assert.deepEqual(Object.keys(count.prototype as object), []);
  assert.equal(followed.next, alone.next);
  assert.deepEqual([...alone], [0, 1]);
  assert.deepEqual([...followed], [0, 1]);
  assert.throws(() => followed.next.call(undefined as never), TypeError);
  assert.deepEqual(steps(tracker.onlyRun, "n"), [
    [0, 0],
    [1, 1],
  ]);
});

test("generator functions with frozen or shadowing prototypes are followed too", async () => {
  const tracker = createTestTracker();
  const closed: number[] = [];
  const made = [0, 1, 2, 3].map(
    (kind) =>
      function* (): Generator<number> {
        yield kind;
      },
  );
  const [frozen, bare, derived, shadowing] = made as [
    (typeof made)[0],
    (typeof made)[0],
    (typeof made)[0],
    (typeof made)[0],
  ];
  Object.freeze(frozen.prototype);
  (bare as { prototype: unknown }).prototype = undefined;
  (derived as { prototype: unknown }).prototype = Object.create(derived.prototype as object);
  Object.defineProperty(shadowing.prototype, "return", {
    value(this: Generator<number>) {
      closed.push(3);
      return { value: undefined, done: true };
    },
  });
  for (const fn of made) for (const _ of tracker.tracked(fn, { metrics: "n" })()) break;
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.status, run.tags["pulse.partial"], values(run)["n"]]),
    [0, 1, 2, 3].map((kind) => ["FINISHED", "true", [kind]]),
  );
  assert.deepEqual(closed, [3]);
});

test("an early break ends the run FINISHED and partial, and closes the generator", async () => {
  const tracker = createTestTracker();
  const source = new Source();
  tracker.run(() => {
    for (const n of source.count(10)) if (n === 1) break;
  });
  assert.equal(source.closed, 1);
  const run = tracker.onlyRun;
  assert.equal(run.status, "FINISHED");
  assert.equal(run.tags["pulse.partial"], "true");
  assert.deepEqual(values(run), { n: [0, 1] });
});

test("async generators log a step per yield, and interleaved ones stay apart", async () => {
  const tracker = createTestTracker();
  await tracker.run(async () => {
    const drain = async (to: number): Promise<void> => {
      for await (const _ of new Source().stream(to)) assert.equal(currentRun(), undefined);
    };
    await Promise.all([drain(2), drain(4)]);
  });
  assert.deepEqual(
    tracker.runs.map((run) => values(run)["n"]),
    [
      [0, 1],
      [0, 1, 2, 3],
    ],
  );
});

test("a generator that throws fails its run with the very error", async () => {
  const tracker = createTestTracker();
  assert.throws(() => tracker.run(() => [...new Source().breaks()]), { message: "broken" });
  const run = tracker.onlyRun;
  assert.equal(run.status, "FAILED");
  assert.deepEqual(values(run), { n: [1] });
});

test("an iterator of a class with private fields works in all its members", async () => {
  class Cursor implements IterableIterator<number> {
    #at = 0;
    next(): IteratorResult<number> {
      return this.#at < 3 ? { value: this.#at++, done: false } : { value: undefined, done: true };
    }
    return(): IteratorResult<number> {
      this.#at = 99;
      return { value: undefined, done: true };
    }
    position(): number {
      return this.#at;
    }
    [Symbol.iterator](): this {
      return this;
    }
  }
  const tracker = createTestTracker();
  const cursor = tracker.tracked(() => new Cursor(), { metrics: "n" })();
  assert.ok(cursor instanceof Cursor);
  assert.deepEqual([...cursor], [0, 1, 2]);
  assert.equal(cursor.position(), 3);
  const run = tracker.onlyRun;
  assert.equal(run.status, "FINISHED");
  assert.deepEqual(values(run), { n: [0, 1, 2] });
});

test("iterables that are not their own iterator come back as they are", async () => {
  const tracker = createTestTracker();
  const list = [1, 2];
  const map = new Map([["a", 1]]);
  const same = tracker.tracked((value: unknown) => value);
  assert.equal(same(list), list);
  assert.equal(
    tracker.run(() => tracked(() => map)()),
    map,
  );
  assert.throws(() => tracker.onlyRun, /expected one run, found 2/);
});

test("a tracked function may be called with new", () => {
  const tracker = createTestTracker();
  function Point(this: { x: number }, x: number): void {
    this.x = x;
  }
  const TrackedPoint = tracked(Point) as unknown as new (x: number) => { x: number };
  tracker.run(() => {
    const point = new TrackedPoint(3);
    assert.equal(point.x, 3);
    assert.ok(point instanceof (Point as unknown as new () => object));
  });
});

test("a generator that nobody holds any more ends its run FINISHED and partial", async () => {
  const tracker = createTestTracker();
  tracker.run(() => void new Source().count(5).next());
  let run = tracker.onlyRun;
  for (let tries = 0; run.status === "RUNNING" && tries < 100; tries++) {
    collectGarbage();
    await sleep(10);
    run = tracker.onlyRun;
  }
  assert.equal(run.status, "FINISHED");
  assert.equal(run.tags["pulse.partial"], "true");
  assert.deepEqual(values(run), { n: [0] });
});
