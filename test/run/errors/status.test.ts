import assert from "node:assert/strict";
import { test } from "node:test";
import { startRun, tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";

async function ended(throws: unknown, ...args: unknown[]) {
  const tracker = createTestTracker();
  const fails = tracker.tracked((..._args: unknown[]) => {
    throw throws;
  });
  try {
    fails(...args);
  } catch (error) {
    assert.equal(error, throws);
  }
  await tracker.flush();
  return tracker.onlyRun;
}

test("an error ends the run FAILED with its type, message and stack, no secrets", async () => {
  class TooFewShots extends Error {}
  const run = await ended(new TooFewShots("no access with postgres://me:hunter2@db/x"));
  assert.equal(run.status, "FAILED");
  assert.equal(run.tags["error.type"], "TooFewShots");
  assert.equal(run.tags["error.message"], "no access with postgres://[redacted]@db/x");
  assert.match(run.tags["error.stack"] ?? "", /status\.test/);
  assert.doesNotMatch(run.tags["error.stack"] ?? "", /hunter2/);
  assert.equal((await ended(new RangeError("r"))).tags["error.type"], "RangeError");
});

test("anything thrown is recorded: strings, undefined, hostile objects", async () => {
  const text = await ended("just text");
  assert.deepEqual(
    [text.status, text.tags["error.type"], text.tags["error.message"]],
    ["FAILED", "string", "just text"],
  );
  assert.equal((await ended(undefined)).tags["error.type"], "undefined");
  const hostile = {
    get name(): string {
      throw new Error("getter");
    },
    toString(): string {
      throw new Error("toString");
    },
  };
  assert.equal((await ended(hostile)).status, "FAILED");
});

test("an abort error, or an aborted signal among the arguments, ends the run KILLED", async () => {
  assert.equal((await ended(new DOMException("stop", "AbortError"))).status, "KILLED");
  assert.equal((await ended(Object.assign(new Error("x"), { code: "ABORT_ERR" }))).status, "KILLED");
  assert.equal((await ended(new Error("late"), AbortSignal.abort())).status, "KILLED");
  assert.equal((await ended(new Error("late"), { signal: AbortSignal.abort() })).status, "KILLED");
  assert.equal((await ended(new Error("late"), new AbortController().signal)).status, "FAILED");
});

test("a final status never changes, and logging after the end still records", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    const run = startRun();
    run.end("KILLED");
    run.end("FINISHED");
    run.logMetric("late", 1);
  });
  const run = tracker.onlyRun;
  assert.equal(run.status, "KILLED");
  assert.equal(run.metrics["late"]?.length, 1);
});

test("await using ends a run FINISHED, unless end() came first", async () => {
  const tracker = createTestTracker();
  await tracker.run(async () => {
    await using first = startRun({ runName: "one", params: { lr: 0.1 }, tags: { a: 1 } });
    first.logMetric("m", 1);
    await using second = startRun({ runName: "two" });
    second.end("FAILED");
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, run.status]),
    [
      ["one", "FINISHED"],
      ["two", "FAILED"],
    ],
  );
});

test("shutdown ends an open run FINISHED and partial, and drops what comes later", async () => {
  const tracker = createTestTracker();
  const run = tracker.startRun();
  run.logMetric("m", 1);
  await tracker.shutdown();
  await tracker.shutdown();
  const stored = tracker.onlyRun;
  assert.equal(stored.status, "FINISHED");
  assert.equal(stored.tags["pulse.partial"], "true");
  run.logMetric("m", 2);
  const { pending, dropped, warnings: counts } = tracker.stats();
  assert.deepEqual([pending, dropped, counts.CLOSED], [0, 1, 1]);
  assert.equal(tracker.warnings.length, 1);
});

test("causes and aggregated errors are stored, without secrets or cycles", async () => {
  const root = new TypeError("token ghp_0123456789012345678901234567890123456789");
  const error = new Error("outer", { cause: new RangeError("middle", { cause: root }) });
  Object.assign(root, { cause: error });
  assert.equal((await ended(error)).tags["error.cause"], "RangeError: middle\nTypeError: token [redacted]");
  const many = new AggregateError(
    Array.from({ length: 7 }, (_, i) => new Error(`e${i}`)),
    "all failed",
  );
  assert.equal(
    (await ended(many)).tags["error.errors"],
    "Error: e0\nError: e1\nError: e2\nError: e3\nError: e4\nand 2 more",
  );
  const plain = await ended({ status: 404, password: "hunter2" });
  assert.equal(plain.tags["error.message"], '{"status":404,"password":"[redacted]"}');
});

