import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { test } from "node:test";
import { currentRun, registerResultKind, tracked, withRun } from "../../../src/index.js";
import { createTestTracker, type TestTracker } from "../../../src/testing/index.js";
import { collectGarbage } from "../../support/heap.js";

/** Calls a tracked function that returns `result`; its run is the only one of the tracker. */
function returning<R>(result: R, options: object = {}): { tracker: TestTracker; given: R } {
  const tracker = createTestTracker();
  return { tracker, given: tracker.run(() => tracked(() => result, { runName: "call", ...options } as never)()) };
}

const statusOf = (tracker: TestTracker) => {
  const { status, tags, metrics } = tracker.onlyRun;
  const n = metrics["n"]?.map(({ step, value }) => [step, value]) ?? [];
  return [status, tags["pulse.partial"], ...(n.length > 0 ? [n] : [])];
};

/** As the stream of a model's answer: an object with an iterator of its own. */
class Answer {
  usage = 3;
  runs: unknown[] = [];
  readonly ends: "well" | "badly";
  constructor(ends: "well" | "badly" = "well") {
    this.ends = ends;
  }
  async *[Symbol.asyncIterator]() {
    for (let n = 1; n <= 3; n++) {
      this.runs.push(currentRun()?.id);
      await Promise.resolve();
      yield { n };
    }
    if (this.ends === "badly") throw new RangeError("lost");
  }
}

test("a run lasts as long as the async iterable that its call returned", async () => {
  const answer = new Answer();
  const { tracker, given } = returning(answer, { metrics: "n" });
  assert.equal(given, answer);
  assert.deepEqual(statusOf(tracker), ["RUNNING", undefined]);
  for await (const _ of given) assert.equal(tracker.onlyRun.status, "RUNNING");
  const points = [
    [0, 1],
    [1, 2],
    [2, 3],
  ];
  assert.deepEqual(statusOf(tracker), ["FINISHED", undefined, points]);
  assert.deepEqual(answer.runs, Array(3).fill(tracker.onlyRun.id));
  for await (const _ of given); // once more: not a call's any more
  assert.deepEqual(statusOf(tracker), ["FINISHED", undefined, points]);
});

test("an iterable that is left, fails or is never iterated", async () => {
  const left = returning(new Answer(), { metrics: "n" });
  for await (const _ of left.given) break;
  assert.deepEqual(statusOf(left.tracker), ["FINISHED", "true", [[0, 1]]]);
  const fails = returning(new Answer("badly"));
  await assert.rejects(async () => {
    for await (const _ of fails.given);
  }, RangeError);
  assert.deepEqual([statusOf(fails.tracker)[0], fails.tracker.onlyRun.tags["error.type"]], ["FAILED", "RangeError"]);
  const never = returning(new Answer());
  await never.tracker.shutdown();
  assert.deepEqual(statusOf(never.tracker), ["FINISHED", "true"]);
});

test("an iterator without return is followed, too, and left early", async () => {
  const counts = (): AsyncIterable<number> => ({
    [Symbol.asyncIterator]() {
      let n = 0;
      return { next: async () => (n < 3 ? { done: false, value: ++n } : { done: true, value: undefined }) };
    },
  });
  const whole = returning(counts(), { metrics: "n" });
  const seen: number[] = [];
  for await (const n of whole.given) seen.push(n);
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(statusOf(whole.tracker)[0], "FINISHED");
  const left = returning(counts());
  for await (const _ of left.given) break;
  assert.deepEqual(statusOf(left.tracker), ["FINISHED", "true"]);
});

test("what a promise resolves with is followed", async () => {
  const tracker = createTestTracker();
  const create = tracked(async () => new Answer(), { runName: "create", metrics: "n" });
  const generate = tracked(async () => new Answer()[Symbol.asyncIterator](), { runName: "generate", metrics: "n" });
  for (const call of [create, generate]) {
    const given = await tracker.run(() => call());
    assert.equal(tracker.runs.at(-1)?.status, "RUNNING");
    for await (const _ of given);
    assert.equal(tracker.runs.at(-1)?.status, "FINISHED");
    assert.equal(tracker.runs.at(-1)?.metrics["n"]?.length, 3);
  }
});

test("a call that joins a run logs the values of its iterable into it", async () => {
  const tracker = createTestTracker();
  const inner = tracked(() => new Answer(), { nest: "join", metrics: "n" });
  await tracker.withRun({ runName: "outer" }, async () => {
    for await (const _ of inner());
  });
  assert.deepEqual(statusOf(tracker), [
    "FINISHED",
    undefined,
    [
      [0, 1],
      [1, 2],
      [2, 3],
    ],
  ]);
});

