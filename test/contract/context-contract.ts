import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { bind, currentRun, LogMetric, requireRun, TrackedExperiment, TrackedRun, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";
import { sleep } from "../support/wait.js";

@TrackedExperiment("Interleaved")
class Worker {
  @LogMetric("yielded")
  async *ticks(id: number, count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) {
      await sleep(id % 3);
      yield id;
    }
  }

  @TrackedRun({ runName: ([id]) => `worker ${id}` })
  async work(id: number): Promise<void> {
    const mine = requireRun();
    const note = (key: string): void => {
      assert.equal(currentRun(), mine);
      currentRun()?.logMetric(key, id);
    };
    note("start");
    await Promise.all([
      sleep(id % 5).then(() => note("timer")),
      new Promise<void>((resolve) => setImmediate(() => resolve(note("immediate")))),
      new Promise<void>((resolve) => process.nextTick(() => resolve(note("tick")))),
      this.stream(note),
      (async () => {
        for await (const _ of this.ticks(id, 2)) note("loop");
      })(),
    ]);
    note("end");
  }

  async stream(note: (key: string) => void): Promise<void> {
    const through = new Transform({
      objectMode: true,
      transform(chunk, _encoding, done) {
        note("stream");
        done(null, chunk);
      },
    });
    await pipeline(
      Readable.from([1, 2]),
      through,
      new Transform({ objectMode: true, transform: (_chunk, _encoding, done) => done() }),
    );
  }
}

/** What every way of carrying the open run must do; the process's own way is the one in force. */
export function contextContract(): void {
  test("two hundred interleaved runs with all kinds of awaits never mix", async () => {
    const tracker = createTestTracker();
    await tracker.run(() => Promise.all(Array.from({ length: 200 }, (_, id) => new Worker().work(id))));
    const all = tracker.runs;
    assert.equal(all.length, 200);
    for (const run of all) {
      const id = Number(run.name.split(" ")[1]);
      assert.deepEqual(values(run), {
        start: [id],
        tick: [id],
        immediate: [id],
        stream: [id, id],
        timer: [id],
        yielded: [id, id],
        loop: [id, id],
        end: [id],
      });
      assert.equal(run.status, "FINISHED");
    }
  });

  // The known failure of trackers that keep the active run in a thread-local stack: concurrent tasks of one thread
  // push and pop each other's runs, so that metrics land in a neighbour's run and some runs never end.
  test("concurrent tasks with nested runs keep metrics and parents apart", async () => {
    const tracker = createTestTracker();
    const task = (id: number): Promise<void> =>
      withRun({ runName: `task ${id}`, params: { id } }, async (outer) => {
        await sleep((id * 7) % 5);
        outer.logMetric("before", id);
        const inner = [0, 1].map((part) =>
          withRun({ runName: `task ${id} part ${part}` }, async () => {
            await sleep((id + part) % 4);
            requireRun().logMetric("part", id * 10 + part);
            await withRun({ runName: `task ${id} part ${part} leaf` }, async (leaf) => {
              await sleep(part);
              assert.equal(currentRun(), leaf);
              leaf.logMetric("leaf", id);
            });
          }),
        );
        await Promise.all(inner);
        assert.equal(currentRun(), outer);
        outer.logMetric("after", id);
      });
    await tracker.run(() => Promise.all(Array.from({ length: 20 }, (_, id) => task(id))));

    const all = tracker.runs;
    assert.equal(all.length, 20 * 5);
    const byId = new Map(all.map((run) => [run.id, run]));
    for (const run of all) {
      assert.equal(run.status, "FINISHED");
      const [, id, , part, leaf] = run.name.split(" ");
      const parent = byId.get(run.parentId ?? "")?.name;
      if (part === undefined) {
        assert.equal(parent, undefined);
        assert.deepEqual(run.params, { id });
        assert.deepEqual(values(run), { before: [Number(id)], after: [Number(id)] });
      } else if (leaf === undefined) {
        assert.equal(parent, `task ${id}`);
        assert.deepEqual(values(run), { part: [Number(id) * 10 + Number(part)] });
      } else {
        assert.equal(parent, `task ${id} part ${part}`);
        assert.deepEqual(values(run), { leaf: [Number(id)] });
      }
    }
  });

  test("bind keeps the run of the listener's place, not of the emitter", async () => {
    const tracker = createTestTracker();
    const emitter = new EventEmitter();
    tracker.withRun({ runName: "listener" }, () => {
      emitter.on(
        "news",
        bind(function (this: unknown, value: number) {
          assert.equal(this, emitter);
          currentRun()?.logMetric("bound", value);
        }),
      );
    });
    tracker.withRun({ runName: "emitter" }, () => emitter.emit("news", 5));
    const [listener, other] = tracker.runs;
    assert.deepEqual(listener && values(listener), { bound: [5] });
    assert.deepEqual(other && values(other), {});
  });

  test("requireRun says what to do outside any run", () => {
    assert.throws(() => requireRun(), { code: "NO_ACTIVE_RUN", message: /withRun\(\)/ });
  });

  test("a run of one tracker is no parent in another", async () => {
    const first = createTestTracker();
    const second = createTestTracker();
    first.withRun({ runName: "outer" }, () => second.withRun({ runName: "inner" }, (run) => run.logMetric("m", 1)));
    assert.deepEqual(values(first.onlyRun), {});
    const inner = second.onlyRun;
    assert.deepEqual(values(inner), { m: [1] });
    assert.equal(inner.parentId, undefined);
  });
}
