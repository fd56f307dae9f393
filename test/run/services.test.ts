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

  test("startRun and serverId: left out is said, recorded is stored", async () => {
    const { tracker, runs } = clockwork();
    const [good, bad] = tracker.run(() => [startRun({ sample: 0, runName: "good" }), startRun({ sample: 0, runName: "bad" })] as const);
    const [goodId, badId] = [good.serverId(), bad.serverId()];
    good.end();
    bad.end("FAILED");
    await assert.rejects(goodId, { code: "NOT_RECORDED" });
    assert.equal(await badId, bad.id);
    good.logMetric("late", 1);
    await assert.rejects(good.serverId(), { code: "NOT_RECORDED" });
    assert.equal((await runs()).length, 1);
    assertBalanced(tracker, 1);
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
    assert.deepEqual(exact, { "ms.count": [100], "ms.mean": [52.5], "ms.min": [3], "ms.max": [102], errors: [3] });
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

  test("below a run the folded one is a child of it, and each parent has its own count", async () => {
    const { tracker, runs } = clockwork();
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 1, metrics: "n" });
    const job = tracked(
      () => {
        for (let n = 0; n < 3; n++) item(n);
      },
      { runName: "job" },
    );
    tracker.run(() => {
      job();
      job();
    });
    await tracker.shutdown();
    const all = await runs();
    const jobs = named(all, "job").map(({ runId }) => runId);
    assert.equal(jobs.length, 2);
    for (const name of ["item", "item (folded)"])
      assert.deepEqual(
        named(all, name).map(({ tags }) => tags.get("mlflow.parentRunId")),
        jobs,
      );
    assert.deepEqual(
      named(all, "item (folded)").map((run) => values(run)["n.count"]),
      [[2], [2]],
    );
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

test("runs that pile up are worth a word", async () => {
  const { tracker, warnings } = clockwork();
  tracker.withRun({ runName: "parent" }, () => {
    for (let i = 0; i < 10_001; i++) startRun().end();
  });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /10000 runs were opened below run .*nest: "join".*maxRunsPerSecond.*\[TOO_MANY_RUNS\]/);
});