const bytesOf = (...texts: string[]): Uint8Array[] => texts.map((each) => new TextEncoder().encode(each));
function webStream(chunks: readonly unknown[], options: object = {}, error?: unknown): ReadableStream {
  const left = [...chunks];
  return new ReadableStream({
    ...options,
    pull(controller) {
      const chunk = left.shift();
      if (chunk !== undefined) controller.enqueue(chunk as never);
      else if (error !== undefined) controller.error(error);
      else controller.close();
    },
  });
}

test("a web stream is followed however it is read, and stays the same object", async () => {
  const ways: Record<string, (stream: ReadableStream) => Promise<unknown>> = {
    reader: async (stream) => {
      const reader = stream.getReader();
      while (!(await reader.read()).done);
    },
    loop: async (stream) => {
      for await (const _ of stream);
    },
    pipeTo: (stream) => stream.pipeTo(new WritableStream()),
    pipeThrough: (stream) =>
      text(stream.pipeThrough(new TransformStream({ transform: (n, to) => to.enqueue(`${n.n}`) }))),
    tee: (stream) =>
      Promise.all(
        stream.tee().map(async (each) => {
          for await (const _ of each);
        }),
      ),
    node: async (stream) => {
      for await (const _ of Readable.fromWeb(stream as never, { objectMode: true }));
    },
  };
  for (const [way, read] of Object.entries(ways)) {
    const stream = webStream([{ n: 1 }, { n: 2 }]);
    const { tracker, given } = returning(stream, { metrics: "n" });
    assert.equal(given, stream);
    assert.equal(given.locked, false);
    assert.equal(statusOf(tracker)[0], "RUNNING");
    await read(given);
    const points = [
      [0, 1],
      [1, 2],
    ];
    assert.deepEqual(statusOf(tracker), ["FINISHED", undefined, points], way);
  }
});

test("a web stream that is cancelled, fails, gives bytes, or is read already", async () => {
  const cancelled = returning(webStream([1, 2]));
  await cancelled.given.cancel("enough");
  assert.deepEqual(statusOf(cancelled.tracker), ["FINISHED", "true"]);
  const left = returning(webStream([1, 2]));
  for await (const _ of left.given) break;
  assert.deepEqual(statusOf(left.tracker), ["FINISHED", "true"]);
  const fails = returning(webStream(["a"], {}, new TypeError("reset")));
  await assert.rejects(text(fails.given as never), TypeError);
  assert.equal(statusOf(fails.tracker)[0], "FAILED");
  const bytes = returning(webStream(bytesOf("ab", "c"), { type: "bytes" }));
  const reader = bytes.given.getReader({ mode: "byob" });
  const read: number[] = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(8));
    if (done) break;
    read.push(...value);
  }
  assert.equal(Buffer.from(read).toString(), "abc");
  assert.deepEqual(statusOf(bytes.tracker), ["FINISHED", undefined]);
  const locked = webStream([1]);
  locked.getReader();
  assert.deepEqual(statusOf(returning(locked).tracker), ["FINISHED", undefined]);
});

test("an answer is captured at once, and its run lasts until the body is read", async () => {
  const ways: Record<string, (answer: Response) => Promise<unknown>> = {
    text: async (answer) => assert.equal(await answer.text(), '{"n":5}'),
    json: async (answer) => assert.deepEqual(await answer.json(), { n: 5 }),
    arrayBuffer: async (answer) => assert.equal((await answer.arrayBuffer()).byteLength, 7),
    body: async (answer) => assert.equal(await text(answer.body as never), '{"n":5}'),
    clone: async (answer) => {
      const clone = answer.clone();
      assert.deepEqual([await clone.json(), await answer.text()], [{ n: 5 }, '{"n":5}']);
    },
    wrapped: async (answer) => assert.deepEqual(await new Response(answer.body, answer).json(), { n: 5 }),
  };
  for (const [way, read] of Object.entries(ways)) {
    const answer = new Response(JSON.stringify({ n: 5 }), { status: 201 });
    const { tracker, given } = returning(Promise.resolve(answer), { metrics: "status" });
    assert.equal(await given, answer);
    assert.deepEqual([tracker.onlyRun.status, tracker.onlyRun.metrics["status"]?.[0]?.value], ["RUNNING", 201]);
    await read(await given);
    assert.deepEqual(statusOf(tracker), ["FINISHED", undefined], way);
  }
  for (const answer of [new Response(null, { status: 204 }), Response.error()])
    assert.equal(statusOf(returning(answer).tracker)[0], "FINISHED");
  const used = new Response("x");
  await used.text();
  assert.equal(statusOf(returning(used).tracker)[0], "FINISHED");
  const failing = returning(new Response(webStream([], {}, new TypeError("reset"))));
  await assert.rejects(failing.given.text(), TypeError);
  assert.equal(statusOf(failing.tracker)[0], "FAILED");
  const refused = returning(new Response("x", { status: 503 }), { failOn: ({ status }: Response) => status >= 500 });
  await refused.given.text();
  assert.equal(statusOf(refused.tracker)[0], "FAILED");
});

