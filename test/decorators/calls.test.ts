// Calls inside calls: recursion, re-entrancy, concurrency, two trackers, and options that fail at a call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentRun, LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun, withRun } from "../../src/index.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const parentOf = (runs: readonly TestRun[], run: TestRun | undefined) => runs.find(({ id }) => id === run?.parentId);

class Parity {
  @TrackedRun({ runName: ([n]) => `even ${n}` })
  @LogMetric("even")
  async even(n: number): Promise<boolean> {
    await Promise.resolve();
    return n === 0 ? true : this.odd(n - 1);
  }

  @TrackedRun({ runName: ([n]) => `odd ${n}` })
  @LogMetric("odd")
  async odd(n: number): Promise<boolean> {
    return n === 0 ? false : await this.even(n - 1);
  }
}

test("mutual recursion nests one run in the other at any depth", async () => {
  const tracker = createTestTracker();
  assert.equal(await tracker.run(() => new Parity().even(500)), true);
  const all = tracker.runs;
  assert.equal(all.length, 501);
  for (const run of all) {
    const [kind = "", n = ""] = run.name.split(" ");
    assert.deepEqual(values(run), { [kind]: [1] });
    assert.equal(
      parentOf(all, run)?.name,
      n === "500" ? undefined : `${kind === "even" ? "odd" : "even"} ${Number(n) + 1}`,
    );
  }
});

test("a joined method called in its own argument logs the inner result first", async () => {
  @TrackedExperiment("Own argument")
  class Twice {
    @LogMetric("n")
    @LogParam({ given: "0" })
    async add(n: number): Promise<number> {
      await turn();
      return n + 1;
    }

    @TrackedRun
    async both(): Promise<number> {
      return this.add(await this.add(1));
    }
  }
  const tracker = createTestTracker();
  assert.equal(await tracker.run(() => new Twice().both()), 3);
  const run = tracker.onlyRun;
  assert.deepEqual(values(run), { n: [2, 3] });
  assert.deepEqual([run.params["given"], run.tags["pulse.conflict.given"]], ["1", "2"]);
});

test("a listener that calls the running method again opens a run inside the first", async () => {
  class Bus {
    listeners: (() => void)[] = [];
    @TrackedRun({ runName: ([word]) => word, params: ["word"] })
    emit(word: string): string {
      for (const listener of this.listeners.splice(0)) listener();
      return word;
    }
  }
  const tracker = createTestTracker();
  const bus = new Bus();
  bus.listeners.push(() => bus.listeners.push(() => bus.emit("inner")));
  bus.listeners.push(() => assert.equal(bus.emit("second"), "second"));
  tracker.run(() => assert.equal(bus.emit("first"), "first"));
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.name, run.params["word"], parentOf(all, run)?.name]),
    [
      ["first", "first", undefined],
      ["second", "second", "first"],
      ["inner", "inner", "second"],
    ],
  );
});

test("two hundred interleaved calls on one instance never mix values, tags or children", async () => {
  @TrackedExperiment("Shared", { tags: ([id]) => ({ fixed: id }) })
  class Shared {
    @TrackedRun
    @LogParam("id")
    @LogMetric("id")
    @LogTag({ said: (result: { text: string }) => result.text })
    async work(id: number): Promise<{ id: number; text: string }> {
      for (let i = 0; i < id % 7; i++) await turn();
      const [part] = await Promise.all([this.part(id), this.child(id)]);
      if (id % 5 === 0) throw new Error(`no ${id}`);
      return { id: part, text: `result ${id}` };
    }

    @LogMetric("part")
    async part(id: number): Promise<number> {
      await turn();
      return id;
    }

    @TrackedRun
    @LogMetric("child")
    async child(id: number): Promise<number> {
      for (let i = 0; i < id % 3; i++) await turn();
      return id;
    }
  }
  const tracker = createTestTracker();
  const shared = new Shared();
  await tracker.run(() => Promise.allSettled(Array.from({ length: 200 }, (_, id) => shared.work(id))));
  const all = tracker.runs;
  assert.equal(all.length, 400);
  for (const run of all) {
    const id = Number(run.tags["fixed"]);
    if (run.name === "Shared.child") {
      assert.deepEqual([values(run), run.params], [{ child: [id] }, {}]);
      assert.equal(parentOf(all, run)?.params["id"], String(id));
      continue;
    }
    const failed = id % 5 === 0;
    assert.deepEqual(run.params, { id: String(id) });
    assert.deepEqual(values(run), failed ? { part: [id] } : { part: [id], id: [id] });
    assert.deepEqual(
      [run.status, run.tags["said"], run.tags["error.message"]],
      failed ? ["FAILED", undefined, `no ${id}`] : ["FINISHED", `result ${id}`, undefined],
    );
  }
  assert.equal(new Set(all.map((run) => `${run.name} ${run.tags["fixed"]}`)).size, 400);
});

