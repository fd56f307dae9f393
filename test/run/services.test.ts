import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemClock } from "../../src/clock.js";
import { currentRun, LogMetric, startRun, TrackedExperiment, TrackedRun, tracked } from "../../src/index.js";
import type { StoredRun } from "../../src/stores/memory-store.js";
import { assertBalanced, memoryTracker, params, sleep, type TestTracker, values } from "../support/memory.js";

/** A tracker whose time and chance the test sets. */
function clockwork(): TestTracker & { readonly time: { now: number; chance: number } } {
  const time = { now: 1_700_000_000_000, chance: 0.5 };
  return { ...memoryTracker({}, { ...systemClock, now: () => time.now, random: () => time.chance }), time };
}

const named = (runs: readonly StoredRun[], name: string): StoredRun[] => runs.filter((run) => run.name === name);

describe("sample", () => {
  test("is decided at the root and inherited; a share is drawn, a function asked", async () => {
    const { tracker, time, runs } = clockwork();
    const child = tracked(() => 1, { runName: "child", metrics: "m", sample: 0 });
    const root = tracked((_take: boolean) => child(), { runName: "root", sample: ([take]) => take });
    const half = tracked(() => 1, { runName: "half", sample: 0.5 });
    tracker.run(() => {
      root(true);
      root(false);
      time.chance = 0.4999;
      half();
      time.chance = 0.5;
      half();
    });
    const all = await runs();
    assert.deepEqual(all.map(({ name }) => name).sort(), ["child", "half", "root"]);
    assert.equal(named(all, "child")[0]?.tags.get("mlflow.parentRunId"), named(all, "root")[0]?.runId);
    assert.equal(tracker.stats().unsampled, 2);
    assert.equal(tracker.stats().metrics, 1);
    assertBalanced(tracker, 3);
  });

  test("a run that is left out is recorded after all when it fails, whole and with those below it", async () => {
    const { tracker, runs } = clockwork();
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
    const all = await runs();
    assert.deepEqual(
      all.map(({ name, status }) => [name, status]),
      [
        ["request", "FAILED"],
        ["step", "FINISHED"],
      ],
    );
    assert.deepEqual([params(all[0] as StoredRun), values(all[0] as StoredRun)], [{ id: "2" }, { seen: [2] }]);
    assert.equal(all[0]?.tags.get("error.message"), "broken");
    assert.deepEqual([tracker.stats().unsampled, tracker.stats().pending], [2, 0]);
    assertBalanced(tracker, 2);
  });

  test("a failure below a root that survives it is recorded, too", async () => {
    const { tracker, runs } = clockwork();
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
      (await runs()).map(({ name, status }) => [name, status]),
      [
        ["root", "FINISHED"],
        ["fails", "FAILED"],
      ],
    );
  });

  test("holds back at most 1000 values, and says how many more there were", async () => {
    const { tracker, runs } = clockwork();
    const root = tracked(
      () => {
        for (let i = 0; i < 1_500; i++) currentRun()?.logMetric("m", i);
        throw new Error("late");
      },
      { sample: 0 },
    );
    assert.throws(() => tracker.run(root), /late/);
    const [run] = await runs();
    assert.equal(run?.metrics.get("m")?.length, 1_000);
    assert.equal(run?.tags.get("pulse.cut"), "500");
    assert.equal(run?.tags.get("error.message"), "late");
  });

  test("startRun and serverId: left out is said, asked for is recorded", async () => {
    const { tracker, runs } = clockwork();
    const [good, bad] = tracker.run(() => [startRun({ sample: 0, runName: "good" }), startRun({ sample: 0, runName: "bad" })] as const);
    const [goodId, badId] = [good.serverId(), bad.serverId()];
    good.end();
    bad.end("FAILED");
    assert.deepEqual([await goodId, await badId], [good.id, bad.id]); // asking for it has a run recorded
    const left = tracker.run(() => startRun({ sample: 0 }));
    left.end();
    left.logMetric("late", 1);
    await assert.rejects(left.serverId(), { code: "NOT_RECORDED" });
    await tracker.withRun({ sample: 0 }, async (run) => assert.equal(await run.serverId(), run.id));
    assert.equal((await runs()).length, 3);
    assertBalanced(tracker, 3);
  });

  test("what outlives a root that was left out, or begins below it later, is recorded when it fails", async () => {
    const { tracker, runs } = clockwork();
    const later = tracked(
      async (fails: boolean) => {
        await sleep(5);
        if (fails) throw new Error("late");
      },
      { runName: "later", params: ["fails"] },
    );
    let timer: Promise<unknown> | undefined;
    tracker.withRun({ sample: 0, runName: "root" }, () => {
      timer = Promise.allSettled([later(true), later(false), sleep(5).then(() => Promise.allSettled([later(true), later(false)]))]);
    });
    await timer;
    await sleep(20);
    assert.deepEqual(
      (await runs()).map((run) => [run.name, run.status, params(run)["fails"], run.tags.has("mlflow.parentRunId")]),
      [
        ["later", "FAILED", "true", false],
        ["later", "FAILED", "true", false],
      ],
    );
    assert.equal(tracker.stats().unsampled, 2);
    assertBalanced(tracker, 2);
  });

  test("what outlives its root is recorded whole when it fails, below what it was called in, and its id can be had", async () => {
    const { tracker, runs } = clockwork();
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
      late = Promise.allSettled([middle(), sleep(5).then(() => (id = asked.serverId())), sleep(6).then(() => asked.end())]);
    });
    await late;
    const all = await runs();
    assert.deepEqual(all.map((run) => [run.name, run.status]).sort(), [
      ["asked", "FINISHED"],
      ["leaf", "FAILED"],
      ["leaf", "FINISHED"],
      ["leaf", "FINISHED"],
      ["middle", "FINISHED"],
    ]);
    const [parent] = named(all, "middle");
    for (const run of named(all, "leaf")) assert.equal(run.tags.get("mlflow.parentRunId"), parent?.runId);
    assert.equal(await id, named(all, "asked")[0]?.runId);
    assert.deepEqual([tracker.stats().unsampled, tracker.stats().pending], [1, 0]);
    assertBalanced(tracker, 5);
  });

  test("a thousand values do not push out what a run is recorded for: its error, and what its values come to", async () => {
    const { tracker, runs } = clockwork();
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
    const [run] = await runs();
    assert.deepEqual([run?.tags.get("error.message"), run?.tags.get("error.type"), run?.tags.get("pulse.cut")], ["late", "Error", "400"]);
    assert.deepEqual(run && values(run)["ms.count"], [1]);
  });

  test("what is still open at shutdown goes as it ends: nothing failed, nothing is recorded", async () => {
    const { tracker, runs } = clockwork();
    tracker.run(() => startRun({ sample: 0 }));
    await tracker.shutdown();
    assert.deepEqual([await runs(), tracker.stats().unsampled], [[], 1]);
  });
});