test("a stream of Node's is followed to its end; what it does when read is in the run", async () => {
  const runs: unknown[] = [];
  async function* lines() {
    for (const line of ["a", "b"]) {
      runs.push(currentRun()?.id);
      yield line;
    }
  }
  const whole = returning(Readable.from(lines()));
  const into = new PassThrough();
  const [, all] = await Promise.all([pipeline(whole.given, into), text(into)]);
  assert.equal(all, "ab");
  await finished(whole.given);
  assert.deepEqual(statusOf(whole.tracker), ["FINISHED", undefined]);
  assert.deepEqual(runs, [whole.tracker.onlyRun.id, whole.tracker.onlyRun.id]);

  const left = returning(Readable.from(lines()));
  left.given.destroy();
  await once(left.given, "close");
  assert.deepEqual(statusOf(left.tracker), ["FINISHED", "true"]);

  const fails = returning(new Readable({ read: () => undefined }));
  assert.equal(fails.given.listenerCount("error"), 0);
  fails.given.on("error", () => undefined).destroy(new TypeError("disk"));
  await new Promise((resolve) => fails.given.once("close", resolve));
  assert.deepEqual([statusOf(fails.tracker)[0], fails.tracker.onlyRun.tags["error.type"]], ["FAILED", "TypeError"]);

  for (const over of [new PassThrough(), new EventEmitter(), Readable.from([]).destroy()])
    assert.equal(statusOf(returning(over).tracker)[0], "FINISHED");
});

test("what the call was made on or with is not followed, nor what is complete", async () => {
  const tracker = createTestTracker();
  const answer = Object.assign(new Answer(), {
    self: tracked(function (this: unknown) {
      return this;
    }),
  });
  const pass = tracked((given: unknown) => given);
  const kept = tracked(() => answer);
  const statuses = () => tracker.runs.map(({ status }) => status);
  tracker.run(() => [answer.self(), pass(answer)]);
  assert.deepEqual(statuses(), ["FINISHED", "FINISHED"]);
  const [first, second] = tracker.run(() => [kept(), kept()]);
  assert.ok(first === second);
  assert.deepEqual(statuses().slice(2), ["RUNNING", "RUNNING"]);
  for await (const _ of answer);
  assert.deepEqual(statuses().slice(2), ["FINISHED", "FINISHED"]);
  tracker.run(kept);
  assert.equal(statuses()[4], "FINISHED");
});

const readAll = async (given: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of given);
};

test("a call that returns what an inner call returned lasts as long", async () => {
  const kinds: Record<string, [make: () => unknown, read: (given: never) => Promise<unknown>]> = {
    iterable: [() => new Answer(), readAll],
    stream: [() => webStream([{ n: 1 }, { n: 2 }]), readAll],
    response: [() => Object.assign(new Response("text"), { n: 5 }), async (given: Response) => given.text()],
    readable: [() => Object.assign(Readable.from(["a"]), { n: 5 }), async (given: Readable) => text(given)],
  };
  for (const [name, [make, read]] of Object.entries(kinds))
    for (const late of [false, true]) {
      const tracker = createTestTracker();
      const inner = tracked(() => (late ? Promise.resolve(make()) : make()), { runName: "inner", metrics: "n" });
      const outer = tracked(() => inner(), { runName: "outer", metrics: { outer: "n" } });
      const given = await tracker.run(outer);
      assert.deepEqual(new Set(tracker.runs.map(({ status }) => status)), new Set(["RUNNING"]), name);
      await read(given as never);
      const [whole, part] = ["outer", "inner"].map((run) => tracker.runs.find(({ name }) => name === run));
      assert.deepEqual([whole?.status, part?.status], ["FINISHED", "FINISHED"], name);
      const values = (metrics: readonly { readonly value: number }[] | undefined) => metrics?.map(({ value }) => value);
      assert.ok((values(part?.metrics["n"])?.length ?? 0) > 0, name);
      assert.deepEqual(values(whole?.metrics["outer"]), values(part?.metrics["n"]), name);
    }
});

