// Promises that others keep or make: the program must not notice that they are watched.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LogMetric, TrackedExperiment } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { values } from "../../support/runs.js";
import { unhandled } from "../../support/unhandled.js";
import { sleep } from "../../support/wait.js";

@TrackedExperiment("Kept")
class Service {
  job: Promise<{ loss: number }> | undefined;
  readonly cached = new Map<string, Promise<number>>();
  readonly list: Promise<number>[] = [];

  async work(fails: boolean): Promise<{ loss: number }> {
    await sleep(1);
    if (fails) throw new Error("lost");
    return { loss: 0.5 };
  }

  @LogMetric("loss")
  start(fails: boolean): Promise<{ loss: number }> {
    this.job ??= this.work(fails);
    this.job.catch(() => undefined);
    return this.job;
  }

  @LogMetric
  get(key: string): Promise<number> {
    const known = this.cached.get(key) ?? sleep(1).then(() => 7);
    this.cached.set(key, known);
    this.list.push(known);
    return known;
  }
}

test("a promise that its object keeps is returned as it is, and its result is logged", async () => {
  const tracker = createTestTracker();
  const [good, bad] = [new Service(), new Service()];
  const seen = await unhandled(() =>
    tracker.run(async () => {
      assert.equal(good.start(false), good.job);
      void bad.start(true);
      void bad.start(true);
      const known = good.get("a");
      assert.equal(known, good.cached.get("a"));
      await known;
    }),
  );
  assert.deepEqual(seen, []);
  assert.deepEqual(
    tracker.runs.map((run) => [run.status, values(run), run.tags["error.message"]]),
    [
      ["FINISHED", { loss: [0.5] }, undefined],
      ["FAILED", {}, "lost"],
      ["FAILED", {}, "lost"],
      ["FINISHED", { get: [7] }, undefined],
    ],
  );
});

test("a promise among the arguments is its giver's and returned as it is", async () => {
  const tracker = createTestTracker();
  const pass = tracker.tracked((promise: Promise<number>) => promise);
  const given = Promise.reject(new Error("given"));
  given.catch(() => undefined);
  assert.deepEqual(
    await unhandled(() => {
      assert.equal(pass(given), given);
    }),
    [],
  );
});

test("a promise that nobody keeps is derived and stays unhandled", async () => {
  const tracker = createTestTracker();
  const fail = tracker.tracked(() => Promise.reject(new Error("nobody's")));
  assert.deepEqual(await unhandled(() => void fail()), [new Error("nobody's")]);
  assert.deepEqual(
    tracker.runs.map((run) => run.status),
    ["FAILED"],
  );
});

test("a promise with its own fields is returned as it is and ends its run", async () => {
  const tracker = createTestTracker();
  const run = tracker.tracked((code: number) => promisify(execFile)(process.execPath, ["-e", `process.exit(${code})`]));
  const good = run(0);
  assert.equal(typeof good.child.pid, "number");
  await good;
  await assert.rejects(run(3));
  assert.deepEqual(
    tracker.runs.map((each) => each.status),
    ["FINISHED", "FAILED"],
  );
});

test("Bluebird's promises are followed, as the global Promise or not", async () => {
  const tracker = createTestTracker();
  const Bluebird = createRequire(import.meta.url)("bluebird") as PromiseConstructor;
  const give = tracker.tracked(
    (fails: boolean) => (fails ? Bluebird.reject(new Error("blue")) : Bluebird.resolve({ loss: 2 })),
    {
      metrics: "loss",
    },
  );
  const native = globalThis.Promise;
  for (const global of [native, Bluebird]) {
    globalThis.Promise = global;
    try {
      const given = give(false);
      assert.ok(given instanceof Bluebird);
      assert.deepEqual(await given, { loss: 2 });
      await assert.rejects(give(true) as Promise<unknown>, { message: "blue" });
    } finally {
      globalThis.Promise = native;
    }
  }
  assert.deepEqual(
    tracker.runs.map((run) => [run.status, values(run)]),
    [
      ["FINISHED", { loss: [2] }],
      ["FAILED", {}],
      ["FINISHED", { loss: [2] }],
      ["FAILED", {}],
    ],
  );
  assert.deepEqual(tracker.warnings, []);
});

for (const patch of ["zone", "marks"])
  test(`with all promises patched, each function is still followed: ${patch}`, async () => {
    const program = fileURLToPath(new URL("../../fixtures/patched-promises.js", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [program, patch]);
    assert.deepEqual(JSON.parse(stdout), {
      runs: [
        ["async", "FINISHED", 1],
        ["async", "FAILED", 0],
        ["plain", "FINISHED", 1],
        ["plain", "FAILED", 0],
        ["made", "FINISHED", 1],
        ["made", "FAILED", 0],
      ],
      warnings: 0,
    });
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
