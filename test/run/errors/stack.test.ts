// What stacks show of tracked calls: few frames of ours in the error, none in what is stored, and always who called.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, LogMetric, TrackedExperiment, TrackedRun, tracked, withRun } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";

@TrackedExperiment("Stacks")
class Stacks {
  @LogMetric
  plain(): string {
    return stack();
  }

  @LogMetric
  @TrackedRun
  async later(): Promise<string> {
    return stack();
  }

  @LogMetric
  *steps(): Generator<string> {
    yield stack();
  }

  @LogMetric
  async *awaited(): AsyncGenerator<string> {
    yield stack();
  }

  @LogMetric
  static shared(): string {
    return stack();
  }
}

/** The stack here, whole. */
function stack(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 100;
  const text = String(new Error().stack);
  Error.stackTraceLimit = stackTraceLimit;
  return text;
}

const frames = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("    at "));

const tracker = createTestTracker();
const stacks = new Stacks();
const one = tracked(stack);
const later = tracked(async () => stack());
const bound = bind(stack);
const theirs = tracker.tracked(stack);
const untracked = tracker.tracked(stack, { when: () => false });

/** How many frames a call has below its caller without us, and the caller. */
const CALLS: readonly (readonly [name: string, without: number, caller: () => string | Promise<string>])[] = [
  ["a method", 2, () => stacks.plain()],
  ["an async method", 2, () => stacks.later()],
  ["a static method", 2, () => Stacks.shared()],
  ["a generator", 3, () => String(stacks.steps().next().value)],
  ["an async generator", 3, async () => String((await stacks.awaited().next()).value)],
  ["tracked", 1, () => one()],
  ["an async tracked", 2, () => later()],
  ["withRun", 1, () => withRun({}, stack)],
  ["bind", 1, () => bound()],
  ["a tracker's tracked", 1, () => theirs()],
  ["a tracker's tracked that is not", 1, () => untracked()],
  ["a tracker's withRun", 1, () => tracker.withRun({}, stack)],
  ["a tracker's run", 1, () => tracker.run(stack)],
];

for (const [name, without, call] of CALLS) {
  test(`${name} adds at most three frames, also inside a run`, async () => {
    const caller = Object.defineProperty(call, "name", { value: "caller" });
    for (const around of [(body: typeof call) => tracker.run(body), (body: typeof call) => tracker.withRun({}, body)]) {
      const text = await around(caller);
      const below = frames(text).findIndex((line) => / caller /.test(line));
      assert.ok(below >= without && below - without <= 3, text);
    }
  });
}

test("at the usual limit, an error below two tracked calls shows who called", () => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 10;
  try {
    for (const inner of [() => stacks.plain(), one, theirs]) {
      const fails = tracked(() => {
        inner();
        throw new Error("below two");
      });
      const outer = tracker.tracked(() => fails());
      assert.throws(
        function caller() {
          outer();
        },
        (error: Error) => / caller /.test(String(error.stack)),
      );
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
});

test("the stored stack shows the callers without our frames, and the error stays", async () => {
  const tracker = createTestTracker();
  const dive = (depth: number): never => {
    if (depth > 0) return dive(depth - 1);
    throw Object.assign(new Error(`far down\n    at a line of the message`), { own: true });
  };
  const caught: { error: Error; stack: string | undefined }[] = [];
  const fails = tracked((depth: number) => {
    try {
      return dive(depth);
    } catch (error) {
      caught.push({ error: error as Error, stack: (error as Error).stack });
      throw error;
    }
  });
  const outer = tracked((depth: number) => fails(depth), { runName: "outer" });
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 10;
  try {
    for (const depth of [0, 4, 50])
      assert.throws(function caller() {
        tracker.run(() => outer(depth));
      });
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  for (const { error, stack } of caught) assert.equal(error.stack, stack);
  await tracker.flush();
  const stored = tracker.runs.map(({ tags }) => String(tags["error.stack"]));
  assert.equal(stored.length, 6);
  for (const text of stored) {
    assert.match(text, /^Error: far down\n {4}at a line of the message\n {4}at dive /);
    assert.match(text, / caller .*stack\.test/);
    assert.doesNotMatch(text, /[\\/]src[\\/]|AsyncLocalStorage/);
    // None is there twice
    assert.equal(new Set(text.match(/at caller .*/g)).size, text.match(/at caller .*/g)?.length, text);
  }
  // Where the error's own frames do not reach up to the call, what may be missing is marked: of both calls at the
  // greatest depth.
  const gaps = stored.map((text) => text.includes("\n    ...\n"));
  assert.deepEqual([gaps[0], gaps[3], gaps[2], gaps[5]], [false, false, true, true]);
});

test("the stack of a failed async call names its async callers", async () => {
  const tracker = createTestTracker();
  const fails = tracker.tracked(async () => {
    await null;
    throw new Error("later");
  });
  await assert.rejects(async function caller() {
    await fails();
  });
  await tracker.flush();
  const stack = String(tracker.onlyRun.tags["error.stack"]);
  assert.match(stack, / async caller /);
  assert.doesNotMatch(stack, /[\\/]src[\\/]/);
});

test("a failed call ends its run, whatever is done to stacks", async () => {
  const { stackTraceLimit, prepareStackTrace } = Error;
  const tracker = createTestTracker();
  const fails = tracker.tracked(() => {
    throw new Error("no");
  });
  const ways: (() => void)[] = [
    () => {
      Error.stackTraceLimit = 0;
    },
    () => {
      Error.stackTraceLimit = undefined as never;
    },
    () => {
      Object.defineProperty(Error, "stackTraceLimit", { value: 1, writable: false });
    },
    () => {
      Error.prepareStackTrace = () => [] as never;
    },
    () => {
      Error.prepareStackTrace = () => {
        throw new Error("in the hook");
      };
    },
  ];
  for (const way of ways) {
    way();
    try {
      fails();
    } catch {
    } finally {
      Object.defineProperty(Error, "stackTraceLimit", { value: stackTraceLimit, writable: true });
      Error.prepareStackTrace = prepareStackTrace;
    }
  }
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ways.map(() => "FAILED"),
  );
});
