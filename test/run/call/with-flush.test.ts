import assert from "node:assert/strict";
import { test } from "node:test";
import { tracked, withFlush } from "../../../src/index.js";
import { trackerOn } from "../../../src/tracker.js";
import { FaultyStore } from "../../support/faulty-store.js";

test("what a handler recorded is stored before it answers, also when it fails", async () => {
  const store = new FaultyStore();
  const tracker = trackerOn(store);
  const handle = withFlush(
    tracked(async (n: number) => (n < 0 ? Promise.reject(new Error("negative")) : { n }), { metrics: "n" }),
  );
  await tracker.run(async () => {
    assert.deepEqual(await handle(1), { n: 1 });
    assert.equal(tracker.stats().pending, 0);
    await assert.rejects(handle(-1), { message: "negative" });
    assert.equal(tracker.stats().pending, 0);
  });
  assert.deepEqual(
    store.batches.flat().flatMap(({ end }) => end?.status ?? []),
    ["FINISHED", "FAILED"],
  );
  await tracker.shutdown();
});

test("delivery takes no more time than the platform leaves", async () => {
  const waits: (number | undefined)[] = [];
  const tracker = trackerOn(new FaultyStore());
  const { recorder } = tracker as unknown as { recorder: { flush(limit?: number): Promise<void> } };
  recorder.flush = async (limit) => void waits.push(limit);
  const context = (left: unknown) => ({ getRemainingTimeInMillis: () => left });
  const call = (options: object, ...args: unknown[]) =>
    tracker.run(() => withFlush((..._: unknown[]) => "answer", options)(...args));
  for (const answer of [
    await call({}, {}, context(3_000)),
    await call({ reserveMs: 1_000 }, {}, context(3_000)),
    await call({}, {}, context(200)),
    await call({ timeoutMs: 100 }, {}, context(3_000)),
    await call({ timeoutMs: 100 }, {}),
    await call({}, null, context("soon")),
  ])
    assert.equal(answer, "answer");
  assert.deepEqual(waits, [2_500, 2_000, 0, 100, 100, undefined]);
  recorder.flush = () => Promise.reject(new Error("strict"));
  assert.equal(await call({}), "answer");
});

test("a handler keeps its name and length; wrong arguments are told", () => {
  const handler = withFlush(async function handle(_event: unknown, _context: unknown) {});
  assert.deepEqual([handler.name, handler.length], ["handle", 2]);
  assert.throws(() => withFlush("x" as never), { code: "INVALID_OPTION" });
  assert.throws(() => withFlush(() => 1, { reserveMs: -1 }), { code: "INVALID_OPTION" });
  assert.throws(() => withFlush(() => 1, { reserve: 1 } as never), { code: "INVALID_OPTION" });
});