describe("maxRunsPerSecond", () => {
  test("the first calls of a second are runs, the rest one folded run with what their metrics come to", async () => {
    @TrackedExperiment("Service", { params: { region: "eu" } })
    class Service {
      @TrackedRun({ maxRunsPerSecond: 2, params: ["ms"] })
      @LogMetric("ms")
      handle(ms: number): { ms: number } {
        if (ms < 0) throw new Error(`bad ${ms}`);
        return { ms };
      }
    }
    const { tracker, time, runs } = clockwork();
    const service = new Service();
    const call = (ms: number): void => {
      try {
        tracker.run(() => service.handle(ms));
      } catch {}
    };
    for (let ms = 1; ms <= 102; ms++) call(ms);
    for (let i = 1; i <= 3; i++) call(-i);
    time.now += 1_000;
    call(1_000);
    const all = await runs();
    assert.deepEqual(
      named(all, "Service.handle").map((run) => [params(run)["ms"], run.status]),
      [
        ["1", "FINISHED"],
        ["2", "FINISHED"],
        ["-1", "FAILED"],
        ["1000", "FINISHED"],
      ],
    );
    const [folded] = named(all, "Service.handle (folded)");
    assert.ok(folded);
    assert.equal(folded.status, "FINISHED");
    assert.equal(folded.tags.get("pulse.folded"), "102");
    assert.deepEqual(params(folded), { region: "eu" });
    const { "ms.p50": p50, "ms.p95": p95, "ms.p99": p99, ...exact } = values(folded);
    assert.deepEqual(exact, { "ms.count": [100], "ms.mean": [52.5], "ms.min": [3], "ms.max": [102], errors: [2] });
    for (const [value, true_] of [
      [p50, 52],
      [p95, 97],
      [p99, 101],
    ] as const)
      assert.ok(Math.abs((value?.[0] ?? 0) - true_) <= true_ * 0.01 + 1, `${value} for ${true_}`);
    assert.equal(tracker.stats().folded, 102);
    assert.equal(tracker.stats().pending, 0);
    assertBalanced(tracker, 5);
  });

  test("the count is one for all callers; the folded run is below the run all its calls were made in", async () => {
    const { tracker, time, runs } = clockwork();
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 1, metrics: "n" });
    const job = tracked(
      () => {
        for (let n = 0; n < 3; n++) item(n);
      },
      { runName: "job" },
    );
    tracker.run(job);
    time.now += 1_000;
    tracker.run(() => [job(), job()]);
    await tracker.shutdown();
    const all = (await runs()).sort((a, b) => a.startTime - b.startTime);
    const [first, second] = named(all, "job").map(({ runId }) => runId);
    const parents = (name: string) => named(all, name).map(({ tags }) => tags.get("mlflow.parentRunId"));
    assert.deepEqual(parents("item"), [first, second]);
    assert.deepEqual(parents("item (folded)"), [first, undefined]);
    assert.deepEqual(
      named(all, "item (folded)").map((run) => [values(run)["n.count"], values(run)["n.mean"], run.startTime]),
      [
        [[2], [1.5], 1_700_000_000_000],
        [[5], [6 / 5], 1_700_000_001_000],
      ],
    );
  });

  test("calls of several parents are folded into the experiment of their parents", async () => {
    const { tracker, runs, experimentOf } = clockwork();
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 0 });
    for (let n = 0; n < 2; n++) tracker.withRun({ experiment: "Theirs" }, () => item(n));
    await tracker.shutdown();
    assert.deepEqual(named(await runs(), "item (folded)").map(experimentOf), ["Theirs"]);
  });

  test("a failure below a call that survives it makes no failed call, and an abort is none", async () => {
    const { tracker, runs } = clockwork();
    const attempt = tracked(() => {
      throw new Error("first try");
    });
    const call = tracked(
      (abort: boolean) => {
        if (abort) throw new DOMException("stop", "AbortError");
        try {
          attempt();
        } catch {}
      },
      { runName: "call", maxRunsPerSecond: 0 },
    );
    for (const abort of [false, false, true])
      try {
        tracker.run(() => call(abort));
      } catch {}
    await tracker.shutdown();
    assert.deepEqual(
      (await runs()).map((run) => [run.name, run.tags.get("pulse.folded"), values(run)]),
      [["call (folded)", "3", { errors: [0] }]],
    );
  });

  test("withRun is told apart by experiment, run name and function; nothing of one call stands on the folded run", async () => {
    const { tracker, runs } = clockwork();
    for (let i = 0; i < 3; i++)
      for (const runName of ["one", "two"])
        tracker.withRun({ runName, params: { id: i }, tags: { user: i }, maxRunsPerSecond: 1 }, (run) => run.logMetric(runName, i));
    await tracker.shutdown();
    assert.deepEqual(
      (await runs())
        .filter(({ name }) => name.endsWith("(folded)"))
        .map((run) => [run.name, params(run), run.tags.has("user"), Object.keys(values(run)).sort()[0]]),
      [
        ["one (folded)", {}, false, "errors"],
        ["two (folded)", {}, false, "errors"],
      ],
    );
    assert.equal(named(await runs(), "one").length, 1);
  });

  test("a folded run that is open at the end is whole", async () => {
    const { tracker, runs } = clockwork();
    tracker.withRun({ runName: "tick", maxRunsPerSecond: 0 }, (run) => run.logMetric("i", 1));
    await tracker.shutdown();
    const [run] = await runs();
    assert.deepEqual([run?.status, run?.tags.has("pulse.partial"), run?.tags.get("pulse.folded")], ["FINISHED", false, "1"]);
  });

  test("the window closes by itself, withRun shares one by name, and 0 folds all", async () => {
    const { tracker, runs } = clockwork();
    for (let i = 0; i < 3; i++) tracker.withRun({ runName: "tick", maxRunsPerSecond: 0 }, (run) => run.logMetric("i", i));
    await sleep(1_100);
    const all = await runs();
    assert.deepEqual(
      all.map(({ name, status }) => [name, status]),
      [["tick (folded)", "FINISHED"]],
    );
    assert.deepEqual(values(all[0] as StoredRun)["i.mean"], [1]);
  });
});

test("below a call that is no run any more there is none", async () => {
  const { tracker, runs } = clockwork();
  const leaf = tracked(() => 1, { runName: "leaf" });
  const child = tracked(() => leaf(), { runName: "child" });
  let last: Promise<string> | undefined;
  tracker.withRun({ experiment: "E", runName: "parent" }, () => {
    const parent = currentRun() as unknown as { children: number };
    parent.children = 99_999;
    child();
    last = startRun({ runName: "beyond" }).serverId();
    child();
  });
  await assert.rejects(last as Promise<string>, { code: "TOO_MANY_RUNS" });
  assert.deepEqual((await runs()).map(({ name }) => name).sort(), ["child", "leaf", "parent"]);
});

test("runs that pile up are worth a word", async () => {
  const { tracker, warnings } = clockwork();
  tracker.withRun({ runName: "parent" }, () => {
    for (let i = 0; i < 10_001; i++) startRun().end();
  });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /10000 runs were opened below run .*nest: "join".*maxRunsPerSecond.*\[TOO_MANY_RUNS\]/);
});
