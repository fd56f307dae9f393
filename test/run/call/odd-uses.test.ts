// Uses nobody documents and somebody makes; each was broken once.
import assert from "node:assert/strict";
import { join } from "node:path";
import { mock, test } from "node:test";
import {
  configure,
  createTracker,
  currentRun,
  logExperiment,
  requireRun,
  shutdown,
  startRun,
} from "../../../src/index.js";
import { MemoryStore } from "../../../src/stores/memory-store.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { openDatabase } from "../../support/database.js";
import { tempFolder } from "../../support/folders.js";
import { values } from "../../support/runs.js";
import { unhandled } from "../../support/unhandled.js";
import { sleep, until } from "../../support/wait.js";
import { collectWarnings } from "../../support/warnings.js";

test("our own errors in a user's option function do not reach the call", async () => {
  const tracker = createTestTracker();
  const when = tracker.tracked(() => 5, { when: () => requireRun() !== undefined, runName: () => requireRun().id });
  assert.equal(when(), 5);
  assert.equal(await tracker.tracked(async () => 6, { metrics: () => startRun({ nope: 1 } as object).id })(), 6);
  assert.equal(tracker.runs.length, 2);
});

test("a promise that a function keeps and returns again stays one promise", async () => {
  const tracker = createTestTracker();
  let kept: Promise<number> | undefined;
  const load = tracker.tracked((): Promise<number> => {
    kept ??= Promise.reject(new Error("kept"));
    return kept;
  });
  const first = load();
  assert.equal(load(), first);
  await assert.rejects(first, { message: "kept" });
  await sleep(5);
  assert.deepEqual(
    tracker.runs.map((run) => run.status),
    ["FAILED", "FAILED"],
  );
});

test("a kept promise that nobody handles stays unhandled, however often returned", async () => {
  const tracker = createTestTracker();
  const kept = Promise.reject(new Error("nobody's"));
  const load = tracker.tracked(() => kept);
  const seen = await unhandled(() => {
    void load();
    void load();
  });
  assert.equal(seen.length, 1);
});

