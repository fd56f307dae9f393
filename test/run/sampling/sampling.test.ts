import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { currentRun, LogMetric, startRun, tracked } from "../../../src/index.js";
import { createTestTracker, type TestRun } from "../../../src/testing/index.js";
import { heapUsed } from "../../support/heap.js";
import { assertBalanced, named, values } from "../../support/runs.js";
import { sleep } from "../../support/wait.js";

describe("sample", () => {
  test("decides at the root and is inherited; shares are drawn, functions asked", async () => {
    const tracker = createTestTracker();
    const child = tracked(() => 1, { runName: "child", metrics: "m", sample: 0 });
    const root = tracked((_take: boolean) => child(), { runName: "root", sample: ([take]) => take });
    const half = tracked(() => 1, { runName: "half", sample: 0.5 });
    tracker.run(() => {
      root(true);
      root(false);
      tracker.chance = 0.4999;
      half();
      tracker.chance = 0.5;
      half();
    });
    const all = tracker.runs;
    assert.deepEqual(all.map(({ name }) => name).sort(), ["child", "half", "root"]);
    assert.equal(named(all, "child")[0]?.parentId, named(all, "root")[0]?.id);
    assert.equal(tracker.stats().unsampled, 2);
    assert.equal(tracker.stats().metrics, 1);
    assertBalanced(tracker, 3);
  });

  test("records a left-out run after all when it fails, with those below it", async () => {
    const tracker = createTestTracker();
    const step = tracked(() => currentRun()?.logMetric("inner", 7), { runName: "step" });
    const request = tracked(
      async (id: number) => {
        currentRun()?.logMetric("seen", id);
        step();
        await sleep(1);
        if (id === 2) throw new Error("broken");
        return id;
      },
      { runName: "request", params: ["id"], sample: 0 },
    );
    await tracker.run(() => Promise.allSettled([request(1), request(2), request(3)]));
    const all = tracker.runs;
    assert.deepEqual(
      all.map(({ name, status }) => [name, status]),
      [
        ["request", "FAILED"],
        ["step", "FINISHED"],
      ],
    );
    assert.deepEqual([all[0]?.params, values(all[0] as TestRun)], [{ id: "2" }, { seen: [2] }]);
    assert.equal(all[0]?.tags["error.message"], "broken");
    assert.deepEqual([tracker.stats().unsampled, tracker.stats().pending], [2, 0]);
    assertBalanced(tracker, 2);
  });

  test("records a root whose child failed, even if the root survives it", async () => {
    const tracker = createTestTracker();
    const fails = tracked(
      () => {
        throw new Error("caught");
      },
      { runName: "fails" },
    );
    const root = tracked(
      () => {
        try {
          fails();
        } catch {}
      },
      { runName: "root", sample: 0 },
    );
    tracker.run(root);
    assert.deepEqual(
      tracker.runs.map(({ name, status }) => [name, status]),
      [
        ["root", "FINISHED"],
        ["fails", "FAILED"],
      ],
    );
  });

  test("holds back at most 1000 values, and says how many more there were", async () => {
    const tracker = createTestTracker();
    const root = tracked(
      () => {
        for (let i = 0; i < 1_500; i++) currentRun()?.logMetric("m", i);
        throw new Error("late");
      },
      { sample: 0 },
    );
    assert.throws(() => tracker.run(root), /late/);
    const [run] = tracker.runs;
    assert.equal(run?.metrics["m"]?.length, 1_000);
    assert.equal(run?.tags["pulse.cut"], "500");
    assert.equal(run?.tags["error.message"], "late");
  });

  test("asking for a run's id records it, and a run left out by then says so", async () => {
    const tracker = createTestTracker();
    const [good, bad] = tracker.run(
      () => [startRun({ sample: 0, runName: "good" }), startRun({ sample: 0, runName: "bad" })] as const,
    );
    const [goodId, badId] = [good.serverId(), bad.serverId()];
    good.end();
    bad.end("FAILED");
    assert.deepEqual([await goodId, await badId], [good.id, bad.id]); // asking for it has a run recorded
    const left = tracker.run(() => startRun({ sample: 0 }));
    left.end();
    left.logMetric("late", 1);
    await assert.rejects(left.serverId(), { code: "NOT_RECORDED" });
    await tracker.withRun({ sample: 0 }, async (run) => assert.equal(await run.serverId(), run.id));
    assert.equal(tracker.runs.length, 3);
    assertBalanced(tracker, 3);
  });

  test("records calls that outlive a left-out root when they fail, but no later ones", async () => {
    const tracker = createTestTracker();
    const later = tracked(
      async (fails: boolean) => {
        await sleep(5);
        if (fails) throw new Error("late");
      },
      { runName: "later", params: ["fails"] },
    );
    let timer: Promise<unknown> | undefined;
    tracker.withRun({ sample: 0, runName: "root" }, () => {
      timer = Promise.allSettled([
        later(true),
        later(false),
        sleep(5).then(() => Promise.allSettled([later(true), later(false)])),
      ]);
    });
    await timer;
    await sleep(20);
    assert.deepEqual(
      tracker.runs.map((run) => [run.name, run.status, run.params["fails"], run.parentId]),
      [
        ["later", "FAILED", "true", undefined],
        ["later", "FAILED", "true", undefined],
        ["later", "FINISHED", "false", undefined],
      ],
    );
    assert.equal(tracker.stats().unsampled, 1);
    assertBalanced(tracker, 3);
  });

  test("records failed calls that outlive their root below their caller, with an id", async () => {
    const tracker = createTestTracker();
    const wait = (ms: number, fails = false) =>
      sleep(ms).then(() => {
        if (fails) throw new Error("late");
      });
    const leaf = tracked((ms: number, fails: boolean) => wait(ms, fails), { runName: "leaf" });
    const middle = tracked(
      async () => {
        await Promise.allSettled([leaf(1, false), leaf(10, true), leaf(15, false)]);
      },
      { runName: "middle" },
    );
    let late: Promise<unknown> | undefined;
    let id: Promise<string> | undefined;
    tracker.withRun({ sample: 0, runName: "root" }, () => {
      const asked = startRun({ runName: "asked" });
      late = Promise.allSettled([
        middle(),
        sleep(5).then(() => (id = asked.serverId())),
        sleep(6).then(() => asked.end()),
      ]);
    });
    await late;
    const all = tracker.runs;
    assert.deepEqual(all.map((run) => [run.name, run.status]).sort(), [
      ["asked", "FINISHED"],
      ["leaf", "FAILED"],
      ["leaf", "FINISHED"],
      ["leaf", "FINISHED"],
      ["middle", "FINISHED"],
    ]);
    const [parent] = named(all, "middle");
    for (const run of named(all, "leaf")) assert.equal(run.parentId, parent?.id);
    assert.equal(await id, named(all, "asked")[0]?.id);
    assert.deepEqual([tracker.stats().unsampled, tracker.stats().pending], [1, 0]);
    assertBalanced(tracker, 5);
  });

  test("a thousand values do not push out the error or the aggregates", async () => {
    const tracker = createTestTracker();
    class Busy {
      @LogMetric("ms", { aggregate: ["count"] })
      once(ms: number): { ms: number } {
        return { ms };
      }
    }
    const root = tracked(
      () => {
        for (let i = 0; i < 1_200; i++) {
          currentRun()?.setTag(`t${i % 3}`, i);
          currentRun()?.logMetric("m", i);
        }
        new Busy().once(5);
        throw new Error("late");
      },
      { sample: 0 },
    );
    assert.throws(() => tracker.run(root), /late/);
    const [run] = tracker.runs;
    assert.deepEqual(
      [run?.tags["error.message"], run?.tags["error.type"], run?.tags["pulse.cut"]],
      ["late", "Error", "400"],
    );
    assert.deepEqual(run && values(run)["ms.count"], [1]);
  });

  test("what is logged after the end of a left-out run is not kept", async () => {
    const tracker = createTestTracker();
    const left = tracker.run(() => startRun({ sample: 0 }));
    left.end();
    const before = heapUsed();
    for (let i = 0; i < 200_000; i++) left.logMetric("late", i);
    assert.ok(heapUsed() - before < 2 ** 21, "200,000 values take more than 2 MiB");
    assert.deepEqual([tracker.runs, tracker.stats().pending], [[], 0]);
  });

  test("a root that is recorded early limits the calls below it like any other", async () => {
    const tracker = createTestTracker();
    const child = tracked(() => 1, { runName: "child", maxRunsPerSecond: 1 });
    await tracker.withRun({ sample: 0 }, async (run) => {
      await run.serverId();
      for (let i = 0; i < 5; i++) child();
    });
    await tracker.shutdown();
    assert.deepEqual(named(tracker.runs, "child").length, 1);
    assert.equal(named(tracker.runs, "child (folded)")[0]?.tags["pulse.folded"], "4");
  });

  test("at shutdown an open left-out run without a failure is not recorded", async () => {
    const tracker = createTestTracker();
    tracker.run(() => startRun({ sample: 0 }));
    await tracker.shutdown();
    assert.deepEqual([tracker.runs, tracker.stats().unsampled], [[], 1]);
  });
});

test("below a call that is no longer a run there is none", async () => {
  const tracker = createTestTracker();
  const leaf = tracked(() => 1, { runName: "leaf" });
  const child = tracked(() => leaf(), { runName: "child" });
  let last: Promise<string> | undefined;
  tracker.withRun({ experiment: "E", runName: "parent" }, () => {
    for (let i = 0; i < 99_999; i++) startRun({ runName: "earlier" }).end();
    child();
    last = startRun({ runName: "beyond" }).serverId();
    child();
  });
  await assert.rejects(last as Promise<string>, { code: "TOO_MANY_RUNS" });
  const others = tracker.runs.filter(({ name }) => name !== "earlier");
  assert.deepEqual(others.map(({ name }) => name).sort(), ["child", "leaf", "parent"]);
});

test("runs that pile up get a warning", async () => {
  const tracker = createTestTracker();
  tracker.withRun({ runName: "parent" }, () => {
    for (let i = 0; i < 10_001; i++) startRun().end();
  });
  assert.equal(tracker.warnings.length, 1);
  assert.match(
    tracker.warnings[0] ?? "",
    /10000 runs were opened below run .*nest: "join".*maxRunsPerSecond.*\[TOO_MANY_RUNS\]/,
  );
});
