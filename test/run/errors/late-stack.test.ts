// The stack of an error is the program's until the turn is over: V8 makes a text of it when it is first read, with the
// message it has then.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LogMetric, TrackedExperiment, tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { query } from "../../support/database.js";
import { FakeMlflow } from "../../support/fake-mlflow.js";
import { tempFolder } from "../../support/folders.js";
import { until } from "../../support/wait.js";

const folder = tempFolder("late-stack");

@TrackedExperiment("Late")
class Late {
  @LogMetric
  plain(): number {
    throw new Error("first");
  }

  @LogMetric
  async later(): Promise<number> {
    await null;
    throw new Error("first");
  }

  @LogMetric
  *steps(): Generator<number> {
    yield 1;
    throw new Error("first");
  }
}

const CALLS: readonly (readonly [string, () => unknown])[] = [
  ["a method", () => new Late().plain()],
  ["an async method", () => new Late().later()],
  ["a generator", () => [...new Late().steps()]],
  ["tracked", () => tracked(() => new Late().plain())()],
  ["a promise", () => tracked(() => Promise.reject(new Error("first")))()],
];

for (const [name, call] of CALLS)
  test(`${name}: a message changed in catch is in the program's and the stored stack`, async () => {
    const tracker = createTestTracker();
    const error: unknown = await tracker.run(async () => {
      try {
        return await call();
      } catch (error) {
        (error as Error).message = `context: ${(error as Error).message}`;
        return error;
      }
    });
    assert.match(String((error as Error).stack), /^Error: context: first\n {4}at /);
    await tracker.flush();
    for (const { tags } of tracker.runs) {
      assert.equal(tags["error.message"], "first");
      assert.match(String(tags["error.stack"]), /^Error: context: first\n {4}at [\s\S]*late-stack\.test/);
    }
  });

test("a synchronous catch, and a result that counts as a failure", async () => {
  const tracker = createTestTracker();
  const caught: Error[] = [];
  const rename = (error: unknown): void => {
    (error as Error).message += ", renamed";
    caught.push(error as Error);
  };
  tracker.run(() => {
    try {
      new Late().plain();
    } catch (error) {
      rename(error);
    }
    rename(tracked(() => new Error("returned"), { failOn: (result) => result })());
  });
  assert.deepEqual(
    caught.map(({ stack }) => stack?.split("\n")[0]),
    ["Error: first, renamed", "Error: returned, renamed"],
  );
  await tracker.flush();
  assert.deepEqual(
    tracker.runs.map(({ tags }) => [tags["error.message"], tags["error.stack"]?.split("\n")[0]]),
    [
      ["first", "Error: first, renamed"],
      ["returned", "Error: returned, renamed"],
    ],
  );
});

test("more failures in one turn than a batch holds all keep their stacks", async () => {
  const tracker = createTestTracker();
  const stacks: unknown[] = [];
  tracker.run(() => {
    const fails = tracked((i: number) => {
      throw new Error(`no ${i}`);
    });
    for (let i = 0; i < 2_500; i++)
      try {
        fails(i);
      } catch (error) {
        (error as Error).message = `changed ${i}`;
        if (i % 500 === 0) stacks.push((error as Error).stack?.split("\n")[0]);
      }
  });
  assert.deepEqual(
    stacks,
    [0, 500, 1_000, 1_500, 2_000].map((i) => `Error: changed ${i}`),
  );
  await tracker.flush();
  const stored = tracker.runs.map(({ tags }) => String(tags["error.stack"]).split("\n")[0]);
  assert.deepEqual(
    stored,
    Array.from({ length: 2_500 }, (_, i) => `Error: changed ${i}`),
  );
});

test("flush within catch has the stack of that moment", async () => {
  const tracker = createTestTracker();
  const fails = tracker.tracked(() => {
    throw new Error("first");
  });
  try {
    fails();
  } catch {
    await tracker.flush();
  }
  assert.match(String(tracker.onlyRun.tags["error.stack"]), /^Error: first\n/);
});

test("an error's getters run once for a call, and the stack shows where it was made", async () => {
  const counts = { message: 0, name: 0, late: 0 };
  class Counted extends Error {
    override get message(): string {
      return `message ${++counts.message}`;
    }
    override get name(): string {
      counts.name++;
      return "Counted";
    }
  }
  class Named extends Error {
    override get name(): string {
      counts.late++;
      return "Named";
    }
  }
  const formatter = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  for (const Made of [Counted, Named]) {
    const tracker = createTestTracker();
    const fails = tracker.tracked(function failing() {
      throw Made === Named ? new Named("given") : new Counted();
    });
    assert.throws(
      () => fails(),
      (error: Error) => {
        if (Made === Named) error.message = "changed";
        return true;
      },
    );
    await tracker.flush();
    const { tags } = tracker.onlyRun;
    assert.equal(tags["error.type"], Made.name);
    assert.equal(tags["error.message"], Made === Counted ? "message 1" : "given");
    assert.match(
      String(tags["error.stack"]),
      Made === Counted ? /^Counted: message 1\n {4}at failing / : /^Named: changed\n {4}at failing /,
    );
  }
  assert.deepEqual(counts, { message: 1, name: 1, late: 1 });
  assert.deepEqual(Object.getOwnPropertyDescriptor(Error, "prepareStackTrace"), formatter);
});

test("a failed run takes a server no more requests than another", async () => {
  const server = await FakeMlflow.start();
  const { createTracker } = await import("../../../src/index.js");
  const tracker = createTracker({ trackingUri: server.url, outbox: { folder: join(folder, "outboxes") } });
  try {
    const calls = async (body: () => number): Promise<string[]> => {
      server.calls.length = 0;
      const fn = tracker.tracked(body, { metrics: "value", params: { a: 1 } });
      try {
        fn();
      } catch {
        // it is to fail
      }
      await until("the run has ended", () => server.calls.at(-1) === "POST runs/update");
      return [...server.calls];
    };
    await calls(() => 0);
    const good = await calls(() => 1);
    const bad = await calls(() => {
      throw new Error("bad");
    });
    assert.deepEqual(bad, good);
    assert.match(String([...server.runs.values()].at(-1)?.tags.get("error.stack")), /^Error: bad\n/);
  } finally {
    await tracker.shutdown();
    server.down();
  }
});

const program = fileURLToPath(new URL("../../fixtures/rethrows.js", import.meta.url));
for (const how of ["exit", "throw", "reject", "worker"])
  test(`ending by "${how}" right after a catch stores and reports the whole stack`, () => {
    const path = join(folder, `${how}.db`);
    const { status, stderr } = spawnSync(process.execPath, [program, how, `sqlite:///${path}`], { encoding: "utf8" });
    const crashes = how === "throw" || how === "reject";
    assert.equal(status, crashes ? 1 : 0, stderr);
    if (crashes) assert.match(stderr, /Error: context: first\n {4}at /);
    const [run] = query(path, "SELECT run_uuid AS id FROM runs WHERE name = ?", how === "worker" ? "in worker" : how);
    const tags = query(path, "SELECT key, value FROM tags WHERE run_uuid = ?", String(run?.["id"]));
    const tag = (key: string): string => String(tags.find((row) => row["key"] === key)?.["value"]);
    assert.equal(tag("error.message"), "first");
    assert.match(tag("error.stack"), /^Error: context: first\n {4}at /);
  });