/** As query builders are: `then` runs the query, each time. */
class Query {
  ran = 0;
  readonly answer: () => unknown;
  constructor(answer: () => unknown) {
    this.answer = answer;
  }
  toSQL = () => "select 1";
  // biome-ignore lint/suspicious/noThenProperty: it is a thenable
  then(ok: (value: unknown) => unknown, no: (error: unknown) => unknown): unknown {
    this.ran++;
    return Promise.resolve().then(this.answer).then(ok, no);
  }
}

test("a registered kind is followed: a query runs once, when its owner awaits it", async () => {
  const unregister = registerResultKind<Query>({
    name: "query",
    matches: (result) => "toSQL" in result,
    follow(query, call) {
      const { then } = query;
      // biome-ignore lint/suspicious/noThenProperty: it is a thenable
      query.then = (ok, no) =>
        call
          .enter(() => new Promise((good, bad) => then.call(query, good, bad)))
          .then(
            (rows) => {
              call.done(rows);
              return rows;
            },
            (error) => {
              call.fail(error);
              throw error;
            },
          )
          .then(ok, no);
      return query;
    },
  });
  const runs: unknown[] = [];
  const rows = () => {
    runs.push(currentRun()?.id);
    return { n: 2 };
  };
  const good = returning(new Query(rows), { metrics: "n" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([good.given.ran, statusOf(good.tracker)[0]], [0, "RUNNING"]);
  assert.deepEqual(await good.given, { n: 2 });
  assert.deepEqual([good.given.ran, ...statusOf(good.tracker)], [1, "FINISHED", undefined, [[0, 2]]]);
  assert.deepEqual(runs, [good.tracker.onlyRun.id]);
  const bad = returning(new Query(() => assert.fail("syntax")));
  await assert.rejects(async () => await bad.given, { message: "syntax" });
  assert.equal(statusOf(bad.tracker)[0], "FAILED");
  unregister();
  unregister();
  const after = returning(new Query(rows));
  assert.deepEqual([statusOf(after.tracker)[0], after.tracker.warnings.length], ["FINISHED", 1]);
});

test("a kind that fails is reported, and the program gets its result", () => {
  for (const kind of [
    { name: "bad", matches: () => assert.fail("mine"), follow: (result: unknown) => result },
    { name: "bad", matches: () => true, follow: () => assert.fail("mine") },
  ]) {
    const unregister = registerResultKind(kind as never);
    const result = { n: 1 };
    const { tracker, given } = returning(result);
    unregister();
    assert.equal(given, result);
    assert.equal(statusOf(tracker)[0], "FINISHED");
    assert.match(tracker.warnings.join(), /kind "bad" failed: mine/);
  }
  for (const wrong of [undefined, {}, { name: "x" }, { name: "x", matches: 1, follow: () => 1 }])
    assert.throws(() => registerResultKind(wrong as never), { code: "INVALID_OPTION" });
});

test("a result that is collected ends its run, as partial", async () => {
  const kinds = [
    () => new Answer(),
    () => webStream([1]),
    () => new Response("text"),
    () => new Readable({ read: () => undefined }),
  ];
  for (const make of kinds) {
    const tracker = createTestTracker();
    tracker.run(() => void tracked(make, { metrics: "size?" } as object)());
    for (let turn = 0; turn < 50 && tracker.onlyRun.status === "RUNNING"; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      collectGarbage();
    }
    assert.deepEqual(statusOf(tracker), ["FINISHED", "true"], String(make));
  }
});

test("what is held of a result while it is read keeps its run open", async () => {
  const tracker = createTestTracker();
  const counts = () => ({
    [Symbol.asyncIterator]() {
      let n = 0;
      return { next: async () => ({ done: n === 3, value: ++n }) };
    },
  });
  const iterator = tracker.run(() => tracked(counts)())[Symbol.asyncIterator]();
  const body = tracker.run(() => tracked(() => new Response(webStream(bytesOf("a", "b"))))()).body as ReadableStream;
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    collectGarbage();
  }
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ["RUNNING", "RUNNING"],
  );
  while (!(await iterator.next()).done);
  assert.equal(await text(body as never), "ab");
  assert.deepEqual(
    tracker.runs.map(({ status, tags }) => [status, tags["pulse.partial"]]),
    Array(2).fill(["FINISHED", undefined]),
  );
});

test("a block that returns a stream keeps its run for it", async () => {
  const tracker = createTestTracker();
  const given = tracker.run(() => withRun({ runName: "block" }, () => webStream([1])));
  assert.equal(tracker.onlyRun.status, "RUNNING");
  for await (const _ of given);
  assert.equal(tracker.onlyRun.status, "FINISHED");
});
