// Generators as tracked methods: every way to go through one, and to leave it.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { currentRun, LogMetric, LogParam, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { steps, values } from "../support/runs.js";

@TrackedExperiment("Generators")
class Source {
  readonly closedIn: (string | undefined)[] = [];

  @LogParam("to")
  @LogMetric("n")
  async *stream(to: number): AsyncGenerator<{ n: number }> {
    try {
      for (let n = 0; n < to; n++) {
        await Promise.resolve();
        yield { n };
      }
    } finally {
      this.closedIn.push(currentRun()?.id);
    }
  }

  @LogMetric("n")
  *patient(): Generator<number, string> {
    for (let n = 0; n < 5; n++) {
      try {
        yield n;
      } catch (error) {
        if (error instanceof RangeError) throw error;
        yield 100;
      } finally {
        if (n === 3) yield 1_000;
      }
    }
    return "done";
  }

  @LogMetric("outer")
  *around(): Generator<number, string> {
    yield -1;
    return yield* this.patient();
  }
}

test("leaving a for await early closes the generator in its own run", async () => {
  const tracker = createTestTracker();
  const source = new Source();
  const mine = new Error("loop");
  await tracker.run(async () => {
    for await (const { n } of source.stream(5)) if (n === 1) break;
    await assert.rejects(
      async () => {
        for await (const _ of source.stream(5)) throw mine;
      },
      (error) => error === mine,
    );
    const first = async (): Promise<unknown> => {
      for await (const each of source.stream(5)) return each;
      return undefined;
    };
    assert.deepEqual(await first(), { n: 0 });
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.status, run.tags["pulse.partial"], values(run), run.params]),
    [[0, 1], [0], [0]].map((n) => ["FINISHED", "true", { n }, { to: "5" }]),
  );
  assert.deepEqual(
    source.closedIn,
    all.map((run) => run.id),
  );
});

test("an error caught inside a generator goes on, one that escapes fails the run", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    const survives = new Source().patient();
    assert.deepEqual(
      [survives.next(), survives.throw(new Error("caught"))],
      [
        { value: 0, done: false },
        { value: 100, done: false },
      ],
    );
    assert.deepEqual([...survives], [1, 2, 3, 1_000, 4]);
    const fails = new Source().patient();
    fails.next();
    assert.throws(() => fails.throw(new RangeError("out")), RangeError);
    assert.deepEqual(fails.next(), { value: undefined, done: true });
  });
  const [survived, failed] = tracker.runs;
  assert.deepEqual([survived?.status, survived && values(survived)], ["FINISHED", { n: [0, 100, 1, 2, 3, 1_000, 4] }]);
  assert.deepEqual(
    [failed?.status, failed?.tags["error.type"], failed && values(failed)],
    ["FAILED", "RangeError", { n: [0] }],
  );
});

test("a generator that yields while closing is over only when it has ended", async () => {
  const tracker = createTestTracker();
  await tracker.run(async () => {
    const source = new Source().patient();
    for (let n = 0; n < 4; n++) source.next();
    assert.deepEqual(source.return("early"), { value: 1_000, done: false });
    assert.equal(tracker.onlyRun.status, "RUNNING");
    assert.deepEqual(source.next(), { value: "early", done: true });
  });
  const run = tracker.onlyRun;
  assert.deepEqual([run.status, values(run)], ["FINISHED", { n: [0, 1, 2, 3, 1_000] }]);
});

test("yield* through another tracked generator logs each step in both, in one run", async () => {
  const tracker = createTestTracker();
  tracker.run(() => assert.deepEqual([...new Source().around()], [-1, 0, 1, 2, 3, 1_000, 4]));
  const run = tracker.onlyRun;
  assert.deepEqual(values(run), { outer: [-1, 0, 1, 2, 3, 1_000, 4], n: [0, 1, 2, 3, 1_000, 4] });
});

test("a generator closed before its first step has no run, whatever comes later", async () => {
  const tracker = createTestTracker();
  await tracker.run(async () => {
    const returned = new Source().patient();
    returned.return("early");
    assert.deepEqual(returned.next(), { value: undefined, done: true });
    const thrown = new Source().patient();
    assert.throws(() => thrown.throw(new Error("early")), { message: "early" });
    assert.deepEqual([...thrown], []);
    const streamed = new Source().stream(2);
    await streamed.return(undefined);
    for await (const _ of streamed) assert.fail("it was closed");
  });
  assert.deepEqual(tracker.runs, []);
});

test("a generator that calls its own next and survives the error goes on in its run", async () => {
  class Impatient {
    self: Generator<number> | undefined;
    @TrackedRun
    @LogMetric("n")
    *each(): Generator<number> {
      yield 1;
      assert.throws(() => this.self?.next(), TypeError);
      yield 2;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    const impatient = new Impatient();
    impatient.self = impatient.each();
    assert.deepEqual([...impatient.self], [1, 2]);
  });
  const run = tracker.onlyRun;
  assert.deepEqual([run.status, values(run)], ["FINISHED", { n: [1, 2] }]);
});

test("a very long generator has every step once and in order, also as a stream", async () => {
  const tracker = createTestTracker();
  const length = 20_000;
  class Long {
    @TrackedRun
    @LogMetric("n")
    *each(): Generator<number> {
      for (let n = 0; n < length; n++) yield n;
    }
  }
  let read = 0;
  await tracker.run(async () => {
    for (const _ of new Long().each()) read++;
    for await (const _ of Readable.from(new Long().each())) read++;
  });
  assert.equal(read, 2 * length);
  const all = tracker.runs;
  assert.equal(all.length, 2);
  for (const run of all) {
    assert.equal(run.status, "FINISHED");
    assert.deepEqual(
      steps(run, "n"),
      Array.from({ length }, (_, n) => [n, n]),
    );
  }
});

test("an async generator asked for several values at once logs them in order", async () => {
  const tracker = createTestTracker();
  await tracker.run(async () => {
    const stream = new Source().stream(3);
    const results = await Promise.all([
      stream.next(),
      stream.next(),
      stream.next(),
      stream.next(),
      stream.return(undefined),
    ]);
    assert.deepEqual(
      results.map(({ value, done }) => [value?.n, done]),
      [
        [0, false],
        [1, false],
        [2, false],
        [undefined, true],
        [undefined, true],
      ],
    );
  });
  const run = tracker.onlyRun;
  assert.deepEqual(
    [run.status, values(run), Object.hasOwn(run.tags, "pulse.partial")],
    ["FINISHED", { n: [0, 1, 2] }, false],
  );
});