test("work begun in one tracker stays in it, also when it continues in another", async () => {
  class Two {
    @TrackedRun
    @LogMetric("n")
    *each(): Generator<number> {
      yield 1;
      this.once();
      yield 2;
    }

    @TrackedRun
    @LogMetric("late")
    async late(): Promise<number> {
      await turn();
      return this.once();
    }

    @TrackedRun
    @LogMetric("once")
    once(): number {
      return 3;
    }
  }
  const [first, second] = [createTestTracker(), createTestTracker()];
  const two = new Two();
  const [each, late] = first.run(() => [two.each(), two.late()] as const);
  await second.withRun({ runName: "around" }, async () => {
    assert.deepEqual([...each], [1, 2]);
    assert.equal(await late, 3);
    assert.equal(two.once(), 3);
  });
  assert.deepEqual(second.runs.map((run) => [run.name, values(run)]).sort(), [
    ["Two.once", { once: [3] }],
    ["around", {}],
  ]);
  const all = first.runs;
  assert.deepEqual(all.map((run) => [run.name, values(run), parentOf(all, run)?.name]).sort(), [
    ["Two.each", { n: [1, 2] }, undefined],
    ["Two.late", { late: [3] }, undefined],
    ["Two.once", { once: [3] }, "Two.each"],
    ["Two.once", { once: [3] }, "Two.late"],
  ]);
});

test("endless recursion gives the caller its RangeError, and tracking goes on", async () => {
  class Deep {
    deepest = 0;
    plain(): number {
      this.deepest++;
      return this.plain() + 1;
    }

    @LogMetric
    joined(): number {
      this.deepest++;
      return this.joined() + 1;
    }

    @TrackedRun
    child(): number {
      this.deepest++;
      return this.child() + 1;
    }
  }
  const depthOf = (member: "plain" | "joined" | "child"): number => {
    const deep = new Deep();
    assert.throws(() => deep[member](), RangeError);
    return deep.deepest;
  };
  const tracker = createTestTracker();
  const plain = depthOf("plain");
  // Measured: a ninth to a fourteenth (a joined call and one with a run alike). What counts is that it is not another
  // order of magnitude.
  tracker.withRun({ runName: "around" }, () => {
    for (const member of ["joined", "child"] as const)
      assert.ok(depthOf(member) > plain / 60, `${member} against ${plain}`);
    assert.equal(currentRun()?.ended, false);
  });
  assert.equal(
    tracker.run(() => withRun({ runName: "afterwards" }, () => 1)),
    1,
  );
  const all = tracker.runs;
  for (const name of ["around", "afterwards"]) assert.equal(all.find((run) => run.name === name)?.status, "FINISHED");
});

test("options that fail during a call are warnings: the call goes on and its run ends", async () => {
  const config = {
    get late(): number {
      throw new Error("not yet");
    },
  };
  const unlisted = new Proxy(
    {},
    {
      ownKeys() {
        throw new Error("no keys");
      },
    },
  );
  class Options {
    @TrackedRun({ params: ([given]) => given })
    params(given: object): number {
      return Object.getOwnPropertyNames(given === config ? given : {}).length;
    }

    @TrackedRun({ tags: ([given]) => given })
    tags(_given: object): number {
      return 2;
    }

    @TrackedRun({ params: config })
    fixed(): number {
      return 3;
    }

    @TrackedRun({ runName: ([given]) => given })
    name(_given: object): number {
      return 4;
    }
  }
  const tracker = createTestTracker();
  const options = new Options();
  const calls = [
    () => options.params(config),
    () => options.params(unlisted),
    () => options.tags(config),
    () => options.tags(unlisted),
    () => options.fixed(),
    () => options.name(Object.create(null)),
  ];
  const results = tracker.run(() =>
    calls.map((call) => {
      try {
        return call();
      } catch (error) {
        return error;
      }
    }),
  );
  assert.deepEqual(results, [1, 0, 2, 2, 3, 4]);
  assert.deepEqual(
    tracker.runs.map((run) => run.status),
    calls.map(() => "FINISHED"),
  );
  const { CAPTURE_FAILED, NOTHING_FOUND } = tracker.stats().warnings;
  assert.deepEqual([CAPTURE_FAILED, NOTHING_FOUND], [calls.length - 1, 1]); // of a name that is an object
});

test("an unknown argument named in the options is reported at the first call", () => {
  class Named {
    @TrackedRun({ params: ["rate"] })
    go(lr: number): number {
      return lr;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Named().go(1));
  assert.match(tracker.warnings.join(), /Named\.go: there is no argument named "rate"; it has lr\. Name one/);
});