test("failOn makes a result a failure and checks each value of a generator", async () => {
  const tracker = createTestTracker();
  const check = tracked((n: number) => n, {
    failOn: (n: number) => (n === 1 ? true : n === 2 ? "two is too many" : n === 3 ? new RangeError("three") : false),
  });
  function* numbers() {
    yield 0;
    yield 2;
    yield 1;
  }
  await tracker.run(async () => {
    for (const n of [0, 1, 2, 3]) assert.equal(check(n), n);
    assert.deepEqual([...tracked(numbers, { failOn: (n: number) => (n > 0 ? `saw ${n}` : false) })()], [0, 2, 1]);
    await tracked(async () => 5, { failOn: () => true })();
    tracked(() => 1, { failOn: () => Promise.reject(new Error("nobody's")) as never })();
  });
  assert.deepEqual(
    tracker.runs.map(({ status, tags }) => [status, tags["error.type"], tags["error.message"]]),
    [
      ["FINISHED", undefined, undefined],
      ["FAILED", "failOn", "The result is a failure."],
      ["FAILED", "failOn", "two is too many"],
      ["FAILED", "RangeError", "three"],
      ["FAILED", "failOn", "saw 2"],
      ["FAILED", "failOn", "The result is a failure."],
      ["FINISHED", undefined, undefined],
    ],
  );
});

test("ignored errors are thrown but no failures: by class, name or function", async () => {
  class NotFound extends Error {}
  const tracker = createTestTracker();
  const fails = (ignore: NonNullable<Parameters<typeof tracked>[1]>["ignore"], error: unknown) => () =>
    tracked(
      () => {
        throw error;
      },
      { ignore },
    )();
  tracker.run(() => {
    for (const ignore of [[NotFound], ["NotFound"], ["Other", NotFound], (error: Error) => error.message === "gone"]) {
      assert.throws(fails(ignore, new NotFound("gone")), NotFound);
      assert.throws(fails(ignore, new TypeError("else")), TypeError);
    }
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map(({ status }) => status),
    Array.from({ length: 4 }, () => ["FINISHED", "FAILED"]).flat(),
  );
  assert.deepEqual([all[0]?.tags["pulse.ignored_error"], all[0]?.tags["error.type"]], ["NotFound", undefined]);
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

test("what counts as an abort, and what as a failure", async () => {
  const named = (name: string, message = "x"): Error => Object.assign(new Error(message), { name });
  class APIUserAbortError extends Error {}
  const timeout = new DOMException("too late", "TimeoutError");
  const cause = (error: unknown): Error => new Error("outer", { cause: error });
  const cases: [string, "KILLED" | "FAILED", unknown, ...unknown[]][] = [
    ["an AbortError as a cause", "KILLED", cause(named("AbortError"))],
    ["deeper", "KILLED", cause(cause(Object.assign(new Error("x"), { code: "ABORT_ERR" })))],
    ["OpenAI's", "KILLED", new APIUserAbortError("Request was aborted.")],
    ["AI SDK's name", "KILLED", new Error("late"), { abortSignal: AbortSignal.abort() }],
    ["a reason that is a text", "KILLED", "cancelled", {}, "token", AbortSignal.abort("cancelled")],
    ["a reason of its own", "KILLED", new RangeError("mine"), { signal: AbortSignal.abort(new RangeError("mine")) }],
    ["a time limit", "FAILED", timeout, AbortSignal.abort(timeout)],
    ["a time limit that others call an abort", "FAILED", named("AbortError"), { signal: AbortSignal.abort(timeout) }],
    ["an abort because of a time limit", "FAILED", Object.assign(named("AbortError"), { cause: timeout })],
    [
      "two signals, one of them a limit",
      "KILLED",
      named("AbortError"),
      AbortSignal.abort(timeout),
      AbortSignal.abort(),
    ],
    ["an error beside a signal that is not aborted", "FAILED", new Error("x"), new AbortController().signal],
    ["just an error", "FAILED", new Error("AbortError")],
  ];
  for (const [what, status, error, ...args] of cases) assert.equal((await ended(error, ...args)).status, status, what);
});

test("option aborted decides about other errors, with the call's arguments", async () => {
  const tracker = createTestTracker();
  const asked: unknown[] = [];
  const fails = tracker.tracked(
    (error: unknown, _by: string) => {
      throw error;
    },
    {
      aborted: (error, args) => {
        asked.push(args);
        return error === "stop" ? true : error === "throws" ? assert.fail("mine") : (undefined as never);
      },
      ignore: ["Ignored"],
    },
  );
  class Ignored extends Error {}
  for (const error of ["stop", "throws", new Ignored(), new DOMException("x", "AbortError"), "else"])
    assert.throws(() => fails(error, "user"));
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ["KILLED", "FAILED", "FINISHED", "KILLED", "FAILED"],
  );
  assert.deepEqual(asked, [
    ["stop", "user"],
    ["throws", "user"],
    ["else", "user"],
  ]);
  assert.match(tracker.warnings.join(), /"anonymous" .*: aborted failed: mine/);
});
