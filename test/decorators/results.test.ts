// What a tracked method may give back: the caller gets the very thing, whatever it is.
import assert from "node:assert/strict";
import { Duplex, PassThrough, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

@TrackedExperiment("Results")
class Giver {
  @LogMetric
  give<T>(value: T): T {
    return value;
  }

  @LogMetric("n")
  async later<T>(value: T): Promise<T> {
    await Promise.resolve();
    return value;
  }

  @LogMetric("kept")
  keep<T>(value: T): T {
    return value;
  }
}

test("streams are returned unread, and work", async () => {
  const tracker = createTestTracker();
  const giver = new Giver();
  const web = new ReadableStream<number>({
    start(controller) {
      controller.enqueue(3);
      controller.close();
    },
  });
  const duplex = Duplex.from(Readable.from([4]));
  const streams = [Readable.from([1, 2]), new PassThrough({ objectMode: true }), web, duplex];
  await tracker.run(async () => {
    for (const stream of streams) assert.equal(giver.give(stream), stream);
    assert.equal(await giver.later(streams[0]), streams[0]);
    const [readable, through] = streams as [Readable, PassThrough];
    const seen: unknown[] = [];
    readable.pipe(through);
    for (const stream of [through, web, duplex]) for await (const chunk of stream) seen.push(chunk);
    assert.deepEqual(seen, [1, 2, 3, 4]);
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.status, values(run), Object.hasOwn(run.tags, "pulse.partial")]),
    Array.from({ length: 5 }, () => ["FINISHED", {}, false]),
  );
  assert.equal(tracker.warnings.length, 2); // each method says once that it found nothing
  assert.ok(tracker.warnings.every((text) => /NOTHING_FOUND/.test(text)));
});

test("promise subclasses keep their methods, and a shared promise stays the same", async () => {
  class Task<T> extends Promise<T> {
    twice(): Task<[T, T]> {
      return this.then((value): [T, T] => [value, value]) as Task<[T, T]>;
    }
  }
  class Jobs {
    readonly pending: Task<number> = Task.resolve(5) as Task<number>;
    @TrackedRun
    @LogMetric("outer")
    outer(): Task<number> {
      return this.inner();
    }

    @TrackedRun
    @LogMetric("inner")
    inner(): Task<number> {
      return this.pending;
    }
  }
  const tracker = createTestTracker();
  const jobs = new Jobs();
  const [first, second] = tracker.run(() => [jobs.outer(), jobs.outer()]);
  assert.equal(first, second);
  assert.ok(first instanceof Task);
  assert.deepEqual(await first.twice(), [5, 5]);
  const all = tracker.runs;
  assert.deepEqual(all.map((run) => [run.name, run.status, values(run)]).sort(), [
    ["Jobs.inner", "FINISHED", { inner: [5] }],
    ["Jobs.inner", "FINISHED", { inner: [5] }],
    ["Jobs.outer", "FINISHED", { outer: [5] }],
    ["Jobs.outer", "FINISHED", { outer: [5] }],
  ]);
});

test("a proxy with a throwing trap is passed on, sync and awaited, and its run ends", async () => {
  const traps = [
    "getPrototypeOf",
    "isExtensible",
    "getOwnPropertyDescriptor",
    "has",
    "get",
    "ownKeys",
    "set",
    "apply",
  ] as const;
  const tracker = createTestTracker();
  const giver = new Giver();
  await tracker.run(async () => {
    for (const trap of traps) {
      const hostile = new Proxy(trap === "apply" ? () => 1 : { n: 1 }, {
        [trap](target: object, key: unknown) {
          if (trap === "get" && key === "then") return undefined; // `await` itself asks for it
          throw new Error(`trap ${trap}`, { cause: target });
        },
      });
      assert.equal(giver.give(hostile), hostile);
      assert.equal(await giver.later(hostile), hostile);
    }
  });
  const all = tracker.runs;
  assert.equal(all.length, 2 * traps.length);
  assert.ok(all.every((run) => run.status === "FINISHED"));
});

test("plain results of any realm are read, class instances and functions are not", async () => {
  class Point {
    x = 1;
  }
  const bare = (fields: object): object => Object.assign(Object.create(null), fields);
  const results: [unknown, Record<string, number[]>][] = [
    [bare({ loss: 1, inner: bare({ acc: 2 }) }), { loss: [1], "inner.acc": [2] }],
    [Object.freeze({ loss: 3 }), { loss: [3] }],
    [Object.freeze([4, 5]), { give: [4, 5] }],
    [new Point(), {}],
    [new Map([["loss", 1]]), { loss: [1] }],
    [new Set([1]), { give: [1] }],
    [Object.assign(() => 1, { loss: 1 }), {}],
    [Symbol("n"), {}],
    [null, {}],
    [undefined, {}],
    [new Date(0), {}],
  ];
  const tracker = createTestTracker();
  const giver = new Giver();
  tracker.run(() => {
    for (const [result] of results) assert.equal(giver.give(result), result);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.status, values(run)]),
    results.map(([, expected]) => ["FINISHED", expected]),
  );
});

test("looking at a result runs none of its getters and calls none of its functions", async () => {
  const tracker = createTestTracker();
  const touched: string[] = [];
  const page = {
    items: 2,
    get next(): object {
      touched.push("next");
      return {};
    },
    get return(): () => void {
      touched.push("return");
      return () => undefined;
    },
  };
  const answersAll: object = new Proxy(
    {},
    {
      get: (_target, key) => {
        if (key === "then") return undefined;
        return () => {
          touched.push(`call of ${String(key)}`);
          return answersAll;
        };
      },
    },
  );
  tracker.withRun({}, () => {
    const giver = new Giver();
    assert.equal(giver.give(page), page);
    assert.equal(giver.give(answersAll), answersAll);
  });
  assert.deepEqual(touched, []);
  assert.deepEqual(values(tracker.onlyRun), { items: [2] });
});

test("a long argument, tag or error takes time in proportion to its length", async () => {
  class Texts {
    @TrackedRun
    @LogParam("text")
    @LogTag({ said: (result: string) => result })
    echo(text: string): string {
      return text;
    }

    @TrackedRun
    fail(text: string): never {
      throw new Error(text);
    }
  }
  const tracker = createTestTracker();
  const texts = new Texts();
  const cost = (list: readonly string[]): number => {
    const began = process.cpuUsage();
    tracker.run(() => {
      for (const text of list) {
        assert.equal(texts.echo(text), text);
        assert.throws(() => texts.fail(text), { message: text });
      }
    });
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  // Such as a dump in hexadecimal digits, or one long identifier, beside an address: each was quadratic (a second for
  // each of them; minutes for a megabyte).
  for (const part of ["0123456789abcdef", "eyJ-", "token=x "]) {
    const of = (length: number): string => `${part.repeat(length / part.length)} https://me:hunter2@host/x`;
    const [long, pieces] = [of(320_000), Array.from({ length: 8 }, () => of(40_000))];
    // One text costs as much as eight of an eighth; quadratic, it would be eight times as much.
    const ratios = Array.from({ length: 3 }, () => cost([long]) / cost(pieces)).sort((a, b) => a - b);
    assert.ok(Number(ratios[1]) <= 2, `${part}: ${ratios}`);
  }
  for (const run of tracker.runs) {
    const kept = [...Object.values(run.params), ...Object.values(run.tags)];
    assert.ok(kept.some((text) => /\.\.\.#[0-9a-f]{8}$/.test(text)));
    assert.doesNotMatch(kept.join("\n"), /hunter2/);
  }
});