test("a promise with its own then or species is passed on untouched", async () => {
  let started = 0;
  class Lazy extends Promise<number> {
    // biome-ignore lint/suspicious/noThenProperty: a lazy promise is exactly this
    override then<A, B>(
      ok?: ((value: number) => A | PromiseLike<A>) | null,
      no?: ((reason: unknown) => B | PromiseLike<B>) | null,
    ): Promise<A | B> {
      started++;
      return Promise.resolve(1).then(ok, no);
    }
  }
  class Plain extends Promise<number> {
    static override get [Symbol.species](): PromiseConstructor {
      return Promise;
    }
  }
  const tracker = createTestTracker();
  const lazy = new Lazy(() => undefined);
  const plain = new Plain((resolve) => resolve(1));
  assert.equal(tracker.tracked(() => lazy)(), lazy);
  assert.equal(started, 0);
  assert.equal(tracker.tracked(() => plain)(), plain);
  assert.equal(tracker.stats().warnings.THENABLE_UNTRACKED, 2);
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

test("the caller gets the very error, whatever cannot be read of it", async () => {
  const tracker = createTestTracker();
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const mine = new Error("mine");
  const fails = tracker.tracked((_arg: object) => {
    throw mine;
  });
  assert.throws(
    () => fails(proxy),
    (error) => error === mine,
  );
  assert.equal(tracker.onlyRun.status, "FAILED");
});

test("a call never waits for a lock, even when memory is full", async () => {
  const folder = tempFolder("odd");
  const path = join(folder, "mlflow.db");
  const tracker = createTracker({
    trackingUri: `sqlite:///${path}`,
    maxPendingBytes: 65_536,
    logger: { warn: () => undefined },
  });
  tracker.startRun().end();
  await tracker.flush();
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  const run = tracker.startRun();
  let longest = 0;
  for (let i = 0; i < 3_000; i++) {
    const began = performance.now();
    run.logMetric("m", i);
    longest = Math.max(longest, performance.now() - began);
  }
  assert.ok(longest < 500, `a call took ${longest} ms`);
  other.exec("ROLLBACK");
  other.close();
  run.end();
  await tracker.shutdown();
  assert.equal(tracker.stats().pending, 0);
});

test("shutdown leaves nobody waiting", async () => {
  const tracker = createTestTracker({ logger: { warn: () => undefined } });
  await tracker.shutdown();
  await assert.rejects(tracker.startRun().serverId(), { code: "CLOSED" });
});

test("logExperiment that fails while recording rejects exactly once", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const metrics = {
    get loss(): number {
      throw new Error("getter");
    },
  };
  await assert.rejects(logExperiment({ experiment: "X", metrics, trackingUri: "memory:" }), { message: "getter" });
  await assert.rejects(logExperiment({ experiment: "X", trackingUri: "memory:", timeoutMs: Number.NaN }), {
    code: "INVALID_OPTION",
  });
  await sleep(5);
  process.removeListener("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

test("a test's fake timers do not stop delivery", async () => {
  const store = new MemoryStore();
  const tracker = createTracker({ store });
  mock.timers.enable({ apis: ["setImmediate", "setTimeout"] });
  tracker.startRun({ runName: "under fake timers" }).end();
  mock.timers.reset();
  tracker.startRun({ runName: "after them" }).end();
  await tracker.flush();
  assert.equal(store.runs.size, 2);
});

test("a replaced default tracker is released when its last run ends", async () => {
  const memory = new MemoryStore();
  let closed = 0;
  const store = { apply: memory.apply.bind(memory), close: async () => void closed++ };
  const { logger, warnings } = collectWarnings();
  configure({ store, logger });
  const run = startRun();
  configure({ trackingUri: "memory:" });
  await sleep(50);
  assert.equal(closed, 0);
  run.end();
  await until("its store is closed", () => closed === 1);
  run.logMetric("late", 1);
  await sleep(1); // warnings are given behind the call
  assert.deepEqual(
    warnings.map((text) => /\[(\w+)\]$/.exec(text)?.[1]),
    ["CLOSED"],
  );
  await shutdown();
});

test("params may be instances and maps, and secrets in them are redacted", async () => {
  class Config {
    lr = 0.1;
  }
  const tracker = createTestTracker();
  tracker.withRun({ params: new Config() as unknown as Record<string, unknown> }, () => 1);
  tracker.withRun(
    { runName: `sk-${"a1B".repeat(8)}`, params: { authtoken: "x", url: "postgres://u:p@ss@host/db" } },
    () => 1,
  );
  const [first, second] = tracker.runs;
  assert.deepEqual(first?.params, { lr: "0.1" });
  assert.equal(second?.name, "[redacted]");
  assert.deepEqual(second?.params, { authtoken: "[redacted]", url: "postgres://[redacted]@host/db" });
});

test("a tracker's tracked keeps own properties and works with new", () => {
  const tracker = createTestTracker();
  function Point(this: { x: number }, x: number): void {
    this.x = x;
  }
  Point.origin = 0;
  const Tracked = tracker.tracked(Point) as unknown as { new (x: number): { x: number }; origin: number };
  assert.equal(Tracked.origin, 0);
  assert.equal(new Tracked(3).x, 3);
});

test("a child stays in its parent's experiment unless something names another", async () => {
  const tracker = createTestTracker({ experiment: "Configured" });
  tracker.withRun({ experiment: "Parent" }, () => {
    assert.equal(currentRun()?.experiment, "Parent");
    startRun({ runName: "child" }).end();
    startRun({ runName: "other", experiment: "Other" }).end();
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map(({ experiment }) => experiment),
    ["Parent", "Parent", "Other"],
  );
  assert.deepEqual(all.map(values), [{}, {}, {}]);
});
